//! One form for the message ids of a submit answer and of the receipts that follow it.
//!
//! SMSCs write the same number in hexadecimal here and in decimal there, or fill it with zeros in one of them
//! (Kannel's manual lists four combinations under `msg-id-type`). Which, no PDU tells, so it is a setting.

/// How one place writes message ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdForm {
    /// A name, kept as it is.
    #[default]
    Text,
    /// A decimal number; leading zeros mean nothing.
    Decimal,
    /// A hexadecimal number, in either case; leading zeros mean nothing.
    Hex,
}

impl IdForm {
    /// The id in the form shared by all places: numbers in decimal, without leading zeros. What is not a number
    /// as expected, or larger than 128 bits, stays as it is.
    #[must_use]
    pub fn shared(self, id: &str) -> String {
        let digits = id.trim();
        let number = match self {
            Self::Text => None,
            Self::Decimal if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse::<u128>().ok(),
            Self::Hex if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                u128::from_str_radix(digits, 16).ok()
            }
            Self::Decimal | Self::Hex => None,
        };
        number.map_or_else(|| digits.to_owned(), |number| number.to_string())
    }
}

/// How an SMSC writes message ids in each place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageIds {
    /// In `submit_sm_resp`.
    pub response: IdForm,
    /// Behind `id:` in the text of a receipt.
    pub receipt: IdForm,
    /// In `receipted_message_id`; as in `submit_sm_resp` when `None`.
    pub tlv: Option<IdForm>,
}

impl MessageIds {
    /// The shared form of an id of a `submit_sm_resp`.
    #[must_use]
    pub fn of_response(&self, id: &str) -> String {
        self.response.shared(id)
    }

    /// The shared form of an id of a receipt's text.
    #[must_use]
    pub fn of_receipt(&self, id: &str) -> String {
        self.receipt.shared(id)
    }

    /// The shared form of a `receipted_message_id`.
    #[must_use]
    pub fn of_tlv(&self, id: &str) -> String {
        self.tlv.unwrap_or(self.response).shared(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_combinations_of_kannel_meet() {
        use IdForm::{Decimal, Hex, Text};
        for (response, receipt, in_response, in_receipt) in [
            (Text, Text, "7a-Q", "7a-Q"),
            (Hex, Decimal, "0000001F", "31"),
            (Decimal, Hex, "31", "1f"),
            (Decimal, Decimal, "0000000031", "31"),
            (Hex, Hex, "00AbC", "aBc"),
        ] {
            let ids = MessageIds { response, receipt, tlv: None };
            assert_eq!(ids.of_response(in_response), ids.of_receipt(in_receipt), "{response:?} {receipt:?}");
        }
    }

    #[test]
    fn a_text_keeps_its_zeros_and_case() {
        assert_eq!(IdForm::Text.shared("00Ab"), "00Ab");
    }

    #[test]
    fn what_is_no_number_stays_as_it_is() {
        for id in ["", "+5", "-1", "1 2", "0x1f", "ffffffffffffffffffffffffffffffff0", "9e8c7f2a-uuid"] {
            assert_eq!(IdForm::Hex.shared(id), id);
        }
        assert_eq!(IdForm::Decimal.shared("1f"), "1f");
        assert_eq!(IdForm::Decimal.shared(&"9".repeat(39)), "9".repeat(39));
        assert_eq!(IdForm::Decimal.shared("340282366920938463463374607431768211455"), u128::MAX.to_string());
    }

    #[test]
    fn the_tlv_follows_the_response_unless_told_otherwise() {
        let ids = MessageIds { response: IdForm::Hex, receipt: IdForm::Decimal, tlv: None };
        assert_eq!(ids.of_tlv("1F"), "31");
        assert_eq!(MessageIds { tlv: Some(IdForm::Decimal), ..ids }.of_tlv("31"), "31");
    }
}
