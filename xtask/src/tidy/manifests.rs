//! The manifests hold together: one lint policy, no dependency declared for nobody.

use super::crates::CrateGraph;
use crate::finding::Finding;

/// The crate takes the workspace's lints.
pub(crate) fn check_lints(path: &str, manifest: &str) -> Option<Finding> {
    let manifest: toml::Table = match manifest.parse() {
        Ok(manifest) => manifest,
        Err(error) => return Some(Finding::new(path, error.to_string())),
    };
    let inherited = manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
    let missing = inherited != Some(true);
    missing.then(|| Finding::new(path, "add `[lints] workspace = true`: one lint policy for all crates"))
}

/// Every entry of `[workspace.dependencies]` serves some crate; cargo itself does not tell.
pub(crate) fn check_unused(workspace: &toml::Table, graph: &CrateGraph) -> Vec<Finding> {
    let declared = workspace.get("workspace").and_then(|table| table.get("dependencies")?.as_table());
    let names = declared.into_iter().flat_map(toml::Table::keys);
    let unused = names.filter(|name| !graph.dependencies().any(|dependency| dependency.name == **name));
    unused
        .map(|name| Finding::new("Cargo.toml", format!("no crate uses `{name}` of [workspace.dependencies]")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::crates::testing::{external, member};
    use super::*;

    #[test]
    fn a_crate_with_the_lints_of_the_workspace_is_fine() {
        assert_eq!(check_lints("a/Cargo.toml", "[lints]\nworkspace = true\n"), None);
    }

    #[test]
    fn a_crate_with_other_lints_or_none_is_found() {
        for manifest in
            ["[package]\n", "[lints]\nworkspace = false\n", "[lints.rust]\nunsafe_code = 'allow'\n"]
        {
            assert!(check_lints("a/Cargo.toml", manifest).is_some(), "{manifest}");
        }
    }

    #[test]
    fn a_dependency_declared_for_nobody_is_found() {
        let workspace = "[workspace.dependencies]\nserde = '1'\nrand = '1'\n".parse().unwrap();
        let mut user = member("user", &[]);
        user.dependencies.push(external("serde", Some("dev")));
        let found = check_unused(&workspace, &CrateGraph { members: vec![user] });
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("`rand`"), "{found:?}");
    }
}
