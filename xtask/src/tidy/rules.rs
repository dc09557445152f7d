//! The rules' numbers and lists, as `xtask/tidy.toml` holds them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    pub(crate) arrows: Arrows,
    pub(crate) core: Core,
    pub(crate) file_code_lines: Ceiling,
    pub(crate) file_lines: Ceiling,
    pub(crate) function_lines: Ceiling,
}

/// Which crate of this workspace may depend on which.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrows {
    /// Every crate of the workspace, with the crates it may depend on.
    pub(crate) allowed: BTreeMap<String, BTreeSet<String>>,
    /// Crates that every crate may depend on for its tests.
    pub(crate) for_tests: BTreeSet<String>,
}

/// What the crate of the rules may depend on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Core {
    pub(crate) package: String,
    /// Its direct dependencies, exactly.
    pub(crate) dependencies: BTreeSet<String>,
    /// What must not come in through them either.
    pub(crate) never: BTreeSet<String>,
}

/// A limit on a number of lines, and by name what is allowed to be longer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ceiling {
    pub(crate) limit: usize,
    #[serde(default)]
    pub(crate) exceptions: BTreeMap<String, usize>,
}
