//! The URL of the store. It may hold a password, so every way to print it leaves that out.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

/// `sqlite:` and a path, or the URL of a PostgreSQL database.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct StoreUrl(String);

impl StoreUrl {
    /// A URL as it was written.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it was written, password included.
    pub(super) fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.clone())
    }

    /// The path behind `sqlite:`.
    pub(super) fn file(&self) -> Option<&str> {
        self.0.strip_prefix("sqlite:")
    }

    /// Whether it names a PostgreSQL database.
    pub(super) fn is_postgres(&self) -> bool {
        ["postgres://", "postgresql://"].iter().any(|scheme| self.0.starts_with(scheme))
    }

    /// Whether there is a password in it, or something that may be one.
    pub(crate) fn has_password(&self) -> bool {
        self.to_string() != self.0
    }
}

/// Rather too little than a password: where it is not clear what belongs to it, nothing is shown.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else { return f.write_str(&self.0) };
        let (place, parameters) = match rest.split_once('?') {
            None => (rest, None),
            Some((_, parameters)) if parameters.contains('@') => return write!(f, "{scheme}://***"),
            Some((place, parameters)) => (place, Some(parameters)),
        };
        write!(f, "{scheme}://")?;
        match place.rsplit_once('@').map(|(who, place)| (who.split_once(':'), place)) {
            Some((Some((user, _)), place)) => write!(f, "{user}:***@{place}")?,
            _ => f.write_str(place)?,
        }
        for (parameter, before) in parameters.into_iter().flat_map(|all| all.split('&')).zip(separators()) {
            f.write_str(before)?;
            match parameter.split_once('=') {
                Some((name, _)) if may_be_secret(name) => write!(f, "{name}=***")?,
                _ => f.write_str(parameter)?,
            }
        }
        Ok(())
    }
}

fn separators() -> impl Iterator<Item = &'static str> {
    std::iter::once("?").chain(std::iter::repeat("&"))
}

/// A name that is written with escapes may be any name.
fn may_be_secret(name: &str) -> bool {
    name.contains('%') || name.to_ascii_lowercase().contains("pass")
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed_wherever_it_stands() {
        for (url, shown) in [
            ("postgres://anna:hunter2@db:5432/codes", "postgres://anna:***@db:5432/codes"),
            (
                "postgres://anna:hunter2@db/codes?sslmode=require",
                "postgres://anna:***@db/codes?sslmode=require",
            ),
            ("postgres://anna:hunter2@x@db/codes", "postgres://anna:***@db/codes"),
            ("postgres://anna:hunter2/x@db/codes", "postgres://anna:***@db/codes"),
            ("postgres://anna:hunter2?x@db/codes", "postgres://***"),
            ("postgres://db/codes?user=anna&password=hunter2", "postgres://db/codes?user=anna&password=***"),
            ("postgres://db/codes?pass%77ord=hunter2", "postgres://db/codes?pass%77ord=***"),
            ("postgres://anna@db/codes?password=hunter2@x", "postgres://***"),
            ("mysql://anna:hunter2@db/codes", "mysql://anna:***@db/codes"),
        ] {
            let url = StoreUrl::new(url);
            assert_eq!(url.to_string(), shown);
            assert!(url.has_password() && !format!("{url:?}").contains("hunter2"), "{url}");
            assert!(!toml::Value::try_from(&url).unwrap().to_string().contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown_as_it_was_written() {
        for url in [
            "sqlite:countersign-data/countersign.db",
            "postgres://anna@db:5432/codes",
            "postgresql://anna@a:1,b:2/codes?target_session_attrs=read-write&connect_timeout=3",
            "postgres://anna@%2Frun%2Fpostgresql/codes?sslmode=disable",
        ] {
            assert_eq!(StoreUrl::new(url).to_string(), url);
            assert!(!StoreUrl::new(url).has_password());
        }
    }
}
