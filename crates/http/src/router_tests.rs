//! The router against a store that knows two keys and nothing else: what is refused before any rule is asked.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use countersign_core::batch::Outcome;
use countersign_core::budget::NoBudgets;
use countersign_core::command::{Answer, Job, RecipientIndex};
use countersign_core::factor::wake::NoWaker;
use countersign_core::ids::{ChallengeId, DeliveryId, FactorId, KeyId, ProjectId, SubjectId, VerificationId};
use countersign_core::journal::Actor;
use countersign_core::keys::{Root, RootId, RootState};
use countersign_core::policy::Profile;
use countersign_core::receipt::{About, Fate, NotAReceipt, Posted, Receipt};
use countersign_core::refusal::Refusal;
use countersign_core::store::{
    ChallengePage, EarlyReceipts, Filter, History, KeyRecord, Numbered, OutboxItem, Overdue, Page, Pending,
    Retention, Shown, SubjectPage, SubjectShown, Unavailable,
};
use countersign_core::subject::Aim;
use countersign_core::tenancy::{AdminAnswer, AdminRequest, ApiKey, KeyKind, KeySecret, Scope};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Timestamp;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use zeroize::Zeroizing;

use super::*;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }
}
impl EntropySource for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}
impl Messages for Fixed {
    fn render(
        &self,
        _: &Project,
        _: &Verification,
        _: &Private,
        _: Channel,
        _: &Code,
        _: Option<&Version>,
    ) -> String {
        String::new()
    }
    fn write(&self, _: &Project, _: &Draft<'_>) -> Result<Written, String> {
        Err("is not written here".to_owned())
    }
    fn texts(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// Knows the gateway `sms` with the token `t`; what it posts is the message's name, or says what is wrong with it.
impl ReceiptReader for Fixed {
    fn read(&self, provider: &str, token: &str, posted: &Posted<'_>) -> Result<Vec<Receipt>, NotAReceipt> {
        let said = if posted.body.is_empty() {
            posted.url.strip_prefix("http://localhost/receipts/sms/t?id=").unwrap_or_default().as_bytes()
        } else {
            posted.body
        };
        match (provider, token, said) {
            ("sms", "t", _) if posted.headers.get("x-signature").map(String::as_str) != Some("a, b") => {
                Err(NotAReceipt::Forged)
            }
            ("sms", "t", b"") => Err(NotAReceipt::Malformed),
            ("sms", "t", message) => {
                let about = About::Message(String::from_utf8_lossy(message).into_owned());
                Ok(vec![Receipt { about, fate: Fate::Delivered }])
            }
            _ => Err(NotAReceipt::Unknown),
        }
    }
}

/// The store gives no answer for the message `down`.
impl ReceiptTaker for Fixed {
    fn take<'a>(
        &'a self,
        _: &'a str,
        receipt: Receipt,
    ) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move { receipt.about != About::Message("down".to_owned()) })
    }
}

/// A secret test key with every scope of its kind, and a restricted one without useful scopes.
fn keys() -> [(KeySecret, ApiKey); 2] {
    let tenant = Tenant { project: ProjectId::from_bytes([1; 16]), mode: Mode::Test };
    [(KeyKind::Secret, Scope::ALL.to_vec()), (KeyKind::Restricted, Vec::new())].map(|(kind, scopes)| {
        let (key, secret) = ApiKey::new(KeyId::from_bytes([2; 16]), tenant, kind, &[9; 32], false);
        (secret, ApiKey { scopes, ..key })
    })
}

fn project() -> Project {
    Project {
        id: ProjectId::from_bytes([1; 16]),
        name: "Shop".into(),
        brand: "Shop".into(),
        origin_host: None,
        profile: Profile::Standard,
        locale: "en".into(),
        countries: Vec::new(),
        created_at: Timestamp::default(),
        test_clock_ahead: 0,
        outbox_cleared_at: None,
    }
}

/// Answers every command with the same refusal, so that a test sees whether one got this far.
struct Reached;

fn ready<'a, T: Send + 'a>(value: T) -> Pending<'a, T> {
    Box::pin(async move { Ok(value) })
}

