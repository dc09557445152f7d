//! The crate of the rules depends on its allow-list: no I/O, no async, no log, no serialization of the wire.

use std::collections::BTreeSet;

use super::crates::CrateGraph;
use super::rules::Core;
use crate::finding::Finding;

/// Its direct dependencies are exactly the list; what only its tests use is free.
pub(crate) fn check_direct(core: &Core, graph: &CrateGraph) -> Vec<Finding> {
    let Some(member) = graph.member(&core.package) else {
        return vec![Finding::new(
            "xtask/tidy.toml",
            format!("[core] names `{}`, which is no crate", core.package),
        )];
    };
    let direct = member.dependencies.iter().filter(|it| !it.is_for_tests() && !it.is_of_workspace());
    let direct: BTreeSet<_> = direct.map(|dependency| dependency.name.clone()).collect();
    let uninvited = direct.difference(&core.dependencies).map(|name| {
        let message =
            format!("`{name}` is not in the list of [core] in xtask/tidy.toml; can it live elsewhere?");
        Finding::new(&member.manifest, message)
    });
    let unused = core.dependencies.difference(&direct).map(|name| {
        Finding::new(
            "xtask/tidy.toml",
            format!("`{}` no longer depends on `{name}`; remove it", core.package),
        )
    });
    uninvited.chain(unused).collect()
}

/// Nothing that is forbidden comes in through a dependency; `tree` is everything linked into the crate.
pub(crate) fn check_tree(core: &Core, tree: &BTreeSet<String>) -> Vec<Finding> {
    let linked = core.never.intersection(tree);
    linked
        .map(|name| Finding::new(&core.package, format!("`{name}` must not be anywhere below it")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::crates::testing::{external, member, names};
    use super::*;

    fn rule() -> Core {
        Core { package: "core".to_owned(), dependencies: names(&["subtle"]), never: names(&["tokio"]) }
    }

    fn core_with(dependencies: &[(&str, Option<&str>)]) -> CrateGraph {
        let mut core = member("core", &[]);
        core.dependencies = dependencies.iter().map(|(name, kind)| external(name, *kind)).collect();
        CrateGraph { members: vec![core] }
    }

    #[test]
    fn the_list_itself_is_fine_and_so_is_what_tests_use() {
        assert!(check_direct(&rule(), &core_with(&[("subtle", None), ("proptest", Some("dev"))])).is_empty());
    }

    #[test]
    fn a_dependency_beyond_the_list_is_found() {
        let found = check_direct(&rule(), &core_with(&[("subtle", None), ("rand", None)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("`rand`"), "{found:?}");
        assert_eq!(check_direct(&rule(), &core_with(&[("subtle", None), ("cc", Some("build"))])).len(), 1);
    }

    #[test]
    fn a_name_that_is_no_longer_used_leaves_the_list() {
        let found = check_direct(&rule(), &core_with(&[]));
        assert!(found[0].message.contains("no longer depends on `subtle`"), "{found:?}");
    }

    #[test]
    fn a_renamed_crate_is_found() {
        assert!(check_direct(&rule(), &CrateGraph::default())[0].message.contains("is no crate"));
    }

    #[test]
    fn what_comes_in_by_the_back_door_is_found() {
        assert!(check_tree(&rule(), &names(&["subtle", "tokio-util"])).is_empty());
        assert_eq!(check_tree(&rule(), &names(&["subtle", "tokio"])).len(), 1);
    }
}
