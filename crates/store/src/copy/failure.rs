//! Why a store was not copied, and what to do about it.

use std::fmt;

use super::Report;
use crate::{postgres, sqlite};

/// Why a store was not copied.
#[derive(Debug)]
pub enum CopyFailure {
    /// The file is none of ours.
    NotAStore(String),
    /// The file's schema is not the one this program knows.
    SourceSchema(String),
    /// The file cannot be read.
    Source(sqlite::Failure),
    /// The database cannot be used, or broke off.
    Target(postgres::Failure),
    /// So many servers work on the database.
    InUse(usize),
    /// The database holds something that did not come from this file.
    Foreign,
    /// What was copied already changed in the file.
    SourceChanged,
    /// Another copy writes to the database.
    Overtaken,
    /// The file and the database do not have the same number of rows.
    Differs(Report),
}

impl CopyFailure {
    /// What to do about it, for a person.
    #[must_use]
    pub fn fix(&self) -> String {
        const AGAIN: &str = "then run the same command again: it goes on where it stopped";
        match self {
            Self::NotAStore(_) => "name the file of the store, like sqlite:countersign-data/countersign.db".to_owned(),
            Self::SourceSchema(_) => {
                "copy with the version of countersign that runs on this file, or bring it up to date with `countersign migrate`"
                    .to_owned()
            }
            Self::Source(_) => format!("check the file, its permissions and the disk, {AGAIN}"),
            Self::Target(failure) => format!("{}, {AGAIN}", failure.fix()),
            Self::InUse(_) => "name a new, empty database; or stop those servers, if this is the right one".to_owned(),
            Self::Foreign => "make a new, empty database (`createdb`) and name that".to_owned(),
            Self::SourceChanged => {
                "make a new, empty database (`createdb`) and copy into that, with every server stopped until it is complete"
                    .to_owned()
            }
            Self::Overtaken => format!("wait until that other copy has ended, {AGAIN}"),
            Self::Differs(report) if report.was_complete => {
                "if servers ran on the database since, this is as it should be: go on with it, and never serve the file again"
                    .to_owned()
            }
            Self::Differs(_) => {
                "make a new, empty database (`createdb`) and copy into that; report this to the people who make countersign"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for CopyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAStore(why) | Self::SourceSchema(why) => f.write_str(why),
            Self::Source(failure) => write!(f, "the file cannot be read: {failure}"),
            Self::Target(failure) => failure.fmt(f),
            Self::InUse(servers) => write!(f, "the database is in use; servers that work on it: {servers}"),
            Self::Foreign => f.write_str("the database holds something that did not come from this file"),
            Self::SourceChanged => f.write_str(
                "the file was written to since it was copied, so the database has an older state of it",
            ),
            Self::Overtaken => f.write_str("another copy writes to the same database"),
            Self::Differs(report) => {
                f.write_str("the rows were counted and differ:")?;
                let differing = report.tables.iter().filter(|table| table.source != table.target);
                for (table, separator) in differing.zip(std::iter::once(" ").chain(std::iter::repeat(", "))) {
                    let (name, source, target) = (table.table, table.source, table.target);
                    write!(f, "{separator}{name} has {source} in the file and {target} in the database")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for CopyFailure {}

impl From<sqlite::Failure> for CopyFailure {
    fn from(failure: sqlite::Failure) -> Self {
        Self::Source(failure)
    }
}

impl From<rusqlite::Error> for CopyFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Source(error.into())
    }
}

impl From<postgres::Failure> for CopyFailure {
    fn from(failure: postgres::Failure) -> Self {
        Self::Target(failure)
    }
}

impl From<tokio_postgres::Error> for CopyFailure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Target(error.into())
    }
}
