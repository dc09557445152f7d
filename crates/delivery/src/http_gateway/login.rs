//! How a gateway is told who we are: a header that never changes, or a token that is fetched and renewed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use countersign_core::time::{Clock, EntropySource, Timestamp};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hyper::header::{HeaderMap, HeaderValue};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::client::Client;
use super::config::{Auth, HttpGatewayConfig};
use super::filled::{FilledBody, address};
use super::{Node, bare, typed};
use crate::config::{ConfigProblem, Secret, is_loopback};
use crate::provider::{ErrorClass, ProviderError};

/// How long an assertion is good for; Google takes no more.
const ASSERTION: Duration = Duration::from_secs(3600);
/// How long before its end a token is renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// How long a token of ours is good for: one request.
const OWN_TOKEN: Duration = Duration::from_secs(60);
/// What a token's life is when the answer does not say.
const USUAL_LIFE_SECONDS: u64 = 3600;

/// The value of `Authorization`.
pub(super) enum Login {
    /// None, or the templates say it.
    None,
    /// Always the same.
    Fixed(HeaderValue),
    /// A token of Google's.
    Google(Box<ServiceAccount>),
    /// Signed by us for each request.
    Jwt(Box<Signing>),
}

impl Login {
    /// Reads the credentials.
    pub(super) fn of(config: &HttpGatewayConfig, node: &Node) -> Result<Self, ConfigProblem> {
        let (key, text) = match &config.auth {
            None => return Ok(Self::None),
            Some(Auth::Google { key, scope }) => {
                let place = "auth.google_service_account.key";
                let key = config.value(place, key)?;
                let account = ServiceAccount::read(&key, scope, config.ca_file.as_deref(), &node.clock);
                return account.map(|account| Self::Google(Box::new(account)));
            }
            Some(Auth::Jwt { key, claims }) => {
                return Signing::of(config, key, claims, node).map(|signing| Self::Jwt(Box::new(signing)));
            }
            Some(Auth::Basic { username, password }) => {
                let key = "auth.basic.password";
                let pair = Zeroizing::new(format!("{username}:{}", password.resolve(key)?.expose()));
                (key, format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))
            }
            Some(Auth::Bearer(token)) => {
                ("auth.bearer", format!("Bearer {}", token.resolve("auth.bearer")?.expose()))
            }
        };
        sensitive(text).map(Self::Fixed).ok_or_else(|| {
            ConfigProblem::new(key, "holds control characters", "put the secret there as one line")
        })
    }

    /// The header for the next request; fetches a token when there is none that lives on.
    pub(super) async fn header(&self) -> Result<Option<HeaderValue>, ProviderError> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(value) => Ok(Some(value.clone())),
            Self::Google(account) => account.header().await.map(Some),
            Self::Jwt(signing) => signing.header().map(Some),
        }
    }

    /// The gateway refused the credentials: a token may have been revoked before its end. Says whether another can be had.
    pub(super) async fn refused(&self) -> bool {
        match self {
            Self::None | Self::Fixed(_) | Self::Jwt(_) => false,
            Self::Google(account) => account.token.lock().await.take().is_some(),
        }
    }
}

fn sensitive(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A service account of Google's, with the token it has now.
pub(super) struct ServiceAccount {
    email: String,
    key_id: String,
    token_url: String,
    scope: String,
    key: RsaKeyPair,
    client: Client,
    clock: Arc<dyn Clock>,
    token: Mutex<Option<(HeaderValue, Timestamp)>>,
}

/// The file that Google hands out.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    #[serde(default)]
    private_key_id: String,
    private_key: String,
    token_uri: String,
}

