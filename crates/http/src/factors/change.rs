//! `PATCH /v1/factors/{id}`: rename a factor, switch it off or on.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use countersign_core::subject::{Act, Aim, FactorChange};
use countersign_core::tenancy::Scope;

use super::{id, name, respond};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::list::Query;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;
use crate::subjects::ask;

pub(crate) const DOC: Operation = Operation {
    method: Method::Patch,
    path: "/v1/factors/{id}",
    id: "updateFactor",
    tag: "Subjects and factors",
    summary: "Change a factor",
    description: "`name` is what the person calls it (`null` takes the name away); `enabled` switches an active factor off or on, \
                  and needs the scope `factors:manage`.",
    scope: Some("factors:write"),
    parameters: &[],
    body: Some(("FactorUpdate", r#"{"name":"Old phone","enabled":false}"#)),
    success: (200, "The factor", "Factor"),
    errors: &[Code::ResourceNotFound, Code::StateConflict],
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(factor): PathId,
    uri: Uri,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::FactorsWrite)?;
    Query::of(&uri, &[])?;
    let mut fields = payload.fields(&["name", "enabled"])?;
    let change = FactorChange {
        name: if fields.names("name") { Some(name(&mut fields)?) } else { None },
        enabled: fields.boolean("enabled")?,
    };
    if change.enabled.is_some() {
        member.needs(Scope::FactorsManage)?;
    }
    let told = ask(&app, &member, Aim::Factor(id(&factor)?), Act::Change(change), None).await?;
    respond(&app, &told)
}
