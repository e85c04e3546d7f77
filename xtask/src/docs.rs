//! `docs`: the documentation of all crates, a broken link being an error.

use std::process::ExitCode;

use crate::Outcome;
use crate::command::CommandLine;
use crate::workspace::Workspace;

/// Builds the documentation and says where it is.
///
/// # Errors
///
/// Cargo cannot be run.
pub fn run(workspace: &Workspace) -> Outcome {
    let line = command(workspace);
    println!("{line}");
    if !line.succeeds()? {
        return Ok(ExitCode::FAILURE);
    }
    println!(
        "{}",
        workspace.target.join("doc/ouroloop/index.html").display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The command that builds it.
pub fn command(workspace: &Workspace) -> CommandLine {
    CommandLine::cargo(&workspace.root, ["doc", "--workspace", "--no-deps"])
        .with_env("RUSTDOCFLAGS", "-Dwarnings")
}
