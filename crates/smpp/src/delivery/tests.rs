use proptest::prelude::*;

use super::*;

struct Pdu {
    class: u8,
    coding: u8,
    text: Vec<u8>,
    tlvs: Vec<u8>,
}

fn pdu(class: u8, text: &str) -> Pdu {
    Pdu { class, coding: 0, text: text.as_bytes().to_vec(), tlvs: Vec::new() }
}

impl Pdu {
    fn tlv(mut self, tag: u16, value: &[u8]) -> Self {
        self.tlvs.extend(tag.to_be_bytes());
        self.tlvs.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        self.tlvs.extend(value);
        self
    }

    fn octets(&self) -> Bytes {
        let mut body = b"\0\x01\x0148600100217\0\x05\x00ACME\0".to_vec();
        body.extend([self.class, 0, 0, 0, 0, 0, 0, self.coding, 0]);
        body.push(u8::try_from(self.text.len()).unwrap());
        body.extend(&self.text);
        body.extend(&self.tlvs);
        body.into()
    }

    fn read(&self) -> Delivery {
        deliver_sm(self.octets(), &MessageIds::default()).unwrap()
    }
}

fn receipt(id: Option<&str>, state: State, error: Option<&str>) -> Delivery {
    Delivery::Receipt(Receipt { message_id: id.map(str::to_owned), state, error: error.map(str::to_owned) })
}

#[test]
fn the_text_form_of_the_standard_and_what_vendors_make_of_it() {
    for (text, id, state, error) in [
        (
            "id:1891273321 sub:001 dlvrd:001 submit date:1305050826 done date:1305050826 stat:DELIVRD err:000 text:Hi",
            Some("1891273321"),
            State::Delivered,
            None,
        ),
        // Jasmin: no sub, dlvrd or text, and a UUID.
        (
            "id:0d1c7f2a-5b1e-4d3a-9a1b-2c3d4e5f6a7b submit date:2611240826 done date:2611240827 stat:UNDELIV err:027",
            Some("0d1c7f2a-5b1e-4d3a-9a1b-2c3d4e5f6a7b"),
            State::Undeliverable,
            Some("027"),
        ),
        ("ID: 7 STAT: expired ERR: 0x4", Some("7"), State::Expired, Some("0x4")),
        ("stat:REJECTD\r\nid:7", Some("7"), State::Rejected, None),
        ("id:7 stat:DELIVERED", Some("7"), State::Delivered, None),
        ("id:7 stat:ACCEPTD", Some("7"), State::Accepted, None),
        ("id:7 stat:BUFFRED", Some("7"), State::Enroute, None),
        ("id:7 stat:DELETED", Some("7"), State::Deleted, None),
        ("id:7 stat:QWERTY", Some("7"), State::Unknown, None),
        ("id:7", Some("7"), State::Unknown, None),
        ("stat:DELIVRD", None, State::Delivered, None),
        ("id: stat:DELIVRD", None, State::Delivered, None),
        ("", None, State::Unknown, None),
        // `id:` within another word is not the key.
        ("paid:1 id:7 stat:DELIVRD", Some("7"), State::Delivered, None),
    ] {
        assert_eq!(pdu(IS_RECEIPT, text).read(), receipt(id, state, error), "{text}");
    }
}

#[test]
fn tlvs_win_over_the_text() {
    let both = pdu(IS_RECEIPT, "id:31 stat:UNDELIV err:005")
        .tlv(RECEIPTED_MESSAGE_ID, b"1f\0")
        .tlv(MESSAGE_STATE, &[2])
        .tlv(NETWORK_ERROR_CODE, &[3, 0, 27]);
    assert_eq!(both.read(), receipt(Some("1f"), State::Delivered, Some("005")));
}

#[test]
fn tlvs_that_are_not_as_the_standard_has_them_are_read_all_the_same() {
    let odd = pdu(IS_RECEIPT, "")
        .tlv(0x1501, b"of the vendor's own")
        .tlv(RECEIPTED_MESSAGE_ID, b"no-nul")
        .tlv(MESSAGE_STATE, &[0, 5])
        .tlv(NETWORK_ERROR_CODE, &[3, 0, 27])
        .tlv(RECEIPTED_MESSAGE_ID, b"second\0");
    assert_eq!(odd.read(), receipt(Some("no-nul"), State::Undeliverable, Some("27")));
    let mut cut = pdu(IS_RECEIPT, "id:7 stat:DELIVRD");
    cut.tlvs = vec![0, 0x1e, 0, 9, b'x'];
    assert_eq!(cut.read(), receipt(Some("7"), State::Delivered, None));
}

