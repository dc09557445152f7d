use super::*;
use crate::limits;

pub(in crate::http_gateway) const GOOD: &str = r#"
url = "https://api.gateway.example/v1/messages"
auth = { bearer = { env = "GATEWAY_TOKEN" } }
headers = { "Idempotency-Key" = "{{ delivery_id }}" }
body = { json = { to = "{{ to }}", text = "{{ text }}" } }
message_id = { pointer = "/id" }
"#;

fn with(change: impl FnOnce(&mut toml::Table)) -> Result<HttpGatewayConfig, toml::de::Error> {
    let mut table: toml::Table = GOOD.parse().expect("TOML");
    change(&mut table);
    table.try_into()
}

/// The keys complained about when `more` overrides the good configuration.
fn keys(more: &str) -> Vec<String> {
    let more: toml::Table = more.parse().expect(more);
    let config = with(|table| table.extend(more.clone())).expect("a configuration");
    config.validate().into_iter().map(|problem| problem.key).collect()
}

#[test]
fn a_short_configuration_is_enough() {
    let config: HttpGatewayConfig = toml::from_str(GOOD).expect("a configuration");
    assert_eq!(config.validate(), []);
    assert!(config.success.status[0].contains(200) && config.success.status[0].contains(299));
    assert!(!config.success.status[0].contains(300));
}

#[test]
fn each_problem_names_its_key() {
    let cases = [
        ("url = 'http://api.gateway.example/x'", "url"),
        ("url = 'ftp://api.gateway.example/x'", "url"),
        ("url = 'api.gateway.example/x'", "url"),
        ("url = 'https:///x'", "url"),
        ("url = ''", "url"),
        ("url = 'https://user:pw@api.example/x'", "url"),
        ("url = 'https://{{ secrets.host }}/x'", "url"),
        ("url = 'https://{{ to }}.evil.example/x'", "url"),
        ("url = 'https://api.example{{ to }}'", "url"),
        ("url = 'https://api.example/x#y'", "url"),
        ("url = 'https://api.example/{{ too }}'", "url"),
        ("url = 'https://api.example/{{ to'", "url"),
        ("method = 'GET'", "body"),
        ("headers = { 'a b' = 'x' }", "headers.a b"),
        ("headers = { Host = 'x' }", "headers.Host"),
        ("headers = { Authorization = 'x' }", "headers.Authorization"),
        ("headers = { X = '{{ secrets.absent }}' }", "headers.X"),
        ("headers = { X = \"a\\r\\nb\" }", "headers.X"),
        ("body = { json = { a = [{ b = '{{ nope }}' }] } }", "body.json.a[0].b"),
        ("body = { json = { a = '{{ to | nope }}' } }", "body.json.a"),
        ("body = { json = { a = '{% for i in range(100000) %}{% endfor %}' } }", "body.json.a"),
        ("body = { form = { a = { b = 'c' } } }", "body.form.a"),
        ("body = { form = { a = [['c']] } }", "body.form.a[0]"),
        ("success = { status = [] }", "success.status"),
        ("success = { json = [{ pointer = 'id' }] }", "success.json[0].pointer"),
        ("message_id = { pointer = 'id' }", "message_id.pointer"),
        ("errors = [{ class = 'throttled' }]", "errors[0]"),
        ("errors = [{ class = 'throttled', status = [429], equals = 1 }]", "errors[0]"),
        ("errors = [{ class = 'throttled', pointer = 'code' }]", "errors[0].pointer"),
        ("timeout_seconds = 0", "timeout_seconds"),
        ("max_connections = 1000", "max_connections"),
    ];
    for (more, key) in cases {
        assert_eq!(keys(more), [key], "{more}");
    }
}

#[test]
fn clear_text_needs_this_machine_or_a_word() {
    assert_eq!(keys("url = 'http://127.0.0.1:8080/x'"), [] as [&str; 0]);
    assert_eq!(keys("url = 'http://[::1]:8080/x'"), [] as [&str; 0]);
    assert_eq!(keys("url = 'http://localhost/x'"), [] as [&str; 0]);
    assert_eq!(keys("url = 'http://api.gateway.example/x'\ninsecure = true"), [] as [&str; 0]);
}

#[test]
fn a_body_may_be_deep_but_not_bottomless() {
    let nested = |depth: usize| {
        let tree = (0..depth).fold(Value::from("{{ to }}"), |tree, _| serde_json::json!([tree]));
        let body = toml::Value::try_from(serde_json::json!({ "json": tree })).expect("TOML");
        with(|table| drop(table.insert("body".to_owned(), body))).expect("a configuration").validate().len()
    };
    assert_eq!(nested(limits::GATEWAY_BODY_DEPTH), 0);
    assert_eq!(nested(limits::GATEWAY_BODY_DEPTH + 1), 1);
}

#[test]
fn as_many_rules_as_the_limit_says() {
    let rules = |count| {
        let rule: toml::Table = "class = 'throttled'\nstatus = [429]".parse().expect("TOML");
        with(|table| drop(table.insert("errors".to_owned(), vec![rule; count].into())))
            .expect("a configuration")
            .validate()
            .len()
    };
    assert_eq!(rules(limits::GATEWAY_RULES), 0);
    assert_eq!(rules(limits::GATEWAY_RULES + 1), 1);
}

#[test]
fn what_cannot_be_meant_does_not_parse() {
    let cases = [
        "success = { status = [99] }",
        "success = { status = [600] }",
        "success = { status = ['299-200'] }",
        "success = { status = ['ok'] }",
        "success = { status = [true] }",
        "errors = [{ class = 'oops', status = [429] }]",
        "errors = [{ class = 'throttled', status = [429], equals = {} }]",
        "errors = [{ class = 'throttled', status = [429], fault = 'nobody' }]",
        "auth = { bearer = 'hunter2' }",
        "auth = { basic = { username = 'u', password = 'hunter2' } }",
        "secrets = { token = 'hunter2' }",
        "body = { xml = '<a/>' }",
        "method = 'DELETE'",
        "colour = 'red'",
    ];
    for more in cases {
        let table: toml::Table = more.parse().expect(more);
        let problem = with(|config| config.extend(table)).expect_err(more);
        assert!(!problem.message().contains("hunter2"), "{problem}");
    }
}
