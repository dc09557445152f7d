//! `POST /v1/subjects/{id}/factors`: enrol a factor. What is secret about it is shown in this answer only.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::subject::Act;
use countersign_core::tenancy::Scope;

use super::enrolled::EnrolledView;
use super::plan::{self, KNOWN};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;
use crate::subjects::{aim_of_path, ask};

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/subjects/{id}/factors",
    id: "createFactor",
    tag: "Subjects and factors",
    summary: "Enrol a factor",
    description: "Makes the subject, when `id` is `ext:…` and it is not there. The answer shows once what is secret: `secret`, \
                  `otpauth_url` and its QR codes, `codes`, or what a device enrols with. The factor waits 10 minutes for its \
                  first code (`/activate`) or its device; with `confirmed`, for tokens that were proven elsewhere, it does not. \
                  A repetition with the same `Idempotency-Key` shows the same again.",
    scope: Some("factors:write"),
    parameters: &[],
    body: Some(("FactorCreate", r#"{"type":"totp","name":"Phone"}"#)),
    success: (201, "The factor, with what is shown once", "FactorEnrolled"),
    errors: &[Code::ResourceNotFound, Code::LimitReached, Code::StateConflict],
    idempotent: true,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(subject): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::FactorsWrite)?;
    let mut fields = payload.fields(&KNOWN)?;
    let enrol = plan::read(app.services.entropy.as_ref(), &mut fields)?;
    let aim = aim_of_path(&app, &member.tenant, &subject)?;
    let act = Act::Enrol(Box::new(enrol));
    let told = ask(&app, &member, aim, act, payload.once(&app, &member)).await?;
    let (keys, brand) = (&app.services.keys, &member.project().brand);
    let view = EnrolledView::new(keys, &told.snapshot, brand, app.services.base())?;
    Ok(told.respond(StatusCode::CREATED, &view))
}
