//! The crates of the workspace and their direct dependencies, as cargo sees them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::checkout::Checkout;
use crate::program;

/// The workspace without what lies outside it.
#[derive(Debug, Default)]
pub(crate) struct CrateGraph {
    pub(crate) members: Vec<Member>,
}

/// One crate of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Its Cargo.toml, relative to the root.
    pub(crate) manifest: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a `[dependencies]`, `[dev-dependencies]` or `[build-dependencies]` table.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dev`, `build`, or nothing for a normal one.
    pub(crate) kind: Option<String>,
    /// Set for a crate of the workspace.
    pub(crate) path: Option<String>,
}

impl Dependency {
    /// Only tests, examples and benches see it.
    pub(crate) fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }

    pub(crate) fn is_of_workspace(&self) -> bool {
        self.path.is_some()
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

impl CrateGraph {
    pub(crate) fn of(checkout: &Checkout) -> Result<Self> {
        let mut cargo = checkout.cargo(&["metadata", "--format-version", "1", "--no-deps"]);
        let metadata: Metadata =
            serde_json::from_str(&program::capture(&mut cargo)?).context("cannot read cargo's metadata")?;
        let root = checkout.path("");
        let members = metadata.packages.into_iter().map(|package| Member {
            manifest: relative(&root, &package.manifest_path),
            name: package.name,
            dependencies: package.dependencies,
        });
        Ok(Self { members: members.collect() })
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Names of all direct dependencies that come from a registry.
    pub(crate) fn external_dependencies(&self) -> BTreeSet<String> {
        self.dependencies()
            .filter(|dependency| !dependency.is_of_workspace())
            .map(|it| it.name.clone())
            .collect()
    }

    pub(crate) fn dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.members.iter().flat_map(|member| &member.dependencies)
    }
}

/// Names of everything linked into `package` when it is built alone, without build-time macros.
pub(crate) fn tree_of(checkout: &Checkout, package: &str) -> Result<BTreeSet<String>> {
    let mut cargo = checkout.cargo(&["tree", "--package", package, "--edges", "normal,no-proc-macro"]);
    let tree = program::capture(cargo.args(["--prefix", "none", "--format", "{p}"]))?;
    Ok(tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

fn relative(root: &Path, path: &str) -> String {
    Path::new(path).strip_prefix(root).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A member with normal dependencies on crates of the workspace.
    pub(crate) fn member(name: &str, dependencies: &[&str]) -> Member {
        let dependencies = dependencies.iter().map(|name| workspace(name, None)).collect();
        Member { name: name.to_owned(), manifest: format!("crates/{name}/Cargo.toml"), dependencies }
    }

    pub(crate) fn workspace(name: &str, kind: Option<&str>) -> Dependency {
        let path = Some(format!("crates/{name}"));
        Dependency { name: name.to_owned(), kind: kind.map(str::to_owned), path }
    }

    pub(crate) fn external(name: &str, kind: Option<&str>) -> Dependency {
        Dependency { name: name.to_owned(), kind: kind.map(str::to_owned), path: None }
    }

    pub(crate) fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_of_this_checkout_has_its_crates_with_relative_manifests() {
        let graph = CrateGraph::of(&Checkout::find().unwrap()).unwrap();
        assert_eq!(graph.member("xtask").unwrap().manifest, "xtask/Cargo.toml");
        assert!(graph.external_dependencies().contains("clap"));
        assert!(!graph.external_dependencies().contains("countersign-core"));
    }
}
