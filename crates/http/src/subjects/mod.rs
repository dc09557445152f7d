//! Subjects: the persons of a customer, with the recipients that are known to be theirs. One file per call; what calls on
//! subjects, factors and challenges share stands here.

pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod recipients;
pub(crate) mod remove;
pub(crate) mod show;
pub(crate) mod view;

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use countersign_core::challenge::{Challenge, ChallengePrivate};
use countersign_core::command::{Answer, Command, Once, ProofGrant, Request, Snapshot};
use countersign_core::factor::{Factor, FactorPrivate};
use countersign_core::ids::{ChallengeId, SubjectId};
use countersign_core::keys::Keys;
use countersign_core::limits as rules;
use countersign_core::refusal::Refusal;
use countersign_core::store::{SubjectShown, Unavailable};
use countersign_core::subject::{
    Act, Aim, Authority, SubjectCommand, SubjectName, SubjectPrivate, SubjectRow, SubjectSnapshot, index_of,
};
use countersign_core::tenancy::Scope;
use countersign_core::tenant::Tenant;
use countersign_core::verification::Private;
use zeroize::Zeroizing;

use crate::answer::{REPLAYED, json};
use crate::app::App;
use crate::caller::Member;
use crate::challenges::view::ChallengeView;
use crate::error_code::ErrorCode;
use crate::fields::{invalid, line};
use crate::list::Query;
use crate::problem::Problem;

/// The subject a path names: `sbj_…`, or `ext:` and the customer's own name. A text that is neither is as unknown as a
/// foreign id.
pub(crate) fn aim_of_path(app: &App, tenant: &Tenant, text: &str) -> Result<Aim, Problem> {
    match text.strip_prefix("ext:") {
        Some(name) => name_of(app, tenant, name, "external_id").map(Aim::Name),
        None => text.parse().map(Aim::Id).map_err(|_| Problem::plain(ErrorCode::ResourceNotFound)),
    }
}

/// The subject a field names: `sbj_…`, or the customer's own name as it is.
pub(crate) fn aim_of_text(app: &App, tenant: &Tenant, text: &str, param: &str) -> Result<Aim, Problem> {
    match text.parse() {
        Ok(id) => Ok(Aim::Id(id)),
        Err(_) => name_of(app, tenant, text, param).map(Aim::Name),
    }
}

/// The customer's name for a person, under the same rule as `subject` of a verification. What looks like an id of ours is
/// no name: fields could not tell it from one.
pub(crate) fn name_of(app: &App, tenant: &Tenant, text: &str, param: &str) -> Result<SubjectName, Problem> {
    if text.parse::<SubjectId>().is_ok() {
        return Err(invalid(param, "must not look like an id (`sbj_…`)"));
    }
    let external_id = line(text.to_owned(), param, rules::MAX_SUBJECT)?;
    let index = index_of(&app.services.keys, tenant, &external_id);
    Ok(SubjectName { external_id, index })
}

/// The outcome of a command about a subject that was carried out.
pub(crate) struct Told {
    pub(crate) snapshot: SubjectSnapshot,
    /// The proof to sign, when a challenge was approved or its proof fetched.
    pub(crate) grant: Option<ProofGrant>,
    pub(crate) replayed: bool,
}

