//! `bench`: our workloads beside those of our peers, as ratios; and the gate that holds what was won.
//!
//! The workloads are in the package `ouroloop-benches`. This builds its program, which takes one sample a process,
//! and calls it for each repeat, each peer in turn, so that a slow minute of the machine is a slow minute for all.
//! Absolute times say more about the machine than about us, so each figure stands beside those of the same run.

mod chart;
mod gate;
mod growth;
mod machine;
mod page;
mod plan;
mod process;
mod progress;
mod results;
mod sample;
mod scale;
mod table;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::Outcome;
use crate::command::CommandLine;
use crate::workspace::Workspace;

pub use self::gate::step as gate_step;
use self::growth::Growth;
use self::machine::Machine;
pub use self::plan::PACKAGE;
use self::plan::{Effort, WORKLOADS, Workload};
use self::progress::Progress;
use self::results::Results;
pub use self::scale::run as scale;

/// What to measure.
#[derive(Args)]
pub struct Arguments {
    /// Workloads by name [default: all, and the charts of growth]
    #[arg(value_name = "WORKLOAD")]
    names: Vec<String>,

    /// Smaller and fewer samples: a look, no figures to be kept (2 minutes)
    #[arg(long)]
    quick: bool,

    /// Count instructions instead, and fail where there are more than the file of the gate has
    #[arg(long, conflicts_with_all = ["names", "quick"])]
    gate: bool,

    /// Write what was counted into the file of the gate
    #[arg(long, requires = "gate")]
    update: bool,
}

/// Measures what the arguments say, prints the ratios, and writes the page: that of the documentation, if all was
/// measured in full, else one in the build folder.
///
/// # Errors
///
/// Cargo cannot be run, a name is not known, or a file cannot be written.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Outcome {
    if arguments.gate {
        return gate::run(workspace, arguments.update);
    }
    let effort = match arguments.quick {
        true => Effort::QUICK,
        false => Effort::FULL,
    };
    let workloads = chosen(&arguments.names)?;
    let program = build(workspace, "peers", &["--features", "peers"])?;
    let all = arguments.names.is_empty();
    let machine = Machine::read(workspace);
    let growth = if all { growth::CHARTS } else { &[] };
    let mut progress = Progress::new(effort.samples(&workloads) + growth::samples(growth, &effort));
    let mut results = Results::default();
    for workload in workloads {
        results.measure(&program, workload, &effort, &mut progress);
    }
    let growth: Vec<Growth> = growth
        .iter()
        .map(|chart| Growth::measure(&program, chart, &effort, &mut progress))
        .collect();
    let scale = match all {
        true => scale::measure(&build(workspace, "ours", &[])?, effort.scale)?,
        false => Vec::new(),
    };
    progress.finish();
    print!("\n{}", table::overview(&results));
    let folder = match all && !arguments.quick {
        true => workspace.root.join("docs"),
        false => workspace.target.join("bench"),
    };
    fs::create_dir_all(folder.join(page::CHARTS))?;
    for (name, text) in page::files(&results, &growth, &scale, &machine, &effort) {
        fs::write(folder.join(name), text)?;
    }
    println!("\nwritten: {}", folder.join(page::NAME).display());
    Ok(match results.broken() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn chosen(names: &[String]) -> Result<Vec<&'static Workload>, Box<dyn Error>> {
    if names.is_empty() {
        return Ok(WORKLOADS.iter().collect());
    }
    let find = |name: &String| {
        let found = WORKLOADS.iter().find(|workload| workload.name == *name);
        found.ok_or_else(|| {
            let known: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
            format!("no workload `{name}`; there are {}", known.join(", ")).into()
        })
    };
    names.iter().map(find).collect()
}

/// Builds a program of the package of the benches, and says where it is.
fn build(workspace: &Workspace, name: &str, words: &[&str]) -> Result<PathBuf, Box<dyn Error>> {
    let own = ["build", "--profile", "bench", "--package", PACKAGE, "--bin"];
    let line = CommandLine::cargo(&workspace.root, own)
        .and([name])
        .and(words.iter().copied());
    if !line.succeeds()? {
        return Err(format!("`{line}` failed").into());
    }
    Ok(workspace.target.join("release").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_names_all_is_measured() {
        assert_eq!(chosen(&[]).unwrap().len(), WORKLOADS.len());
    }

    #[test]
    fn names_choose_workloads_in_their_order() {
        let chosen = chosen(&["yield".into(), "spawn".into()]).unwrap();
        let names: Vec<_> = chosen.iter().map(|workload| workload.name).collect();
        assert_eq!(names, ["yield", "spawn"]);
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        let error = chosen(&["spwan".into()]).err().unwrap().to_string();
        assert!(
            error.starts_with("no workload `spwan`; there are spawn, "),
            "{error}"
        );
    }
}
