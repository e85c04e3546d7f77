//! `conformance`: our traces beside those of CPython's asyncio.
//!
//! The comparing is done by the program `conformance` of the package `ouroloop-tests`, built for
//! release; this only finds and calls it.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::Outcome;
use crate::command::CommandLine;
use crate::steps::Step;
use crate::workspace::Workspace;

/// What to compare.
#[derive(Args)]
pub struct Arguments {
    /// Files of scenarios, one JSON object a line [default: the whole corpus]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Print this scenario with both traces side by side
    #[arg(long, value_name = "NAME")]
    show: Option<String>,
}

impl Arguments {
    /// The arguments for the program, which runs at the root of the workspace while the user
    /// named the files from `folder`.
    fn words(&self, folder: &Path) -> Vec<String> {
        let files = self
            .files
            .iter()
            .map(|file| folder.join(file).display().to_string());
        let show = self
            .show
            .iter()
            .flat_map(|name| ["--show".to_owned(), name.clone()]);
        files.chain(show).collect()
    }
}

/// Compares what the arguments say; relative file names start at `folder`.
///
/// # Errors
///
/// Cargo cannot be run.
pub fn run(workspace: &Workspace, arguments: &Arguments, folder: &Path) -> Outcome {
    let words = arguments.words(folder);
    program(workspace)
        .and(words.iter().map(String::as_str))
        .finish()
}

/// The whole corpus, as a step among others.
pub fn step(workspace: &Workspace) -> Step {
    let repeat = "cargo xtask conformance";
    let package = workspace.package(PACKAGE);
    let exists =
        package.is_some_and(|p| p.targets.iter().any(|t| t.is(&["bin"]) && t.name == NAME));
    if !exists {
        return Step::skipped(repeat, format!("{PACKAGE} has no program `{NAME}` yet"));
    }
    let line = program(workspace);
    Step::new(repeat, move || line.succeeds())
}

fn program(workspace: &Workspace) -> CommandLine {
    CommandLine::cargo(
        &workspace.root,
        [
            "run",
            "--release",
            "--quiet",
            "--package",
            PACKAGE,
            "--bin",
            NAME,
            "--",
        ],
    )
}

const PACKAGE: &str = "ouroloop-tests";
const NAME: &str = "conformance";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Package, Target};

    #[test]
    fn file_names_start_where_the_user_is() {
        let files = vec![PathBuf::from("a.jsonl"), PathBuf::from("/x/b.jsonl")];
        let arguments = Arguments {
            files,
            show: Some("queue 1".into()),
        };
        let words = arguments.words(Path::new("/here"));
        assert_eq!(words, ["/here/a.jsonl", "/x/b.jsonl", "--show", "queue 1"]);
    }

    #[test]
    fn the_program_is_called_at_the_root_for_release() {
        let line = program(&Workspace::default()).to_string();
        assert_eq!(
            line,
            "cargo run --release --quiet --package ouroloop-tests --bin conformance --"
        );
    }

    #[test]
    fn the_step_is_skipped_until_there_is_a_program() {
        let package = |kind: &str| Package {
            name: PACKAGE.into(),
            targets: vec![Target {
                name: NAME.into(),
                kinds: vec![kind.into()],
                ..Target::default()
            }],
            ..Package::default()
        };
        let workspace = |kind| Workspace {
            packages: vec![package(kind)],
            ..Workspace::default()
        };
        assert!(step(&workspace("lib")).is_skipped());
        assert!(!step(&workspace("bin")).is_skipped());
    }
}
