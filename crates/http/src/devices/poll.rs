//! `POST /v1/devices/challenges`: what a device is asked at the moment.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::challenge::ChallengeStatus;
use countersign_core::factor::device::poll_message;
use countersign_core::factor::{FactorState, Means};
use countersign_core::subject::Aim;

use super::view::DeviceChallengeView;
use super::{Device, ERRORS, at, bytes, fields};
use crate::answer::json;
use crate::app::App;
use crate::body::Payload;
use crate::error_code::ErrorCode as Code;
use crate::list::ListView;
use crate::observe::Context;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;
use crate::subjects::{Person, find};

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/devices/challenges",
    id: "listDeviceChallenges",
    tag: "Devices",
    summary: "Open challenges of a device",
    description: "Without an API key: `signature` is over the poll message of docs/factors.md. `at` is the device's time in \
                  seconds since 1970, at most 120 seconds from the server's (header `Date`). The number is on the first screen, \
                  never here.",
    scope: None,
    parameters: &[],
    body: Some((
        "DevicePoll",
        r#"{"factor":"fct_01m83n1fqkeat9ryjx42vfks43","at":1769860800,"signature":"base64url"}"#,
    )),
    success: (200, "What is open, oldest first", "DeviceChallengeList"),
    errors: &ERRORS,
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    context: Context,
    payload: Payload,
) -> Result<Response, Problem> {
    let mut fields = fields(payload, &["factor", "at", "signature"])?;
    let at = at(&app, &mut fields)?;
    let signature = bytes(&mut fields, "signature")?;
    let device = Device::of(&app, context, &mut fields).await?;
    let shown = find(&app, device.tenant, Aim::Factor(device.factor)).await?;
    let factor = shown.subject.factor(device.factor).filter(|factor| factor.state == FactorState::Active);
    let unknown = || Problem::plain(Code::ResourceNotFound);
    let Some(Means::Push { algorithm, public_key }) = factor.map(|factor| &factor.means) else {
        return Err(unknown());
    };
    if !algorithm.verifies(public_key, &poll_message(&device.factor, at), &signature) {
        return Err(Problem::plain(Code::SignatureInvalid).param("signature"));
    }
    let (keys, now) = (&app.services.keys, device.now(&app));
    let person = Person::open(keys, &shown.subject);
    let asked = shown.challenges.iter().filter(|challenge| {
        challenge.pushed_to.contains(&device.factor)
            && challenge.status_at(keys, now) == ChallengeStatus::Pending
    });
    let views = asked.map(|challenge| DeviceChallengeView::new(&device, keys, &person, challenge, now));
    Ok(json(StatusCode::OK, &ListView::new(views.collect(), None)))
}
