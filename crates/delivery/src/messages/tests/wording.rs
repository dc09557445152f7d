use super::*;
use crate::messages::catalog::{FILES, catalog};

/// Languages whose short messages are not GSM-7: their script is not in that alphabet.
const UNICODE: [&str; 10] = ["ar", "el", "he", "hi", "ja", "ko", "ru", "uk", "zh", "zh-Hant"];

#[test]
fn the_english_texts_read_like_this() {
    assert_eq!(
        sms("en", Purpose::Authentication).text,
        "123456 is your Acme Bank sign-in code. It works for 10 minutes. Never share it, even with our staff.\
         \n\n@acme.example #123456"
    );
    assert_eq!(
        sms("en", Purpose::Transaction).text,
        "123456 confirms EUR 1,250.00 to NORD PARTS LTD at Acme Bank. It works for 5 minutes. Never share it, \
         even with our staff.\n\n@acme.example #123456"
    );
    let mail = mail("en", Purpose::Transaction);
    assert_eq!(mail.subject.as_deref(), Some("Your Acme Bank transaction code"));
    assert_eq!(
        mail.text,
        "123456 confirms EUR 1,250.00 to NORD PARTS LTD at Acme Bank. It works for 5 minutes.\n\n\
         Amount: EUR 1,250.00\nPayee: NORD PARTS LTD\nReference: INV-77\n\n\
         Never share it, even with our staff.\n\n\
         If you did not ask for this code, do not use it and contact Acme Bank through its own website or app."
    );
}

#[test]
fn the_html_part_says_the_same() {
    assert_eq!(
        mail("en", Purpose::Authentication).html.as_deref(),
        Some(
            "<!doctype html>\n<html lang=\"en\" dir=\"ltr\">\n<head><meta charset=\"utf-8\"></head>\n\
             <body style=\"font-family:sans-serif\">\n<p style=\"font-size:larger\">\
             <bdi dir=\"ltr\"><strong>123456</strong></bdi> is your <bdi>Acme Bank</bdi> sign-in code. \
             It works for 10 minutes.</p>\n<p>Never share it, even with our staff.</p>\n\
             <p>If you did not ask for this code, do not use it and contact <bdi>Acme Bank</bdi> through its \
             own website or app.</p>\n</body>\n</html>"
        )
    );
}

#[test]
fn every_message_starts_with_the_code() {
    each_message(|input, message| {
        assert_eq!(message.text.split(' ').next(), Some(CODE), "{} {:?}", input.locale, input.purpose);
    });
}

#[test]
fn every_message_names_brand_and_lifetime() {
    each_message(|input, message| {
        let count = input.minutes.to_string();
        assert!(message.text.contains("Acme Bank"), "{}: {}", input.locale, message.text);
        assert!(message.text.replace(CODE, "").contains(&count), "{}: {}", input.locale, message.text);
    });
}

#[test]
fn every_message_says_exactly_once_never_to_share() {
    for file in FILES {
        let file: toml::Table = file.parse().expect("TOML");
        let locale = file["tag"].as_str().expect("a tag");
        let never_share = file["sentence"]["never_share"].as_str().expect("a sentence");
        for purpose in Purpose::ALL.iter().copied() {
            let (sms, mail) = (sms(locale, purpose), mail(locale, purpose));
            let folded = sms::fold_to_gsm7(never_share).filter(|_| !UNICODE.contains(&locale));
            let in_sms = folded.as_deref().unwrap_or(never_share);
            assert_eq!(sms.text.matches(in_sms).count(), 1, "{locale}: {}", sms.text);
            assert_eq!(mail.text.matches(never_share).count(), 1, "{locale}: {}", mail.text);
            assert_eq!(mail.html.expect("HTML").matches(never_share).count(), 1, "{locale}");
        }
    }
}

#[test]
fn a_transaction_message_names_amount_and_payee() {
    for locale in languages().expect("a catalogue") {
        for message in [sms(locale, Purpose::Transaction), mail(locale, Purpose::Transaction)] {
            assert!(message.text.contains("EUR") && message.text.contains("250"), "{}", message.text);
            assert!(message.text.contains("NORD PARTS LTD"), "{}", message.text);
        }
        assert!(mail(locale, Purpose::Transaction).text.contains("INV-77"));
    }
}

#[test]
fn purposes_read_differently() {
    for locale in languages().expect("a catalogue") {
        for write in [sms, mail] {
            let texts: std::collections::HashSet<_> =
                Purpose::ALL.iter().map(|p| write(locale, *p).text).collect();
            assert_eq!(texts.len(), Purpose::ALL.len(), "{locale}");
        }
    }
}

