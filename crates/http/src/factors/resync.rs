//! `POST /v1/factors/{id}/resync`: set a counter-based token right with two codes (RFC 4226, 7.4).

use axum::extract::State;
use axum::response::Response;
use countersign_core::subject::{Act, Aim};
use countersign_core::tenancy::Scope;

use super::{activate, id, respond, two_codes};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::openapi::Operation;
use crate::path::PathId;
use crate::problem::Problem;
use crate::subjects::ask;

pub(crate) const DOC: Operation = Operation {
    path: "/v1/factors/{id}/resync",
    id: "resyncFactor",
    summary: "Set a token right",
    description: "Two codes that a counter-based token showed one after the other, at most 100 presses ahead. Wrong ones count \
                  like any other guess.",
    body: Some(("FactorResync", r#"{"codes":["755224","287082"]}"#)),
    success: (200, "The factor", "Factor"),
    ..activate::DOC
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(factor): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::FactorsWrite)?;
    let mut fields = payload.fields(&["codes"])?;
    let (id, act) = (id(&factor)?, Act::Resync(two_codes(&mut fields)?));
    let told = ask(&app, &member, Aim::Factor(id), act, payload.once(&app, &member)).await?;
    respond(&app, &told)
}
