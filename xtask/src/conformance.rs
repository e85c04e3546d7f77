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
    let line = program(workspace);
    Step::new("cargo xtask conformance", move || line.succeeds())
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
}
