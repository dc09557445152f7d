//! `GET` and `DELETE /v1/test/outbox`: the messages test mode did not send, rendered when they are read.

use std::pin::pin;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::command::RecipientIndex;
use countersign_core::delivery::DeliveryState;
use countersign_core::ids::{DeliveryId, VerificationId};
use countersign_core::message_template::Version;
use countersign_core::scenario::reaches_outbox;
use countersign_core::setting::{Setting, SettingKind};
use countersign_core::store::OutboxItem;
use countersign_core::tenancy::{AdminChange, Project, Scope};
use countersign_core::time::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use crate::answer::{Text, json};
use crate::app::App;
use crate::caller::{Caller, Member};
use crate::error_code::ErrorCode as Code;
use crate::limits;
use crate::list::{ListView, Query};
use crate::openapi::{Method, Operation, Parameter};
use crate::problem::Problem;

pub(crate) const LIST: Operation = Operation {
    method: Method::Get,
    path: "/v1/test/outbox",
    id: "listTestMessages",
    tag: "Test mode",
    summary: "Read test messages",
    description: "Newest first, at most 100. With `wait`, answers as soon as there is a message, or empty when the time is \
                  over. Nothing here is stored: text and code are made when they are read.",
    scope: Some("test:control"),
    parameters: &[
        Parameter { name: "to", description: "Only messages to this phone number or email address" },
        Parameter { name: "wait", description: "Seconds to wait for a message, 0 to 30" },
    ],
    body: None,
    success: (200, "The messages", "TestMessageList"),
    errors: &[Code::ModeMismatch, Code::RecipientInvalid],
    idempotent: false,
};

pub(crate) const CLEAR: Operation = Operation {
    method: Method::Delete,
    path: "/v1/test/outbox",
    id: "clearTestMessages",
    tag: "Test mode",
    summary: "Empty the test outbox",
    description: "Messages sent so far are not shown any more; their codes still work.",
    scope: Some("test:control"),
    parameters: &[],
    body: None,
    success: (200, "An empty list", "TestMessageList"),
    errors: &[Code::ModeMismatch],
    idempotent: false,
};

/// A message of test mode. It is the one place where a recipient and a code stand in the clear.
#[derive(Serialize)]
struct MessageView {
    object: &'static str,
    livemode: bool,
    to: String,
    channel: &'static str,
    text: String,
    code: String,
    verification: Text<VerificationId>,
    delivery: Text<DeliveryId>,
    state: &'static str,
    at: Text<Timestamp>,
}

pub(crate) async fn list(State(app): State<App>, uri: Uri, caller: Caller) -> Result<Response, Problem> {
    let member = caller.member(Scope::TestControl)?;
    member.test_only()?;
    let query = Query::of(&uri, &["to", "wait"])?;
    let index = query.recipient()?.map(|to| RecipientIndex::of(&app.services.keys, &member.tenant, &to));
    let wait = query.number("wait", 0, limits::MAX_WAIT.as_secs())?.unwrap_or(0);
    let deadline = Instant::now() + Duration::from_secs(wait);
    loop {
        // Listening begins before the look, so that nothing arrives in between unheard.
        let mut arrival = pin!(app.services.arrivals.notified());
        arrival.as_mut().enable();
        let messages = read(&app, &member, index.clone()).await?;
        if !messages.is_empty() || Instant::now() >= deadline {
            return Ok(json(StatusCode::OK, &ListView::new(messages, None)));
        }
        // A message that another node sent is heard of by nobody here, so look again by and by.
        let look = deadline.min(Instant::now() + limits::LOOK);
        let _ = tokio::time::timeout_at(look, arrival).await;
    }
}

pub(crate) async fn clear(State(app): State<App>, uri: Uri, caller: Caller) -> Result<Response, Problem> {
    let member = caller.member(Scope::TestControl)?;
    member.test_only()?;
    Query::of(&uri, &[])?;
    let change = AdminChange::ClearOutbox(member.tenant.project);
    app.administer(member.actor(), member.context.request_id, change).await?;
    Ok(json(StatusCode::OK, &ListView::<MessageView>::new(Vec::new(), None)))
}

async fn read(app: &App, member: &Member, to: Option<RecipientIndex>) -> Result<Vec<MessageView>, Problem> {
    let project = member.project();
    let after = project.outbox_cleared_at;
    let items = app.services.store.outbox(member.tenant, after, to, limits::MAX_OUTBOX).await?;
    // Read once for all messages; remembered for a second.
    let versions = app.settings.of(app, member.tenant, SettingKind::TemplateVersion).await?;
    let arrived = items.iter().filter(|item| arrived(item));
    Ok(arrived.filter_map(|item| view(app, project, item, &versions)).collect())
}

fn arrived(item: &OutboxItem) -> bool {
    let sent = matches!(item.delivery.state, DeliveryState::Sent | DeliveryState::Delivered);
    sent && item.delivery.provider().is_some_and(reaches_outbox)
}

/// The message as it would have been sent; `None` when its person, or a code
/// the customer supplied, was erased.
fn view(app: &App, project: &Project, item: &OutboxItem, versions: &[Setting]) -> Option<MessageView> {
    let (keys, row) = (&app.services.keys, &item.shown);
    let private = row.open_private(keys, &item.recipient.data_key)?;
    let code = row.code(keys, &item.recipient.data_key, item.delivery.generation)?;
    let channel = item.delivery.channel;
    let template = private.template.and_then(|wanted| Version::find(wanted, versions.iter()));
    Some(MessageView {
        object: "test_message",
        livemode: false,
        text: app.services.messages.render(project, row, &private, channel, &code, template.as_ref()),
        to: private.to,
        channel: channel.as_str(),
        code: code.reveal().to_owned(),
        verification: Text(row.id),
        delivery: Text(item.delivery.id),
        state: item.delivery.state.as_str(),
        at: Text(item.delivery.state_at),
    })
}
