//! `/v2/Attempts` and its summary: every send of a start in this dialect, and whether it led to an approval.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::command::RecipientIndex;
use countersign_core::delivery::{Delivery, DeliveryState};
use countersign_core::ids::{DeliveryId, VerificationId};
use countersign_core::store::{Filter, Shown};
use countersign_core::tenancy::Scope;
use countersign_core::verification::{Channel, Dialect, Status};
use serde_json::{Value, json};

use super::client::{Account, Client};
use super::error::TwilioError;
use super::form::Form;
use super::page::Page;
use super::sid::Sid;
use super::{rows, start, view};
use crate::answer;
use crate::app::App;
use crate::verifications::note_reveal;

/// Verifications read at a time, and looked at in one call.
const STEP: usize = 200;
const LOOKED_AT: usize = 50_000;
/// How long after its start a verification may be sent again.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 60);

/// What a list or a summary is about.
struct Wanted {
    filter: Filter,
    service: Option<[u8; 16]>,
    verification: Option<VerificationId>,
    /// `Some(None)`: one that is not used here.
    channel: Option<Option<Channel>>,
    converted: Option<bool>,
    prefix: Option<String>,
}

impl Wanted {
    fn read(app: &App, account: &Account, form: &Form) -> Result<Self, TwilioError> {
        let sid = |kind, name| form.read_as(name, |text| Sid::parse(kind, text).map(|sid| sid.1));
        let to = form.one("ChannelData.To")?.map(start::recipient).transpose()?;
        let country = form.read_as("Country", |text| match text.to_ascii_uppercase().as_bytes() {
            b"ALL" => Some(None),
            &[first, second] if first.is_ascii_uppercase() && second.is_ascii_uppercase() => {
                Some(Some([first, second]))
            }
            _ => None,
        })?;
        let filter = Filter {
            to: to.map(|to| RecipientIndex::of(&app.services.keys, &account.member.tenant, &to)),
            country: country.flatten(),
            created_after: form.instant("DateCreatedAfter")?,
            created_before: form.instant("DateCreatedBefore")?,
            ..Filter::default()
        };
        Ok(Self {
            filter,
            service: sid("VA", "VerifyServiceSid")?,
            verification: sid("VE", "VerificationSid")?.map(VerificationId::from_bytes),
            channel: form.read_as("Channel", |text| match text.to_ascii_lowercase().as_str() {
                "sms" => Some(Some(Channel::Sms)),
                "call" => Some(Some(Channel::Voice)),
                "email" => Some(Some(Channel::Email)),
                "whatsapp" => Some(Some(Channel::Whatsapp)),
                "rbm" | "rcs" => Some(None),
                _ => None,
            })?,
            converted: form.read_as("Status", |text| match text.to_ascii_lowercase().as_str() {
                "converted" => Some(true),
                "unconverted" => Some(false),
                _ => None,
            })?,
            prefix: form.one("DestinationPrefix")?.map(str::to_owned),
        })
    }

    /// The sends of a verification this is about, newest first.
    fn of<'a>(&'a self, shown: &'a Shown) -> impl Iterator<Item = &'a Delivery> {
        let row = &shown.verification;
        let ours = row.origin.filter(|origin| origin.dialect == Dialect::Twilio);
        let fits = ours.is_some_and(|origin| self.service.is_none_or(|service| service == origin.service))
            && self.verification.is_none_or(|wanted| wanted == row.id)
            && self.converted.is_none_or(|converted| converted == (row.status == Status::Approved));
        let all = shown.deliveries.iter().rev().filter(move |_| fits);
        all.filter(|delivery| self.channel.is_none_or(|channel| channel == Some(delivery.channel)))
    }
}

/// Where a page goes on: behind so many sends of this verification.
fn resume(token: &str) -> Option<(VerificationId, usize)> {
    let (id, skip) = token.split_once('-')?;
    let id: [u8; 16] = data_encoding::HEXLOWER.decode(id.as_bytes()).ok()?.try_into().ok()?;
    Some((VerificationId::from_bytes(id), skip.parse().ok()?))
}

