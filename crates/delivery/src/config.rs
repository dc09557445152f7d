//! What the configuration of every provider shares: problems that name their fix, and secrets that are
//! never written into the file.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use zeroize::Zeroizing;

use crate::limits;

/// What is wrong with a configuration: which key, what, and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {problem}; {fix}")]
pub struct ConfigProblem {
    /// The key below the provider's table, `password` or `errors[2].status`.
    pub key: String,
    /// What is wrong; continues the sentence that the key starts.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

impl ConfigProblem {
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into(), fix: fix.into() }
    }
}

/// A password or key. Wiped when dropped, prints as `***`, has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// Where a secret stands: `{ file = "/run/secrets/relay" }` or `{ env = "RELAY_PASSWORD" }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file; one trailing line break is not part of the secret.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    /// When it is missing, empty, too long or not UTF-8. `key` names the configuration key in the error.
    pub fn resolve(&self, key: &str) -> Result<Secret, ConfigProblem> {
        let secret = match self {
            Self::File(path) => read_secret_file(path, key)?,
            Self::Env(name) => Zeroizing::new(std::env::var(name).map_err(|_| {
                ConfigProblem::new(
                    key,
                    format!("names the environment variable {name}, which is not set"),
                    "set it",
                )
            })?),
        };
        if secret.is_empty() {
            return Err(ConfigProblem::new(key, "names an empty secret", "put the secret there"));
        }
        Ok(Secret(secret))
    }
}

fn read_secret_file(path: &Path, key: &str) -> Result<Zeroizing<String>, ConfigProblem> {
    let place = path.display();
    let unreadable = |problem: std::io::Error| {
        let fix = "make it a UTF-8 text file that this process may read";
        ConfigProblem::new(key, format!("names the file {place}, which cannot be read ({problem})"), fix)
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = Zeroizing::new(String::new());
    file.take(limits::SECRET_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > limits::SECRET_BYTES {
        return Err(ConfigProblem::new(
            key,
            format!("names the file {place}, which is too long"),
            "is it the right file?",
        ));
    }
    let kept = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(kept);
    Ok(text)
}

/// Written by hand because the derived one would quote a secret that somebody put in the file itself.
impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

const SOURCE_FORMS: &str = "{ file = \"/path\" } or { env = \"NAME\" }";

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = SecretSource;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(SOURCE_FORMS)
    }

    fn visit_str<E: serde::de::Error>(self, _secret: &str) -> Result<Self::Value, E> {
        Err(E::custom(format!("a secret does not stand in the configuration itself; write {SOURCE_FORMS}")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let key: Option<String> = map.next_key()?;
        let source = match key.as_deref() {
            Some("file") => SecretSource::File(map.next_value()?),
            Some("env") => SecretSource::Env(map.next_value()?),
            _ => return Err(A::Error::custom(format!("write {SOURCE_FORMS}"))),
        };
        match map.next_key::<String>()? {
            None => Ok(source),
            Some(_) => Err(A::Error::custom(format!("a secret has one source; write {SOURCE_FORMS}"))),
        }
    }
}

/// Whether traffic to this host stays on the machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Problems of the two numbers every provider has.
pub(crate) fn check_numbers(timeout_seconds: u64, max_connections: usize) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    if !(1..=limits::MAX_TIMEOUT_SECONDS).contains(&timeout_seconds) {
        let fix = format!("write 1 to {}", limits::MAX_TIMEOUT_SECONDS);
        problems.push(ConfigProblem::new("timeout_seconds", format!("is {timeout_seconds}"), fix));
    }
    if !(1..=limits::MAX_CONNECTIONS).contains(&max_connections) {
        let fix = format!("write 1 to {}", limits::MAX_CONNECTIONS);
        problems.push(ConfigProblem::new("max_connections", format!("is {max_connections}"), fix));
    }
    problems
}

pub(crate) const fn default_timeout_seconds() -> u64 {
    limits::DEFAULT_TIMEOUT_SECONDS
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Table {
        password: SecretSource,
    }

    fn parse(text: &str) -> Result<SecretSource, String> {
        toml::from_str::<Table>(text)
            .map(|table| table.password)
            .map_err(|problem| problem.message().to_owned())
    }

    #[test]
    fn a_secret_has_one_source() {
        assert_eq!(parse("password = { file = '/x' }"), Ok(SecretSource::File("/x".into())));
        assert_eq!(parse("password = { env = 'X' }"), Ok(SecretSource::Env("X".into())));
        for wrong in
            ["{}", "{ file = '/x', env = 'X' }", "{ value = 'hunter2' }", "'hunter2'", "['hunter2']", "7"]
        {
            let problem = parse(&format!("password = {wrong}")).expect_err(wrong);
            assert!(problem.contains("{ env = ") && !problem.contains("hunter2"), "{wrong}: {problem}");
        }
    }

    #[test]
    fn a_file_secret_loses_its_line_end_and_nothing_else() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b" s3cret \r\n").expect("written");
        let secret = SecretSource::File(file.path().into()).resolve("password").expect("a secret");
        assert_eq!(secret.expose(), " s3cret ");
        assert_eq!(format!("{secret:?}"), "***");
    }

    #[test]
    fn a_missing_empty_or_binary_secret_says_which_and_where() {
        let missing = SecretSource::File("/nowhere/at/all".into()).resolve("password").expect_err("missing");
        assert!(missing.to_string().starts_with("`password` names the file /nowhere/at/all"), "{missing}");
        let unset =
            SecretSource::Env("COUNTERSIGN_NO_SUCH_VARIABLE".into()).resolve("auth").expect_err("unset");
        assert!(unset.to_string().contains("COUNTERSIGN_NO_SUCH_VARIABLE"), "{unset}");
        for content in [&b"\n"[..], b"", b"\xff\xfe", &[b'x'; 64 * 1024 + 1]] {
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            file.write_all(content).expect("written");
            assert!(SecretSource::File(file.path().into()).resolve("password").is_err());
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for host in ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.evil.example", "10.0.0.1", "0.0.0.0", "example.com", "127.0.0.1.nip.io", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