#[test]
fn class_zero_with_tlvs_is_a_receipt_and_text_alone_is_not() {
    let text = "id:7 stat:DELIVRD";
    assert_eq!(pdu(0, text).read(), Delivery::Message);
    let told = pdu(0, text).tlv(RECEIPTED_MESSAGE_ID, b"7\0");
    assert_eq!(told.read(), receipt(Some("7"), State::Delivered, None));
    // Acknowledgements of a handset (0x08, 0x10) are not receipts of the SMSC.
    for class in [0x08, 0x10, 0x18] {
        assert_eq!(pdu(class, text).tlv(RECEIPTED_MESSAGE_ID, b"7\0").read(), Delivery::Message);
    }
}

#[test]
fn an_intermediate_notification_ends_nothing() {
    let note = pdu(IS_NOTIFICATION, "id:7 stat:UNDELIV err:001");
    assert_eq!(note.read(), receipt(Some("7"), State::Enroute, Some("001")));
}

#[test]
fn the_text_may_be_in_the_payload_or_in_ucs2() {
    let payload = pdu(IS_RECEIPT, "").tlv(MESSAGE_PAYLOAD, b"id:7 stat:DELIVRD");
    assert_eq!(payload.read(), receipt(Some("7"), State::Delivered, None));
    let text = "id:7 stat:EXPIRED".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let wide = Pdu { class: IS_RECEIPT, coding: 8, text, tlvs: Vec::new() };
    assert_eq!(wide.read(), receipt(Some("7"), State::Expired, None));
}

#[test]
fn ids_and_codes_are_kept_within_their_limits() {
    for length in [63, 64, 65] {
        let read = pdu(IS_RECEIPT, &format!("id:{} stat:DELIVRD", "7".repeat(length))).read();
        let Delivery::Receipt(Receipt { message_id: Some(id), .. }) = read else { panic!("no id") };
        assert_eq!(id.len(), length.min(64));
    }
    let read = pdu(IS_RECEIPT, &format!("id:1 err:{}", "9".repeat(60))).read();
    assert_eq!(read, receipt(Some("1"), State::Unknown, Some(&"9".repeat(16))));
}

#[test]
fn a_data_sm_is_a_receipt_too() {
    let mut body = b"\0\x01\x0148600100217\0\x05\x00ACME\0".to_vec();
    body.extend([IS_RECEIPT, 0, 0]);
    let tlvs = pdu(0, "").tlv(RECEIPTED_MESSAGE_ID, b"1f\0").tlv(MESSAGE_STATE, &[3]).tlvs;
    body.extend(tlvs);
    let ids = MessageIds { response: crate::message_id::IdForm::Hex, ..MessageIds::default() };
    assert_eq!(data_sm(body.into(), &ids), Ok(receipt(Some("31"), State::Expired, None)));
}

#[test]
fn a_body_cut_anywhere_is_unreadable_or_a_receipt() {
    let whole = pdu(IS_RECEIPT, "id:7 stat:DELIVRD").tlv(MESSAGE_STATE, &[2]).octets();
    let mandatory = whole.len() - 5;
    for length in 0..=whole.len() {
        let read = deliver_sm(whole.slice(..length), &MessageIds::default());
        assert_eq!(read.is_ok(), length >= mandatory, "{length}");
    }
}

proptest! {
    #[test]
    fn no_octets_break_the_reader(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        let ids = MessageIds::default();
        let _ = deliver_sm(octets.clone().into(), &ids);
        let _ = data_sm(octets.into(), &ids);
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,60}(id:|stat:|err:)\\PC{0,60}") {
        let mut receipt = pdu(IS_RECEIPT, "");
        receipt.text = text.bytes().take(255).collect();
        let _ = receipt.read();
    }
}
