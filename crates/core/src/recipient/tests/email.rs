use super::super::LOCAL_PART_MAX_BYTES;
use super::*;

/// What was typed, exact form, folded form, masked form.
const ADDRESSES: &[(&str, &str, &str, &str)] = &[
    ("ann@example.com", "ann@example.com", "ann@example.com", "a•••@example.com"),
    ("  ann@example.com ", "ann@example.com", "ann@example.com", "a•••@example.com"),
    ("a@b.co", "a@b.co", "a@b.co", "a•••@b.co"),
    ("Ann.Lee@Example.COM", "Ann.Lee@example.com", "ann.lee@example.com", "A•••@example.com"),
    ("ann+shop@example.com", "ann+shop@example.com", "ann@example.com", "a•••@example.com"),
    ("Ann+Shop+2@example.com", "Ann+Shop+2@example.com", "ann@example.com", "A•••@example.com"),
    ("ann+@example.com", "ann+@example.com", "ann@example.com", "a•••@example.com"),
    ("ann.+shop@example.com", "ann.+shop@example.com", "ann@example.com", "a•••@example.com"),
    ("+Shop@example.com", "+Shop@example.com", "+shop@example.com", "+•••@example.com"),
    ("a.n.n@gmail.com", "a.n.n@gmail.com", "a.n.n@gmail.com", "a•••@gmail.com"),
    (
        "o'neil_1-x@mail.example.com",
        "o'neil_1-x@mail.example.com",
        "o'neil_1-x@mail.example.com",
        "o•••@mail.example.com",
    ),
    (
        "!#$%&'*/=?^_`{|}~@example.com",
        "!#$%&'*/=?^_`{|}~@example.com",
        "!#$%&'*/=?^_`{|}~@example.com",
        "!•••@example.com",
    ),
    ("ann@bücher.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example", "a•••@bücher.example"),
    ("ann@BÜCHER.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example", "a•••@bücher.example"),
    (
        "ann@XN--BCHER-KVA.example",
        "ann@xn--bcher-kva.example",
        "ann@xn--bcher-kva.example",
        "a•••@bücher.example",
    ),
    ("ann@пример.рф", "ann@xn--e1afmkfd.xn--p1ai", "ann@xn--e1afmkfd.xn--p1ai", "a•••@пример.рф"),
    ("ann@例え。テスト", "ann@xn--r8jz45g.xn--zckzah", "ann@xn--r8jz45g.xn--zckzah", "a•••@例え.テスト"),
    ("ann@straße.de", "ann@xn--strae-oqa.de", "ann@xn--strae-oqa.de", "a•••@straße.de"),
    ("ann@ｅｘａｍｐｌｅ．ｃｏｍ", "ann@example.com", "ann@example.com", "a•••@example.com"),
    ("ann@exam\u{ad}ple.com", "ann@example.com", "ann@example.com", "a•••@example.com"),
    ("ann@ab--cd.example", "ann@ab--cd.example", "ann@ab--cd.example", "a•••@ab--cd.example"),
    ("ann@1.2.3.example", "ann@1.2.3.example", "ann@1.2.3.example", "a•••@1.2.3.example"),
    ("delivered@otp.test", "delivered@otp.test", "delivered@otp.test", "d•••@otp.test"),
];

#[test]
fn addresses_in_all_their_forms() {
    for (typed, exact, folded, masked) in ADDRESSES {
        let email = recipient(typed);
        assert_eq!(email.canonical(), *exact, "{typed}");
        assert_eq!(email.folded(), *folded, "{typed}");
        assert_eq!(email.masked(), *masked, "{typed}");
        assert_eq!(Recipient::parse(exact), Ok(email), "{typed}");
    }
}

#[test]
fn case_of_the_local_part_tells_addresses_apart_but_not_counters() {
    let (lower, upper) = (recipient("ann@example.com"), recipient("Ann@example.com"));
    assert_ne!(lower, upper);
    assert_eq!(lower.folded(), upper.folded());
}

#[test]
fn local_parts_that_are_no_ascii_dot_string_are_refused() {
    let locals = [
        "",
        ".ann",
        "ann.",
        "a..b",
        ".",
        "\"ann\"",
        "\"a b\"",
        "\"a@b\"",
        "a b",
        "ann ",
        "ann(home)",
        "(home)ann",
        "a,b",
        "a;b",
        "a:b",
        "a<b",
        "<ann",
        "Ann <ann",
        "a[b",
        "a]b",
        "a\\b",
        "a@b",
        "@",
        "\"",
        "mailto:ann",
    ];
    for local in locals {
        let input = format!("{local}@example.com");
        assert_eq!(refusal(&input), RecipientError::EmailLocalPart, "{input}");
    }
}

