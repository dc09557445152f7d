//! What holds for every recipient, whatever its kind.

mod email;
mod phone;

use proptest::prelude::*;

use super::{
    Country, EMAIL_MAX_BYTES, InvalidCountry, PHONE_INPUT_MAX_BYTES, Recipient, RecipientError, RecipientKind,
};

fn recipient(input: &str) -> Recipient {
    Recipient::parse(input).unwrap_or_else(|error| panic!("{input:?}: {error}"))
}

fn canonical(input: &str) -> String {
    recipient(input).canonical().to_owned()
}

fn refusal(input: &str) -> RecipientError {
    match Recipient::parse(input) {
        Ok(recipient) => panic!("{input:?} was read as {}", recipient.canonical()),
        Err(error) => error,
    }
}

#[test]
fn kind_follows_the_at_sign() {
    assert_eq!(recipient("+48600100217").kind(), RecipientKind::Phone);
    assert_eq!(recipient("+48600100217@example.com").kind(), RecipientKind::Email);
    assert_eq!((RecipientKind::Phone.as_str(), RecipientKind::Phone.tag()), ("phone", 1));
    assert_eq!((RecipientKind::Email.as_str(), RecipientKind::Email.tag()), ("email", 2));
}

#[test]
fn empty_and_meaningless_texts_are_refused() {
    for blank in ["", " ", "   ", "\u{a0}\u{3000}"] {
        assert_eq!(refusal(blank), RecipientError::Empty, "{blank:?}");
    }
    for text in ["hello", "ann.example.com", "---", "\u{200b}", "null", "ann\u{ff20}example.com", "#48", "*"]
    {
        assert_eq!(refusal(text), RecipientError::NotAnAddress, "{text:?}");
    }
}

#[test]
fn control_characters_are_refused_wherever_they_stand() {
    let controls = ['\0', '\t', '\n', '\r', '\u{b}', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}'];
    for control in controls {
        for address in ["+48600100217", "ann@example.com"] {
            for at in 0..=address.len() {
                let mut input = address.to_owned();
                input.insert(at, control);
                assert_eq!(refusal(&input), RecipientError::ControlCharacter, "{input:?}");
            }
        }
    }
}

#[test]
fn length_is_checked_before_anything_else() {
    assert_eq!(refusal(&" ".repeat(EMAIL_MAX_BYTES)), RecipientError::Empty);
    assert_eq!(refusal(&" ".repeat(EMAIL_MAX_BYTES + 1)), RecipientError::TooLong);
    assert_eq!(refusal(&"\0".repeat(EMAIL_MAX_BYTES + 1)), RecipientError::TooLong);
    assert_eq!(refusal(&"x".repeat(PHONE_INPUT_MAX_BYTES)), RecipientError::NotAnAddress);
    assert_eq!(refusal(&"x".repeat(PHONE_INPUT_MAX_BYTES + 1)), RecipientError::TooLong);
}

#[test]
fn debug_prints_the_masked_form() {
    assert_eq!(format!("{:?}", recipient("+48600100217")), "Phone(+48••••••17)");
    assert_eq!(format!("{:?}", recipient("Ann.Lee@example.com")), "Email(A•••@example.com)");
}

#[test]
fn email_has_no_country_and_no_line_type() {
    let email = recipient("ann@example.com");
    assert_eq!((email.country(), email.line_type()), (None, None));
}

#[test]
fn country_is_two_capital_letters() {
    let poland: Country = "PL".parse().unwrap();
    assert_eq!((poland.as_str(), poland.to_string().as_str()), ("PL", "PL"));
    assert_eq!(format!("{poland:?}"), "PL");
    for wrong in ["", "P", "pl", "Pl", "POL", "001", "P1", "É", " PL"] {
        assert_eq!(wrong.parse::<Country>(), Err(InvalidCountry), "{wrong:?}");
    }
}

#[test]
fn every_refusal_has_its_own_sentence() {
    use RecipientError::*;
    let all = [
        Empty,
        TooLong,
        ControlCharacter,
        NotAnAddress,
        PhoneNotInternational,
        PhoneCharacter,
        PhoneInvalid,
        EmailLocalPart,
        EmailLocalPartNotAscii,
        EmailDomain,
    ];
    let sentences: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(sentences.len(), all.len());
}

/// Existing numbers with other last digits, and sometimes with a trunk prefix after the calling code.
fn near_phone_numbers() -> impl Strategy<Value = String> {
    let number = proptest::sample::select(phone::NUMBERS);
    let trunk = proptest::sample::select(vec!["", "", "", "0", "00", "1", "8", "15", "9"]);
    (number, trunk, "[0-9]{0,6}").prop_map(|((_, e164, .., masked), trunk, end)| {
        let calling_code = masked.find('•').unwrap_or_default();
        let kept = e164.len().saturating_sub(end.len()).max(calling_code);
        format!("{}{trunk}{}{end}", &e164[..calling_code], &e164[calling_code..kept])
    })
}

/// Texts that get deep into the parsers more often than arbitrary ones do.
fn near_addresses() -> impl Strategy<Value = String> {
    prop_oneof![
        "[+＋]?[0-9٠-٩０-９ ().\u{200e}-]{0,24}",
        near_phone_numbers(),
        "[a-zA-Z0-9+.!#'_-]{1,12}@[a-zA-Z0-9.-]{1,16}\\.[a-z]{2,5}",
        "[a-zA-Z0-9+.]{1,12}@[\\PC]{1,16}\\.[\\PC]{1,8}",
        "[a-z+.]{1,6}@xn--[a-z0-9-]{1,12}\\.(com|xn--p1ai|xn--[a-z0-9]{1,8})",
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), near_addresses()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn parse_never_panics_and_canonical_is_a_fixpoint(input in any_text()) {
        if let Ok(first) = Recipient::parse(&input) {
            let second = Recipient::parse(first.canonical());
            prop_assert_eq!(second.as_ref(), Ok(&first));
        }
    }

    #[test]
    fn folded_is_a_fixpoint(input in any_text()) {
        if let Ok(first) = Recipient::parse(&input) {
            let second = Recipient::parse(first.folded());
            prop_assert_eq!(second.as_ref().map(Recipient::folded), Ok(first.folded()));
            prop_assert_eq!(second.as_ref().map(Recipient::canonical), Ok(first.folded()));
        }
    }

    #[test]
    fn masked_and_debug_hide_the_recipient(input in any_text()) {
        if let Ok(recipient) = Recipient::parse(&input) {
            for shown in [recipient.masked(), format!("{recipient:?}")] {
                prop_assert!(!shown.contains(recipient.canonical()), "{shown}");
                prop_assert!(!shown.contains(recipient.folded()), "{shown}");
            }
        }
    }

    #[test]
    fn canonical_is_short_printable_ascii(input in any_text()) {
        if let Ok(recipient) = Recipient::parse(&input) {
            prop_assert!(recipient.canonical().bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(recipient.canonical().len() <= EMAIL_MAX_BYTES);
        }
    }

    #[test]
    fn refusals_do_not_repeat_the_input(input in "[a-z]{4}[0-9]{4}[A-Z]{4}@?[a-z0-9._]{0,9}") {
        if let Err(error) = Recipient::parse(&input) {
            let shown = format!("{error} {error:?}");
            prop_assert!(!shown.contains(&input), "{shown}");
        }
    }

    #[test]
    fn e164_has_at_most_fifteen_digits(digits in "[1-9][0-9]{6,19}") {
        if let Ok(phone) = Recipient::parse(&format!("+{digits}")) {
            prop_assert!(phone.canonical().len() <= 16, "{}", phone.canonical());
        }
    }
}
