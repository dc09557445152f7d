//! `POST /v1/challenges/{id}/respond`: what a person decided on a device, signed by it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::factor::device::Verdict;
use countersign_core::subject::{Act, Reply};

use super::id;
use crate::app::App;
use crate::body::Payload;
use crate::devices::view::DeviceChallengeView;
use crate::devices::{Device, bytes, fields};
use crate::error_code::ErrorCode as Code;
use crate::fields::missing;
use crate::observe::Context;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;
use crate::subjects::Person;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/challenges/{id}/respond",
    id: "respondToChallenge",
    tag: "Devices",
    summary: "Answer on a device",
    description: "Without an API key: `signature` is over the response message of docs/factors.md, which holds the verdict, the \
                  `number` that the person read on the first screen, and the transaction that the device showed. There is no \
                  approval without the number. The answer never carries the proof: your server fetches it.",
    scope: None,
    parameters: &[],
    body: Some((
        "DeviceResponse",
        r#"{"factor":"fct_01m83n1fqkeat9ryjx42vfks43","verdict":"approve","number":"42","signature":"base64url"}"#,
    )),
    success: (200, "The challenge, approved or denied", "DeviceChallenge"),
    errors: &[
        Code::ParameterInvalid,
        Code::ParameterUnknown,
        Code::ResourceNotFound,
        Code::SignatureInvalid,
        Code::CodeIncorrect,
        Code::CodeMalformed,
        Code::FactorLocked,
        Code::ChallengeAlreadyApproved,
        Code::ChallengeExpired,
        Code::ChallengeMaxAttempts,
        Code::ChallengeCanceled,
        Code::ChallengeDenied,
        Code::StorageUnavailable,
        Code::Overloaded,
        Code::ShuttingDown,
    ],
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(challenge): PathId,
    context: Context,
    payload: Payload,
) -> Result<Response, Problem> {
    let mut fields = fields(payload, &["factor", "verdict", "number", "signature"])?;
    let verdict = fields.word("verdict", "approve or deny", Verdict::named)?;
    let reply = Reply {
        challenge: id(&challenge)?,
        verdict: verdict.ok_or_else(|| missing("verdict"))?,
        number: match verdict {
            Some(Verdict::Approve) => fields.required_text("number", 16)?,
            _ => fields.text("number", 0)?.unwrap_or_default(),
        },
        signature: bytes(&mut fields, "signature")?,
    };
    let device = Device::of(&app, context, &mut fields).await?;
    let told = device.ask(&app, Act::Reply(reply)).await?;
    let keys = &app.services.keys;
    let person = Person::open(keys, &told.snapshot.subject);
    let challenge = told.snapshot.challenge.as_ref();
    let challenge = challenge.ok_or_else(|| Problem::plain(Code::ResourceNotFound))?;
    let view = DeviceChallengeView::new(&device, keys, &person, challenge, told.snapshot.at);
    Ok(told.respond(StatusCode::OK, &view))
}
