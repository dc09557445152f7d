//! From a text to the `submit_sm` PDUs that carry it.

use std::time::Duration;

use rusmpp::pdus::SubmitSm;
use rusmpp::tlvs::MessageSubmissionRequestTlvValue as Tlv;
use rusmpp::types::{AnyOctetString, COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp::values::{DataCoding, EsmClass, MessagePayload, Npi, RegisteredDelivery, ServiceType, Ton};

use crate::alphabet::Alphabet;
use crate::limits;

/// An address with what kind of one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Type of number (section 5.2.5).
    pub ton: u8,
    /// Numbering plan (section 5.2.6).
    pub npi: u8,
    /// Digits or letters, ASCII, at most 20.
    pub text: String,
}

impl Address {
    /// A sender as people write it: `+48600100217` is an international number (1, 1), `70707` a short one of the
    /// network (3, 0), anything else a name (5, 0).
    ///
    /// # Errors
    /// [`ComposeError::Source`] for what no network would show.
    pub fn sender(text: &str) -> Result<Self, ComposeError> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let (ton, npi, text, longest) = match (number, digits.len() < text.len()) {
            (true, true) => (1, 1, digits, 15),
            (true, false) => (3, 0, digits, limits::ADDRESS_CHARS),
            (false, _) => (5, 0, text, limits::ALPHANUMERIC_CHARS),
        };
        let shown = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let named = number || text.bytes().any(|byte| byte.is_ascii_alphabetic());
        if text.len() > longest || !shown || !named {
            return Err(ComposeError::Source);
        }
        Ok(Self { ton, npi, text: text.to_owned() })
    }

    /// A recipient in E.164, with or without its `+`.
    ///
    /// # Errors
    /// [`ComposeError::Destination`] for anything else.
    pub fn recipient(text: &str) -> Result<Self, ComposeError> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let number = (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !number {
            return Err(ComposeError::Destination);
        }
        Ok(Self { ton: 1, npi: 1, text: digits.to_owned() })
    }
}

/// How a text that is too long for one message travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Concatenation {
    /// Several messages, each with a user data header that says which part it is (TS 23.040, 9.2.3.24.1).
    #[default]
    Udh,
    /// Several messages with `sar_` parameters, from which the SMSC makes the headers.
    Sar,
    /// One PDU with a `message_payload`, which the SMSC cuts itself.
    Payload,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// Who it seems to come from; empty fields leave it to the SMSC.
    pub source: Address,
    /// Whom it goes to.
    pub destination: Address,
    /// The text.
    pub text: &'a str,
    /// The alphabets that may be used, the preferred one first.
    pub alphabets: &'a [Alphabet],
    /// How a long text travels.
    pub concatenation: Concatenation,
    /// `service_type`, at most 5 characters; mostly empty.
    pub service_type: &'a str,
    /// How long the SMSC may try to deliver it.
    pub validity: Duration,
    /// Whether a receipt is asked for.
    pub receipt: bool,
    /// What tells the parts of this message from those of others to the same handset.
    pub reference: u16,
}

/// Why a message cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// A sender that no network shows.
    #[error("the sender is neither a number nor a name of 1 to 11 ASCII characters")]
    Source,
    /// Not a number in E.164.
    #[error("the recipient is not a number in E.164")]
    Destination,
    /// No alphabet that may be used has every character.
    #[error("no configured alphabet has every character of the text")]
    Alphabet,
    /// More than 255 parts, or more than 64 KiB.
    #[error("the text is too long")]
    Length,
    /// Nothing is left of its validity.
    #[error("the message is valid for less than a second")]
    Expired,
    /// `service_type` is longer than 5 characters or not ASCII.
    #[error("the service type is not 0 to 5 ASCII characters")]
    ServiceType,
}

/// Octets of the user data header of one part: its length, and an element with 8-bit reference, total and number.
const HEADER_OCTETS: usize = 6;
const UDH_INDICATOR: u8 = 0x40;

/// Writes the PDUs of a message, in their order. A receipt is asked for the last part only: a handset shows the
/// text once it has all of them.
///
/// # Errors
/// [`ComposeError`]; nothing is cut or replaced.
pub fn compose(message: &Message<'_>) -> Result<Vec<SubmitSm>, ComposeError> {
    let alphabet = Alphabet::of(message.text, message.alphabets).ok_or(ComposeError::Alphabet)?;
    let frame = frame(message, alphabet)?;
    if units(message.text, alphabet) <= alphabet.capacity(0) {
        let mut whole = frame;
        whole.registered_delivery = RegisteredDelivery::from(u8::from(message.receipt));
        whole.set_short_message(octets(alphabet.encode(message.text, 0))?);
        return Ok(vec![whole]);
    }
    if message.concatenation == Concatenation::Payload {
        let payload = alphabet.encode(message.text, 0);
        if payload.len() > usize::from(u16::MAX) {
            return Err(ComposeError::Length);
        }
        let mut whole = frame;
        whole.registered_delivery = RegisteredDelivery::from(u8::from(message.receipt));
        whole.push_tlv(Tlv::MessagePayload(MessagePayload::new(AnyOctetString::from_vec(payload))));
        return Ok(vec![whole]);
    }
    parts(message, alphabet, &frame)
}

