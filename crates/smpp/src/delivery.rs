//! `deliver_sm` and `data_sm` from an SMSC: receipts, and messages of handsets.
//!
//! Read by hand. The codec trusts every TLV to be as long as its tag says, and SMSCs send a
//! `receipted_message_id` without its NUL, a `message_state` of two octets, or TLVs of their own making; a receipt
//! must not be lost over it.

use bytes::{Buf as _, Bytes};

use crate::alphabet::Alphabet;
use crate::frame::{printable, take_string};
use crate::limits;
use crate::message_id::MessageIds;

/// What became of a message (section 5.2.28).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// On its way, `ENROUTE`; also `SCHEDULED` and what else is not over.
    Enroute,
    /// `DELIVRD`
    Delivered,
    /// `EXPIRED`
    Expired,
    /// `DELETED`
    Deleted,
    /// `UNDELIV`
    Undeliverable,
    /// `ACCEPTD`
    Accepted,
    /// `UNKNOWN`, also a state that nobody knows.
    Unknown,
    /// `REJECTD`
    Rejected,
}

impl State {
    /// The word of the text form (appendix B).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enroute => "ENROUTE",
            Self::Delivered => "DELIVRD",
            Self::Expired => "EXPIRED",
            Self::Deleted => "DELETED",
            Self::Undeliverable => "UNDELIV",
            Self::Accepted => "ACCEPTD",
            Self::Unknown => "UNKNOWN",
            Self::Rejected => "REJECTD",
        }
    }

    const fn of_tlv(value: u8) -> Self {
        match value {
            0 | 1 => Self::Enroute,
            2 => Self::Delivered,
            3 => Self::Expired,
            4 => Self::Deleted,
            5 => Self::Undeliverable,
            6 => Self::Accepted,
            // Skipped, of SMPP 5.0: ignored on purpose by the network.
            8 | 9 => Self::Rejected,
            _ => Self::Unknown,
        }
    }

    /// The word of a receipt, in any case, whole or as the seven letters that fit.
    fn of_word(word: &str) -> Self {
        let word = word.to_ascii_uppercase();
        let begins = |with: &str| word.starts_with(with);
        match () {
            () if begins("DELIV") => Self::Delivered,
            () if begins("EXPIR") => Self::Expired,
            () if begins("DELET") => Self::Deleted,
            () if begins("UNDEL") || begins("FAIL") => Self::Undeliverable,
            () if begins("ACCEPT") || begins("ACKED") => Self::Accepted,
            () if begins("REJEC") || begins("SKIP") => Self::Rejected,
            () if begins("ENROU") || begins("SCHED") || begins("BUFF") => Self::Enroute,
            () => Self::Unknown,
        }
    }
}

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message it is about, in the one form of [`MessageIds`]; `None` when it does not say.
    pub message_id: Option<String>,
    /// What became of it.
    pub state: State,
    /// The network's or SMSC's error code, printable; `None` when there is none or it is zero.
    pub error: Option<String>,
}

/// What an SMSC delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// What became of a message of ours.
    Receipt(Receipt),
    /// Something a handset sent, or an acknowledgement of one. We have no use for it.
    Message,
}

/// A body that cannot be followed: it ends within the fields that every such PDU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// The fields of a PDU that matter here.
#[derive(Debug, Default)]
struct Fields {
    esm_class: u8,
    data_coding: u8,
    text: Bytes,
    receipted_message_id: Option<Bytes>,
    message_state: Option<u8>,
    network_error: Option<Bytes>,
}

const RECEIPTED_MESSAGE_ID: u16 = 0x001e;
const MESSAGE_PAYLOAD: u16 = 0x0424;
const MESSAGE_STATE: u16 = 0x0427;
const NETWORK_ERROR_CODE: u16 = 0x0423;
/// Bits 5 to 2 of `esm_class`: the type of message (section 5.2.12).
const TYPE_BITS: u8 = 0x3c;
const IS_RECEIPT: u8 = 0x04;
const IS_NOTIFICATION: u8 = 0x20;

/// Reads a `deliver_sm` body.
///
/// # Errors
/// [`Unreadable`].
pub fn deliver_sm(body: Bytes, ids: &MessageIds) -> Result<Delivery, Unreadable> {
    let (mut fields, mut body) = addressed(body)?;
    need(&body, 2)?;
    body.advance(2);
    skip_string(&mut body)?;
    skip_string(&mut body)?;
    need(&body, 5)?;
    body.advance(2);
    fields.data_coding = body.get_u8();
    body.advance(1);
    let length = usize::from(body.get_u8());
    need(&body, length)?;
    fields.text = body.split_to(length);
    tlvs(body, &mut fields);
    Ok(judge(&fields, ids))
}

