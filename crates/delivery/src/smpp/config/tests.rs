use super::*;

const GOOD: &str = "host = 'smsc.example.com'\nsystem_id = 'acme'\npassword = { env = 'X' }\n";

fn parse(more: &str) -> SmppConfig {
    toml::from_str(&format!("{GOOD}{more}")).expect(more)
}

fn keys(more: &str) -> Vec<String> {
    parse(more).validate().into_iter().map(|problem| problem.key).collect()
}

#[test]
fn three_lines_are_enough() {
    let config = parse("");
    assert_eq!(config.validate(), []);
    assert_eq!((config.port, config.security, config.bind), (2775, Security::Tls, Bind::Transceiver));
    assert_eq!(config.modes(), [Mode::Transceiver]);
}

#[test]
fn each_problem_names_its_key() {
    let cases: &[(&str, &[&str])] = &[
        ("port = 0", &["port"]),
        ("security = 'none'", &["security"]),
        ("security = 'none'\ninsecure = true", &[]),
        ("security = 'none'\ninsecure = true\nca_file = '/x'", &["ca_file"]),
        ("binds = 0", &["binds"]),
        ("binds = 16", &[]),
        ("binds = 17", &["binds"]),
        ("window = 0", &["window"]),
        ("window = 1000", &[]),
        ("window = 1001", &["window"]),
        ("max_in_hand = 10001", &["max_in_hand"]),
        ("messages_per_second = 0.0", &["messages_per_second"]),
        ("messages_per_second = 0.1", &[]),
        ("messages_per_second = 10000.0", &[]),
        ("messages_per_second = 10000.1", &["messages_per_second"]),
        ("messages_per_second = nan", &["messages_per_second"]),
        ("enquire_link_seconds = 601", &["enquire_link_seconds"]),
        ("response_seconds = 61", &["response_seconds"]),
        ("timeout_seconds = 301", &["timeout_seconds"]),
        ("system_type = '1234567890123'", &["system_type"]),
        ("system_type = '123456789012'", &[]),
        ("sender = 'ACME'", &[]),
        ("sender = 'Twelve chars'", &["sender"]),
        ("sender = 'Żubr'", &["sender"]),
        ("service_type = 'CMT'", &[]),
        ("service_type = '123456'", &["service_type"]),
        ("alphabets = []", &["alphabets"]),
        ("errors = [{ status = 0, class = 'throttled' }]", &["errors[0].status"]),
        ("errors = [{ status = 0x401, class = 'throttled', retry = false, fault = 'us' }]", &[]),
    ];
    for (more, expected) in cases {
        assert_eq!(keys(more), *expected, "{more}");
    }
    for (host, good) in
        [("", false), ("a b", false), ("smpp://a", false), ("10.0.0.1", true), ("[::1]", true)]
    {
        let config = SmppConfig { host: host.to_owned(), ..parse("") };
        assert_eq!(config.validate().is_empty(), good, "{host}");
    }
    for (length, good) in [(0, false), (1, true), (15, true), (16, false)] {
        let config = SmppConfig { system_id: "a".repeat(length), ..parse("") };
        assert_eq!(config.validate().is_empty(), good, "{length}");
    }
}

#[test]
fn an_unknown_key_is_refused() {
    let problem = toml::from_str::<SmppConfig>(&format!("{GOOD}pasword = 'x'")).expect_err("a refusal");
    assert!(problem.message().contains("pasword"), "{problem}");
}

#[test]
fn pairs_have_both_kinds() {
    let config = parse("bind = 'transmitter_receiver'\nbinds = 2");
    let [one, two, three, four] = config.modes()[..] else { panic!("not four") };
    assert_eq!([one, two], [Mode::Transmitter; 2]);
    assert_eq!([three, four], [Mode::Receiver; 2]);
    assert_eq!(parse("bind = 'transmitter'").modes(), [Mode::Transmitter]);
}

#[test]
fn a_sender_is_what_it_looks_like_unless_told() {
    let source = |more: &str, sender: Option<&str>| {
        parse(more).source(sender).map(|source| (source.ton, source.npi, source.text))
    };
    assert_eq!(source("", Some("ACME")), Some((5, 0, "ACME".to_owned())));
    assert_eq!(source("source_ton = 0\nsource_npi = 1", Some("70707")), Some((0, 1, "70707".to_owned())));
    assert_eq!(source("", None), Some((0, 0, String::new())));
    assert_eq!(source("", Some("")), None);
}
