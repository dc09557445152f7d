//! Verifications and instants as this dialect shows them.

use countersign_core::command::Snapshot;
use countersign_core::delivery::Delivery;
use countersign_core::ids::VerificationId;
use countersign_core::recipient::{LineType, Recipient};
use countersign_core::tenancy::Scope;
use countersign_core::time::Timestamp;
use countersign_core::verification::{Channel, Private, Status};
use serde_json::{Value, json};

use super::client::Account;
use super::error::TwilioError;
use super::services::Service;
use super::sid::Sid;
use crate::app::App;
use crate::verifications::{note_reveal, view::open_private};

/// RFC 3339 in UTC without fractions: with them, twilio-python hands out a text instead of an instant.
pub(crate) fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.seconds()).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// The channel's name here.
pub(crate) const fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "sms",
        Channel::Voice => "call",
        Channel::Whatsapp => "whatsapp",
        Channel::Email => "email",
        Channel::Own => "self",
    }
}

/// The name of a state here.
pub(crate) const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::Approved => "approved",
        Status::MaxAttempts => "max_attempts_reached",
        Status::Undeliverable | Status::Blocked(_) => "failed",
        Status::Expired => "expired",
        Status::CanceledByCustomer | Status::Superseded | Status::BindingChanged => "canceled",
    }
}

/// The vendor writes some channels of its attempts in capitals.
fn attempt_channel(channel: Channel) -> String {
    match channel {
        Channel::Whatsapp => "whatsapp".to_owned(),
        other => channel_name(other).to_ascii_uppercase(),
    }
}

/// Each send of a verification, oldest first.
fn attempts<'a>(deliveries: impl IntoIterator<Item = &'a Delivery>) -> Vec<Value> {
    let attempt = |delivery: &Delivery| {
        json!({
            "time": instant(delivery.created_at),
            "channel": attempt_channel(delivery.channel),
            "attempt_sid": Sid("VL", *delivery.id.as_bytes()),
        })
    };
    deliveries.into_iter().map(attempt).collect()
}

/// The recipient as the caller may see it: one that it named in this request, or all with `recipients:read`, which is
/// noted before the caller sees it unless the same pair named it when it started this verification lately; else masked.
async fn recipient(
    app: &App,
    account: &Account,
    id: VerificationId,
    private: &Private,
    named: bool,
) -> Result<String, TwilioError> {
    let member = &account.member;
    let known = || member.may(Scope::RecipientsRead) && app.named.of(&(member.key(), id)).is_some();
    let clear = named || known() || note_reveal(app, member).await?;
    Ok(if clear { private.to.clone() } else { private.masked.clone() })
}

/// What this server knows of a line without asking anybody: its sort, from the numbering plans.
fn lookup(service: &Service, to: &str) -> Value {
    if !service.settings.lookup_enabled {
        return json!({});
    }
    let line = Recipient::parse(to).ok().and_then(|to| to.line_type());
    let line = line.and_then(|line| match line {
        LineType::Mobile => Some("mobile"),
        LineType::FixedLine => Some("landline"),
        LineType::Voip => Some("voip"),
        _ => None,
    });
    json!({ "carrier": {
        "mobile_country_code": null, "mobile_network_code": null, "name": null, "type": line, "error_code": null,
    } })
}

/// What both resources have in common.
async fn common(
    app: &App,
    account: &Account,
    service: &Service,
    snapshot: &Snapshot,
    named: bool,
) -> Result<(Value, Private), TwilioError> {
    let row = &snapshot.verification;
    let private = open_private(app, snapshot);
    let transaction = private.transaction.as_ref();
    let updated = row.ended_at.max(row.last_send_at).unwrap_or(row.created_at);
    let view = json!({
        "sid": Sid("VE", *row.id.as_bytes()),
        "service_sid": service.sid(),
        "account_sid": account.sid(),
        "to": recipient(app, account, row.id, &private, named).await?,
        "channel": channel_name(row.channel),
        "status": status_name(row.status),
        "valid": row.status == Status::Approved,
        "amount": transaction.and_then(|transaction| transaction.written.clone()),
        "payee": transaction.map(|transaction| transaction.payee.clone()),
        "date_created": instant(row.created_at),
        "date_updated": instant(updated),
    });
    Ok((view, private))
}

/// A verification. `named` says that the caller named its recipient in this request.
pub(crate) async fn verification(
    app: &App,
    account: &Account,
    service: &Service,
    snapshot: &Snapshot,
    deliveries: &[Delivery],
    named: bool,
) -> Result<Value, TwilioError> {
    let (mut view, private) = common(app, account, service, snapshot, named).await?;
    let sid = Sid("VE", *snapshot.verification.id.as_bytes());
    view["lookup"] = lookup(service, &private.to);
    view["send_code_attempts"] = Value::Array(attempts(deliveries));
    view["sna"] = Value::Null;
    view["url"] = json!(account.link(&format!("/v2/Services/{}/Verifications/{sid}", service.sid())));
    Ok(view)
}

/// The answer of a check. Only the check that approved is valid.
pub(crate) async fn check(
    app: &App,
    account: &Account,
    service: &Service,
    snapshot: &Snapshot,
    named: bool,
    approved: bool,
) -> Result<Value, TwilioError> {
    let (mut view, _) = common(app, account, service, snapshot, named).await?;
    view["status"] = json!(if approved { "approved" } else { "pending" });
    view["valid"] = json!(approved);
    view["sna_attempts_error_codes"] = json!([]);
    Ok(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_no_fractions() {
        assert_eq!(instant(Timestamp::from_millis(1_704_067_200_999)), "2024-01-01T00:00:00Z");
    }
}
