//! `stress`: the tests of what crosses threads, as the long campaigns that they are small copies of.
//!
//! Such a test asks for its size: see `OUROLOOP_STRESS` in the tests of the crates in the table.

use std::process::ExitCode;

use crate::Outcome;
use crate::command::CommandLine;
use crate::table::STRESS;
use crate::workspace::Workspace;

/// The rows of bugs known elsewhere that have a campaign, as the names of tests begin.
const ROWS: [&str; 3] = ["h14", "h25", "h29"];

/// Runs the campaigns; with `sanitize`, the usual tests under ThreadSanitizer instead.
///
/// # Errors
///
/// Cargo cannot be run.
pub fn run(workspace: &Workspace, sanitize: bool) -> Outcome {
    let line = match sanitize {
        true => sanitizer(workspace),
        false => campaign(workspace),
    };
    println!("{line}");
    Ok(match line.succeeds()? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn packages() -> impl Iterator<Item = &'static str> {
    STRESS.iter().flat_map(|name| ["-p", name])
}

fn campaign(workspace: &Workspace) -> CommandLine {
    CommandLine::cargo(&workspace.root, ["test", "--release", "--tests"])
        .and(packages())
        .and(["--"])
        .and(ROWS)
        .with_env("OUROLOOP_STRESS", "1")
}

/// The standard library is built anew, so that the sanitizer sees its locks.
fn sanitizer(workspace: &Workspace) -> CommandLine {
    let target = workspace.target.join("tsan");
    CommandLine::cargo_of("nightly", &workspace.root, ["test", "-Zbuild-std"])
        .and(["--target", HOST])
        .and(packages())
        .and(["--tests"])
        .with_env("RUSTFLAGS", "-Zsanitizer=thread")
        .with_env("CARGO_TARGET_DIR", target.display().to_string())
}

/// What the sanitizer's tests are built for; a target must be named for the standard library to be built.
const HOST: &str = "x86_64-unknown-linux-gnu";
