//! Twilio Verify v2, so that its unmodified client libraries work against this server.
//!
//! The same core decides everything; what differs is the wire: Basic authentication with SIDs, form bodies, the
//! vendor's JSON and errors. `docs/migrate/twilio.md` has the mapping and the differences. The dialect is not part of
//! the OpenAPI document: its contract is the vendor's.

mod absent;
mod attempts;
mod buckets;
mod challenges;
mod checks;
mod client;
mod entities;
mod error;
mod factors;
mod form;
pub(crate) mod import;
mod lately;
mod messaging_configurations;
mod page;
mod rate_limits;
mod resource;
mod rows;
mod safelist;
mod services;
mod sid;
mod start;
mod templates;
mod totp;
mod verifications;
mod view;
mod webhooks;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Uri;
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, any, get, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::body;
use buckets::Bucket;
pub(crate) use client::MOUNT;
use error::TwilioError;
pub(crate) use lately::{Named, Told};
use rate_limits::RateLimit;
use resource::Resource;
pub(crate) use sid::Sid;
use webhooks::Webhook;

/// Every path below the mount. `{service}` is where tests put a foreign one.
fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    let mut paths = vec![
        ("/v2/Services", post(services::create).get(services::list)),
        ("/v2/Services/{service}", post(services::update).get(services::fetch).delete(services::delete)),
        ("/v2/Services/{service}/Verifications", post(verifications::create)),
        ("/v2/Services/{service}/Verifications/{sid}", post(verifications::update).get(verifications::fetch)),
        ("/v2/Services/{service}/VerificationCheck", post(checks::create)),
        ("/v2/Attempts", get(attempts::list)),
        ("/v2/Attempts/Summary", get(attempts::summary)),
        ("/v2/Attempts/{sid}", get(attempts::fetch)),
        ("/v2/Templates", get(templates::list)),
        ("/v2/Forms/{form}", get(absent::form)),
        ("/v2/SafeList/Numbers", post(safelist::create)),
        ("/v2/SafeList/Numbers/{number}", get(safelist::fetch).delete(safelist::delete)),
    ];
    paths.extend(of_service());
    paths.extend(of_persons());
    paths
}

/// The paths alone.
pub(crate) fn paths() -> Vec<&'static str> {
    table().into_iter().map(|(path, _)| path).collect()
}

/// What belongs to a service.
fn of_service() -> [(&'static str, MethodRouter<App>); 8] {
    use messaging_configurations as senders;
    [
        ("/v2/Services/{service}/RateLimits", all::<RateLimit>()),
        ("/v2/Services/{service}/RateLimits/{sid}", one::<RateLimit>()),
        ("/v2/Services/{service}/RateLimits/{limit}/Buckets", all::<Bucket>()),
        ("/v2/Services/{service}/RateLimits/{limit}/Buckets/{sid}", one::<Bucket>()),
        ("/v2/Services/{service}/Webhooks", all::<Webhook>()),
        ("/v2/Services/{service}/Webhooks/{sid}", one::<Webhook>()),
        ("/v2/Services/{service}/MessagingConfigurations", post(senders::create).get(senders::list)),
        (
            "/v2/Services/{service}/MessagingConfigurations/{country}",
            post(senders::one).get(senders::one).delete(senders::one),
        ),
    ]
}

/// A list of records of a kind.
fn all<T: Resource + Send + Sync + 'static>() -> MethodRouter<App> {
    post(resource::create::<T>).get(resource::list::<T>)
}

/// One of them.
fn one<T: Resource + Send + Sync + 'static>() -> MethodRouter<App> {
    post(resource::update::<T>).get(resource::fetch::<T>).delete(resource::delete::<T>)
}

/// Persons, their factors and challenges; and the sorts of factors there are none of.
fn of_persons() -> [(&'static str, MethodRouter<App>); 13] {
    [
        ("/v2/Services/{service}/Entities", post(entities::create).get(entities::list)),
        ("/v2/Services/{service}/Entities/{identity}", get(entities::fetch).delete(entities::delete)),
        ("/v2/Services/{service}/Entities/{identity}/Factors", post(factors::create).get(factors::list)),
        (
            "/v2/Services/{service}/Entities/{identity}/Factors/{sid}",
            post(factors::update).get(factors::fetch).delete(factors::delete),
        ),
        (
            "/v2/Services/{service}/Entities/{identity}/Challenges",
            post(challenges::create).get(challenges::list),
        ),
        (
            "/v2/Services/{service}/Entities/{identity}/Challenges/{sid}",
            post(challenges::update).get(challenges::fetch),
        ),
        (
            "/v2/Services/{service}/Entities/{identity}/Challenges/{sid}/Notifications",
            post(challenges::notify),
        ),
        ("/v2/Services/{service}/AccessTokens", post(absent::create)),
        ("/v2/Services/{service}/AccessTokens/{sid}", get(absent::access_token)),
        ("/v2/Services/{service}/Passkeys/Factors", post(absent::create)),
        ("/v2/Services/{service}/Passkeys/VerifyFactor", post(absent::factor)),
        ("/v2/Services/{service}/Passkeys/Challenges", post(absent::create)),
        ("/v2/Services/{service}/Passkeys/ApproveChallenge", post(absent::challenge)),
    ]
}

/// The dialect at its place; a slash behind it is no way around its errors.
pub(crate) fn mounted() -> Router<App> {
    Router::new().nest(MOUNT, router()).route("/compat/twilio/", any(unknown))
}

/// The dialect. Whatever happens below the mount is answered in the vendor's form.
fn router() -> Router<App> {
    let mut router = Router::new();
    for (path, handler) in table() {
        router = router.route(path, handler);
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(whole))
        .layer(map_response(in_the_vendors_form))
}

/// Reads the body before anything is decided. A refusal that left it unread would end the connection, and the vendor's
/// libraries would trip over that with their next call.
async fn whole(request: Request, next: Next) -> Result<Response, TwilioError> {
    let (parts, body) = request.into_parts();
    let bytes = body::collect(body).await?;
    Ok(next.run(Request::from_parts(parts, Body::from(bytes))).await)
}

async fn unknown(uri: Uri) -> TwilioError {
    TwilioError::not_found(&rows::shown(uri.path()))
}

async fn wrong_method() -> TwilioError {
    TwilioError::new(405, 20004, "Method not allowed")
}

/// The panic's text may hold anything, so it is not repeated to anybody.
fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    TwilioError::new(500, 20500, "Internal server error").into_response()
}

/// What the router or an extractor of the framework said by itself becomes the vendor's errors.
async fn in_the_vendors_form(response: Response) -> Response {
    let (status, headers) = (response.status(), response.headers());
    let json =
        headers.get("content-type").is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    if status.is_success() || json {
        return response;
    }
    let reason = status.canonical_reason().unwrap_or("Error");
    TwilioError::new(status.as_u16(), 20000 + u32::from(status.as_u16()), reason).into_response()
}