impl Store for Reached {
    fn submit(&self, _: countersign_core::command::Request) -> Pending<'_, Outcome> {
        ready(Outcome { answer: Answer::Refused(Refusal::StateConflict, None), replayed: false })
    }
    fn administer(&self, _: AdminRequest) -> Pending<'_, AdminAnswer> {
        ready(AdminAnswer::Conflict)
    }
    fn verification(&self, _: Tenant, _: VerificationId) -> Pending<'_, Option<Shown>> {
        ready(None)
    }
    fn verifications(&self, _: Tenant, _: Filter, _: Option<VerificationId>, _: usize) -> Pending<'_, Page> {
        ready(Page::default())
    }
    fn history(&self, _: Tenant, _: VerificationId) -> Pending<'_, Option<History>> {
        ready(None)
    }
    fn outbox(
        &self,
        _: Tenant,
        _: Option<Timestamp>,
        _: Option<RecipientIndex>,
        _: usize,
    ) -> Pending<'_, Vec<OutboxItem>> {
        ready(Vec::new())
    }
    fn key(&self, prefix: String) -> Pending<'_, Option<KeyRecord>> {
        let known = keys().into_iter().map(|(_, key)| key).find(|key| key.prefix == prefix);
        ready(known.map(|key| KeyRecord { key, project: project() }))
    }
    fn projects(&self) -> Pending<'_, Vec<Project>> {
        ready(vec![project()])
    }
    fn keys(&self, _: ProjectId) -> Pending<'_, Vec<ApiKey>> {
        ready(Vec::new())
    }
    fn settings(
        &self,
        _: Tenant,
        _: countersign_core::setting::SettingKind,
    ) -> Pending<'_, Vec<countersign_core::setting::Setting>> {
        ready(Vec::new())
    }
    fn subject(&self, _: Tenant, _: Aim) -> Pending<'_, Option<SubjectShown>> {
        ready(None)
    }
    fn subjects(&self, _: Tenant, _: Option<SubjectId>, _: usize) -> Pending<'_, SubjectPage> {
        ready(SubjectPage::default())
    }
    fn challenges(
        &self,
        _: Tenant,
        _: Option<SubjectId>,
        _: Option<ChallengeId>,
        _: usize,
    ) -> Pending<'_, ChallengePage> {
        ready(ChallengePage::default())
    }
    fn tenant_of_factor(&self, _: FactorId) -> Pending<'_, Option<Tenant>> {
        ready(None)
    }
    fn change_budget(&self, change: countersign_core::budget::Change) -> Pending<'_, u64> {
        ready(change.wanted)
    }
    fn budgets(
        &self,
        _: countersign_core::budget::Day,
    ) -> Pending<'_, Vec<(countersign_core::budget::BudgetId, u64)>> {
        ready(Vec::new())
    }
    fn claim(&self, _: usize) -> Pending<'_, Vec<Job>> {
        ready(Vec::new())
    }
    fn addressee(&self, _: String, _: About) -> Pending<'_, Option<(Tenant, DeliveryId)>> {
        ready(None)
    }
    fn early_receipts(&self, _: usize) -> Pending<'_, EarlyReceipts> {
        ready(EarlyReceipts::default())
    }
    fn overdue(&self, _: VerificationId, _: usize) -> Pending<'_, Overdue> {
        ready(Overdue::default())
    }
    fn retire(&self, _: Retention, _: usize) -> Pending<'_, u64> {
        ready(0)
    }
    fn journal(&self, _: u64, _: usize) -> Pending<'_, Vec<Numbered>> {
        ready(Vec::new())
    }
    fn leads(&self) -> bool {
        true
    }
    fn accept_clock(&self, _: Actor, _: [u8; 10]) -> Pending<'_, Option<Duration>> {
        ready(None)
    }
    fn close(&self) -> Pending<'_, ()> {
        ready(())
    }
    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async { Err(Unavailable::Storage("the disk is full".into())) })
    }
}

fn services() -> Services {
    let root = Root { id: RootId(1), state: RootState::Active, secret: Zeroizing::new([3; 32]) };
    Services {
        store: Arc::new(Reached),
        keys: Arc::new(Keys::derive(&[root], [0; 16]).unwrap()),
        clock: Arc::new(Fixed),
        entropy: Arc::new(Fixed),
        board: Arc::default(),
        treasury: Arc::new(NoBudgets),
        workflow: Arc::default(),
        reader: Arc::new(Fixed),
        receipts: Arc::new(Fixed),
        waker: Arc::new(NoWaker),
        messages: Arc::new(Fixed),
        issuer: "http://localhost".into(),
        public_url: None,
        arrivals: Arc::new(tokio::sync::Notify::new()),
        quota: None,
        draining: Arc::default(),
    }
}

/// Sends a request with a key (0 may do all, 1 nothing) and optionally a JSON body.
async fn send(method: Method, path: &str, key: Option<usize>, body: &str) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {}", *keys()[key].0.0));
    }
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    router(services()).oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
}

async fn problem(response: Response) -> (u16, String, Option<String>) {
    let status = response.status().as_u16();
    let body: Value =
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let param = body["param"].as_str().map(str::to_owned);
    (status, body["code"].as_str().unwrap_or_default().to_owned(), param)
}

