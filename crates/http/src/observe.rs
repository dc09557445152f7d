//! The outermost layer: an id for every request, one log line with the route's pattern, problems rendered, headers.

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use countersign_core::ids::RequestId;

use crate::app::App;
use crate::error_code::ErrorCode;
use crate::problem::{Problem, Unrendered};
use crate::quota::Slot;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const SIMULATE_LIMITS: HeaderName = HeaderName::from_static("countersign-simulate-limits");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a handler knows of its request beside the body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    pub(crate) request_id: RequestId,
    /// Whether a test request wants send limits.
    pub(crate) simulate_limits: bool,
}

impl Context {
    /// The context the outermost layer left; a new one where there is none.
    pub(crate) fn of(extensions: &Extensions, app: &App) -> Self {
        let made = || Self { request_id: app.request_id(), simulate_limits: false };
        extensions.get::<Self>().copied().unwrap_or_else(made)
    }
}

impl FromRequestParts<App> for Context {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.extensions, app))
    }
}

/// Wraps every request. Neither path nor query nor body is logged: a recipient or an id may stand there.
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let begun = tokio::time::Instant::now();
    let request_id = app.request_id();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let language = request.headers().get(header::ACCEPT_LANGUAGE).cloned();
    let simulate_limits = says_true(request.headers(), &SIMULATE_LIMITS);
    let trace = trace_id(request.headers());
    let version = request.version();
    request.extensions_mut().insert(Context { request_id, simulate_limits });
    let slot = app.quotas.as_ref().map(|_| Slot::default());
    if let Some(slot) = slot.clone() {
        request.extensions_mut().insert(slot);
    }
    let mut response = next.run(request).await;
    if let Some(Unrendered(problem)) = response.extensions_mut().remove::<Unrendered>() {
        let language = language.as_ref().and_then(|language| language.to_str().ok());
        let rendered = problem.render(request_id, language);
        response = with_headers_of(rendered, &response);
    }
    finish(&mut response, request_id);
    if app.services.is_draining() && version < Version::HTTP_2 {
        // The client's next request opens a connection, and that leads elsewhere. HTTP/2 has a frame for it.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(slot) = slot {
        slot.tell(response.headers_mut());
    }
    tracing::info!(
        target: "countersign::http",
        %method,
        route = route.as_ref().map_or("-", MatchedPath::as_str),
        status = response.status().as_u16(),
        micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        request_id = %request_id,
        trace,
        "request"
    );
    response
}

fn says_true(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

/// The trace id of a W3C `traceparent`, when it is a well-formed one.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut parts = headers.get(TRACEPARENT)?.to_str().ok()?.split('-');
    let (version, id) = (parts.next()?, parts.next()?);
    let hexadecimal = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (version.len() == 2 && hexadecimal).then(|| id.to_owned())
}

/// A rendered problem keeps what the router had to say, such as `Allow`.
fn with_headers_of(mut rendered: Response, original: &Response) -> Response {
    for name in [header::ALLOW, header::CONNECTION] {
        if let Some(value) = original.headers().get(&name) {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    rendered
}

fn finish(response: &mut Response, request_id: RequestId) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(request_id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// What a panic becomes. Its text may hold anything, so it is not repeated to anybody.
pub(crate) fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    use axum::response::IntoResponse as _;
    tracing::error!("a handler panicked");
    Problem::plain(ErrorCode::InternalError).into_response()
}

/// Paths that are not part of the API.
pub(crate) async fn no_endpoint() -> Problem {
    Problem::plain(ErrorCode::EndpointNotFound)
}

/// Methods a path does not have.
pub(crate) async fn no_method() -> Problem {
    Problem::plain(ErrorCode::MethodNotAllowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_counts() {
        let read = |value: &'static str| {
            trace_id(&HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(value))]))
        };
        let id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").as_deref(), Some(id));
        assert_eq!(read("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"), None);
        assert_eq!(read("nonsense"), None);
    }
}
