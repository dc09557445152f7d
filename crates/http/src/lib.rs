//! The edge: the native HTTP API. Authenticates, reads bodies strictly, hands commands to the store, renders outcomes.
//!
//! No rule lives here: what is allowed, when and how often is decided in `countersign-core`. Wire types live in the
//! file of their endpoint.

mod answer;
mod api_keys;
mod app;
mod auth;
mod body;
mod budgets;
mod caller;
mod challenges;
mod checks;
mod compat;
mod devices;
mod docs_page;
mod end_user;
mod error_code;
mod factors;
mod fields;
mod health;
mod jwks;
mod limits;
mod list;
mod network;
mod observe;
mod openapi;
mod path;
mod problem;
mod projects;
mod proof;
mod quota;
mod receipts;
mod routing;
mod store_clock;
mod subjects;
mod templates;
mod test_mode;
mod value;
mod verifications;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, patch, post, put as put_method};
use countersign_core::budget::Treasury;
use countersign_core::factor::wake::DeviceWaker;
use countersign_core::health::Board;
use countersign_core::keys::{Code, Keys};
use countersign_core::message_template::Version;
use countersign_core::quota::Quota;
use countersign_core::receipt::{ReceiptReader, ReceiptTaker};
use countersign_core::store::Store;
use countersign_core::tenancy::Project;
use countersign_core::time::{Clock, EntropySource};
use countersign_core::verification::{Channel, Private, Purpose, Verification};
use countersign_core::workflow::Step;
use tower_http::catch_panic::CatchPanicLayer;

use app::App;
pub use error_code::error_catalogue;
use openapi::Operation;

/// All that the edge needs from outside. Made in the binary.
#[derive(Clone)]
pub struct Services {
    /// The engine.
    pub store: Arc<dyn Store>,
    /// The key ring of the store.
    pub keys: Arc<Keys>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids, nonces and new keys.
    pub entropy: Arc<dyn EntropySource>,
    /// The routing table and how its providers stand.
    pub board: Arc<Board>,
    /// Where permits for sends come from that budgets pay.
    pub treasury: Arc<dyn Treasury>,
    /// The steps of `auto`; empty where the first route that matches decides.
    pub workflow: Arc<[Step]>,
    /// Reads what comes to the receipts' door.
    pub reader: Arc<dyn ReceiptReader>,
    /// Takes the receipts that were read.
    pub receipts: Arc<dyn ReceiptTaker>,
    /// Wakes the devices that a challenge asks.
    pub waker: Arc<dyn DeviceWaker>,
    /// Writes the messages the test outbox shows.
    pub messages: Arc<dyn Messages>,
    /// `iss` of proofs: the base URL of this server. Test proofs have `/test` behind it.
    pub issuer: String,
    /// The base URL as configured, for links; `None` takes the host each client used.
    pub public_url: Option<String>,
    /// Told (`notify_waiters`) whenever a test message was sent.
    pub arrivals: Arc<tokio::sync::Notify>,
    /// Requests each key may make on this node; `None` lets all through.
    pub quota: Option<Quota>,
    /// Turns true when the process is told to stop: readiness is refused from then on, everything else still served.
    pub draining: Arc<AtomicBool>,
}

impl Services {
    /// The base URL of this server, for links that others follow.
    fn base(&self) -> &str {
        self.public_url.as_deref().unwrap_or(&self.issuer)
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// A message before it has a code.
#[derive(Clone, Copy)]
pub struct Draft<'a> {
    /// What is known of the person.
    pub private: &'a Private,
    /// What the code is for.
    pub purpose: Purpose,
    /// How it travels.
    pub channel: Channel,
    /// How long the code lives.
    pub lifetime: std::time::Duration,
    /// What stands for the code.
    pub code: &'a str,
    /// Whose words it has; `None` has those that ship.
    pub template: Option<&'a Version>,
}

/// A message that is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Tag of the language used.
    pub locale: String,
    /// The subject of a mail.
    pub subject: Option<String>,
    /// The text; of a mail, its plain part.
    pub text: String,
    /// The HTML part of a mail.
    pub html: Option<String>,
    /// `gsm7` or `ucs2` of a text message.
    pub encoding: Option<&'static str>,
    /// The parts it is charged by.
    pub parts: u32,
}