fn parts(message: &Message<'_>, alphabet: Alphabet, frame: &SubmitSm) -> Result<Vec<SubmitSm>, ComposeError> {
    let pieces = split(message.text, alphabet);
    let total = u8::try_from(pieces.len()).map_err(|_| ComposeError::Length)?;
    let mut pdus = Vec::with_capacity(pieces.len());
    for (number, piece) in (1..=total).zip(pieces) {
        let mut part = frame.clone();
        let last = number == total;
        part.registered_delivery = RegisteredDelivery::from(u8::from(message.receipt && last));
        if message.concatenation == Concatenation::Sar {
            part.push_tlv(Tlv::SarMsgRefNum(message.reference));
            part.push_tlv(Tlv::SarTotalSegments(total));
            part.push_tlv(Tlv::SarSegmentSeqnum(number));
            part.set_short_message(octets(alphabet.encode(piece, 0))?);
        } else {
            let [_, reference] = message.reference.to_be_bytes();
            let mut data = vec![5, 0, 3, reference, total, number];
            data.extend(alphabet.encode(piece, HEADER_OCTETS));
            part.esm_class = EsmClass::from(UDH_INDICATOR);
            part.set_short_message(octets(data)?);
        }
        pdus.push(part);
    }
    Ok(pdus)
}

/// What all parts have in common.
fn frame(message: &Message<'_>, alphabet: Alphabet) -> Result<SubmitSm, ComposeError> {
    let Address { ton, npi, text } = &message.source;
    let source = c_string(text).ok_or(ComposeError::Source)?;
    let service_type = c_string(message.service_type).ok_or(ComposeError::ServiceType)?;
    let destination = c_string(&message.destination.text).ok_or(ComposeError::Destination)?;
    Ok(SubmitSm::builder()
        .service_type(ServiceType::new(service_type))
        .source_addr_ton(Ton::from(*ton))
        .source_addr_npi(Npi::from(*npi))
        .source_addr(source)
        .dest_addr_ton(Ton::from(message.destination.ton))
        .dest_addr_npi(Npi::from(message.destination.npi))
        .destination_addr(destination)
        // Not the codec's default, which sets bits of another message type.
        .esm_class(EsmClass::from(0))
        .validity_period(validity_period(message.validity)?)
        .data_coding(DataCoding::from(alphabet.data_coding()))
        .build())
}

/// The time in relative form (section 7.1.1.2), rounded down: never longer than asked for.
fn validity_period(validity: Duration) -> Result<EmptyOrFullCOctetString<17>, ComposeError> {
    let seconds = validity.as_secs();
    if seconds == 0 {
        return Err(ComposeError::Expired);
    }
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    // Beyond a month the form counts in months, whose length differs: nothing here lives so long.
    let days = days.min(28);
    let text = format!("0000{days:02}{:02}{:02}{:02}000R\0", hours % 24, minutes % 60, seconds % 60);
    EmptyOrFullCOctetString::from_vec(text.into_bytes()).map_err(|_| ComposeError::Expired)
}

fn units(text: &str, alphabet: Alphabet) -> usize {
    text.chars().filter_map(|letter| alphabet.units(letter)).sum()
}

/// Cuts a text so that each piece fits behind a header, no character cut in two.
fn split(text: &str, alphabet: Alphabet) -> Vec<&str> {
    let room = alphabet.capacity(HEADER_OCTETS);
    let (mut pieces, mut start, mut used) = (Vec::new(), 0, 0);
    for (at, letter) in text.char_indices() {
        let wide = alphabet.units(letter).unwrap_or(0);
        if used + wide > room {
            pieces.push(&text[start..at]);
            (start, used) = (at, 0);
        }
        used += wide;
    }
    pieces.push(&text[start..]);
    pieces
}

fn octets(data: Vec<u8>) -> Result<OctetString<0, 255>, ComposeError> {
    OctetString::from_vec(data).map_err(|_| ComposeError::Length)
}

