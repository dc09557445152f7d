//! `[providers.<name>] type = "smpp"`: its documentation. What it takes is declared in the delivery crate.

use super::reference::{Field, Section};

const fn field(key: &'static str, value: &'static str, about: &'static str) -> Field {
    Field { key, value, optional: true, about }
}

pub(super) const SECTION: Section = Section {
    header: "[providers.carrier]",
    about: "An account at a carrier's SMSC (SMPP 3.4). docs/providers/smpp.md says what to ask the carrier, what its \
            answers mean, and how receipts find their messages.",
    optional: true,
    fields: &[
        field("type", "\"smpp\"", "This is an SMSC."),
        field(
            "host",
            "\"smsc.example.com\"",
            "Name or address; with TLS its certificate must be for this name.",
        ),
        field("port", "2775", "2775 when absent."),
        field("security", "\"tls\"", "`tls` (also when absent), or `none` to this machine."),
        field(
            "insecure",
            "false",
            "Allows `none` to another machine, through a tunnel say; all goes in clear.",
        ),
        field("ca_file", "\"tls/ca.pem\"", "Authorities to trust instead of the system's, PEM."),
        field("system_id", "\"acme\"", "Who we are, at most 15 characters."),
        field("password", "{ file = \"/run/secrets/smpp\" }", "At most 8 characters."),
        field("system_type", "\"\"", "At most 12 characters; the carrier says if it wants one."),
        field("address_range", "\"\"", "At most 40 characters; mostly empty."),
        field(
            "bind",
            "\"transceiver\"",
            "`transceiver` (also when absent), `transmitter_receiver` (a pair), or `transmitter` (no receipts).",
        ),
        field("binds", "1", "How many binds, or pairs, this node keeps, 1 to 16; 1 when absent."),
        field(
            "window",
            "10",
            "Submissions of one bind that wait for their answer, 1 to 1000; 10 when absent.",
        ),
        field(
            "max_in_hand",
            "256",
            "Messages in hand at once, waiting ones included, 1 to 10000; more go to the next provider. 256 when absent.",
        ),
        field(
            "messages_per_second",
            "50.0",
            "Over all binds of this node, 0.1 to 10000; no limit when absent.",
        ),
        field(
            "sender",
            "\"ACME\"",
            "Number in E.164, short number, or name of at most 11 characters; the carrier's choice when absent.",
        ),
        field(
            "source_ton",
            "5",
            "Type of number of the sender, when not 1, 3 or 5 after what it looks like.",
        ),
        field("source_npi", "0", "Numbering plan of the sender, when not 1 for E.164 and 0 for others."),
        field("dest_ton", "1", "Type of number of recipients; 1 when absent."),
        field("dest_npi", "1", "Numbering plan of recipients; 1 when absent."),
        field("service_type", "\"\"", "At most 5 characters; mostly empty."),
        field(
            "alphabets",
            "[\"gsm7\", \"ucs2\"]",
            "The first that has every character is used: `gsm7`, `gsm7_packed`, `latin1`, `ucs2`.",
        ),
        field(
            "long_text",
            "\"udh\"",
            "How a text travels that is too long for one message: `udh` (also when absent), `sar` or `payload`.",
        ),
        field("receipts", "true", "Whether receipts are asked for; they are when absent."),
        field(
            "message_ids",
            "{ response = \"hex\", receipt = \"decimal\" }",
            "How ids are written in `submit_sm_resp` (`response`), in the text of receipts (`receipt`) and in \
             `receipted_message_id` (`tlv`, as `response` when absent): `text`, `decimal` or `hex`. All `text` when \
             absent.",
        ),
        field(
            "errors",
            "[{ status = 0x0401, class = \"recipient_rejected\" }]",
            "What statuses mean at this carrier, over what they mean elsewhere; `fault` and `retry` may be given, too.",
        ),
        field(
            "enquire_link_seconds",
            "30",
            "Silence after which the SMSC is asked for a sign, 1 to 600; 30 when absent.",
        ),
        field("response_seconds", "10", "Time for one answer, 1 to 60; 10 when absent."),
        field(
            "timeout_seconds",
            "20",
            "Time for one message, the waiting for its turn included, 1 to 300; 20 when absent.",
        ),
    ],
};
