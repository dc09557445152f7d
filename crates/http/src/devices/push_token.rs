//! `POST /v1/devices/push_token`: a device says where it is woken from now on.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::subject::{Act, TellPush};

use super::view::DeviceView;
use super::{Device, ERRORS, at, bytes, fields, push_address};
use crate::app::App;
use crate::body::Payload;
use crate::fields::missing;
use crate::observe::Context;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/devices/push_token",
    id: "tellPushToken",
    tag: "Devices",
    summary: "Say where a device is woken",
    description: "Without an API key: `signature` is over the push token message of docs/factors.md. `push_token` is what a push \
                  provider knows the app by, at most 4096 bytes; null says that the device is not woken any more. `locale` is \
                  the language of what wakes it. An app tells its token at every start: what is known already changes nothing.",
    scope: None,
    parameters: &[],
    body: Some((
        "DevicePushToken",
        r#"{"factor":"fct_01m83n1fqkeat9ryjx42vfks43","push_token":"bk3RNwTe3H0:CI2k_HHw","locale":"en","at":1769860800,"signature":"base64url"}"#,
    )),
    success: (200, "The device", "Device"),
    errors: &ERRORS,
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    context: Context,
    payload: Payload,
) -> Result<Response, Problem> {
    let mut fields = fields(payload, &["factor", "push_token", "locale", "at", "signature"])?;
    if !fields.names("push_token") {
        return Err(missing("push_token"));
    }
    let address = push_address(&mut fields)?;
    let at = at(&app, &mut fields)?;
    let signature = bytes(&mut fields, "signature")?;
    let device = Device::of(&app, context, &mut fields).await?;
    let told = device.ask(&app, Act::TellPush(TellPush { address, at, signature })).await?;
    Ok(told.respond(StatusCode::OK, &DeviceView::new(&app, &device, &told)))
}
