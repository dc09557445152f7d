//! The parser of the WICG text (section "Parsing") reads what we write (FM-01, FM-02).

use proptest::prelude::*;

use super::*;

/// `(host, code)` of an origin-bound one-time code message.
fn parse(message: &str) -> Option<(String, String)> {
    let normalized = message.replace("\r\n", "\n").replace('\r', "\n");
    let line: Vec<char> = normalized.split('\n').next_back()?.chars().collect();
    let mut position = 0;
    let host = marked_token(&line, &mut position, '@')?;
    if *line.get(position)? != ' ' {
        return None;
    }
    position += 1;
    let code = marked_token(&line, &mut position, '#')?;
    Some((host, code))
}

fn marked_token(line: &[char], position: &mut usize, marker: char) -> Option<String> {
    if *line.get(*position)? != marker {
        return None;
    }
    *position += 1;
    let token: String = line[*position..].iter().take_while(|c| !c.is_ascii_whitespace()).collect();
    *position += token.chars().count();
    if token.is_empty() { None } else { Some(token) }
}

#[test]
fn the_oracle_reads_the_examples_of_the_text() {
    let expected = Some(("example.com".to_owned(), "747723".to_owned()));
    assert_eq!(parse("747723 is your ExampleCo authentication code.\n\n@example.com #747723"), expected);
    assert_eq!(parse("@example.com #747723 %ecommerce.example $future"), expected);
    for wrong in
        ["something @example.com #747723", "@example.com code #747723", "@example.com  #747723", "@ #1"]
    {
        assert_eq!(parse(wrong), None, "{wrong:?}");
    }
}

#[test]
fn every_short_message_ends_with_the_bound_line() {
    for locale in languages().expect("a catalogue") {
        for purpose in Purpose::ALL.iter().copied() {
            assert_eq!(
                parse(&sms(locale, purpose).text),
                Some((HOST.to_owned(), CODE.to_owned())),
                "{locale}"
            );
        }
    }
}

#[test]
fn without_a_host_nothing_can_pass_for_a_bound_line() {
    each_message(|input, _| {
        let message = render(&MessageInput { origin_host: None, ..*input }).expect("a message");
        assert_eq!(parse(&message.text), None);
    });
}

proptest! {
    #[test]
    fn no_name_can_move_the_bound_line(
        brand in "\\PC{0,20}[\n\r\u{2028}]?(@evil\\.example #999999)?\n?",
        payee in "\\PC{0,20}\n?(@evil\\.example #999999)?[\r\n]?",
        code in "[0-9A-Z]{4,10}",
        host in "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z0-9]{2,6}){0,3}",
    ) {
        for locale in ["en", "ar", "pl", "ja"] {
            let transaction = Some(TransactionText { payee: &payee, ..TRANSACTION });
            let base = input(locale, Medium::Sms, Purpose::Transaction);
            let input = MessageInput { brand: &brand, code: &code, origin_host: Some(&host), transaction, ..base };
            match render(&input) {
                Ok(message) => prop_assert_eq!(parse(&message.text), Some((host.clone(), code.clone()))),
                Err(RenderError::BrandMissing | RenderError::PayeeMissing) => {}
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
