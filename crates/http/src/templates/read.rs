//! `GET /v1/templates` and `GET /v1/templates/{id}`.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::ids::TemplateId;
use countersign_core::tenancy::Scope;

use super::view;
use crate::answer::json;
use crate::app::App;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::list::{ListView, Query};
use crate::openapi::{CURSOR, LIMIT, Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;

pub(crate) const LIST: Operation = Operation {
    method: Method::Get,
    path: "/v1/templates",
    id: "listTemplates",
    tag: "Templates",
    summary: "List message templates",
    description: "Newest first, each with all its versions.",
    scope: Some("templates:manage"),
    parameters: &[LIMIT, CURSOR],
    body: None,
    success: (200, "A page of templates", "TemplateList"),
    errors: &[Code::CursorInvalid],
    idempotent: false,
};

pub(crate) const SHOW: Operation = Operation {
    method: Method::Get,
    path: "/v1/templates/{id}",
    id: "getTemplate",
    tag: "Templates",
    summary: "Show a message template",
    description: "With all its versions, the latest first.",
    scope: Some("templates:manage"),
    parameters: &[],
    body: None,
    success: (200, "The template", "Template"),
    errors: &[Code::ResourceNotFound],
    idempotent: false,
};

pub(crate) async fn list(State(app): State<App>, uri: Uri, caller: Caller) -> Result<Response, Problem> {
    let member = caller.member(Scope::TemplatesManage)?;
    let query = Query::of(&uri, &["limit", "cursor"])?;
    let (limit, before) = (query.limit()?, query.cursor()?.map(TemplateId::from_bytes));
    let mut templates = super::all(&app, member.tenant).await?;
    templates.retain(|kept| before.is_none_or(|before| kept.id < before));
    let more = templates.len() > limit;
    templates.truncate(limit);
    let next = templates.last().filter(|_| more).map(|kept| kept.id);
    let data = templates.into_iter().map(|kept| view(member.tenant, kept)).collect();
    Ok(json(StatusCode::OK, &ListView::new(data, next.as_ref().map(TemplateId::as_bytes))))
}

pub(crate) async fn show(
    State(app): State<App>,
    PathId(id): PathId,
    uri: Uri,
    caller: Caller,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::TemplatesManage)?;
    Query::of(&uri, &[])?;
    let kept = super::one(&app, member.tenant, &id).await?;
    Ok(json(StatusCode::OK, &view(member.tenant, kept)))
}