/// Reads a `data_sm` body.
///
/// # Errors
/// [`Unreadable`].
pub fn data_sm(body: Bytes, ids: &MessageIds) -> Result<Delivery, Unreadable> {
    let (mut fields, mut body) = addressed(body)?;
    need(&body, 2)?;
    body.advance(1);
    fields.data_coding = body.get_u8();
    tlvs(body, &mut fields);
    Ok(judge(&fields, ids))
}

/// Service type, both addresses and the class.
fn addressed(mut body: Bytes) -> Result<(Fields, Bytes), Unreadable> {
    skip_string(&mut body)?;
    for _ in 0..2 {
        need(&body, 2)?;
        body.advance(2);
        skip_string(&mut body)?;
    }
    need(&body, 1)?;
    let esm_class = body.get_u8();
    Ok((Fields { esm_class, ..Fields::default() }, body))
}

fn need(body: &Bytes, octets: usize) -> Result<(), Unreadable> {
    if body.len() < octets { Err(Unreadable) } else { Ok(()) }
}

fn skip_string(body: &mut Bytes) -> Result<(), Unreadable> {
    let end = body.iter().position(|octet| *octet == 0).ok_or(Unreadable)?;
    body.advance(end + 1);
    Ok(())
}

/// Each TLV by the length it declares; the first of a tag counts. One that is cut off ends the reading.
fn tlvs(mut body: Bytes, fields: &mut Fields) {
    while body.len() >= 4 {
        let (tag, length) = (body.get_u16(), usize::from(body.get_u16()));
        if body.len() < length {
            return;
        }
        let value = body.split_to(length);
        match tag {
            RECEIPTED_MESSAGE_ID => {
                fields.receipted_message_id.get_or_insert(value);
            }
            MESSAGE_STATE => fields.message_state = fields.message_state.or_else(|| value.last().copied()),
            NETWORK_ERROR_CODE => {
                fields.network_error.get_or_insert(value);
            }
            MESSAGE_PAYLOAD if fields.text.is_empty() => fields.text = value,
            _ => {}
        }
    }
}

/// A receipt is what says so: by its class, or by its TLVs where the class is silent. Text alone does not make
/// one, for any handset can send such a text.
fn judge(fields: &Fields, ids: &MessageIds) -> Delivery {
    let class = fields.esm_class & TYPE_BITS;
    let by_class = class == IS_RECEIPT || class == IS_NOTIFICATION;
    let by_tlv = class == 0 && fields.receipted_message_id.is_some();
    if !by_class && !by_tlv {
        return Delivery::Message;
    }
    let text = text(fields);
    let of_tlv =
        fields.receipted_message_id.clone().map(|mut id| take_string(&mut id, limits::MESSAGE_ID_CHARS));
    // A blank may follow the key; another key that does is no value.
    let of_text = word(&text, "id:").filter(|id| !id.contains(':'));
    let of_text = of_text.map(|id| printable(id.as_bytes(), limits::MESSAGE_ID_CHARS));
    let message_id = match (of_tlv.filter(|id| !id.is_empty()), of_text.filter(|id| !id.is_empty())) {
        (Some(id), _) => Some(ids.of_tlv(&id)),
        (None, Some(id)) => Some(ids.of_receipt(&id)),
        (None, None) => None,
    };
    let state = match fields.message_state {
        Some(value) => State::of_tlv(value),
        None => word(&text, "stat:").map_or(State::Unknown, State::of_word),
    };
    // An intermediate notification never says that it is over.
    let state = if class == IS_NOTIFICATION { State::Enroute } else { state };
    Delivery::Receipt(Receipt { message_id, state, error: error(fields, &text) })
}

fn text(fields: &Fields) -> String {
    let octets = &fields.text[..fields.text.len().min(limits::RECEIPT_OCTETS)];
    match fields.data_coding {
        8 => Alphabet::Ucs2.decode(octets, 0),
        _ => Alphabet::Latin1.decode(octets, 0),
    }
}

/// The value behind a key of the text form, up to the next blank. Keys stand at the start or behind a blank, in
/// any case, in any order; none but the one asked for has to be there.
fn word<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let lower = text.to_ascii_lowercase();
    let starts = lower.match_indices(key).map(|(at, _)| at);
    let at = starts.into_iter().find(|at| *at == 0 || lower[..*at].ends_with(char::is_whitespace))?;
    let value = text[at + key.len()..].trim_start_matches(' ');
    Some(value.split(char::is_whitespace).next().unwrap_or_default())
}

fn error(fields: &Fields, text: &str) -> Option<String> {
    let of_text = word(text, "err:").map(|code| printable(code.as_bytes(), limits::ERROR_CODE_CHARS));
    let of_tlv = fields.network_error.as_deref().and_then(|value| match value {
        [_, high, low] => Some(u16::from_be_bytes([*high, *low]).to_string()),
        _ => None,
    });
    let is_none = |code: &String| code.bytes().all(|byte| byte == b'0');
    of_text.filter(|code| !is_none(code)).or(of_tlv.filter(|code| !is_none(code)))
}

#[cfg(test)]
mod tests;
