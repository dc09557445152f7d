use std::time::Duration;

use serde_json::json;

use super::*;
use crate::messages::{RenderedMessage, measure};

fn outgoing(to: &str, text: &str) -> Outgoing {
    Outgoing {
        to: to.to_owned(),
        channel: "sms",
        purpose: crate::messages::Purpose::Authentication,
        sender: None,
        code: "482913".to_owned(),
        message: RenderedMessage {
            locale: "en",
            subject: None,
            text: text.to_owned(),
            html: None,
            sms: Some(measure(text)),
        },
        asked: None,
        delivery_id: "dlv_1".to_owned(),
        deadline: Duration::from_secs(20),
        lifetime: Duration::from_millis(299_999),
    }
}

fn compile(more: &str) -> RequestTemplate {
    let text = format!("secrets = {{ key = {{ env = 'KEY' }} }}\n{more}");
    let config: HttpGatewayConfig = toml::from_str(&text).expect("a configuration");
    assert_eq!(config.validate(), []);
    let secrets = BTreeMap::from([("key".to_owned(), Secret::new("s3cr&t/=".to_owned()))]);
    RequestTemplate::compile(&config, &secrets, None).expect("templates")
}

fn json_body(template: &RequestTemplate, outgoing: &Outgoing) -> Value {
    match template.fill(outgoing).expect("a request").body {
        Some(FilledBody::Json(tree)) => tree,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tree_is_filled_leaf_by_leaf() {
    let template = compile(
        r#"
        url = "https://api.example/send"
        [body.json]
        to = "{{ to | replace('+', '') }}"
        number = "{{ to | replace('+', '') | int }}"
        text = "{{ text }}"
        ttl = "{{ ttl_seconds }}"
        unicode = "{{ encoding == 'ucs2' }}"
        from = "{{ sender or none }}"
        fallback = "{{ sender or 'ACME' }}"
        note = "id {{ delivery_id }}, {{ segments }} part(s)"
        fixed = "no template"
        flash = false
        tries = 3
        list = [{ key = "{{ secrets.key }}" }]
        "#,
    );
    assert_eq!(
        json_body(&template, &outgoing("+48600100217", "482913 is your code.")),
        json!({
            "to": "48600100217",
            "number": 48_600_100_217_u64,
            "text": "482913 is your code.",
            "ttl": 299,
            "unicode": false,
            "fallback": "ACME",
            "note": "id dlv_1, 1 part(s)",
            "fixed": "no template",
            "flash": false,
            "tries": 3,
            "list": [{ "key": "s3cr&t/=" }],
        })
    );
}

#[test]
fn a_value_cannot_leave_its_place_in_json() {
    let template = compile(
        "url = 'https://api.example/'\nbody = { json = { text = 'say {{ text }}', only = '{{ text }}', to = '{{ to }}' } }",
    );
    for hostile in [
        "\",\"to\":\"+19005550000",
        "\\",
        "\"}",
        "{{ secrets.key }}",
        "{% raw %}",
        "line\nbreak\u{0}\u{2028}",
        "<script>&'",
        "null",
        "12",
        "[1]",
    ] {
        let body = json_body(&template, &outgoing("+1", hostile));
        assert_eq!(body, json!({ "text": format!("say {hostile}"), "only": hostile, "to": "+1" }));
        let sent = serde_json::to_vec(&body).expect("JSON");
        assert_eq!(serde_json::from_slice::<Value>(&sent).expect("JSON"), body);
    }
}

#[test]
fn a_value_cannot_leave_its_place_in_the_address() {
    let template = compile("url = 'https://api.example/{{ secrets.key }}/to/{{ to }}?text={{ text }}&x=1'");
    let filled = template.fill(&outgoing("../../admin?x#y", "a b&c=ä%00\r\nHost: evil")).expect("a request");
    assert_eq!(
        filled.url,
        "https://api.example/s3cr%26t%2F%3D/to/..%2F..%2Fadmin%3Fx%23y?text=a%20b%26c%3D%C3%A4%2500%0D%0AHost%3A%20evil&x=1"
    );
    let url = url::Url::parse(&filled.url.to_string()).expect("an address");
    assert_eq!((url.host_str(), url.query_pairs().count()), (Some("api.example"), 2));
    assert!(url.path().starts_with("/s3cr%26t%2F%3D/to/"), "{url}");
    for climbing in [".", ".."] {
        let error = template.fill(&outgoing(climbing, "x")).expect_err("a refusal");
        assert_eq!(error.class, ErrorClass::Configuration);
    }
}

#[test]
fn a_value_cannot_leave_its_header() {
    let template = compile("url = 'https://api.example/'\nheaders = { X-Text = '{{ text }}' }");
    let good = template.fill(&outgoing("+1", "482913 is your code.")).expect("a request");
    assert_eq!(
        good.headers.get("x-text").and_then(|value| value.to_str().ok()),
        Some("482913 is your code.")
    );
    assert!(!format!("{:?}", good.headers).contains("482913"));
    for hostile in ["a\r\nX-Evil: 1", "a\nb", "\0"] {
        let error = template.fill(&outgoing("+1", hostile)).expect_err("a refusal");
        assert_eq!(
            error.detail,
            "`headers.X-Text` cannot be filled in: a header holds no control characters"
        );
    }
}

#[test]
fn a_form_repeats_lists_and_leaves_out_none() {
    let template = compile(
        "url = 'https://api.example/'\nbody = { form = { To = ['{{ to }}', 'b'], From = '{{ sender or none }}', N = 7 } }",
    );
    let body = template.fill(&outgoing("a&b=c", "x")).expect("a request").body;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(body, Some(FilledBody::Form(vec![pair("N", "7"), pair("To", "a&b=c"), pair("To", "b")])));
}

#[test]
fn only_one_whole_expression_keeps_its_type() {
    assert_eq!(lone_expression("{{ to }}"), Some(" to "));
    assert_eq!(lone_expression(" {{ to | int }} "), Some(" to | int "));
    for text in
        ["{{ to }}{{ to }}", "x{{ to }}", "{{- to -}}", "{{ '}}' }}", "{% if a %}{% endif %}", "to", "{{"]
    {
        assert_eq!(lone_expression(text), None, "{text}");
    }
}
