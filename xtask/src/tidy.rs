//! `cargo xtask tidy`: rules about the source tree that no compiler holds.
//!
//! The numbers and lists stand in `xtask/tidy.toml`. Each rule is a function from what it looks at to
//! [`Finding`]s, and has tests that show it can fail.

mod arrows;
mod core_dependencies;
mod crates;
mod dependency_lines;
mod machine_paths;
mod manifests;
mod ratchet;
mod rules;
mod sleeps;
mod source;

use anyhow::{Context, Result};

use self::crates::CrateGraph;
use self::rules::Rules;
use crate::checkout::{Checkout, SourceFile};
use crate::finding::{self, Finding};

const RULES: &str = "xtask/tidy.toml";

/// Checks all rules and prints every finding before it fails.
pub(crate) fn run(checkout: &Checkout) -> Result<()> {
    let rules: Rules =
        toml::from_str(&checkout.read(RULES)?).with_context(|| format!("cannot read {RULES}"))?;
    let files = checkout.tracked_files()?;
    let graph = CrateGraph::of(checkout)?;
    let mut findings = crate_findings(checkout, &rules, &graph)?;
    findings.extend(file_findings(&rules, &files));
    finding::report("tidy", &findings)
}

fn crate_findings(checkout: &Checkout, rules: &Rules, graph: &CrateGraph) -> Result<Vec<Finding>> {
    let manifest: toml::Table = checkout.read("Cargo.toml")?.parse().context("cannot read Cargo.toml")?;
    let lines = checkout.read(dependency_lines::DOCUMENT)?;
    let core_tree = crates::tree_of(checkout, &rules.core.package)?;
    let mut findings = arrows::check(&rules.arrows, graph);
    findings.extend(core_dependencies::check_direct(&rules.core, graph));
    findings.extend(core_dependencies::check_tree(&rules.core, &core_tree));
    findings.extend(dependency_lines::check(&lines, &graph.external_dependencies()));
    findings.extend(manifests::check_unused(&manifest, graph));
    for member in &graph.members {
        findings.extend(manifests::check_lints(&member.manifest, &checkout.read(&member.manifest)?));
    }
    Ok(findings)
}

fn file_findings(rules: &Rules, files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sizes = ratchet::Sizes::default();
    for file in files {
        findings.extend(machine_paths::check(file));
        match source::outline(file) {
            Ok(outline) => {
                findings.extend(sleeps::check(file, &outline));
                sizes.add(file, &outline);
            }
            Err(finding) => findings.push(finding),
        }
    }
    findings.extend(sizes.check(rules));
    findings
}
