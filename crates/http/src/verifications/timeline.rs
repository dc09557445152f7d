//! `GET /v1/verifications/{id}/timeline`: what happened, in order.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::delivery::{Attempt, Delivery};
use countersign_core::ids::{DeliveryId, RequestId};
use countersign_core::journal::{Actor, Entry, Event};
use countersign_core::tenancy::Scope;
use countersign_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::id;
use crate::answer::{Rfc3339, Text};
use crate::app::App;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::list::{ListView, Query};
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Get,
    path: "/v1/verifications/{id}/timeline",
    id: "getVerificationTimeline",
    tag: "Verifications",
    summary: "What happened to a verification",
    description: "Ordered facts: the request, the route and why, what each provider answered and \
                  the network reported, the steps of a workflow with their reasons, the checks, the end.",
    scope: Some("verifications:read"),
    parameters: &[],
    body: None,
    success: (200, "All facts, oldest first", "Timeline"),
    errors: &[Code::ResourceNotFound],
    idempotent: false,
};

#[derive(Serialize)]
struct Fact {
    object: &'static str,
    at: Text<Timestamp>,
    r#type: &'static str,
    actor: String,
    request_id: Option<Text<RequestId>>,
    delivery: Option<Text<DeliveryId>>,
    data: Value,
}

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(verification): PathId,
    uri: Uri,
    caller: Caller,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::VerificationsRead)?;
    Query::of(&uri, &[])?;
    let found = app.services.store.history(member.tenant, id(&verification)?).await?;
    let history = found.ok_or_else(|| Problem::plain(Code::ResourceNotFound))?;
    let mut facts: Vec<_> = history.entries.iter().map(of_entry).collect();
    if let (Some(first), Some(workflow)) = (facts.first_mut(), &history.shown.verification.workflow) {
        first.data["workflow"] = super::workflow::steps(workflow);
        first.data["skipped"] = super::workflow::skipped(&workflow.skipped);
    }
    for delivery in &history.shown.deliveries {
        facts.extend(delivery.attempts.iter().map(|attempt| of_attempt(delivery, attempt)));
    }
    facts.sort_by_key(|fact| fact.at.0);
    Ok(crate::answer::json(StatusCode::OK, &ListView::new(facts, None)))
}

fn of_entry(entry: &Entry) -> Fact {
    Fact {
        object: "timeline_fact",
        at: Text(entry.at),
        r#type: entry.event.name(),
        actor: match entry.actor {
            Actor::Key(id) => id.to_string(),
            Actor::System => "system".to_owned(),
            Actor::Operator => "operator".to_owned(),
            Actor::Device(id) => id.to_string(),
        },
        request_id: entry.request.map(Text),
        delivery: entry.delivery.map(Text),
        data: data(&entry.event),
    }
}

fn of_attempt(delivery: &Delivery, attempt: &Attempt) -> Fact {
    let error = attempt.error.as_ref().map(|error| {
        let (fault, retry) = (error.fault.as_str(), error.retry);
        json!({ "fault": fault, "retryable": retry, "class": error.class, "detail": error.detail })
    });
    Fact {
        object: "timeline_fact",
        at: Text(attempt.at),
        r#type: if error.is_none() { "delivery.accepted" } else { "delivery.refused" },
        actor: "system".to_owned(),
        request_id: None,
        delivery: Some(Text(delivery.id)),
        data: json!({
            "channel": delivery.channel.as_str(),
            "provider": attempt.provider,
            "message_id": attempt.message_id,
            "cost": attempt.cost.map(crate::budgets::money),
            "error": error,
        }),
    }
}

fn data(event: &Event) -> Value {
    match event {
        Event::Created { purpose, channel, lane, route } => json!({
            "purpose": purpose.as_str(), "channel": channel.as_str(), "lane": lane.as_str(), "route": route,
        }),
        Event::Blocked(block) => json!({ "reason": block.as_str() }),
        Event::Resent { channel, rotated, route } => {
            json!({ "channel": channel.as_str(), "new_code": rotated, "route": route })
        }
        Event::CheckFailed { attempts_remaining, binding, status, paused_until } => json!({
            "attempts_remaining": attempts_remaining,
            "code": if *binding { "binding_mismatch" } else { "code_incorrect" },
            "status": status.as_str(),
            "reason": status.reason(),
            "paused_until": paused_until.map(|until| Rfc3339(until).to_string()),
        }),
        Event::Ended(status) => json!({ "status": status.as_str(), "reason": status.reason() }),
        Event::Reported(report) => json!({ "report": report.as_str() }),
        Event::DeliveryFailed(fault) => json!({ "fault": fault.as_str() }),
        Event::KeyCreated(id) | Event::KeyRevoked(id) => json!({ "api_key": id.to_string() }),
        Event::TestClockAdvanced(seconds) => json!({ "seconds": seconds }),
        Event::ClockAccepted(by) => json!({ "back_by_ms": by }),
        Event::SettingWritten(kind, id) | Event::SettingRemoved(kind, id) => {
            json!({ "setting": kind.as_str(), "id": data_encoding::HEXLOWER.encode(id) })
        }
        Event::RootActivated(root) => json!({ "root": root.to_string() }),
        Event::Receipt { provider, state, class, detail } => json!({
            "provider": provider, "state": state.as_str(), "class": class, "detail": detail,
        }),
        Event::Stepped { why, from, channel, route, skipped } => json!({
            "reason": why.as_str(), "from": from.as_str(), "channel": channel.as_str(), "route": route,
            "skipped": super::workflow::skipped(skipped),
        }),
        Event::Halted { why, because } => json!({ "reason": why.as_str(), "because": because.as_str() }),
        Event::Approved
        | Event::Overridden
        | Event::ProjectCreated
        | Event::OutboxCleared
        | Event::RecipientRevealed
        | Event::Subject(_)
        | Event::Fenced => {
            json!({})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::verification::Status;

    #[test]
    fn a_failed_check_says_why_and_what_is_left() {
        let event = Event::CheckFailed {
            attempts_remaining: 0,
            binding: false,
            status: Status::MaxAttempts,
            paused_until: Some(Timestamp::from_millis(0)),
        };
        assert_eq!(
            data(&event),
            json!({ "attempts_remaining": 0, "code": "code_incorrect", "status": "failed",
                    "reason": "max_attempts", "paused_until": "1970-01-01T00:00:00.000Z" })
        );
    }
}
