//! The arrows between crates go only where the design draws them.

use super::crates::CrateGraph;
use super::rules::Arrows;
use crate::finding::Finding;

pub(crate) fn check(arrows: &Arrows, graph: &CrateGraph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &graph.members {
        let Some(allowed) = arrows.allowed.get(&member.name) else {
            findings.push(Finding::new(
                &member.manifest,
                format!("`{}` has no line in [arrows.allowed] of xtask/tidy.toml", member.name),
            ));
            continue;
        };
        for dependency in member.dependencies.iter().filter(|dependency| dependency.is_of_workspace()) {
            let for_tests = dependency.is_for_tests() && arrows.for_tests.contains(&dependency.name);
            if !for_tests && !allowed.contains(&dependency.name) {
                let message = format!("`{}` must not depend on `{}`", member.name, dependency.name);
                findings.push(Finding::new(&member.manifest, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::crates::testing::{member, names, workspace};
    use super::super::crates::{CrateGraph, Member};
    use super::*;

    fn findings(members: Vec<Member>) -> Vec<String> {
        let allowed = [("core", names(&[])), ("store", names(&["core"])), ("sim", names(&["core", "store"]))];
        let allowed = allowed.map(|(name, targets)| (name.to_owned(), targets)).into();
        let arrows = Arrows { allowed, for_tests: names(&["sim"]) };
        check(&arrows, &CrateGraph { members }).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_arrow_of_the_design_is_fine() {
        assert!(findings(vec![member("core", &[]), member("store", &["core"])]).is_empty());
    }

    #[test]
    fn an_arrow_against_the_design_is_found() {
        let found = findings(vec![member("core", &["store"])]);
        assert_eq!(found, ["crates/core/Cargo.toml: `core` must not depend on `store`"]);
    }

    #[test]
    fn the_simulator_may_serve_tests_and_nothing_else() {
        let mut core = member("core", &[]);
        core.dependencies.push(workspace("sim", Some("dev")));
        assert!(findings(vec![core]).is_empty());
        assert_eq!(findings(vec![member("core", &["sim"])]).len(), 1);
    }

    #[test]
    fn tests_and_build_scripts_are_no_way_around_an_arrow() {
        let mut core = member("core", &[]);
        core.dependencies.push(workspace("store", Some("dev")));
        core.dependencies.push(workspace("sim", Some("build")));
        assert_eq!(findings(vec![core]).len(), 2);
    }

    #[test]
    fn a_crate_without_a_line_is_found() {
        assert!(findings(vec![member("surprise", &[])])[0].contains("`surprise` has no line"));
    }
}
