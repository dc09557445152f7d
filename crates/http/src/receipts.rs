//! `/receipts/{provider}/{token}`: where providers tell what became of messages. Not part of the API for customers; what a
//! request says is read, and its signature checked, by whoever knows the provider.
//!
//! The answer is a bare status: 200 once everything is committed, 404 for an unknown provider and for a wrong token alike,
//! 403 for a signature that does not hold, 400 for what cannot be read, 503 when the provider should bring it again.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use countersign_core::receipt::{NotAReceipt, Posted, Receipt};

use crate::app::App;
use crate::body::collect;

/// Seconds after which a provider may bring a receipt again.
const AGAIN_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Both methods: some vendors call with everything in the query.
pub(crate) fn mounted() -> Router<App> {
    Router::new().route("/receipts/{provider}/{token}", get(handle).post(handle))
}

async fn handle(
    State(app): State<App>,
    place: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let Ok(Path((provider, token))) = place else { return StatusCode::NOT_FOUND.into_response() };
    let (parts, body) = request.into_parts();
    let body = match collect(body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let below = parts.uri.path_and_query().map_or_else(|| parts.uri.path(), |below| below.as_str());
    let url = format!("{}{below}", app.services.issuer);
    let posted = Posted { url: &url, headers: &plain(&parts.headers), body: &body };
    match app.services.reader.read(&provider, &token, &posted) {
        Ok(receipts) => take(&app, &provider, receipts).await,
        Err(why) => turn_away(&provider, why).into_response(),
    }
}

/// Takes all of them. When one is not taken, the provider brings all again; those that were taken change nothing then.
async fn take(app: &App, provider: &str, receipts: Vec<Receipt>) -> Response {
    let mut all = true;
    for receipt in receipts {
        all &= app.services.receipts.take(provider, receipt).await;
    }
    if all {
        return StatusCode::OK.into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, AGAIN_AFTER)]).into_response()
}

fn turn_away(provider: &str, why: NotAReceipt) -> StatusCode {
    match why {
        NotAReceipt::Unknown => StatusCode::NOT_FOUND,
        NotAReceipt::Forged => {
            tracing::warn!(provider, "a receipt was turned away: its signature does not hold");
            StatusCode::FORBIDDEN
        }
        NotAReceipt::Malformed => {
            tracing::warn!(provider, "a receipt was turned away: it cannot be read");
            StatusCode::BAD_REQUEST
        }
    }
}

/// Names in lower case, as the HTTP library has them; values of one name with commas between them (RFC 9110, section 5.3).
fn plain(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut plain: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        plain
            .entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    plain
}
