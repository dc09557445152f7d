//! `DELETE /v1/factors/{id}`: remove a factor, with a proof or a scope.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use countersign_core::subject::{Act, Aim};
use countersign_core::tenancy::Scope;

use super::{id, respond};
use crate::app::App;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::list::Query;
use crate::openapi::{Method, Operation, Parameter};
use crate::path::PathId;
use crate::problem::Problem;
use crate::subjects::{ask, authority};

pub(crate) const DOC: Operation = Operation {
    method: Method::Delete,
    path: "/v1/factors/{id}",
    id: "deleteFactor",
    tag: "Subjects and factors",
    summary: "Remove a factor",
    description: "One that still waits for its first code goes at once. One that was in use needs the scope `factors:manage`, \
                  or a challenge that another factor of the subject approved, one that was there before it or for a day. Its \
                  secret is gone with the answer; its name stays in the record.",
    scope: Some("factors:write"),
    parameters: &[Parameter {
        name: "challenge",
        description: "A challenge without a transaction that another factor approved in the last 10 minutes; it serves once",
    }],
    body: None,
    success: (200, "The factor, removed", "Factor"),
    errors: &[Code::ResourceNotFound, Code::RemovalUnproven],
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(factor): PathId,
    uri: Uri,
    caller: Caller,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::FactorsWrite)?;
    let authority = authority(&member, &Query::of(&uri, &["challenge"])?)?;
    let act = Act::RemoveFactor(authority);
    let told = ask(&app, &member, Aim::Factor(id(&factor)?), act, None).await?;
    respond(&app, &told)
}
