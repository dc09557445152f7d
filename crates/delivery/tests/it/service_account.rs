//! A service account of Google's, and the token endpoint that knows it.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

use crate::http_gateway::NOW;

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).expect("a key"));

/// The private key as vendors hand it out.
pub(crate) fn pem() -> String {
    let der: Pkcs8V1Der<'_> = KEY.as_der().expect("PKCS #8");
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der.as_ref()))
}

/// Head and claims of a JWT that the key signed.
fn opened(token: &str) -> Option<(Value, Value)> {
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, KEY.public_key().as_ref());
    key.verify(signed.as_bytes(), &signature).ok()?;
    let (head, claims) = signed.split_once('.')?;
    let read = |part: &str| serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok();
    Some((read(head)?, read(claims)?))
}

/// What a vendor would find wrong with an `Authorization` of an application.
pub(crate) fn jwt_complaint(authorization: &str) -> Option<String> {
    let expected = (
        json!({ "alg": "RS256", "typ": "JWT" }),
        json!({
            "iat": NOW.seconds(),
            "exp": NOW.seconds() + 60,
            "jti": "07070707070707070707070707070707",
            "application_id": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
        }),
    );
    let sent = authorization.strip_prefix("Bearer ").and_then(opened);
    (sent.as_ref() != Some(&expected)).then(|| format!("the JWT says {sent:?}"))
}

/// The JSON file of the account.
pub(crate) fn key_file(port: u16) -> String {
    json!({
        "type": "service_account",
        "project_id": "acme-app",
        "private_key_id": "key-1",
        "private_key": pem(),
        "client_email": "otp@acme-app.iam.gserviceaccount.com",
        "token_uri": token_uri(port),
    })
    .to_string()
}

fn token_uri(port: u16) -> String {
    format!("http://127.0.0.1:{port}/google/token")
}

/// What Google would find wrong with a request for a token.
pub(crate) fn complaint(body: &str, port: u16) -> Option<String> {
    let url = url::Url::parse(&format!("http://x/?{body}")).expect("a form");
    let field =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if field("grant_type").as_deref() != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
        return Some(format!("grant_type: {body}"));
    }
    let assertion = field("assertion").unwrap_or_default();
    let head = json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" });
    let claims = json!({
        "iss": "otp@acme-app.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": token_uri(port),
        "iat": NOW.seconds(),
        "exp": NOW.seconds() + 3600,
    });
    let sent = opened(&assertion);
    (sent.as_ref() != Some(&(head, claims))).then(|| format!("the assertion says {sent:?}"))
}
