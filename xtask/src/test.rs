//! `test`: what a contributor runs before a commit, and what CI runs.

use crate::command::CommandLine;
use crate::steps::Step;
use crate::workspace::Workspace;
use crate::{bench, conformance, layers, loom};

/// The steps, the quick ones that fail often first.
pub fn steps(workspace: &Workspace) -> Vec<Step> {
    let cargo =
        |words: &[&str]| Step::command(CommandLine::cargo(&workspace.root, words.iter().copied()));
    let own = workspace.clone();
    let mut steps = vec![
        cargo(&["fmt", "--check"]),
        Step::new("cargo xtask layers", move || layers::passes(&own)),
        cargo(&["clippy", "--all-targets", "--", "-D", "warnings"]),
        cargo(&["test"]),
        loom::check_step(workspace),
    ];
    steps.push(conformance::step(workspace));
    steps.push(bench::gate_step(workspace));
    steps
}