/// The id that comes right after this one.
fn after(id: VerificationId) -> VerificationId {
    let next = u128::from_be_bytes(*id.as_bytes()).saturating_add(1);
    VerificationId::from_bytes(next.to_be_bytes())
}

/// The recipient of an attempt as the caller may see it.
fn to_of(app: &App, shown: &Shown, clear: bool) -> Option<String> {
    let private = shown.verification.open_private(&app.services.keys, &shown.recipient.data_key)?;
    Some(if clear { private.to } else { private.masked })
}

fn record(app: &App, account: &Account, shown: &Shown, delivery: &Delivery, clear: bool) -> Value {
    let (row, sid) = (&shown.verification, Sid("VL", *delivery.id.as_bytes()));
    let converted = row.status == Status::Approved;
    let message = match delivery.state {
        DeliveryState::Queued => "queued",
        DeliveryState::Sent => "sent",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Failed => "failed",
        DeliveryState::Expired => "canceled",
    };
    let confirmed = match row.status_at(account.now(app)) {
        Status::Approved => "confirmed",
        Status::Expired => "expired",
        _ => "unconfirmed",
    };
    let status = if delivery.channel == Channel::Voice { "call_status" } else { "message_status" };
    let verification = Sid("VE", *row.id.as_bytes());
    let mut data = json!({
        "verification_sid": verification, "to": to_of(app, shown, clear), "status": confirmed,
        "error_code": delivery.attempts.last().and_then(|attempt| attempt.error.as_ref()).map(|error| &error.class),
        "country": row.country().map(|country| country.as_str().to_owned()),
        "code_length": row.format.length, "locale": null, "mcc": null, "mnc": null, "carrier": null,
    });
    data[status] = json!(message);
    json!({
        "sid": sid, "account_sid": account.sid(),
        "service_sid": row.origin.map(|origin| Sid("VA", origin.service)), "verification_sid": verification,
        "date_created": view::instant(delivery.created_at), "date_updated": view::instant(delivery.state_at),
        "conversion_status": if converted { "converted" } else { "unconverted" },
        "channel": view::channel_name(delivery.channel), "price": { "value": null, "currency": null },
        "channel_data": data, "url": account.link(&format!("/v2/Attempts/{sid}")),
    })
}

/// Whether recipients are shown in the clear; noted before they are.
async fn clear(app: &App, account: &Account) -> Result<bool, TwilioError> {
    Ok(account.member.may(Scope::RecipientsRead) && note_reveal(app, &account.member).await?)
}

const FILTERS: [&str; 11] = [
    "PageSize",
    "Page",
    "PageToken",
    "DateCreatedAfter",
    "DateCreatedBefore",
    "ChannelData.To",
    "Country",
    "Channel",
    "VerifyServiceSid",
    "VerificationSid",
    "Status",
];

pub(crate) async fn list(State(app): State<App>, uri: Uri, client: Client) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let form = Form::of_query(&uri).only(&FILTERS)?;
    let page = Page::of(&form, &uri, "/v2/Attempts".to_owned())?;
    let wanted = Wanted::read(&app, &account, &form)?;
    let begin = match &page.after {
        Some(token) => Some(resume(token).ok_or_else(Page::wrong_token)?),
        None => None,
    };
    let clear = clear(&app, &account).await?;
    let (mut records, mut next) = (Vec::new(), None);
    let mut before = begin.map(|(id, _)| after(id));
    let mut looked_at = 0;
    'pages: loop {
        let store = &app.services.store;
        let read = store.verifications(account.member.tenant, wanted.filter.clone(), before, STEP).await?;
        for shown in &read.verifications {
            let id = shown.verification.id;
            let skip = begin.filter(|(resumed, _)| *resumed == id).map_or(0, |(_, skip)| skip);
            for (nth, delivery) in wanted.of(shown).enumerate().skip(skip) {
                if records.len() == page.size {
                    next = Some(format!("{}-{nth}", data_encoding::HEXLOWER.encode(id.as_bytes())));
                    break 'pages;
                }
                records.push(record(&app, &account, shown, delivery, clear));
            }
        }
        looked_at += read.verifications.len();
        let Some(last) = read.next else { break };
        if looked_at >= LOOKED_AT {
            next = read.verifications.last().map(|shown| {
                let id = shown.verification.id;
                format!("{}-{}", data_encoding::HEXLOWER.encode(id.as_bytes()), usize::from(u8::MAX))
            });
            break;
        }
        before = Some(last);
    }
    Ok(page.answer(&account, "attempts", records, next))
}

