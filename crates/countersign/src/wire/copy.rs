//! A store moves from a SQLite file into PostgreSQL, while nobody serves it.

use std::path::Path;

use countersign_store::copy::{self, CopyFailure, Progress, Report};

use super::alone::Alone;
use crate::config::{Config, Engine};
use crate::problem::{Exit, Outcome, Problem};

/// Copies the store in the file `from` to where `to` says, or goes on with that.
pub(crate) async fn copy(
    from: &Path,
    to: &Config,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Outcome<Report> {
    let Engine::Postgres(settings) = to.engine()? else {
        return Err(Problem::usage(
            "nothing was copied",
            format!("{} is no PostgreSQL database", to.store.url),
            "write --to like postgres://user@host:5432/database",
        ));
    };
    // The lock's directory would be made; a file that is not there must not have that effect.
    let _alone = if from.is_file() { Some(Alone::with(from)?) } else { None };
    copy::copy(from, &settings, progress).await.map_err(|failure| problem(to, &failure))
}

fn problem(to: &Config, failure: &CopyFailure) -> Problem {
    let exit = match failure {
        CopyFailure::NotAStore(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    let what = match failure {
        CopyFailure::NotAStore(_) | CopyFailure::SourceSchema(_) => "nothing was copied".to_owned(),
        _ => format!("the store was not copied to {}", to.store.url),
    };
    Problem { exit, ..Problem::new(what, failure, failure.fix()) }
}
