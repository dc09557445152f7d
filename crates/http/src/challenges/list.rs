//! `GET /v1/challenges`: a page of challenges, newest first.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::ids::ChallengeId;
use countersign_core::tenancy::Scope;

use super::view::ChallengeView;
use crate::answer::json;
use crate::app::App;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::list::{ListView, Query};
use crate::openapi::{CURSOR, LIMIT, Method, Operation, Parameter};
use crate::problem::Problem;
use crate::subjects::{Person, aim_of_text, find};

pub(crate) const DOC: Operation = Operation {
    method: Method::Get,
    path: "/v1/challenges",
    id: "listChallenges",
    tag: "Challenges",
    summary: "List challenges",
    description: "Newest first.",
    scope: Some("subjects:read"),
    parameters: &[
        LIMIT,
        CURSOR,
        Parameter { name: "subject", description: "Only those of this person: your own name, or `sbj_…`" },
    ],
    body: None,
    success: (200, "A page", "ChallengeList"),
    errors: &[Code::CursorInvalid, Code::ResourceNotFound],
    idempotent: false,
};

pub(crate) async fn handle(State(app): State<App>, uri: Uri, caller: Caller) -> Result<Response, Problem> {
    let member = caller.member(Scope::SubjectsRead)?;
    let query = Query::of(&uri, &["limit", "cursor", "subject"])?;
    let (limit, before) = (query.limit()?, query.cursor()?.map(ChallengeId::from_bytes));
    let of = match query.text("subject") {
        None => None,
        Some(text) => {
            let aim = aim_of_text(&app, &member.tenant, text, "subject")?;
            Some(find(&app, member.tenant, aim).await?.subject.id)
        }
    };
    let page = app.services.store.challenges(member.tenant, of, before, limit).await?;
    let (now, with_number) = (member.now(&app), member.may(Scope::ChallengesWrite));
    let view = |(challenge, row): &(_, _)| {
        ChallengeView::new(&app, &Person::open(&app.services.keys, row), challenge, now, with_number)
    };
    let data = page.challenges.iter().map(view).collect();
    Ok(json(StatusCode::OK, &ListView::new(data, page.next.as_ref().map(ChallengeId::as_bytes))))
}
