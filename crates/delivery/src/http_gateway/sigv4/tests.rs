//! The cases are those of the "AWS Signature Version 4 test suite".

use super::*;

/// 2015-08-30T12:36:00Z.
const AT: Timestamp = Timestamp::from_millis(1_440_938_160_000);

fn signer(more: &str) -> Signer {
    let config = format!(
        "url = 'https://example.amazonaws.com/'\n\
         account = {{ region = 'us-east-1', id = 'AKIDEXAMPLE', key = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'{more} }}\n\
         sign = {{ aws_sigv4 = {{ service = 'service', region = 'region', access_key_id = 'id', \
         secret_access_key = 'key', session_token = 'token' }} }}"
    );
    let config: HttpGatewayConfig = toml::from_str(&config).expect("a configuration");
    assert_eq!(config.validate(), []);
    Signer::of(&config).expect("keys").expect("a signer")
}

fn request(method: &str, target: &str, content_type: Option<&str>) -> Request<Full<Bytes>> {
    let url = format!("https://example.amazonaws.com{target}");
    let mut builder = Request::builder().method(method).uri(url);
    if let Some(content_type) = content_type {
        builder = builder.header("content-type", content_type);
    }
    builder.body(Full::default()).expect("a request")
}

#[test]
fn the_published_cases_come_out() {
    let form = Some("application/x-www-form-urlencoded");
    let cases = [
        // get-vanilla
        ("GET", "/", None, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        // get-vanilla-query-order-key-case
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            None,
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        // post-vanilla
        ("POST", "/", None, "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        // post-x-www-form-urlencoded
        (
            "POST",
            "/",
            form,
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ];
    for (method, target, content_type, body, signature) in cases {
        let mut request = request(method, target, content_type);
        signer("").sign(&mut request, body.as_bytes(), AT).expect("signed");
        let headers = request.headers();
        assert_eq!(headers["x-amz-date"], "20150830T123600Z");
        let names = if content_type.is_some() { "content-type;host;x-amz-date" } else { "host;x-amz-date" };
        assert_eq!(
            headers["authorization"],
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={names}, Signature={signature}"
            ),
            "{method} {target}"
        );
    }
}

#[test]
fn a_session_token_is_sent_and_signed() {
    let mut request = request("POST", "/", None);
    signer(", token = 'SESSION'").sign(&mut request, b"", AT).expect("signed");
    assert_eq!(request.headers()["x-amz-security-token"], "SESSION");
    let value = request.headers()["authorization"].to_str().expect("text");
    assert!(value.contains("SignedHeaders=host;x-amz-date;x-amz-security-token, "), "{value}");
    assert!(!format!("{request:?}").contains("SESSION"));
}