impl ServiceAccount {
    fn read(
        file: &Secret,
        scope: &str,
        ca_file: Option<&Path>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ConfigProblem> {
        let wrong = |problem: &str| {
            let fix = "download a key of the service account as JSON and name that file";
            ConfigProblem::new("auth.google_service_account.key", problem, fix)
        };
        // What is wrong with it is not quoted: the file holds a private key.
        let file: KeyFile =
            serde_json::from_str(file.expose()).map_err(|_| wrong("is no key file of a service account"))?;
        let trusted = url::Url::parse(&file.token_uri)
            .is_ok_and(|url| url.scheme() == "https" || url.host_str().is_some_and(is_loopback));
        if !trusted {
            return Err(wrong("names a token_uri that is not encrypted"));
        }
        let pem = Zeroizing::new(file.private_key);
        let key = rsa_key(&pem).ok_or_else(|| wrong("holds no RSA private key (PEM of PKCS #8)"))?;
        Ok(Self {
            email: file.client_email,
            key_id: file.private_key_id,
            token_url: file.token_uri,
            scope: scope.to_owned(),
            key,
            client: Client::new(ca_file, 1)?,
            clock: Arc::clone(clock),
            token: Mutex::new(None),
        })
    }

    /// One request fetches, all others wait for it.
    async fn header(&self) -> Result<HeaderValue, ProviderError> {
        let mut token = self.token.lock().await;
        let now = self.clock.now();
        if let Some((header, renew_at)) = &*token
            && now < *renew_at
        {
            return Ok(header.clone());
        }
        let (header, life) = self.fetch(now).await?;
        *token = Some((header.clone(), now.plus(life.saturating_sub(RENEW_BEFORE))));
        Ok(header)
    }

    async fn fetch(&self, now: Timestamp) -> Result<(HeaderValue, Duration), ProviderError> {
        let url = address(&self.token_url).ok_or_else(|| unsigned("its token_uri is no address"))?;
        let form = FilledBody::Form(vec![
            ("grant_type".to_owned(), "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()),
            ("assertion".to_owned(), self.assertion(now)?),
        ]);
        let (content_type, body) = form.encode();
        let request = typed(bare(hyper::Method::POST, url, body, HeaderMap::new()), Some(content_type));
        let answer = self.client.send(request).await?;
        let status = answer.status();
        let json: Value =
            answer.body().as_ref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let token = json.get("access_token").and_then(Value::as_str).filter(|_| status.is_success());
        let Some(header) = token.and_then(|token| sensitive(format!("Bearer {token}"))) else {
            let class = match status.as_u16() {
                400..=499 if status != hyper::StatusCode::TOO_MANY_REQUESTS => ErrorClass::Authentication,
                _ => ErrorClass::Unavailable,
            };
            return Err(ProviderError::new(class, format!("no access token: status {}", status.as_u16())));
        };
        let seconds = json.get("expires_in").and_then(Value::as_u64).unwrap_or(USUAL_LIFE_SECONDS);
        Ok((header, Duration::from_secs(seconds)))
    }

    /// A JWT that asks for a token (RFC 7523, section 2.1).
    fn assertion(&self, now: Timestamp) -> Result<String, ProviderError> {
        let head = json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let claims = json!({
            "iss": self.email,
            "scope": self.scope,
            "aud": self.token_url,
            "iat": now.seconds(),
            "exp": now.plus(ASSERTION).seconds(),
        });
        signed(&self.key, &head, &claims).ok_or_else(|| unsigned("its key does not sign"))
    }
}

/// A private key that signs a JWT for each request.
pub(super) struct Signing {
    key: RsaKeyPair,
    claims: BTreeMap<String, String>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn EntropySource>,
}

impl Signing {
    fn of(
        config: &HttpGatewayConfig,
        key: &str,
        claims: &BTreeMap<String, String>,
        node: &Node,
    ) -> Result<Self, ConfigProblem> {
        let place = "auth.jwt.key";
        let value = |name: &String| config.value(place, name).map(|value| value.expose().to_owned());
        let claims = claims.iter().map(|(claim, name)| Ok((claim.clone(), value(name)?)));
        let key = rsa_key(config.value(place, key)?.expose()).ok_or_else(|| {
            let fix = "name the file with the private key of the application";
            ConfigProblem::new(place, "is no RSA private key (PEM of PKCS #8)", fix)
        })?;
        Ok(Self {
            key,
            claims: claims.collect::<Result<_, ConfigProblem>>()?,
            clock: Arc::clone(&node.clock),
            entropy: Arc::clone(&node.entropy),
        })
    }

    fn header(&self) -> Result<HeaderValue, ProviderError> {
        let now = self.clock.now();
        let mut name = [0; 16];
        self.entropy.fill(&mut name);
        let mut claims = json!({
            "iat": now.seconds(),
            "exp": now.plus(OWN_TOKEN).seconds(),
            "jti": HEXLOWER.encode(&name),
        });
        for (claim, value) in &self.claims {
            claims[claim.as_str()] = Value::from(value.as_str());
        }
        signed(&self.key, &json!({ "alg": "RS256", "typ": "JWT" }), &claims)
            .and_then(|token| sensitive(format!("Bearer {token}")))
            .ok_or_else(|| ProviderError::new(ErrorClass::Configuration, "the private key does not sign"))
    }
}

fn rsa_key(pem: &str) -> Option<RsaKeyPair> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()
}

/// A JWT with RS256 (RFC 7515, RFC 7518 section 3.3).
fn signed(key: &RsaKeyPair, head: &Value, claims: &Value) -> Option<String> {
    let part = |json: &Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    let text = format!("{}.{}", part(head), part(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
    Some(format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)))
}

fn unsigned(why: &str) -> ProviderError {
    ProviderError::new(ErrorClass::Configuration, format!("the service account cannot be used: {why}"))
}
