//! Which server a command means: that of a configuration file, or that of a `dev` directory.

use std::path::{Path, PathBuf};

use crate::config::{Config, DATA_DIR, FILE_NAME};
use crate::problem::{Outcome, Problem};

/// Where a server's configuration or data is.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Its configuration file [default: countersign.toml, where there is one].
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Its data directory, for a server that `dev` started [default: countersign-data].
    #[arg(long, value_name = "DIR", global = true, conflicts_with = "config")]
    pub(crate) data: Option<PathBuf>,
}

impl Place {
    /// The configuration in force there.
    pub(crate) fn config(&self) -> Outcome<Config> {
        match (&self.config, &self.data) {
            (Some(file), _) => Config::read(file),
            (None, Some(data)) => of_data(data),
            (None, None) if Path::new(FILE_NAME).is_file() => Config::read(Path::new(FILE_NAME)),
            (None, None) => of_data(Path::new(DATA_DIR)),
        }
    }
}

fn of_data(data: &Path) -> Outcome<Config> {
    let config = Config::of_dev(data)?;
    if config.database().is_some_and(|database| database.is_file()) {
        return Ok(config);
    }
    Err(Problem::usage(
        "no server was found",
        format!("there is neither {FILE_NAME} here nor a store in {}", data.display()),
        "name it with --config FILE or --data DIR; `countersign dev` or `countersign init` makes a first one",
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    #[test]
    fn the_place_stands_before_or_behind_the_command_it_is_for() {
        for line in [
            "keys --data d create",
            "keys create --data d",
            "projects list --config c.toml",
            "doctor --data d",
        ] {
            let words = ["countersign"].into_iter().chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
        assert!(
            Cli::try_parse_from(["countersign", "keys", "list", "--data", "d", "--config", "c"]).is_err()
        );
    }
}
