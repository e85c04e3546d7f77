//! `loom`: explores the models of what crosses threads.
//!
//! A model is a unit test in a module `loom` of its crate, compiled with `--cfg loom`, and prints
//! one line when it is through: `loom: NAME explored N executions`.

use std::error::Error;
use std::process::ExitCode;

use crate::Outcome;
use crate::command::CommandLine;
use crate::steps::Step;
use crate::table::LOOM;
use crate::workspace::Workspace;

/// Runs the models of all crates that have some, and prints how far each was explored.
///
/// # Errors
///
/// Cargo cannot be run.
pub fn run(workspace: &Workspace) -> Outcome {
    let mut explored = Vec::new();
    let mut passed = true;
    for package in LOOM {
        let models = run_one(workspace, package)?;
        passed &= models.passed;
        if models.passed && models.explored.is_empty() {
            eprintln!("error: {package} has no model that said what it explored");
            passed = false;
        }
        explored.extend(models.explored.into_iter().map(|model| (*package, model)));
    }
    println!("\n{:16} {:40} executions", "crate", "model");
    for (package, model) in explored {
        println!("{package:16} {:40} {:>10}", model.name, model.executions);
    }
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Models {
    passed: bool,
    explored: Vec<Model>,
}

#[derive(Debug, PartialEq)]
struct Model {
    name: String,
    executions: u64,
}

/// That the models compile, as a step among others: they take too long to run each time.
pub fn check_step(workspace: &Workspace) -> Step {
    let packages = LOOM.iter().flat_map(|name| ["-p", name]);
    let line = CommandLine::cargo(&workspace.root, ["check", "--lib", "--profile", "test"]);
    Step::command(with_models(workspace, line.and(packages)))
}

/// The same command for code that has the models.
fn with_models(workspace: &Workspace, line: CommandLine) -> CommandLine {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let target = workspace.target.join("loom");
    line.with_env("RUSTFLAGS", format!("{flags} --cfg loom").trim_start())
        .with_env("CARGO_TARGET_DIR", target.display().to_string())
}

fn run_one(workspace: &Workspace, package: &str) -> Result<Models, Box<dyn Error>> {
    let line = CommandLine::cargo(
        &workspace.root,
        ["test", "--release", "-p", package, "--lib"],
    );
    let line = with_models(workspace, line.and(["loom", "--", "--nocapture"]));
    println!("{line}");
    let mut explored = Vec::new();
    let status = line.each_line(|line| {
        println!("{line}");
        explored.extend(parse(line));
    })?;
    Ok(Models {
        passed: status.success(),
        explored,
    })
}

/// Reads a model's line. The test harness may have begun that line with the name of the test.
fn parse(line: &str) -> Option<Model> {
    let (_, text) = line.split_once("loom: ")?;
    let (name, rest) = text.split_once(" explored ")?;
    let executions = rest.strip_suffix(" executions")?.parse().ok()?;
    Some(Model {
        name: name.to_owned(),
        executions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_line_is_read_wherever_it_begins() {
        let model = Some(Model {
            name: "submit vs park".into(),
            executions: 1234,
        });
        assert_eq!(
            parse("loom: submit vs park explored 1234 executions"),
            model
        );
        assert_eq!(
            parse("test inbox::loom::x ... loom: submit vs park explored 1234 executions"),
            model
        );
    }

    #[test]
    fn other_lines_are_no_models() {
        for line in [
            "",
            "running 3 tests",
            "loom: a explored many executions",
            "loom: a",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
