//! `GET /v1/verifications/{id}`: look a verification up.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::store::Shown;
use countersign_core::tenancy::Scope;

use super::view::{Extras, VerificationView, open_private};
use super::{id, note_reveal};
use crate::answer::json;
use crate::app::App;
use crate::caller::{Caller, Member};
use crate::error_code::ErrorCode as Code;
use crate::list::Query;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Get,
    path: "/v1/verifications/{id}",
    id: "getVerification",
    tag: "Verifications",
    summary: "Look a verification up",
    description: "End states stay readable with their reason. The proof stands only in the answer of the check.",
    scope: Some("verifications:read"),
    parameters: &[],
    body: None,
    success: (200, "The verification", "Verification"),
    errors: &[Code::ResourceNotFound],
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(verification): PathId,
    uri: Uri,
    caller: Caller,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::VerificationsRead)?;
    Query::of(&uri, &[])?;
    let found = app.services.store.verification(member.tenant, id(&verification)?).await?;
    let shown = found.ok_or_else(|| Problem::plain(Code::ResourceNotFound))?;
    let reveal = note_reveal(&app, &member).await?;
    Ok(json(StatusCode::OK, &view(&app, &member, &shown, reveal)))
}

/// The view of a stored verification, as of now.
pub(crate) fn view(app: &App, member: &Member, shown: &Shown, reveal: bool) -> VerificationView {
    let snapshot = shown.snapshot(member.policy(), member.limits_apply(), member.now(app));
    VerificationView::new(&snapshot, &open_private(app, &snapshot), reveal, Extras::default())
}