pub(crate) fn c_string<const MIN: usize, const MAX: usize>(text: &str) -> Option<COctetString<MIN, MAX>> {
    let mut octets = Vec::with_capacity(text.len() + 1);
    octets.extend_from_slice(text.as_bytes());
    octets.push(0);
    COctetString::from_vec(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GSM_OR_UCS: [Alphabet; 2] = [Alphabet::Gsm7, Alphabet::Ucs2];

    fn message(text: &str) -> Message<'_> {
        Message {
            source: Address::sender("ACME").unwrap(),
            destination: Address::recipient("+48600100217").unwrap(),
            text,
            alphabets: &GSM_OR_UCS,
            concatenation: Concatenation::Udh,
            service_type: "",
            validity: Duration::from_secs(600),
            receipt: true,
            reference: 0x1234,
        }
    }

    fn octets_of(pdu: &SubmitSm) -> Vec<u8> {
        pdu.short_message().clone().into_vec()
    }

    #[test]
    fn a_sender_says_what_it_is() {
        let of = |text: &str| Address::sender(text).map(|address| (address.ton, address.npi, address.text));
        assert_eq!(of("+48600100217"), Ok((1, 1, "48600100217".to_owned())));
        assert_eq!(of("70707"), Ok((3, 0, "70707".to_owned())));
        assert_eq!(of("Acme Bank 1"), Ok((5, 0, "Acme Bank 1".to_owned())));
        for wrong in
            ["", "+", "Acme Bank 12", "Żubr", "A\nB", "A\0", "+4860010021700000", "123456789012345678901"]
        {
            assert_eq!(of(wrong), Err(ComposeError::Source), "{wrong:?}");
        }
    }

    #[test]
    fn a_recipient_is_a_number() {
        for (text, good) in [("+48600100217", true), ("123456789012345", true), ("1234567890123456", false)] {
            assert_eq!(Address::recipient(text).is_ok(), good, "{text}");
        }
        for wrong in ["", "+", "a@b.example", "+48 600", "48600;1"] {
            assert_eq!(Address::recipient(wrong), Err(ComposeError::Destination), "{wrong:?}");
        }
    }

    #[test]
    fn a_short_text_is_one_plain_message() {
        let pdus = compose(&message("482913 is your code")).unwrap();
        let [pdu] = &pdus[..] else { panic!("{} PDUs", pdus.len()) };
        assert_eq!(octets_of(pdu), b"482913 is your code");
        assert_eq!(u8::from(pdu.esm_class), 0);
        assert_eq!(u8::from(pdu.registered_delivery), 1);
        assert_eq!(pdu.validity_period.as_str(), "000000001000000R");
    }

    #[test]
    fn parts_are_cut_at_each_border() {
        for (length, count) in [(160, 1), (161, 2), (306, 2), (307, 3), (153 * 255, 255)] {
            assert_eq!(compose(&message(&"a".repeat(length))).unwrap().len(), count, "{length}");
        }
        assert_eq!(compose(&message(&"a".repeat(153 * 255 + 1))).err(), Some(ComposeError::Length));
        for (length, count) in [(70, 1), (71, 2), (134, 2), (135, 3)] {
            assert_eq!(compose(&message(&"ж".repeat(length))).unwrap().len(), count, "{length}");
        }
    }

    #[test]
    fn a_part_has_a_header_and_only_the_last_asks_for_a_receipt() {
        let pdus = compose(&message(&format!("{}€{}", "a".repeat(152), "b".repeat(20)))).unwrap();
        let headers: Vec<_> = pdus.iter().map(|pdu| octets_of(pdu)[..6].to_vec()).collect();
        assert_eq!(headers, [[5, 0, 3, 0x34, 2, 1], [5, 0, 3, 0x34, 2, 2]]);
        // The escape pair would have lain across the border.
        assert_eq!(octets_of(&pdus[0]).len(), 6 + 152);
        assert_eq!(pdus.iter().map(|pdu| u8::from(pdu.registered_delivery)).collect::<Vec<_>>(), [0, 1]);
        assert!(pdus.iter().all(|pdu| u8::from(pdu.esm_class) == UDH_INDICATOR));
    }

    #[test]
    fn sar_and_payload_set_no_header() {
        let text = "a".repeat(161);
        let sar = compose(&Message { concatenation: Concatenation::Sar, ..message(&text) }).unwrap();
        assert_eq!(sar.iter().map(|pdu| pdu.tlvs().len()).collect::<Vec<_>>(), [3, 3]);
        let payload = compose(&Message { concatenation: Concatenation::Payload, ..message(&text) }).unwrap();
        let [whole] = &payload[..] else { panic!("{} PDUs", payload.len()) };
        assert_eq!((whole.short_message().len(), whole.tlvs()[0].value_length()), (0, 161));
        assert!(sar.iter().chain(&payload).all(|pdu| u8::from(pdu.esm_class) == 0));
    }

    #[test]
    fn a_validity_is_never_rounded_up() {
        let of = |millis| compose(&Message { validity: Duration::from_millis(millis), ..message("a") });
        assert_eq!(of(999).err(), Some(ComposeError::Expired));
        for (millis, text) in [
            (1_000, "000000000001000R"),
            (59_999, "000000000059000R"),
            (60_000, "000000000100000R"),
            (86_399_000, "000000235959000R"),
            (86_400_000, "000001000000000R"),
        ] {
            assert_eq!(of(millis).unwrap()[0].validity_period.as_str(), text, "{millis}");
        }
    }

    /// Whatever a text holds, it cannot become a header: the indicator is ours alone.
    #[test]
    fn a_hostile_text_is_text() {
        for text in
            ["\u{5}\u{0}\u{3}\u{1}\u{2}\u{1}", "\u{0}", "\u{1b}\u{1b}", "id:1 stat:DELIVRD", "\u{202e}"]
        {
            let pdus = compose(&message(text)).unwrap();
            assert!(pdus.iter().all(|pdu| u8::from(pdu.esm_class) == 0), "{text:?}");
        }
    }
}
