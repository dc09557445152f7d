//! The whole API over the reference engine, inside the test: a clock to move, the journal to read, keys of two projects.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use countersign_core::budget::NoBudgets;
use countersign_core::factor::device::{
    Verdict, enrolment_message, poll_message, push_token_message, response_message,
};
use countersign_core::factor::wake::{NoWaker, PushAddress, PushToken};
use countersign_core::ids::{KeyId, ProjectId};
use countersign_core::keys::Keys;
use countersign_core::oath::{Algorithm, hotp, time_step};
use countersign_core::receipt::NoReceipts;
use countersign_core::store::Store as _;
use countersign_core::tenancy::{AdminChange, ApiKey, KeyKind, KeySecret, Project, Scope, default_scopes};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Clock as _, Timestamp};
use countersign_http::{Services, router};
use countersign_sim::{FakeClock, Requests, SeededEntropy, test_keys};
use countersign_store::memory::MemoryStore;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::silent::Silent;

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    /// A key of the project with every scope.
    Owner,
    /// The key a server gets when nobody says otherwise.
    Server,
    /// A key of another project with every scope.
    Stranger,
    /// Nobody: a device, or somebody without a key.
    Nobody,
}

pub(crate) struct Edge {
    router: Router,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<FakeClock>,
    keys: Arc<Keys>,
    secrets: [KeySecret; 3],
}

/// What a call was answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) headers: HeaderMap,
}

impl Answer {
    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.body)).to_owned()
    }

    /// Status and stable code of a problem.
    pub(crate) fn problem(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }

    pub(crate) fn fine(self) -> Self {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.body);
        self
    }
}

impl Edge {
    pub(crate) async fn new() -> Self {
        let (keys, clock) = (test_keys(), Arc::new(FakeClock::at(FakeClock::START)));
        let store = Arc::new(MemoryStore::new(clock.clone(), Arc::clone(&keys), Arc::new(|_| {})));
        let admin = Requests::new(Arc::clone(&keys), 1);
        for nth in [1, 2] {
            let project = Project { id: ProjectId::from_bytes([nth; 16]), ..admin.project() };
            store.administer(admin.admin(AdminChange::CreateProject(project))).await.unwrap();
        }
        let secrets = [
            (1, 1, Scope::ALL.to_vec()),
            (2, 1, default_scopes(KeyKind::Secret, Mode::Test)),
            (3, 2, Scope::ALL.to_vec()),
        ];
        let secrets = secrets.map(|(nth, project, scopes)| {
            let tenant = Tenant { project: ProjectId::from_bytes([project; 16]), mode: Mode::Test };
            let id = KeyId::from_bytes([nth; 16]);
            let (key, secret) = ApiKey::new(id, tenant, KeyKind::Secret, &[nth; 32], false);
            (secret, ApiKey { scopes, ..key })
        });
        for (_, key) in &secrets {
            store.administer(admin.admin(AdminChange::CreateKey(key.clone()))).await.unwrap();
        }
        let services = Services {
            store: store.clone(),
            keys: Arc::clone(&keys),
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(7)),
            board: Arc::default(),
            treasury: Arc::new(NoBudgets),
            workflow: Arc::default(),
            reader: Arc::new(NoReceipts),
            receipts: Arc::new(NoReceipts),
            waker: Arc::new(NoWaker),
            messages: Arc::new(Silent),
            issuer: "https://otp.example".into(),
            public_url: None,
            arrivals: Arc::new(tokio::sync::Notify::new()),
            quota: None,
            draining: Arc::default(),
        };
        Self { router: router(services), store, clock, keys, secrets: secrets.map(|(secret, _)| secret) }
    }

    pub(crate) async fn call(&self, who: As, method: Method, path: &str, body: Value) -> Answer {
        self.call_with(who, method, path, body, &[]).await
    }

    pub(crate) async fn call_with(
        &self,
        who: As,
        method: Method,
        path: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        let secret = match who {
            As::Owner => Some(&self.secrets[0]),
            As::Server => Some(&self.secrets[1]),
            As::Stranger => Some(&self.secrets[2]),
            As::Nobody => None,
        };
        if let Some(secret) = secret {
            request = request.header("authorization", format!("Bearer {}", *secret.0));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = request.header("content-type", "application/json").body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null), headers }
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(As::Owner, Method::POST, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(As::Owner, Method::GET, path, Value::Null).await
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A subject with a TOTP factor that is active: the factor's id and its secret.
    pub(crate) async fn totp(&self, subject: &str) -> (String, Vec<u8>) {
        let body = json!({ "type": "totp", "confirmed": true });
        let made = self.post(&format!("/v1/subjects/ext:{subject}/factors"), body).await.fine();
        let secret = data_encoding::BASE32_NOPAD.decode(made.text("secret").as_bytes()).unwrap();
        (made.text("id"), secret)
    }

    /// The code an app shows now.
    pub(crate) fn code(&self, secret: &[u8]) -> String {
        let step = time_step(self.clock.now(), Duration::from_secs(30));
        hotp(Algorithm::Sha1, secret, step, 6).reveal().to_owned()
    }

    /// A code that is certainly wrong now.
    pub(crate) fn wrong(&self, secret: &[u8]) -> String {
        let step = time_step(self.clock.now(), Duration::from_secs(30));
        let near: Vec<_> = (step - 2..=step + 2).map(|step| hotp(Algorithm::Sha1, secret, step, 6)).collect();
        let wrong = |code: &String| near.iter().all(|right| right.reveal() != code);
        (0..).map(|number| format!("{number:06}")).find(wrong).unwrap()
    }

    /// The code of the message of a verification.
    pub(crate) async fn message_code(&self, verification: &str) -> String {
        let tenant = Tenant { project: ProjectId::from_bytes([1; 16]), mode: Mode::Test };
        let found = self.store.verification(tenant, verification.parse().unwrap()).await.unwrap();
        Requests::new(Arc::clone(&self.keys), 2).code_of(&found.unwrap().verification)
    }
}

