use super::*;
use crate::messages::catalog::{FILES, catalog};

fn call(locale: &str, purpose: Purpose) -> RenderedMessage {
    render(&input(locale, Medium::Voice, purpose)).expect("a call")
}

#[test]
fn the_english_call_says_this() {
    assert_eq!(
        call("en", Purpose::Transaction).text,
        "Your Acme Bank transaction code.\nAmount: EUR 1,250.00.\nPayee: NORD PARTS LTD.\n\
         one, two, three.\nfour, five, six.\nOnce more:\none, two, three.\nfour, five, six.\nOnce more:\n\
         one, two, three.\nfour, five, six.\nIt works for 5 minutes. Never share it, even with our staff."
    );
}

#[test]
fn a_code_is_grouped_so_that_no_digit_stands_alone() {
    let voice = &catalog().expect("a catalogue").negotiate("en").voice;
    let groups =
        |code: &str| voice.spell(code).lines().map(|line| line.split(", ").count()).collect::<Vec<_>>();
    let cases: [(&str, &[usize]); 7] = [
        ("1234", &[2, 2]),
        ("12345", &[3, 2]),
        ("123456", &[3, 3]),
        ("1234567", &[3, 2, 2]),
        ("12345678", &[3, 3, 2]),
        ("123456789", &[3, 3, 3]),
        ("1234567890", &[3, 3, 2, 2]),
    ];
    for (code, expected) in cases {
        assert_eq!(groups(code), expected, "{code}");
    }
    assert_eq!(voice.spell("0a9Z"), "zero, A.\nnine, Z.");
}

#[test]
fn every_language_says_the_code_three_times_in_its_own_words() {
    let mut digits = std::collections::HashSet::new();
    for file in FILES {
        let file: toml::Table = file.parse().expect("TOML");
        let locale = file["tag"].as_str().expect("a tag");
        let own: Vec<_> = file["voice"]["digits"].as_array().expect("digits").clone();
        let own: Vec<&str> = own.iter().filter_map(toml::Value::as_str).collect();
        assert_eq!(own.iter().collect::<std::collections::HashSet<_>>().len(), 10, "{locale}");
        digits.insert(own.join(" "));
        for purpose in Purpose::ALL.iter().copied() {
            let text = call(locale, purpose).text;
            let group = format!("{}, {}, {}.\n", own[1], own[2], own[3]);
            assert_eq!(text.matches(&group).count(), 3, "{locale} {purpose:?}: {text}");
            assert!(!text.contains(CODE) && text.contains("Acme Bank"), "{locale}: {text}");
        }
        let said = Script::of("x", locale).expect("a script");
        assert!(said.language().starts_with(&locale[..2]), "{locale}: {}", said.language());
    }
    // Portuguese is spoken alike on both sides of the sea, and Chinese is written alike.
    assert_eq!(digits.len(), FILES.len() - 2);
}

#[test]
fn purposes_sound_different() {
    for locale in languages().expect("a catalogue") {
        let texts: std::collections::HashSet<_> =
            Purpose::ALL.iter().map(|purpose| call(locale, *purpose).text).collect();
        assert_eq!(texts.len(), Purpose::ALL.len(), "{locale}");
    }
}

#[test]
fn the_documents_pause_between_lines() {
    let script = Script::of("Your code.\none, two.", "en").expect("a script");
    assert_eq!(
        script.twiml(),
        "<Response><Say language=\"en-US\">Your code.</Say><Pause length=\"1\"/>\
         <Say language=\"en-US\">one, two.</Say></Response>"
    );
    assert_eq!(script.ssml(), "<speak><s>Your code.</s><break time=\"1s\"/><s>one, two.</s></speak>");
    assert_eq!(
        script.plivo(),
        "<Response><Speak voice=\"WOMAN\" language=\"en-US\">Your code.</Speak><Wait length=\"1\"/>\
         <Speak voice=\"WOMAN\" language=\"en-US\">one, two.</Speak></Response>"
    );
}

#[test]
fn names_are_spoken_and_never_markup() {
    for hostile in ["</Say><Dial>+1900</Dial>", "a & b", "\"' onload='", "<break time='9h'/>", "]]>", "a\nb"]
    {
        let payee = TransactionText { payee: hostile, ..TRANSACTION };
        let input = MessageInput {
            brand: hostile,
            transaction: Some(payee),
            ..input("en", Medium::Voice, Purpose::Transaction)
        };
        let message = render(&input).expect("a call");
        let script = Script::of(&message.text, message.locale).expect("a script");
        for (document, tags) in [
            (script.twiml(), &["Response", "Say", "Pause"][..]),
            (script.ssml(), &["speak", "s", "break"]),
            (script.plivo(), &["Response", "Speak", "Wait"]),
        ] {
            let parsed = roxmltree::Document::parse(&document).expect(&document);
            assert!(
                parsed
                    .descendants()
                    .filter(roxmltree::Node::is_element)
                    .all(|node| { tags.contains(&node.tag_name().name()) }),
                "{document}"
            );
        }
        assert_eq!(message.text.lines().count(), 12, "{}", message.text);
    }
}

/// Twilio takes 4,000 characters of TwiML in a request.
#[test]
fn the_longest_call_fits_into_a_request() {
    for locale in languages().expect("a catalogue") {
        let long = "&".repeat(200);
        let input = MessageInput {
            brand: &long,
            code: "0123456789",
            transaction: Some(TransactionText { payee: &long, ..TRANSACTION }),
            ..input(locale, Medium::Voice, Purpose::Transaction)
        };
        let message = render(&input).expect("a call");
        let document = Script::of(&message.text, message.locale).expect("a script").twiml();
        assert!(document.chars().count() < 4000, "{locale}: {}", document.chars().count());
    }
}
