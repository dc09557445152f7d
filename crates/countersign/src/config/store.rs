//! `[store]`: where everything durable lies, and with it which engine keeps it.

use std::path::{Path, PathBuf};

use countersign_store::postgres::Settings;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::Invalid;
use super::reference::{Field, Section};
use super::store_url::StoreUrl;
use crate::files;
use crate::problem::{Outcome, Problem};

/// The most batches that may be in flight.
const MOST_LANES: u8 = 32;

/// The engine a URL names, with what it needs.
pub(crate) enum Engine {
    /// One file, one process.
    Sqlite(PathBuf),
    /// A database that many nodes share.
    Postgres(Settings),
}

/// The store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Store {
    /// `sqlite:` and the path of the file, or `postgres://…`.
    pub(crate) url: StoreUrl,
    /// PostgreSQL: the file with the password.
    pub(crate) password_file: Option<PathBuf>,
    /// PostgreSQL: the certificates its own is checked against.
    pub(crate) ca_file: Option<PathBuf>,
    /// PostgreSQL: batches in flight.
    pub(crate) lanes: Option<u8>,
    /// PostgreSQL: whether statements are prepared.
    pub(crate) prepared_statements: Option<bool>,
}

impl Default for Store {
    fn default() -> Self {
        Self::at("sqlite:countersign-data/countersign.db")
    }
}

impl Store {
    /// The store at a URL, the rest as by default.
    pub(super) fn at(url: &str) -> Self {
        let url = StoreUrl::new(url);
        Self { url, password_file: None, ca_file: None, lanes: None, prepared_statements: None }
    }

    /// The path of the SQLite file, as written.
    pub(super) fn file(&self) -> Option<&Path> {
        self.url.file().map(Path::new)
    }

    /// How to reach PostgreSQL; relative paths start at `base`. The password is in it.
    pub(super) fn settings(&self, base: &Path) -> Outcome<Settings> {
        let password = self.password_file.as_ref().map(|file| password(&base.join(file)));
        Ok(Settings { password: password.transpose()?, ..self.settings_without_password(base) })
    }

    fn settings_without_password(&self, base: &Path) -> Settings {
        let mut settings = Settings::new(self.url.reveal().as_str());
        settings.ca_file = self.ca_file.as_ref().map(|file| base.join(file));
        settings.lanes = self.lanes.map_or(settings.lanes, usize::from);
        settings.prepared_statements = self.prepared_statements.unwrap_or(settings.prepared_statements);
        settings
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        if self.url.is_postgres() {
            return self.validate_postgres();
        }
        if self.file().is_none_or(|file| file.file_name().is_none()) {
            let fix = "write it like \"sqlite:countersign-data/countersign.db\" or \"postgres://user@host:5432/database\"";
            return Err(Invalid::new(&["store", "url"], "not a store this program knows", fix));
        }
        match self.for_postgres_only() {
            None => Ok(()),
            Some(key) => {
                let why = "only a store in PostgreSQL has it, and store.url names a SQLite file";
                let fix = "remove it, or write store.url like \"postgres://user@host:5432/database\"";
                Err(Invalid::new(&["store", key], why, fix))
            }
        }
    }

    fn validate_postgres(&self) -> Result<(), Invalid> {
        if self.lanes.is_some_and(|lanes| !(1..=MOST_LANES).contains(&lanes)) {
            return Err(Invalid::new(
                &["store", "lanes"],
                "out of range",
                format!("write 1 to {MOST_LANES}"),
            ));
        }
        self.settings_without_password(Path::new("")).check().map_err(|why| {
            let fix = "write it like \"postgres://user@host:5432/database\"";
            Invalid::new(&["store", "url"], why, fix)
        })
    }

    /// The first key that was given and has a meaning with PostgreSQL only.
    fn for_postgres_only(&self) -> Option<&'static str> {
        let given = [
            ("password_file", self.password_file.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("lanes", self.lanes.is_some()),
            ("prepared_statements", self.prepared_statements.is_some()),
        ];
        given.into_iter().find_map(|(key, given)| given.then_some(key))
    }
}

/// The password in a file that only its owner may read; a line end behind it does not belong to it.
fn password(path: &Path) -> Outcome<Zeroizing<String>> {
    files::check_private(path)?;
    let text = Zeroizing::new(files::read(path)?);
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Problem::new(
            format!("the password file {} cannot be used", path.display()),
            "it is empty",
            "write the password of the database's user into it",
        ));
    }
    Ok(Zeroizing::new(password.to_owned()))
}

pub(super) const SECTION: Section = Section {
    header: "[store]",
    about: "Where projects, verifications and the journal lie: a SQLite file of one server, or a PostgreSQL database \
            that any number of servers share.",
    optional: false,
    fields: &[
        Field {
            key: "url",
            value: "\"sqlite:countersign-data/countersign.db\"",
            optional: false,
            about: "`sqlite:` and the path of the file, from where this configuration lies; its directory must be its \
                    owner's alone (mode 700). Or `postgres://user@host:5432/database`: several hosts \
                    (`host1:5432,host2:5432`), `target_session_attrs`, `connect_timeout` and `sslmode` are understood. \
                    TLS is required unless the database is on this machine or `sslmode=disable` stands there. Keep the \
                    password out of it.",
        },
        Field {
            key: "password_file",
            value: "\"/run/secrets/database\"",
            optional: true,
            about: "PostgreSQL only: the file with the password, readable by its owner alone (mode 400). Another way is \
                    a whole URL in `COUNTERSIGN_STORE__URL`.",
        },
        Field {
            key: "ca_file",
            value: "\"tls/database-ca.pem\"",
            optional: true,
            about: "PostgreSQL only: certificates (PEM) that may have signed the database's. Without it those of the \
                    system.",
        },
        Field {
            key: "lanes",
            value: "2",
            optional: true,
            about: "PostgreSQL only: batches that may be in flight at once, each on a connection of its own, 1 to 32. \
                    2 if not given; more for a database that is some milliseconds away.",
        },
        Field {
            key: "prepared_statements",
            value: "true",
            optional: true,
            about: "PostgreSQL only: whether statements are prepared once per connection. `true` if not given; behind \
                    pgbouncer in transaction mode write `false`.",
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_must_be_its_owners_alone_and_hold_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        for (text, mode, read) in [
            ("hunter2\n", 0o400, Some("hunter2")),
            ("hunter 2 ", 0o600, Some("hunter 2 ")),
            ("\n", 0o400, None),
            ("hunter2", 0o644, None),
        ] {
            files::write_private(&path, text, mode).unwrap();
            let store = Store {
                password_file: Some("password".into()),
                lanes: Some(32),
                ..Store::at("postgres://u@h/d")
            };
            let settings = store.settings(dir.path()).ok();
            let password = settings.as_ref().and_then(|settings| settings.password.as_ref());
            assert_eq!(password.map(|password| password.as_str()), read, "{text:?} {mode:o}");
            assert!(settings.is_none_or(|settings| settings.lanes == 32 && settings.prepared_statements));
        }
    }
}
