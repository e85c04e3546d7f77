//! `ci`: everything of `test`, and what only matters before a release.

use std::error::Error;

use crate::command::CommandLine;
use crate::steps::Step;
use crate::table::NO_STD;
use crate::workspace::{Package, Workspace};
use crate::{bench, docs, test};

/// The steps.
///
/// # Errors
///
/// No publishable crate says which Rust it needs.
pub fn steps(workspace: &Workspace) -> Result<Vec<Step>, Box<dyn Error>> {
    let mut steps = test::steps(workspace);
    steps.push(docs::step(workspace));
    steps.push(Step::command(benches(workspace)));
    for package in workspace.publishable() {
        steps.extend(feature_sets(package).iter().map(|set| {
            let line = CommandLine::cargo(&workspace.root, ["check", "-p", &package.name]);
            Step::command(line.and(set.iter().map(String::as_str)))
        }));
    }
    steps.push(Step::command(packages(workspace)));
    steps.extend(NO_STD.iter().map(|name| no_std(workspace, name)));
    steps.push(oldest_rust(workspace)?);
    Ok(steps)
}

/// The arguments for each set of features to build by itself: none, each one, all.
fn feature_sets(package: &Package) -> Vec<Vec<String>> {
    let features: Vec<_> = package
        .features
        .iter()
        .filter(|name| *name != "default")
        .collect();
    let mut sets = vec![vec!["--no-default-features".to_owned()]];
    for feature in &features {
        let words = ["--no-default-features", "--features", feature];
        sets.push(words.map(str::to_owned).to_vec());
    }
    if !features.is_empty() {
        sets.push(vec!["--all-features".to_owned()]);
    }
    sets
}

/// What is measured, with the peers, which only this and `bench` build.
fn benches(workspace: &Workspace) -> CommandLine {
    let own = [
        "clippy",
        "--all-targets",
        "-p",
        bench::PACKAGE,
        "--features",
        "peers",
    ];
    CommandLine::cargo(&workspace.root, own).and(["--", "-D", "warnings"])
}

/// All packages together, so that one may need another that crates.io does not have yet.
fn packages(workspace: &Workspace) -> CommandLine {
    CommandLine::cargo(&workspace.root, ["package", "--allow-dirty"]).and(published(workspace))
}

fn published(workspace: &Workspace) -> impl Iterator<Item = &str> {
    workspace
        .publishable()
        .flat_map(|package| ["-p", package.name.as_str()])
}

fn no_std(workspace: &Workspace, name: &str) -> Step {
    let line = |target: &str| {
        CommandLine::cargo(&workspace.root, ["build", "-p", name, "--target", target])
    };
    let installed = CommandLine::new(&workspace.root, ["rustup", "target", "list", "--installed"])
        .output_if_ok()
        .unwrap_or_default();
    match installed.lines().find(|target| is_bare(target)) {
        Some(target) => Step::command(line(target)),
        None => Step::skipped(
            line(BARE_TARGET).to_string(),
            format!(
                "no target without std is installed; add one with `rustup target add {BARE_TARGET}`"
            ),
        ),
    }
}

fn is_bare(target: &str) -> bool {
    target.split('-').any(|part| part == "none")
}

fn oldest_rust(workspace: &Workspace) -> Result<Step, Box<dyn Error>> {
    let version = workspace
        .publishable()
        .find_map(|package| package.rust_version.as_deref())
        .ok_or("no crate says which Rust it needs; set `rust-version` in its manifest")?;
    let line = |toolchain: &str| {
        CommandLine::cargo_of(toolchain, &workspace.root, ["check", "--all-features"])
            .and(published(workspace))
    };
    let installed = CommandLine::new(&workspace.root, ["rustup", "toolchain", "list"])
        .output_if_ok()
        .unwrap_or_default();
    let toolchains = installed
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    Ok(
        match toolchains
            .into_iter()
            .find(|name| is_version(name, version))
        {
            Some(toolchain) => Step::command(line(toolchain)),
            None => Step::skipped(
                line(version).to_string(),
                format!(
                    "Rust {version} is not installed; \
                 add it with `rustup toolchain install {version} --profile minimal`"
                ),
            ),
        },
    )
}

/// Whether a toolchain, such as `1.85.1-x86_64-unknown-linux-gnu`, is of a version such as `1.85`.
fn is_version(toolchain: &str, version: &str) -> bool {
    let rest = toolchain.strip_prefix(version);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

/// The target to propose when none is there.
const BARE_TARGET: &str = "thumbv7em-none-eabi";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_is_built_by_itself_and_with_all() {
        let features = ["default", "tls", "uds"].map(str::to_owned).to_vec();
        let package = Package {
            features,
            ..Package::default()
        };
        let sets: Vec<_> = feature_sets(&package)
            .iter()
            .map(|set| set.join(" "))
            .collect();
        assert_eq!(
            sets,
            [
                "--no-default-features",
                "--no-default-features --features tls",
                "--no-default-features --features uds",
                "--all-features",
            ]
        );
    }

    #[test]
    fn a_crate_without_features_is_built_once() {
        assert_eq!(feature_sets(&Package::default()).len(), 1);
    }

    #[test]
    fn only_what_is_published_is_packaged() {
        let package = |name: &str, publishable| Package {
            name: name.into(),
            publishable,
            ..Package::default()
        };
        let packages_ = vec![package("a", true), package("b", false), package("c", true)];
        let workspace = Workspace {
            packages: packages_,
            ..Workspace::default()
        };
        let line = packages(&workspace).to_string();
        assert_eq!(line, "cargo package --allow-dirty -p a -p c");
    }

    #[test]
    fn targets_without_std_are_told_from_others() {
        assert!(is_bare("thumbv7em-none-eabi") && is_bare("x86_64-unknown-none"));
        assert!(!is_bare("x86_64-unknown-linux-gnu"));
    }

    #[test]
    fn a_version_is_not_a_longer_one() {
        assert!(is_version("1.85.1-x86_64-unknown-linux-gnu", "1.85"));
        assert!(is_version("1.85-x86_64-unknown-linux-gnu", "1.85"));
        assert!(!is_version("1.850.0-x86_64", "1.85") && !is_version("stable-x86_64", "1.85"));
    }
}
