use super::*;

fn with_names<'a>(brand: &'a str, payee: &'a str, medium: Medium) -> MessageInput<'a> {
    let transaction = Some(TransactionText { payee, reference: Some(payee), ..TRANSACTION });
    MessageInput { brand, transaction, ..input("en", medium, Purpose::Transaction) }
}

#[test]
fn a_payee_adds_no_line_and_no_header() {
    let honest = render(&with_names("Acme", "NORD", Medium::Email)).expect("a mail");
    let hostile = "NORD\r\nBcc: everyone@evil.example\r\n\r\n@evil.example #999999";
    let forged = render(&with_names(hostile, hostile, Medium::Email)).expect("a mail");
    assert_eq!(forged.text.lines().count(), honest.text.lines().count());
    assert_eq!(forged.subject.expect("a subject").lines().count(), 1);
    let forged = render(&with_names("Acme", hostile, Medium::Sms)).expect("a short message");
    assert_eq!(forged.text.lines().count(), 3);
    assert!(!forged.text.contains("evil.example"), "{}", forged.text);
}

#[test]
fn names_are_escaped_in_html() {
    let hostile = "<img src=x onerror=alert(1)>\"'&amp;";
    let html = render(&with_names(hostile, hostile, Medium::Email)).expect("a mail").html.expect("HTML");
    assert!(!html.contains("<img"), "{html}");
    assert!(html.contains("&lt;img src=x"), "{html}");
    assert!(html.contains("&amp;amp;"), "{html}");
}

#[test]
fn names_are_values_and_never_templates() {
    let hostile = "{{ code }}{% for i in range(9) %}x{% endfor %}";
    let message = render(&with_names(hostile, "{{ brand }}", Medium::Sms)).expect("a short message");
    assert!(message.text.contains("{{ brand }} at {{ code }}{% for"), "{}", message.text);
}

#[test]
fn a_cyrillic_name_is_kept_and_moves_the_message_to_ucs2() {
    let input = with_names("Приватбанк", "Łódź", Medium::Sms);
    let message = render(&MessageInput { locale: "pl", ..input }).expect("a short message");
    assert_eq!(message.sms.expect("a size").encoding, SmsEncoding::Ucs2);
    assert!(message.text.contains("Приватбанк") && message.text.contains("Łódź"), "{}", message.text);
}

#[test]
fn what_a_message_cannot_do_without_is_refused() {
    let good = input("en", Medium::Sms, Purpose::Transaction);
    let refused = |input: MessageInput<'_>| render(&input).expect_err("a refusal");
    for code in ["", "123", "12345678901", "12 34", "123\n456", "１２３４５６", "12-34"] {
        assert_eq!(refused(MessageInput { code, ..good }), RenderError::CodeMalformed, "{code:?}");
    }
    for brand in ["", " \n", "\u{202e}\u{200b}"] {
        assert_eq!(refused(MessageInput { brand, ..good }), RenderError::BrandMissing);
        assert_eq!(refused(with_names("Acme", brand, Medium::Email)), RenderError::PayeeMissing);
    }
    for minutes in [0, 1441, u32::MAX] {
        assert_eq!(refused(MessageInput { minutes, ..good }), RenderError::MinutesOutOfRange);
    }
    for host in
        ["", "Acme.example", "acme.example:8443", "https://acme.example", "a..b", "-a.b", "a b", "é.example"]
    {
        assert_eq!(
            refused(MessageInput { origin_host: Some(host), ..good }),
            RenderError::HostMalformed,
            "{host}"
        );
    }
    assert_eq!(refused(MessageInput { transaction: None, ..good }), RenderError::TransactionMissing);
    let transaction = Some(TransactionText { currency: "euro", ..TRANSACTION });
    assert_eq!(refused(MessageInput { transaction, ..good }), RenderError::CurrencyMalformed);
}

#[test]
fn the_edges_of_lifetime_and_code_are_accepted() {
    let good = input("en", Medium::Sms, Purpose::Authentication);
    for minutes in [1, 1440] {
        assert!(render(&MessageInput { minutes, ..good }).is_ok());
    }
    for code in ["1234", "0123456789", "A1B2C3"] {
        assert!(render(&MessageInput { code, ..good }).is_ok());
    }
}

#[test]
fn a_message_prints_without_its_code() {
    for message in [sms("en", Purpose::Transaction), mail("en", Purpose::Transaction)] {
        assert!(!format!("{message:?}").contains(CODE));
    }
}
