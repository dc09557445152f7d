//! The profile: where `send`, `check` and `inbox` find the server and the key, so that nobody needs an export.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::problem::{Outcome, Problem};

/// The variable that names another profile file.
pub(crate) const PROFILE_VARIABLE: &str = "COUNTERSIGN_PROFILE";
const MODE: u32 = 0o600;

/// A server and a key for it. The key is a secret: the file is its owner's alone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The base of the API, without a slash at its end.
    pub(crate) url: String,
    /// The key.
    pub(crate) api_key: String,
    /// The pair for Twilio's libraries that `dev` keeps for its next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) twilio: Option<Pair>,
}

/// A user name and the secret that goes with it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pair {
    /// `SK…`
    pub(crate) api_key_sid: String,
    /// Letters and digits.
    pub(crate) api_key_secret: String,
}

impl Profile {
    /// Reads a profile; `None` when there is none.
    pub(crate) fn read(path: &Path) -> Outcome<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        files::check_private(path)?;
        toml::from_str(&files::read(path)?).map(Some).map_err(|error| {
            Problem::usage(
                format!("the profile {} cannot be read", path.display()),
                error.message(),
                "remove the file; `countersign dev` writes it anew",
            )
        })
    }

    /// Writes it, readable by its owner only.
    pub(crate) fn write(&self, path: &Path) -> Outcome {
        if let Some(directory) = path.parent().filter(|directory| !directory.exists()) {
            files::private_dir(directory)?;
        }
        let text = toml::to_string(self).map_err(|error| {
            Problem::new("the profile cannot be written", error, "report this as a bug of countersign")
        })?;
        files::write_private(path, &format!("# Written by `countersign dev`.\n{text}"), MODE)
    }
}

/// Where the profile of this user lies: `COUNTERSIGN_PROFILE`, or in the user's configuration directory.
pub(crate) fn user_path() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable(PROFILE_VARIABLE).or_else(|| {
        let config =
            variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")))?;
        Some(config.join("countersign/profile.toml"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_reads_back_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x/profile.toml");
        assert!(Profile::read(&path).unwrap().is_none());
        let profile =
            Profile { url: "http://127.0.0.1:1".to_owned(), api_key: "sk_test_x".to_owned(), twilio: None };
        profile.write(&path).unwrap();
        files::check_private(&path).unwrap();
        assert_eq!(Profile::read(&path).unwrap().unwrap().api_key, "sk_test_x");
    }
}