#[test]
fn a_subject_never_holds_the_code_and_no_message_holds_a_link() {
    each_message(|input, message| {
        assert_eq!(message.subject.is_some(), input.medium == Medium::Email);
        assert!(!message.subject.clone().unwrap_or_default().contains(CODE));
        for text in [Some(&message.text), message.html.as_ref()].into_iter().flatten() {
            for link in ["http", "www.", "://", "href", "<a", "<img", "mailto:"] {
                assert!(!text.contains(link), "{} has {link:?}: {text}", input.locale);
            }
        }
    });
}

#[test]
fn the_html_part_declares_language_and_direction() {
    for locale in languages().expect("a catalogue") {
        let direction = if ["ar", "he"].contains(&locale) { "rtl" } else { "ltr" };
        let html = mail(locale, Purpose::Authentication).html.expect("an HTML part");
        assert!(html.contains(&format!("<html lang=\"{locale}\" dir=\"{direction}\">")), "{html}");
    }
}

#[test]
fn a_short_message_is_one_segment_in_latin_scripts_and_listed_elsewhere() {
    let mut wrong = Vec::new();
    for locale in languages().expect("a catalogue") {
        let listed = UNICODE.contains(&locale);
        for message in Purpose::ALL.iter().map(|purpose| sms(locale, *purpose)) {
            let size = message.sms.expect("a size");
            let expected = match listed {
                true => size.encoding == SmsEncoding::Ucs2 && size.segments <= 3,
                false => size.encoding == SmsEncoding::Gsm7 && size.segments == 1,
            };
            if !expected {
                wrong.push(format!("{locale} {size:?}\n{}", message.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn minutes_take_the_form_their_language_gives_them() {
    let cases = [
        ("en", 1, "1 minute"),
        ("en", 2, "2 minutes"),
        ("pl", 1, "1 minutę"),
        ("pl", 2, "2 minuty"),
        ("pl", 5, "5 minut"),
        ("pl", 12, "12 minut"),
        ("pl", 22, "22 minuty"),
        ("uk", 21, "21 хвилину"),
        ("uk", 11, "11 хвилин"),
        ("ru", 3, "3 минуты"),
        ("cs", 4, "4 minuty"),
        ("cs", 5, "5 minut"),
        ("ar", 1, "دقيقة واحدة"),
        ("ar", 2, "دقيقتين"),
        ("ar", 5, "5 دقائق"),
        ("ar", 15, "15 دقيقة"),
        ("he", 2, "2 דקות"),
        ("fr", 1, "1 minute"),
        ("ja", 10, "10分"),
        ("tr", 10, "10 dakika"),
    ];
    let catalog = catalog().expect("a catalogue");
    for (locale, count, phrase) in cases {
        assert_eq!(catalog.negotiate(locale).minutes(count), phrase, "{locale} {count}");
    }
}

#[test]
fn amounts_follow_language_and_currency() {
    let write = |locale, amount_minor, currency| {
        let transaction = Some(TransactionText { amount_minor, currency, ..TRANSACTION });
        let input = MessageInput { transaction, ..input(locale, Medium::Sms, Purpose::Transaction) };
        render(&input).expect("a message").text
    };
    assert!(write("en", 125_000, "JPY").contains(" JPY 125,000 "));
    assert!(write("en", 125_000, "KWD").contains(" KWD 125.000 "));
    assert!(write("de", 125_000, "EUR").contains(" 1.250,00 EUR "));
    assert!(write("pl", 125_000_000, "PLN").contains(" 1 250 000,00 PLN "));
    assert!(write("hi", 12_345_678, "INR").contains(" INR 1,23,456.78 "));
}

#[test]
fn what_wakes_a_device_names_the_brand_and_nothing_that_is_asked() {
    for language in languages().unwrap() {
        let message = wake_up(language, "Acme\u{202e} Bank\n").unwrap();
        assert_eq!((message.locale, message.subject.as_deref()), (language, Some("Acme Bank")));
        assert!(!message.text.contains(|symbol: char| symbol.is_numeric()), "{language}: {}", message.text);
        assert!((10..=80).contains(&message.text.chars().count()), "{language}: {}", message.text);
    }
    let texts: std::collections::HashSet<_> =
        languages().unwrap().into_iter().map(|language| wake_up(language, "A").unwrap().text).collect();
    assert_eq!(texts.len(), FILES.len(), "each language has its own");
    assert_eq!(wake_up("en", "\n"), Err(RenderError::BrandMissing));
}
