//! `GET /v1/challenges/{id}`: look a challenge up, or wait until it is answered.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::challenge::ChallengeStatus;
use countersign_core::ids::ChallengeId;
use countersign_core::store::SubjectShown;
use countersign_core::subject::Aim;
use countersign_core::tenancy::Scope;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::id;
use super::view::ChallengeView;
use crate::answer::json;
use crate::app::App;
use crate::caller::{Caller, Member};
use crate::error_code::ErrorCode as Code;
use crate::limits;
use crate::list::Query;
use crate::openapi::{Method, Operation, Parameter};
use crate::path::PathId;
use crate::problem::Problem;
use crate::subjects::{Person, find};

pub(crate) const DOC: Operation = Operation {
    method: Method::Get,
    path: "/v1/challenges/{id}",
    id: "getChallenge",
    tag: "Challenges",
    summary: "Look a challenge up",
    description: "With `wait`, answers as soon as it is no longer pending, or as it is when the time is over. The proof never \
                  stands here: it is in the answer of the check, and that of a push is fetched with `/redeem`.",
    scope: Some("subjects:read"),
    parameters: &[Parameter { name: "wait", description: "Seconds to wait for an answer, 0 to 30" }],
    body: None,
    success: (200, "The challenge", "Challenge"),
    errors: &[Code::ResourceNotFound],
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(challenge): PathId,
    uri: Uri,
    caller: Caller,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::SubjectsRead)?;
    let query = Query::of(&uri, &["wait"])?;
    let wait = query.number("wait", 0, limits::MAX_WAIT.as_secs())?.unwrap_or(0);
    let id = id(&challenge)?;
    // Listening begins before the look, so that nothing is answered in between unheard.
    let mut answered = app.answered.subscribe();
    let deadline = Instant::now() + Duration::from_secs(wait);
    loop {
        let shown = find(&app, member.tenant, Aim::Challenge(id)).await?;
        let view = pending_or_shown(&app, &member, &shown, id, Instant::now() >= deadline)?;
        if let Some(view) = view {
            return Ok(json(StatusCode::OK, &view));
        }
        // What another node answered is heard of by nobody here, so look again by and by.
        let look = deadline.min(Instant::now() + limits::LOOK);
        let _ = tokio::time::timeout_at(look, heard_of(&mut answered, id)).await;
    }
}

/// The challenge, unless it is pending and somebody still waits.
fn pending_or_shown(
    app: &App,
    member: &Member,
    shown: &SubjectShown,
    id: ChallengeId,
    now_or_never: bool,
) -> Result<Option<ChallengeView>, Problem> {
    let challenge = shown.challenges.iter().find(|challenge| challenge.id == id);
    let challenge = challenge.ok_or_else(|| Problem::plain(Code::ResourceNotFound))?;
    let now = member.now(app);
    if challenge.status_at(&app.services.keys, now) == ChallengeStatus::Pending && !now_or_never {
        return Ok(None);
    }
    let person = Person::open(&app.services.keys, &shown.subject);
    Ok(Some(ChallengeView::new(app, &person, challenge, now, member.may(Scope::ChallengesWrite))))
}

/// Waits until something became of this challenge, or of so many that this one may be among them.
async fn heard_of(answered: &mut tokio::sync::broadcast::Receiver<ChallengeId>, id: ChallengeId) {
    loop {
        match answered.recv().await {
            Ok(heard) if heard != id => {}
            Ok(_) | Err(RecvError::Lagged(_) | RecvError::Closed) => return,
        }
    }
}
