//! Why the database could not be opened, read or written, and what to do about it.

use std::fmt;

use countersign_core::keys::RootId;
use countersign_core::store::Unavailable;
use countersign_core::time::ClockWentBack;
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::settings::told;

/// Why the database could not be opened, read or written.
#[derive(Debug)]
pub enum Failure {
    /// The URL, or what goes with it, cannot be used.
    Settings(String),
    /// Nobody answers, or not in time.
    Unreachable(String),
    /// There is no secure connection to it, or it wants one.
    Tls(String),
    /// The server, or this role in it, takes no more connections.
    Full(String),
    /// The server refuses this user.
    Denied(String),
    /// The server has no such database.
    NoDatabase(String),
    /// The server is too old.
    TooOld(String),
    /// The schema could not be brought up to date.
    Migration(String),
    /// The schema is newer than this program can work with.
    NewerSchema(String),
    /// The key ring does not belong to this database.
    WrongRing(String),
    /// A copy into this database is not complete.
    HalfCopied,
    /// There is no store in the database.
    Missing,
    /// So many servers work on the store.
    InUse(usize),
    /// The store began a new epoch while this node was working in the one before.
    Fenced,
    /// A row that cannot be read.
    Corrupt(String),
    /// The clock is too far behind the last commit.
    ClockWentBack(ClockWentBack),
    /// What the server said to a statement.
    Statement(tokio_postgres::Error),
    /// Another batch changed the same rows first; deciding again settles it.
    Conflict,
    /// This node lacks the root key that is active; it can decide nothing.
    RootMissing(RootId),
    /// The lane belongs to another node now.
    LaneLost,
    /// The lane was lost during a commit, so nobody can tell any more whether that happened.
    OutcomeLost,
}

impl Failure {
    /// What to do about it, for a person.
    #[must_use]
    pub const fn fix(&self) -> &'static str {
        match self {
            Self::Settings(_) => "write store.url like \"postgres://user@host:5432/database\"",
            Self::Unreachable(_) => "start the database, or correct host and port in store.url",
            Self::Tls(_) => {
                "name the certificates that signed the database's own in store.ca_file; in store.url, sslmode=require \
                 wants TLS and sslmode=disable goes without"
            }
            Self::Full(_) => {
                "raise max_connections of the server or CONNECTION LIMIT of the role: a node uses store.lanes and 6 more"
            }
            Self::Denied(_) => {
                "create the role and grant it the database, or correct the user in store.url and store.password_file"
            }
            Self::NoDatabase(_) => "create it (`createdb`), or correct its name in store.url",
            Self::TooOld(_) => "use PostgreSQL 15 or newer",
            Self::Migration(_) => {
                "grant the role CREATE on the schema, then start again; nothing was changed"
            }
            Self::NewerSchema(_) => "use the version of countersign that wrote this schema, or a later one",
            Self::WrongRing(_) | Self::RootMissing(_) => {
                "use the key ring that this store was made with, the same on every node"
            }
            Self::HalfCopied => {
                "run the same `countersign store copy` again until it says that it is complete"
            }
            Self::Missing => "name the database that was restored, in store.url",
            Self::InUse(_) => {
                "stop every server that works on it, wait ten seconds, and run the same command again"
            }
            Self::Fenced => "start this server again",
            Self::Corrupt(_) => "restore the database from a backup",
            Self::ClockWentBack(_) => "set the database's clock right, or run `countersign clock accept`",
            Self::Statement(_) | Self::Conflict | Self::LaneLost | Self::OutcomeLost => {
                "look into the database's log; see `countersign doctor`"
            }
        }
    }

    /// What a failed attempt to connect means.
    pub(super) fn of_connecting(error: &tokio_postgres::Error) -> Self {
        let text = told(error);
        match error.code() {
            // The driver has no kinds to tell these by.
            None if text.starts_with("error performing TLS handshake") => Self::Tls(text),
            None if text.ends_with("password missing") => Self::Denied(text),
            Some(_) if text.ends_with("no encryption") => Self::Tls(text),
            Some(code)
                if *code == SqlState::INVALID_PASSWORD
                    || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
                    || *code == SqlState::INSUFFICIENT_PRIVILEGE =>
            {
                Self::Denied(text)
            }
            Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => Self::Full(text),
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => Self::NoDatabase(text),
            // The driver's own word for a server that wants one; it has no code.
            None if text.contains("password missing") => Self::Denied(text),
            _ => Self::Unreachable(text),
        }
    }

    /// Whether the same batch, decided again on fresh rows, may succeed: serialisation failure, deadlock, a key that
    /// another one took first.
    pub(super) fn is_conflict(&self) -> bool {
        let Self::Statement(error) = self else { return matches!(self, Self::Conflict | Self::LaneLost) };
        let conflicts = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::UNIQUE_VIOLATION,
        ];
        error.code().is_some_and(|code| conflicts.contains(code))
    }

    /// Whether the connection is of no use any more.
    pub(super) fn is_broken(&self) -> bool {
        use std::error::Error as _;
        match self {
            Self::Unreachable(_) | Self::Full(_) | Self::Tls(_) => true,
            Self::Statement(error) => {
                let cut = error.source().is_some_and(|cause| cause.is::<std::io::Error>());
                cut || error.is_closed() || error.as_db_error().is_some_and(ends_session)
            }
            _ => false,
        }
    }

    /// Whether the server refused a statement, and with it whatever came behind it in the same transaction. What the
    /// driver could not send or read tells nothing of that.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Statement(error) if error.code().is_some()) && !self.is_broken()
    }
}