#[test]
fn local_parts_outside_ascii_are_refused_by_name() {
    for local in ["mıke", "аnn", "用户", "ann\u{200b}", "\u{feff}ann", "\u{202e}nna", "ａnn", "a\u{a0}n", "é"]
    {
        let input = format!("{local}@example.com");
        assert_eq!(refusal(&input), RecipientError::EmailLocalPartNotAscii, "{input}");
    }
}

#[test]
fn domains_that_cannot_receive_mail_are_refused() {
    let domains = [
        "",
        ".",
        "com",
        "localhost",
        ".example.com",
        "example.com.",
        "example..com",
        "-a.example",
        "a-.example",
        "exa_mple.com",
        "exa mple.com",
        " example.com",
        "example.com>",
        "example.com(x)",
        "[127.0.0.1]",
        "[IPv6:::1]",
        "127.0.0.1",
        "1.2.3.4.5",
        "example.123",
        "0x7f.0x1",
        "::1",
        "example.com:25",
        "example.com/x",
        "a,b.com",
        "xn--.com",
        "xn--a.com",
        "xn--example-.com",
        "\u{202e}moc.elpmaxe",
        "a.\u{3002}b",
        "%.com",
        "example\u{a0}.com",
    ];
    for domain in domains {
        let input = format!("ann@{domain}");
        assert_eq!(refusal(&input), RecipientError::EmailDomain, "{input}");
    }
}

#[test]
fn local_part_may_have_sixty_four_octets() {
    let address = |length: usize| format!("{}@example.com", "a".repeat(length));
    for length in [LOCAL_PART_MAX_BYTES - 1, LOCAL_PART_MAX_BYTES] {
        assert_eq!(canonical(&address(length)), address(length));
    }
    assert_eq!(refusal(&address(LOCAL_PART_MAX_BYTES + 1)), RecipientError::EmailLocalPart);
}

/// An address with a 64-octet local part, three 61-octet labels and `last` octets of top-level domain.
fn long_address(last: usize) -> String {
    let label = "d".repeat(61);
    format!("{}@{label}.{label}.{label}.{}", "a".repeat(64), "e".repeat(last))
}

#[test]
fn address_may_have_two_hundred_fifty_four_octets() {
    let short = long_address(0).len();
    for length in [EMAIL_MAX_BYTES - 1, EMAIL_MAX_BYTES] {
        let address = long_address(length - short);
        assert_eq!((address.len(), canonical(&address).len()), (length, length));
    }
    let address = long_address(EMAIL_MAX_BYTES + 1 - short);
    assert_eq!(refusal(&address), RecipientError::TooLong);
}

#[test]
fn octets_are_counted_in_the_canonical_form_too() {
    // Each label has two octets as typed and seven as sent (`xn--tda`).
    let address = |labels: usize| format!("{}@{}example", "a".repeat(64), "ü.".repeat(labels));
    assert_eq!(canonical(&address(22)).len(), 248);
    assert!(address(23).len() < 150);
    assert_eq!(refusal(&address(23)), RecipientError::TooLong);
}

#[test]
fn label_may_have_sixty_three_octets() {
    let address = |length: usize| format!("ann@{}.com", "d".repeat(length));
    for length in [62, 63] {
        assert_eq!(canonical(&address(length)), address(length));
    }
    assert_eq!(refusal(&address(64)), RecipientError::EmailDomain);
}

proptest! {
    #[test]
    fn tags_and_case_share_a_counter(name in "[a-zA-Z0-9]{1,10}", tag in "[a-zA-Z0-9+]{0,10}") {
        let plain = recipient(&format!("{name}@example.com"));
        let tagged = recipient(&format!("{}+{tag}@EXAMPLE.com", name.to_ascii_uppercase()));
        prop_assert_eq!(plain.folded(), tagged.folded());
    }

    #[test]
    fn domains_are_lower_case_ascii(domain in "[\\PC]{1,12}\\.[a-zA-Z]{2,4}") {
        if let Ok(email) = Recipient::parse(&format!("ann@{domain}")) {
            let canonical = email.canonical();
            prop_assert!(canonical.is_ascii());
            prop_assert_eq!(canonical.to_ascii_lowercase(), canonical);
            prop_assert_eq!(canonical.matches('@').count(), 1);
        }
    }
}
