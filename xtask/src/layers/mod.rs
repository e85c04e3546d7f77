//! `layers`: the order of the crates, and where guarded things may be.
//!
//! The rules are data in `table.rs`. Each check is a function from what it reads to what it found,
//! so that its tests can feed it workspaces that do not exist.

mod graph;
mod lexer;
mod paths;
mod sources;

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use crate::workspace::Workspace;

/// Checks everything, prints what was checked and what is wrong.
///
/// # Errors
///
/// A source file cannot be read.
pub fn run(workspace: &Workspace) -> crate::Outcome {
    Ok(if passes(workspace)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Like [`run`], as a step among others.
///
/// # Errors
///
/// As for [`run`].
pub fn passes(workspace: &Workspace) -> Result<bool, Box<dyn Error>> {
    let sources = sources::read(workspace)?;
    let mut checks = graph::checks(workspace);
    checks.extend(sources::checks(workspace, &sources));
    checks.push(paths::check(&workspace.root)?);
    for check in &checks {
        println!("{check}");
    }
    Ok(checks.iter().all(|check| check.violations.is_empty()))
}

/// What one check looked at and found.
struct Check {
    name: &'static str,
    looked_at: String,
    violations: Vec<Violation>,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.violations.is_empty() {
            "ok"
        } else {
            "wrong"
        };
        write!(f, "{word:5}  {:13}  {}", self.name, self.looked_at)?;
        for violation in &self.violations {
            write!(f, "\n       {violation}")?;
        }
        Ok(())
    }
}

/// Something that is not as it must be, and what to do about it.
#[derive(Debug)]
struct Violation {
    place: String,
    problem: String,
    remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}\n         to do: {}",
            self.place, self.problem, self.remedy
        )
    }
}
