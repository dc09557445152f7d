//! The schema: brought up to date by one node at a time, and never behind the back of a program that is too old.

use super::Failure;
use super::rows::column;
use super::session::{Connector, Session};
use super::settings::Settings;
use super::sql::Sql;

mod migrations {
    refinery::embed_migrations!("migrations/postgres");
}

/// The oldest server this is tested with.
const OLDEST_SERVER: u32 = 15;
/// A table of one row that is locked while migrations run. It is no advisory lock, for not every database has those.
const LOCK_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_lock (id INT8 PRIMARY KEY, oldest INT8 NOT NULL); \
     INSERT INTO schema_lock (id, oldest) VALUES (1, 1) ON CONFLICT (id) DO NOTHING";
/// Holds it. A migration takes as long as it takes: what the role says of other transactions does not count for those who
/// wait for it, nor for this one, which is idle meanwhile.
const LOCK: &str = "BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; \
     SET LOCAL idle_in_transaction_session_timeout = 0; SELECT id FROM schema_lock WHERE id = 1 FOR UPDATE";
/// Two nodes that make the table at the same moment trip over each other in the catalogue; the second attempt finds it.
const LOCK_ATTEMPTS: usize = 5;

/// See [`super::migrate`].
pub(super) async fn migrate(settings: &Settings) -> Result<Vec<String>, Failure> {
    let connector = Connector::new(settings)?;
    run(&connector).await
}

/// Brings the schema up to date and says which migrations ran. Other nodes wait.
pub(super) async fn run(connector: &Connector) -> Result<Vec<String>, Failure> {
    let lock = connector.bare().await?;
    check_server(&lock).await?;
    if is_current(&lock).await? {
        return Ok(Vec::new());
    }
    make_lock(&lock).await?;
    lock.run(LOCK).await.map_err(migration)?;
    let applied = run_locked(connector, &lock).await;
    lock.run("ROLLBACK").await?;
    applied
}

async fn check_server(session: &Session) -> Result<(), Failure> {
    check_version(session.show("server_version").await?)?;
    let commit = session.show("synchronous_commit").await?;
    if commit == "off" {
        return Err(Failure::Settings(
            "synchronous_commit is off for this role: what was acknowledged could be lost".to_owned(),
        ));
    }
    Ok(())
}

/// A text like `15.18 (Debian 15.18-0+deb12u1)`. What has another form is none of PostgreSQL's, and is given a try.
fn check_version(version: String) -> Result<(), Failure> {
    let major = version.split(|symbol: char| !symbol.is_ascii_digit()).next();
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major < OLDEST_SERVER => Err(Failure::TooOld(version)),
        _ => Ok(()),
    }
}

/// Whether there is nothing to do, so that a role without the right to change the schema can start.
async fn is_current(session: &Session) -> Result<bool, Failure> {
    let applied = session.scalar("SELECT coalesce(max(version), 0) FROM refinery_schema_history").await;
    match applied {
        Ok(applied) => {
            check_oldest(session).await?;
            Ok(applied >= newest())
        }
        Err(failure) if failure.is_broken() => Err(failure),
        Err(_) => Ok(false),
    }
}

/// The last migration this program knows.
fn newest() -> i64 {
    let runner = migrations::migrations::runner();
    runner.get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0).into()
}

/// A newer program may have gone ahead; it says from which migration on its schema can be worked with.
async fn check_oldest(session: &Session) -> Result<(), Failure> {
    let oldest = session.scalar("SELECT oldest FROM schema_lock WHERE id = 1").await?;
    let newest = newest();
    if oldest > newest {
        let why = format!("it needs a program that knows migration {oldest}; this one knows {newest}");
        return Err(Failure::NewerSchema(why));
    }
    Ok(())
}

async fn make_lock(session: &Session) -> Result<(), Failure> {
    for attempt in 1.. {
        match session.run(LOCK_TABLE).await {
            Ok(()) => break,
            Err(failure) if attempt < LOCK_ATTEMPTS && failure.is_conflict() => (),
            Err(failure) => return Err(migration(failure)),
        }
    }
    Ok(())
}

async fn run_locked(connector: &Connector, lock: &Session) -> Result<Vec<String>, Failure> {
    check_oldest(lock).await?;
    let runner = migrations::migrations::runner().set_abort_missing(false);
    let mut session = connector.bare().await?;
    let report = runner.run_async(session.client_mut()).await;
    let report = report.map_err(|error| Failure::Migration(with_causes(&error)))?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

fn migration(failure: Failure) -> Failure {
    match failure {
        Failure::Statement(error) if !error.is_closed() => Failure::Migration(super::settings::told(&error)),
        other => other,
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// What is kept under a key, made first where it is not there.
pub(super) async fn kept(session: &Session, key: &str, made: &[u8]) -> Result<Vec<u8>, Failure> {
    session.execute(Sql::KeepMeta, &[&key, &made]).await?;
    let row = session.query_opt(Sql::Meta, &[&key]).await?.ok_or(Failure::Conflict)?;
    column(&row, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_before_15_is_too_old() {
        for old in ["14.12 (Debian 14.12-1)", "9.6.24", "13beta2"] {
            let refused = check_version(old.to_owned()).unwrap_err();
            assert_eq!(refused.to_string(), format!("the server is PostgreSQL {old}; 15 or newer is needed"));
        }
        for new in ["15.0", "15.18 (Debian 15.18-0+deb12u1)", "18beta1", "19devel"] {
            assert!(check_version(new.to_owned()).is_ok(), "{new}");
        }
    }
}
