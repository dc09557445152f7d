use serde_json::json;

use super::*;
use crate::provider::Fault;

fn rules(more: &str) -> Rules {
    let config: HttpGatewayConfig =
        toml::from_str(&format!("url = 'https://api.example/'\n{more}")).expect(more);
    assert_eq!(config.validate(), [], "{more}");
    Rules::of(&config)
}

fn judge(rules: &Rules, status: u16, json: Option<Value>) -> Result<Accepted, ProviderError> {
    let mut headers = HeaderMap::new();
    headers.insert("x-id", hyper::header::HeaderValue::from_static("h-1"));
    rules.judge(&Answer { status, headers: &headers, json })
}

fn verdict(result: Result<Accepted, ProviderError>) -> (ErrorClass, Fault, bool) {
    let error = result.expect_err("a failure");
    (error.class, error.fault, error.retry)
}

#[test]
fn without_rules_the_status_decides() {
    use ErrorClass as C;
    let rules = rules("");
    for status in [200, 202, 204, 299] {
        assert_eq!(judge(&rules, status, None), Ok(Accepted::default()));
    }
    let cases = [
        (302, C::Configuration, Fault::Us, false),
        (400, C::Configuration, Fault::Us, false),
        (401, C::Authentication, Fault::Us, false),
        (403, C::Authentication, Fault::Us, false),
        (404, C::Configuration, Fault::Us, false),
        (408, C::Throttled, Fault::Provider, true),
        (429, C::Throttled, Fault::Provider, true),
        (500, C::Unavailable, Fault::Provider, true),
        (503, C::Unavailable, Fault::Provider, true),
        (600, C::Protocol, Fault::Provider, true),
    ];
    for (status, class, fault, retry) in cases {
        assert_eq!(verdict(judge(&rules, status, None)), (class, fault, retry), "{status}");
    }
}

#[test]
fn success_may_ask_for_words_in_the_body() {
    let rules =
        rules("success = { json = [{ pointer = '/messages/0/status', equals = '0' }, { pointer = '/id' }] }");
    assert!(judge(&rules, 200, Some(json!({ "id": 1, "messages": [{ "status": "0" }] }))).is_ok());
    assert!(judge(&rules, 200, Some(json!({ "id": 1, "messages": [{ "status": 0 }] }))).is_ok());
    let refused = (ErrorClass::MessageRejected, Fault::Provider, false);
    for json in [
        json!({ "id": 1, "messages": [{ "status": "6" }] }),
        json!({ "id": null, "messages": [{ "status": "0" }] }),
        json!({ "messages": [{ "status": "0" }] }),
        json!({ "id": 1, "messages": [{ "status": ["0"] }] }),
        json!([]),
    ] {
        assert_eq!(verdict(judge(&rules, 200, Some(json))), refused);
    }
    assert_eq!(verdict(judge(&rules, 200, None)), (ErrorClass::Protocol, Fault::Provider, true));
}

#[test]
fn the_first_matching_rule_decides_also_over_a_success() {
    let rules = rules(
        "errors = [
            { pointer = '/code', equals = [21211, 21614], class = 'recipient_rejected' },
            { status = ['400-499'], pointer = '/code', equals = 'slow', class = 'throttled', fault = 'us', retry = false },
            { status = [404], class = 'recipient_rejected' },
            { pointer = '/error', class = 'unavailable' },
        ]",
    );
    let cases = [
        (400, json!({ "code": 21211 }), ErrorClass::RecipientRejected, Fault::Recipient, false),
        (200, json!({ "code": "21614" }), ErrorClass::RecipientRejected, Fault::Recipient, false),
        (418, json!({ "code": "slow" }), ErrorClass::Throttled, Fault::Us, false),
        (404, json!({}), ErrorClass::RecipientRejected, Fault::Recipient, false),
        (200, json!({ "error": {} }), ErrorClass::Unavailable, Fault::Provider, true),
        (500, json!({ "code": "slow" }), ErrorClass::Unavailable, Fault::Provider, true),
    ];
    for (status, json, class, fault, retry) in cases {
        assert_eq!(
            verdict(judge(&rules, status, Some(json.clone()))),
            (class, fault, retry),
            "{status} {json}"
        );
    }
    assert!(judge(&rules, 200, Some(json!({ "code": 1, "error": null }))).is_ok());
}

#[test]
fn the_message_id_is_found_and_made_printable() {
    let id = |rules: &Rules, json| judge(rules, 200, json).expect("accepted").message_id;
    let pointer = rules("message_id = { pointer = '/m/0/id' }");
    assert_eq!(id(&pointer, Some(json!({ "m": [{ "id": "abc" }] }))).as_deref(), Some("abc"));
    assert_eq!(id(&pointer, Some(json!({ "m": [{ "id": 7 }] }))).as_deref(), Some("7"));
    let dotted = id(&pointer, Some(json!({ "m": [{ "id": "wamid.HBgL=.com" }] })));
    assert_eq!(dotted.as_deref(), Some("wamid.HBgL=.com"), "no link is broken in it: receipts name it so");
    assert_eq!(id(&pointer, Some(json!({ "m": [{ "id": "a\r\n\u{1b}[2Jb" }] }))).as_deref(), Some("a[2Jb"));
    assert_eq!(id(&pointer, Some(json!({ "m": [{ "id": "x".repeat(500) }] }))).map(|id| id.len()), Some(200));
    for nothing in [json!({}), json!({ "m": [{ "id": {} }] }), json!({ "m": [{ "id": "" }] })] {
        assert_eq!(id(&pointer, Some(nothing)), None);
    }
    assert_eq!(id(&pointer, None), None);
    assert_eq!(id(&rules("message_id = { header = 'X-Id' }"), None).as_deref(), Some("h-1"));
    assert_eq!(id(&rules("message_id = { header = 'X-Other' }"), None), None);
}