/// Whether a server that says this is not to be asked again over the same connection.
fn ends_session(error: &DbError) -> bool {
    // 08: connection exception. 57P: the server goes down or ends this session. 25P03: it ended it for being idle.
    // 25006: it takes no writes, for another one has taken its place. 40003: it does not know how the statement ended.
    let classes = ["08", "57P", "25P03", "25006", "40003"];
    let fatal = matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
    fatal || classes.iter().any(|class| error.code().code().starts_with(class))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(reason) => write!(f, "the database's URL cannot be used: {reason}"),
            Self::Unreachable(reason) => write!(f, "the database does not answer: {reason}"),
            Self::Tls(reason) => write!(f, "no TLS as it is wanted: {reason}"),
            Self::Full(reason) => write!(f, "the database takes no more connections: {reason}"),
            Self::Denied(reason) => write!(f, "the database refuses the user: {reason}"),
            Self::NoDatabase(reason) => write!(f, "there is no such database: {reason}"),
            Self::TooOld(version) => write!(f, "the server is PostgreSQL {version}; 15 or newer is needed"),
            Self::Migration(reason) => write!(f, "the schema could not be brought up to date: {reason}"),
            Self::NewerSchema(reason) => write!(f, "the schema is newer than this program: {reason}"),
            Self::WrongRing(reason) => f.write_str(reason),
            Self::HalfCopied => {
                f.write_str("a store is being copied into this database, and not all of it is there")
            }
            Self::Missing => f.write_str("there is no store of countersign in this database"),
            Self::InUse(servers) => write!(f, "servers that work on the store: {servers}"),
            Self::Fenced => f.write_str("the store was fenced after a restore while this server was running"),
            Self::Corrupt(reason) => write!(f, "a stored row cannot be read: {reason}"),
            Self::ClockWentBack(back) => write!(f, "{}", Unavailable::ClockWentBack(*back)),
            Self::Statement(error) => f.write_str(&told(error)),
            Self::Conflict => f.write_str("others kept changing the same rows"),
            Self::RootMissing(root) => write!(f, "{root} is active, and the key ring of this node lacks it"),
            Self::LaneLost => f.write_str("another node took this one for dead"),
            Self::OutcomeLost => f.write_str(
                "another node took this one for dead during a commit; whether it happened is not known",
            ),
        }
    }
}

impl std::error::Error for Failure {}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Statement(error)
    }
}

impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::ClockWentBack(back) => Self::ClockWentBack(back),
            other => Self::Storage(other.to_string()),
        }
    }
}