impl Told {
    /// The answer to the caller.
    pub(crate) fn respond(&self, status: StatusCode, view: &impl serde::Serialize) -> Response {
        let mut response = json(status, view);
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// Asks the rules something about a subject.
pub(crate) async fn ask(
    app: &App,
    member: &Member,
    aim: Aim,
    act: Act,
    once: Option<Once>,
) -> Result<Told, Problem> {
    let command = Command::Subject(Box::new(SubjectCommand { aim, act }));
    match decide(app, member.request(app, command, once)).await? {
        Ok(told) => Ok(told),
        Err(declined) => Err(declined.problem(app, member)),
    }
}

/// A command that was not carried out.
pub(crate) struct Declined {
    pub(crate) refusal: Refusal,
    pub(crate) snapshot: Option<Box<SubjectSnapshot>>,
    pub(crate) replayed: bool,
}

impl Declined {
    /// What it means to a caller with a key.
    pub(crate) fn problem(self, app: &App, member: &Member) -> Problem {
        let now = self.snapshot.as_ref().map_or_else(|| member.now(app), |snapshot| snapshot.at);
        let mut problem = Problem::of_refusal(self.refusal, now);
        problem.replayed = self.replayed;
        if let Some((snapshot, challenge)) =
            self.snapshot.as_ref().and_then(|snapshot| Some((snapshot, snapshot.challenge.as_ref()?)))
        {
            let person = Person::open(&app.services.keys, &snapshot.subject);
            let view = ChallengeView::new(app, &person, challenge, snapshot.at, false);
            problem.challenge = Some(Box::new(view));
        }
        problem
    }
}

/// Submits a command about a subject. Those who wait for its challenge hear of what became of it.
pub(crate) async fn decide(app: &App, request: Request) -> Result<Result<Told, Declined>, Problem> {
    let outcome = app.services.store.submit(request).await?;
    let replayed = outcome.replayed;
    let (snapshot, grant) = match outcome.answer {
        Answer::Subject(snapshot) => (snapshot, None),
        Answer::Granted(snapshot, grant) => (snapshot, Some(grant)),
        Answer::Declined(refusal, snapshot) => {
            tell(app, snapshot.as_deref());
            return Ok(Err(Declined { refusal, snapshot, replayed }));
        }
        Answer::Refused(refusal, _) => return Ok(Err(Declined { refusal, snapshot: None, replayed })),
        Answer::Done(_) | Answer::Approved(..) => return Err(Unavailable::Internal.into()),
    };
    tell(app, Some(&snapshot));
    Ok(Ok(Told { snapshot: *snapshot, grant, replayed }))
}

fn tell(app: &App, snapshot: Option<&SubjectSnapshot>) {
    if let Some(challenge) = snapshot.and_then(|snapshot| snapshot.challenge.as_ref()) {
        // Without anybody who waits this fails, which is fine.
        let _ = app.answered.send(challenge.id);
    }
}

/// A subject that was read. One that was removed is as unknown as a foreign one.
pub(crate) async fn find(app: &App, tenant: Tenant, aim: Aim) -> Result<SubjectShown, Problem> {
    let found = app.services.store.subject(tenant, aim).await?;
    let there = |shown: &SubjectShown| shown.subject.tenant == tenant && shown.subject.removed_at.is_none();
    found.filter(there).ok_or_else(|| Problem::plain(ErrorCode::ResourceNotFound))
}

/// A subject's row with what could be opened of it: nothing when the subject was removed, or the root is not held here.
pub(crate) struct Person<'a> {
    pub(crate) row: &'a SubjectRow,
    pub(crate) data_key: Option<Zeroizing<[u8; 32]>>,
    pub(crate) private: SubjectPrivate,
}

impl<'a> Person<'a> {
    pub(crate) fn open(keys: &Keys, row: &'a SubjectRow) -> Self {
        let data_key = row.open_data_key(keys);
        let private = data_key.as_ref().and_then(|data_key| row.open_private(data_key)).unwrap_or_default();
        Self { row, data_key, private }
    }

    /// What a factor of it holds.
    pub(crate) fn factor(&self, factor: &Factor) -> FactorPrivate {
        let opened = self.data_key.as_ref();
        let opened = opened.and_then(|key| factor.open(&self.row.tenant, key, self.row.data_key.root));
        opened.unwrap_or_default()
    }

    /// What a challenge of it holds.
    pub(crate) fn challenge(&self, challenge: &Challenge) -> ChallengePrivate {
        let opened = self.data_key.as_ref();
        opened.and_then(|key| challenge.open(key, self.row.data_key.root)).unwrap_or_default()
    }

    /// The customer's name for it; `None` when it cannot be opened.
    pub(crate) fn external_id(&self) -> Option<&str> {
        Some(self.private.external_id.as_str()).filter(|name| !name.is_empty())
    }
}

/// What gives this caller the right to remove factors: its scope, or the challenge that the query names.
pub(crate) fn authority(member: &Member, query: &Query) -> Result<Authority, Problem> {
    let challenge =
        query.read("challenge", "the id of a challenge", |text| text.parse::<ChallengeId>().ok())?;
    Ok(match challenge {
        _ if member.may(Scope::FactorsManage) => Authority::Key,
        Some(id) => Authority::Challenge(id),
        None => Authority::None,
    })
}

/// Notes the recipient of an approved verification as its subject's, when that subject is there. Best effort, beside the
/// answer: a check neither waits for it nor fails with it.
pub(crate) fn note_recipient(app: &App, member: &Member, snapshot: &Snapshot, private: &Private) {
    let Some(subject) = private.subject.as_deref().filter(|_| !private.to.is_empty()) else { return };
    let Ok(aim) = aim_of_text(app, &member.tenant, subject, "subject") else { return };
    let verification = Some(snapshot.verification.id);
    let act = Act::AddRecipient { to: private.to.clone(), verification, only_known: true };
    let request = member.request(app, Command::Subject(Box::new(SubjectCommand { aim, act })), None);
    let store = std::sync::Arc::clone(&app.services.store);
    tokio::spawn(async move {
        if let Err(why) = store.submit(request).await {
            tracing::warn!(%why, "a verified recipient was not noted");
        }
    });
}