/// One send. Its id tells when it was made, and its verification began at most a lifetime before.
pub(crate) async fn fetch(
    State(app): State<App>,
    Path(sid): Path<String>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let not_found = || TwilioError::not_found(&format!("/v2/Attempts/{}", rows::shown(&sid)));
    let id = DeliveryId::from_bytes(Sid::parse("VL", &sid).ok_or_else(not_found)?.1);
    let oldest = id.created_at().minus(LONGEST_LIFE);
    let mut before = Some(VerificationId::new(id.created_at().plus(Duration::from_millis(1)), [0xff; 10]));
    loop {
        let store = &app.services.store;
        let read = store.verifications(account.member.tenant, Filter::default(), before, STEP).await?;
        let carries = |shown: &&Shown| shown.deliveries.iter().any(|delivery| delivery.id == id);
        if let Some(shown) = read.verifications.iter().find(carries) {
            let ours = shown.verification.origin.is_some();
            let delivery = shown.deliveries.iter().find(|delivery| delivery.id == id).filter(|_| ours);
            let delivery = delivery.ok_or_else(not_found)?;
            let clear = clear(&app, &account).await?;
            return Ok(answer::json(StatusCode::OK, &record(&app, &account, shown, delivery, clear)));
        }
        before = read.next.filter(|next| next.created_at() >= oldest);
        if before.is_none() {
            return Err(not_found());
        }
    }
}

pub(crate) async fn summary(
    State(app): State<App>,
    uri: Uri,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let known = [
        "VerifyServiceSid",
        "DateCreatedAfter",
        "DateCreatedBefore",
        "Country",
        "Channel",
        "DestinationPrefix",
    ];
    let wanted = Wanted::read(&app, &account, &Form::of_query(&uri).only(&known)?)?;
    let (mut total, mut converted, mut looked_at) = (0_u64, 0_u64, 0);
    let mut before = None;
    loop {
        let store = &app.services.store;
        let read = store.verifications(account.member.tenant, wanted.filter.clone(), before, STEP).await?;
        for shown in &read.verifications {
            let prefix = wanted.prefix.as_deref();
            if prefix.is_some_and(|prefix| !to_of(&app, shown, true).is_some_and(|to| to.starts_with(prefix)))
            {
                continue;
            }
            let sends = wanted.of(shown).count() as u64;
            total += sends;
            converted += if shown.verification.status == Status::Approved { sends } else { 0 };
        }
        looked_at += read.verifications.len();
        before = read.next;
        if before.is_none() {
            break;
        }
        if looked_at >= LOOKED_AT {
            return Err(TwilioError::invalid(
                "DateCreatedAfter",
                "too many attempts for one summary; narrow the dates",
            ));
        }
    }
    Ok(answer::json(
        StatusCode::OK,
        &json!({
            "total_attempts": total, "total_converted": converted, "total_unconverted": total - converted,
            "conversion_rate_percentage": percentage(converted, total), "url": account.link("/v2/Attempts/Summary"),
        }),
    ))
}

/// A text with nine decimals, without zeros at its end.
fn percentage(part: u64, whole: u64) -> String {
    let nano = part.saturating_mul(100_000_000_000).checked_div(whole).unwrap_or(0);
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use countersign_core::time::Timestamp;

    use super::*;

    #[test]
    fn percentages_are_texts() {
        assert_eq!([percentage(9, 11), percentage(1, 2), percentage(0, 0)], ["81.818181818", "50", "0"]);
    }

    #[test]
    fn a_page_goes_on_at_the_same_verification() {
        let id = VerificationId::new(Timestamp::from_millis(5), [7; 10]);
        let token = format!("{}-3", data_encoding::HEXLOWER.encode(id.as_bytes()));
        assert_eq!(resume(&token), Some((id, 3)));
        assert!(after(id) > id);
        assert_eq!(resume("nonsense"), None);
    }
}