/// An id of the kind a path wants.
fn id_for(path: &str) -> String {
    match path.split('/').nth(2) {
        Some("subjects") => "ext:user-42".to_owned(),
        Some("factors") => FactorId::from_bytes([5; 16]).to_string(),
        Some("challenges") => ChallengeId::from_bytes([5; 16]).to_string(),
        _ => VerificationId::from_bytes([5; 16]).to_string(),
    }
}

fn calls() -> Vec<(Method, String, Option<&'static str>)> {
    let calls = operations().into_iter().map(|operation| {
        let method = Method::from_bytes(operation.method.as_str().to_uppercase().as_bytes()).unwrap();
        (method, operation.path.replace("{id}", &id_for(operation.path)), operation.scope)
    });
    calls.collect()
}

#[tokio::test]
async fn every_call_with_a_scope_refuses_no_key_a_wrong_key_and_a_key_without_it() {
    for (method, path, scope) in calls() {
        let response = send(method.clone(), &path, None, "").await;
        if scope.is_none() {
            assert_ne!(response.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            continue;
        }
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"countersign\"");
        assert_eq!(problem(response).await.1, "key_missing", "{method} {path}");
        let refused = problem(send(method.clone(), &path, Some(1), "").await).await;
        assert_eq!((refused.0, refused.1.as_str()), (403, "scope_missing"), "{method} {path}");
    }
    let wrong = Request::get("/v1/verifications").header("authorization", "Bearer sk_test_0");
    let wrong = router(services()).oneshot(wrong.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(problem(wrong).await.1, "key_invalid");
}

#[tokio::test]
async fn every_call_refuses_unknown_parameters() {
    for (method, path, _) in calls() {
        if ![Method::POST, Method::PUT, Method::PATCH].contains(&method) {
            continue;
        }
        let refused = problem(send(method, &path, Some(0), r#"{"nonsense":1}"#).await).await;
        assert_eq!(refused, (400, "parameter_unknown".into(), Some("nonsense".into())), "{path}");
    }
    for (method, path, scope) in calls() {
        let (Some(_), true) = (scope, method != Method::POST) else { continue };
        let refused = problem(send(method, &format!("{path}?nonsense=1"), Some(0), "").await).await;
        assert_eq!(refused, (400, "parameter_unknown".into(), Some("nonsense".into())), "{path}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_is_not_stored() {
    for (method, path, _) in calls() {
        let response = send(method, &path, Some(0), "").await;
        assert!(response.headers()["request-id"].to_str().unwrap().starts_with("req_"), "{path}");
        let caching = response.headers()["cache-control"].to_str().unwrap();
        assert_eq!(caching == "no-store", !path.contains("jwks"), "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let unknown = send(Method::GET, "/v1/verificatons", None, "").await;
    assert_eq!(problem(unknown).await.1, "endpoint_not_found");
    let wrong = send(Method::PUT, "/v1/verifications", None, "").await;
    assert!(wrong.headers()["allow"].to_str().unwrap().contains("POST"));
    assert_eq!(problem(wrong).await, (405, "method_not_allowed".into(), None));
}

#[tokio::test]
async fn bodies_are_bounded_and_typed() {
    let path = "/v1/verifications";
    let to = |length: usize| {
        let shell = r#"{"to":"+48600100217","metadata":{"a":""}}"#.len();
        format!(r#"{{"to":"+48600100217","metadata":{{"a":"{}"}}}}"#, "x".repeat(length - shell))
    };
    for (body, code) in [
        ("{".to_owned(), "body_malformed"),
        ("[]".to_owned(), "body_malformed"),
        ("{}".to_owned(), "parameter_missing"),
        (r#"{"to":5}"#.to_owned(), "parameter_invalid"),
        (r#"{"to":"+4860010021"}"#.to_owned(), "recipient_invalid"),
        (r#"{"to":"+48600100217","purpose":"transaction"}"#.to_owned(), "parameter_missing"),
        (r#"{"to":"+48600100217"}"#.to_owned(), "state_conflict"),
        (to(64 * 1024), "parameter_invalid"),
        (to(64 * 1024 + 1), "payload_too_large"),
    ] {
        let answered = problem(send(Method::POST, path, Some(0), &body).await).await;
        assert_eq!(answered.1, code, "{}", body.get(..40).unwrap_or(&body));
    }
    let key = format!("Bearer {}", *keys()[0].0.0);
    for (name, value) in [("content-type", "text/plain"), ("content-encoding", "gzip")] {
        let request = Request::post(path).header("authorization", &key).header(name, value);
        let response = router(services()).oneshot(request.body(Body::from("{}")).unwrap()).await.unwrap();
        assert_eq!(response.status(), 415, "{name}");
    }
}

#[tokio::test]
async fn foreign_and_malformed_ids_are_the_same_404() {
    let known = VerificationId::from_bytes([5; 16]).to_string();
    for id in [known.as_str(), "vrf_x", "key_01m83n1fqkeat9ryjx42vfks43", "%00", "%ff"] {
        let found = problem(send(Method::GET, &format!("/v1/verifications/{id}"), Some(0), "").await).await;
        assert_eq!(found, (404, "resource_not_found".into(), None), "{id}");
    }
}

#[tokio::test]
async fn a_storage_that_cannot_be_written_is_a_503_that_does_not_tell_why() {
    let response = send(Method::GET, "/readyz", None, "").await;
    assert_eq!(response.headers()["retry-after"], "1");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains("storage_unavailable") && !body.contains("the disk is full\""), "{body}");
}

#[tokio::test]
async fn a_server_that_goes_down_refuses_readiness_only_and_closes_each_connection_after_its_answer() {
    let services = services();
    services.draining.store(true, Ordering::Relaxed);
    let router = router(services);
    let get = |path: &str| router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
    let (ready, health) = (get("/readyz").await.unwrap(), get("/healthz").await.unwrap());
    assert_eq!([&ready, &health].map(|answer| answer.headers()["connection"].clone()), ["close", "close"]);
    assert_eq!(problem(ready).await, (503, "shutting_down".into(), None));
    assert_eq!(health.status(), 200);
    let http2 = Request::get("/healthz").version(axum::http::Version::HTTP_2).body(Body::empty()).unwrap();
    assert!(!router.oneshot(http2).await.unwrap().headers().contains_key("connection"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_a_408() {
    let slow = Body::new(Never);
    let request = Request::post("/v1/verifications")
        .header("authorization", format!("Bearer {}", *keys()[0].0.0))
        .header("content-type", "application/json");
    let response = router(services()).oneshot(request.body(slow).unwrap()).await.unwrap();
    assert_eq!(problem(response).await.1, "request_timeout");
}

/// A body of which nothing ever arrives.
struct Never;

impl axum::body::HttpBody for Never {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;
    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn the_owners_socket_needs_no_key_and_serves_administration_only() {
    let router = control_router(services());
    let projects = Request::get("/v1/projects").body(Body::empty()).unwrap();
    assert_eq!(router.clone().oneshot(projects).await.unwrap().status(), 200);
    let other = Request::get("/v1/verifications").body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(other).await.unwrap().status(), 404);
}

#[tokio::test]
async fn the_clock_is_accepted_over_the_owners_socket_alone() {
    let Doors { public, control } = doors(services());
    let accept = || Request::post("/v1/clock/accept").body(Body::empty()).unwrap();
    let nothing = control.oneshot(accept()).await.unwrap();
    assert_eq!(problem(nothing).await, (409, "state_conflict".into(), None));
    assert_eq!(problem(public.oneshot(accept()).await.unwrap()).await.1, "endpoint_not_found");
}

async fn posted_receipt(method: Method, below: &str, body: impl Into<Body>, signed: bool) -> StatusCode {
    let mut request = Request::builder().method(method).uri(format!("/receipts/{below}"));
    if signed {
        request = request.header("X-Signature", "a").header("x-signature", "b");
    }
    let response = router(services()).oneshot(request.body(body.into()).unwrap()).await.unwrap();
    response.status()
}

#[tokio::test]
async fn the_receipts_door_says_no_more_than_a_status() {
    let post =
        |below: &'static str, body: &'static str, signed| posted_receipt(Method::POST, below, body, signed);
    assert_eq!(post("sms/t", "m1", true).await, StatusCode::OK);
    assert_eq!(posted_receipt(Method::GET, "sms/t?id=m1", Body::empty(), true).await, StatusCode::OK);
    for (below, why) in [("sms/wrong", "a wrong token"), ("fax/t", "an unknown provider")] {
        assert_eq!(post(below, "m1", true).await, StatusCode::NOT_FOUND, "{why}");
    }
    assert_eq!(post("sms/%ff", "m1", true).await, StatusCode::NOT_FOUND);
    assert_eq!(post("sms/t", "m1", false).await, StatusCode::FORBIDDEN);
    assert_eq!(post("sms/t", "", true).await, StatusCode::BAD_REQUEST);
    assert_eq!(post("sms/t", "down", true).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_body_of_a_receipt_is_bounded() {
    for (bytes, status) in
        [(limits::MAX_BODY, StatusCode::OK), (limits::MAX_BODY + 1, StatusCode::PAYLOAD_TOO_LARGE)]
    {
        assert_eq!(posted_receipt(Method::POST, "sms/t", vec![b'x'; bytes], true).await, status);
    }
}
