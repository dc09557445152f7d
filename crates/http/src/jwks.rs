//! `GET /.well-known/jwks.json` and `/.well-known/jwks-test.json`: the keys that verify proofs.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::answer::typed;
use crate::app::App;
use crate::openapi::{Method, Operation};

pub(crate) const LIVE: Operation = Operation {
    method: Method::Get,
    path: "/.well-known/jwks.json",
    id: "getJwks",
    tag: "Proofs",
    summary: "Keys that verify live proofs",
    description: "A JSON Web Key Set (RFC 7517). May be kept for five minutes.",
    scope: None,
    parameters: &[],
    body: None,
    success: (200, "The key set", "Jwks"),
    errors: &[],
    idempotent: false,
};

pub(crate) const TEST: Operation = Operation {
    path: "/.well-known/jwks-test.json",
    id: "getTestJwks",
    summary: "Keys that verify test proofs",
    ..LIVE
};

pub(crate) async fn live(State(app): State<App>) -> Response {
    key_set(&app, true)
}

pub(crate) async fn test(State(app): State<App>) -> Response {
    key_set(&app, false)
}

fn key_set(app: &App, livemode: bool) -> Response {
    let mut response = typed(StatusCode::OK, "application/jwk-set+json", app.signers.jwks(livemode).to_vec());
    let caching = HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(header::CACHE_CONTROL, caching);
    response
}
