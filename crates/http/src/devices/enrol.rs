//! `POST /v1/devices/enroll`: a device brings its public key.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::factor::device::SignatureAlgorithm;
use countersign_core::subject::Act;
use zeroize::Zeroizing;

use super::view::DeviceView;
use super::{Device, ERRORS, bytes, fields, push_address};
use crate::app::App;
use crate::body::Payload;
use crate::factors;
use crate::fields::{invalid, missing};
use crate::observe::Context;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/devices/enroll",
    id: "enrollDevice",
    tag: "Devices",
    summary: "Enrol a device",
    description: "Without an API key: `token` is the one of `enrollment`, good once, for 10 minutes. `signature` is over the \
                  enrolment message of docs/factors.md, with the key that is brought. `push_token` is what a push provider \
                  knows the app by: a device that tells it is woken where the server has such a provider, in the \
                  language of `locale`.",
    scope: None,
    parameters: &[],
    body: Some((
        "DeviceEnroll",
        r#"{"factor":"fct_01m83n1fqkeat9ryjx42vfks43","token":"qKtf0Zz0Kq3v1o6yJq0y9A","algorithm":"ed25519","public_key":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","signature":"base64url"}"#,
    )),
    success: (200, "The device, active", "Device"),
    errors: &ERRORS,
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    context: Context,
    payload: Payload,
) -> Result<Response, Problem> {
    let known = ["factor", "token", "algorithm", "public_key", "signature", "name", "push_token", "locale"];
    let mut fields = fields(payload, &known)?;
    let token = Zeroizing::new(fields.required_text("token", 64)?);
    let algorithm = fields.word("algorithm", "ed25519 or p256", SignatureAlgorithm::named)?;
    let algorithm = algorithm.ok_or_else(|| missing("algorithm"))?;
    let public_key = bytes(&mut fields, "public_key")?;
    if !algorithm.takes(&public_key) {
        let why = "must be the 32 bytes of an Ed25519 key, or the 65 of an uncompressed point on P-256";
        return Err(invalid("public_key", why));
    }
    let signature = bytes(&mut fields, "signature")?;
    let name = factors::name(&mut fields)?;
    let push = push_address(&mut fields)?;
    let device = Device::of(&app, context, &mut fields).await?;
    let act = Act::EnrolDevice { token, algorithm, public_key, signature, name, push };
    let told = device.ask(&app, act).await?;
    Ok(told.respond(StatusCode::OK, &DeviceView::new(&app, &device, &told)))
}
