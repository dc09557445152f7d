//! `GET /v1/verifications`: a page of verifications, newest first.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::command::RecipientIndex;
use countersign_core::ids::VerificationId;
use countersign_core::recipient::Country;
use countersign_core::store::Filter;
use countersign_core::tenancy::Scope;
use countersign_core::tenant::Tenant;
use countersign_core::verification::{Binding, Channel, Purpose};

use super::note_reveal;
use super::show::view;
use crate::answer::{json, read_instant};
use crate::app::App;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::list::{ListView, Query};
use crate::openapi::{CURSOR, LIMIT, Method, Operation, Parameter};
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Get,
    path: "/v1/verifications",
    id: "listVerifications",
    tag: "Verifications",
    summary: "List verifications",
    description: "Newest first. All given filters must match. A page may be shorter than `limit` while `has_more` is true.",
    scope: Some("verifications:read"),
    parameters: &[
        LIMIT,
        CURSOR,
        Parameter {
            name: "status",
            description: "`pending`, `approved`, `failed`, `expired`, `canceled` or `blocked`",
        },
        Parameter { name: "channel", description: "The channel of the latest send" },
        Parameter { name: "purpose", description: "The purpose" },
        Parameter { name: "country", description: "The country of the phone number, such as `PL`" },
        Parameter {
            name: "to",
            description: "The phone number or email address, in the clear; looked up by its blind index",
        },
        Parameter { name: "subject", description: "The person in your system" },
        Parameter { name: "created_after", description: "RFC 3339; created then or later" },
        Parameter { name: "created_before", description: "RFC 3339; created earlier" },
    ],
    body: None,
    success: (200, "A page", "VerificationList"),
    errors: &[Code::CursorInvalid, Code::RecipientInvalid],
    idempotent: false,
};

const KNOWN: [&str; 10] = [
    "limit",
    "cursor",
    "status",
    "channel",
    "purpose",
    "country",
    "to",
    "subject",
    "created_after",
    "created_before",
];
const STATES: [&str; 6] = ["pending", "approved", "failed", "expired", "canceled", "blocked"];

pub(crate) async fn handle(State(app): State<App>, uri: Uri, caller: Caller) -> Result<Response, Problem> {
    let member = caller.member(Scope::VerificationsRead)?;
    let query = Query::of(&uri, &KNOWN)?;
    let (limit, before) = (query.limit()?, query.cursor()?.map(VerificationId::from_bytes));
    let filter = filter(&app, member.tenant, &query)?;
    let page = app.services.store.verifications(member.tenant, filter, before, limit).await?;
    let reveal = !page.verifications.is_empty() && note_reveal(&app, &member).await?;
    let data = page.verifications.iter().map(|shown| view(&app, &member, shown, reveal)).collect();
    Ok(json(StatusCode::OK, &ListView::new(data, page.next.as_ref().map(VerificationId::as_bytes))))
}

fn filter(app: &App, tenant: Tenant, query: &Query) -> Result<Filter, Problem> {
    let keys = &app.services.keys;
    let status = |text: &str| STATES.contains(&text).then(|| text.to_owned());
    let country = |text: &str| <[u8; 2]>::try_from(text.parse::<Country>().ok()?.as_str().as_bytes()).ok();
    let instant = "an instant (RFC 3339), such as 2026-01-31T12:00:00Z";
    let subject = query.text("subject").map(|subject| {
        let under = |root| Binding::of(keys, root, &tenant, None, Some(subject), None)?.subject;
        keys.root_ids().filter_map(under).collect()
    });
    Ok(Filter {
        status: query.read("status", "pending, approved, failed, expired, canceled or blocked", status)?,
        channel: query.read("channel", "sms, voice, whatsapp, email or self", Channel::named)?,
        purpose: query.read("purpose", "one of the purposes", Purpose::named)?,
        country: query.read("country", "two capital letters, such as PL", country)?,
        to: query.recipient()?.map(|to| RecipientIndex::of(keys, &tenant, &to)),
        subject,
        created_after: query.read("created_after", instant, read_instant)?,
        created_before: query.read("created_before", instant, read_instant)?,
    })
}