/// A phone with a key of its own, by the protocol of docs/factors.md.
pub(crate) struct Phone {
    pub(crate) factor: String,
    pair: Ed25519KeyPair,
}

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

impl Phone {
    /// Enrols a phone for a subject.
    pub(crate) async fn enrolled(edge: &Edge, subject: &str) -> Self {
        let path = format!("/v1/subjects/ext:{subject}/factors");
        let made = edge.post(&path, json!({ "type": "push" })).await.fine();
        let token = made.body["enrollment"]["token"].as_str().unwrap().to_owned();
        let phone = Self::of(&made.text("id"));
        let body = phone.enrolment(&token);
        edge.call(As::Nobody, Method::POST, "/v1/devices/enroll", body).await.fine();
        phone
    }

    /// A phone that is to be the device of a factor.
    pub(crate) fn of(factor: &str) -> Self {
        Self { factor: factor.to_owned(), pair: Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap() }
    }

    pub(crate) fn enrolment(&self, token: &str) -> Value {
        let public_key = self.pair.public_key().as_ref();
        let message = enrolment_message(&self.factor.parse().unwrap(), token, public_key);
        json!({
            "factor": self.factor, "token": token, "algorithm": "ed25519", "public_key": base64(public_key),
            "signature": base64(self.pair.sign(&message).as_ref()), "name": "Ann's phone",
        })
    }

    pub(crate) fn poll(&self, at: Timestamp) -> Value {
        let signature = self.pair.sign(&poll_message(&self.factor.parse().unwrap(), at));
        json!({ "factor": self.factor, "at": at.seconds(), "signature": base64(signature.as_ref()) })
    }

    /// What it says of where it is woken.
    pub(crate) fn push_token(&self, token: Option<&str>, locale: Option<&str>, at: Timestamp) -> Value {
        let address = token.map(|token| PushAddress {
            token: PushToken::parse(token.to_owned().into()).unwrap(),
            locale: locale.map(str::to_owned),
        });
        let message = push_token_message(&self.factor.parse().unwrap(), at, address.as_ref());
        let mut body = json!({
            "factor": self.factor, "push_token": token, "at": at.seconds(),
            "signature": base64(self.pair.sign(&message).as_ref()),
        });
        if let Some(locale) = locale {
            body["locale"] = json!(locale);
        }
        body
    }

    pub(crate) fn answer(&self, challenge: &str, verdict: Verdict, number: &str) -> Value {
        let message = response_message(
            &self.factor.parse().unwrap(),
            &challenge.parse().unwrap(),
            verdict,
            number,
            None,
        );
        let signature = base64(self.pair.sign(&message).as_ref());
        let mut body = json!({ "factor": self.factor, "verdict": verdict.as_str(), "signature": signature });
        if verdict == Verdict::Approve {
            body["number"] = json!(number);
        }
        body
    }
}