/// Writes a message as a provider would get it. Implemented over the delivery crate, which this one never sees.
pub trait Messages: Send + Sync + 'static {
    /// The text of the message that carries `code` over `channel`, in the words of a template or in those that ship.
    fn render(
        &self,
        project: &Project,
        verification: &Verification,
        private: &Private,
        channel: Channel,
        code: &Code,
        template: Option<&Version>,
    ) -> String;

    /// A message as it would be sent, or the sentence that says why it cannot be written.
    fn write(&self, project: &Project, draft: &Draft<'_>) -> Result<Written, String>;

    /// The text message of each language, with `{{code}}`, `{{friendly_name}}` and `{{ttl}}` where those stand.
    fn texts(&self) -> Vec<(&'static str, String)>;
}

/// A call with its handler.
type Endpoint = (Operation, MethodRouter<App>);

/// Every call there is, in the order of the reference.
fn table() -> Vec<Endpoint> {
    use test_mode::{clock, outbox};
    use verifications::{cancel, check, create, list, report, resend, show, timeline};
    let mut calls = vec![
        (create::DOC, post(create::handle)),
        (check::DOC, post(check::handle)),
        (resend::DOC, post(resend::handle)),
        (cancel::DOC, post(cancel::handle)),
        (report::DOC, post(report::handle)),
        (show::DOC, get(show::handle)),
        (list::DOC, get(list::handle)),
        (timeline::DOC, get(timeline::handle)),
        (checks::DOC, post(checks::handle)),
        (outbox::LIST, get(outbox::list)),
        (outbox::CLEAR, delete(outbox::clear)),
        (clock::DOC, post(clock::handle)),
    ];
    calls.extend(persons());
    calls.extend(template_calls());
    calls.extend(administration());
    calls.extend(routing_calls());
    calls.extend([
        (jwks::LIVE, get(jwks::live)),
        (jwks::TEST, get(jwks::test)),
        (health::HEALTH, get(health::health)),
        (health::READY, get(health::ready)),
        (docs_page::OPENAPI, get(docs_page::openapi)),
        (docs_page::PAGE, get(docs_page::page)),
    ]);
    calls
}

/// Calls about subjects, their factors and challenges, and those of devices.
fn persons() -> Vec<Endpoint> {
    use challenges::{cancel, fallback, redeem, respond};
    use factors::{activate, change, enrol, regenerate, resync, unlock};
    use subjects::{put, recipients};
    vec![
        (put::DOC, put_method(put::handle)),
        (subjects::show::DOC, get(subjects::show::handle)),
        (subjects::remove::DOC, delete(subjects::remove::handle)),
        (subjects::list::DOC, get(subjects::list::handle)),
        (recipients::ADD, post(recipients::add)),
        (recipients::REMOVE, delete(recipients::remove)),
        (enrol::DOC, post(enrol::handle)),
        (activate::DOC, post(activate::handle)),
        (factors::show::DOC, get(factors::show::handle)),
        (change::DOC, patch(change::handle)),
        (factors::remove::DOC, delete(factors::remove::handle)),
        (resync::DOC, post(resync::handle)),
        (unlock::DOC, post(unlock::handle)),
        (regenerate::DOC, post(regenerate::handle)),
        (challenges::create::DOC, post(challenges::create::handle)),
        (challenges::check::DOC, post(challenges::check::handle)),
        (fallback::DOC, post(fallback::handle)),
        (cancel::DOC, post(cancel::handle)),
        (redeem::DOC, post(redeem::handle)),
        (challenges::show::DOC, get(challenges::show::handle)),
        (challenges::list::DOC, get(challenges::list::handle)),
        (devices::enrol::DOC, post(devices::enrol::handle)),
        (devices::poll::DOC, post(devices::poll::handle)),
        (devices::push_token::DOC, post(devices::push_token::handle)),
        (respond::DOC, post(respond::handle)),
    ]
}

/// The calls that operators make, over the network with a key or over the owner-only socket without.
fn administration() -> [Endpoint; 5] {
    [
        (projects::LIST, get(projects::list)),
        (projects::CREATE, post(projects::create)),
        (api_keys::LIST, get(api_keys::list)),
        (api_keys::CREATE, post(api_keys::create)),
        (api_keys::REVOKE, delete(api_keys::revoke)),
    ]
}

/// Message templates.
fn template_calls() -> [Endpoint; 6] {
    use templates::{preview, read, write};
    [
        (read::LIST, get(read::list)),
        (write::CREATE, post(write::create)),
        (read::SHOW, get(read::show)),
        (write::ADD_VERSION, post(write::add_version)),
        (write::ACTIVATE, post(write::activate)),
        (preview::DOC, post(preview::handle)),
    ]
}

/// What there is to see of routes and providers, by a key or over the owner-only socket.
fn routing_calls() -> [Endpoint; 4] {
    use routing::{list, providers, resolve};
    [
        (list::DOC, get(list::list)),
        (resolve::DOC, post(resolve::resolve)),
        (providers::DOC, get(providers::list)),
        (budgets::list::DOC, get(budgets::list::list)),
    ]
}

/// The two doors of a process. They share what the edge remembers: a key revoked through one is closed at once at the
/// other.
pub struct Doors {
    /// The whole API. Serve it with connect information (`SocketAddr`), else keys that name networks are refused.
    pub public: Router,
    /// The calls of the owner-only socket: whoever may open it is an operator, no key needed.
    pub control: Router,
}

/// Both doors over the same services.
pub fn doors(services: Services) -> Doors {
    let app = App::new(services);
    let mut control = administration().to_vec();
    control.extend(routing_calls());
    control.extend([
        (health::HEALTH, get(health::health)),
        (health::READY, get(health::ready)),
        (store_clock::SHOW, get(store_clock::show)),
        (store_clock::ACCEPT, post(store_clock::accept)),
        (compat::twilio::import::DOC, post(compat::twilio::import::handle)),
    ]);
    let others = compat::twilio::mounted().merge(receipts::mounted());
    Doors {
        public: assemble(table(), others, app.clone(), false),
        control: assemble(control, Router::new(), app, true),
    }
}

/// The whole API alone; see [`Doors::public`].
pub fn router(services: Services) -> Router {
    doors(services).public
}

/// The owner's calls alone; see [`Doors::control`].
pub fn control_router(services: Services) -> Router {
    doors(services).control
}

/// Routes and layers; `others` are calls that are not in the OpenAPI document. A layer wraps those above it, so the last one sees a request first.
fn assemble(calls: Vec<Endpoint>, others: Router<App>, app: App, owner: bool) -> Router {
    let mut router = others;
    for (operation, handler) in calls {
        router = router.route(operation.path, handler);
    }
    let router = router.fallback(observe::no_endpoint).method_not_allowed_fallback(observe::no_method);
    let router = if owner { router.layer(axum::Extension(auth::FromOwner)) } else { router };
    router
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}

/// How Twilio's libraries know an account, key or service: `kind` (`AC`, `SK`, `VA`) and the UUID of a native id.
#[must_use]
pub fn twilio_sid(kind: &'static str, id: [u8; 16]) -> String {
    compat::twilio::Sid(kind, id).to_string()
}

/// Where Twilio's API is served, below the base URL.
pub const TWILIO_MOUNT: &str = compat::twilio::MOUNT;

/// Every path of Twilio's API there is, below [`TWILIO_MOUNT`], with `{names}` where something stands.
#[must_use]
pub fn twilio_paths() -> Vec<&'static str> {
    compat::twilio::paths()
}

/// The operations of the API.
fn operations() -> Vec<Operation> {
    table().into_iter().map(|(operation, _)| operation).collect()
}

/// The OpenAPI 3.1 document, as pretty JSON.
#[must_use]
pub fn openapi() -> String {
    openapi::document(&operations())
}

#[cfg(test)]
mod formats_tests;
#[cfg(test)]
mod router_tests;
