//! `bench`: our workloads beside those of our peers, as ratios.
//!
//! A workload is a group of criterion with one function for us, named as in `table.rs`, and one for
//! each peer, so both sides of a ratio come from the same run. Absolute times are not shown: they
//! say more about the machine than about us.

mod estimates;
mod progress;

use std::error::Error;
use std::process::ExitCode;
use std::time::SystemTime;

use crate::Outcome;
use crate::command::CommandLine;
use crate::workspace::Workspace;

use self::progress::Progress;

/// Runs the benches that the names choose, all without names, and prints the ratios.
///
/// # Errors
///
/// Cargo cannot be run, or criterion's results cannot be read.
pub fn run(workspace: &Workspace, names: &[String]) -> Outcome {
    let selection = Selection::new(benches(workspace), names);
    if selection.benches.is_empty() {
        return Err("no crate has benches yet; they belong into benches/ of the crate".into());
    }
    for bench in &selection.benches {
        let line = bench.line(workspace, &["--no-run"]);
        if !line.succeeds()? {
            return Err(format!("`{line}` failed").into());
        }
    }
    let started = SystemTime::now();
    let passed = measure(workspace, &selection)?;
    let found = estimates::read(&workspace.target.join("criterion"), started)?;
    print!("\n{}", estimates::table(&found));
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Which files of benches to run, and what in them.
#[derive(Debug, PartialEq)]
struct Selection {
    benches: Vec<Bench>,
    filter: Option<String>,
}

impl Selection {
    /// A name that is a file's chooses the file; any other chooses workloads in all of the files
    /// chosen, or in all files.
    fn new(all: Vec<Bench>, names: &[String]) -> Selection {
        let (files, parts): (Vec<&String>, Vec<&String>) = names
            .iter()
            .partition(|name| all.iter().any(|bench| bench.name == **name));
        let chosen = |bench: &Bench| files.is_empty() || files.contains(&&bench.name);
        let filter = parts
            .iter()
            .map(|part| part.as_str())
            .collect::<Vec<_>>()
            .join("|");
        Selection {
            benches: all.into_iter().filter(chosen).collect(),
            filter: (!filter.is_empty()).then_some(filter),
        }
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.filter.as_deref().into_iter()
    }
}

/// A file of benches.
#[derive(Clone, Debug, PartialEq)]
struct Bench {
    package: String,
    name: String,
}

impl Bench {
    fn line(&self, workspace: &Workspace, words: &[&str]) -> CommandLine {
        let own = ["bench", "--package", &self.package, "--bench", &self.name];
        CommandLine::cargo(&workspace.root, own)
            .and(words.iter().copied())
            .with_env(
                "CRITERION_HOME",
                workspace.target.join("criterion").display().to_string(),
            )
    }
}

fn benches(workspace: &Workspace) -> Vec<Bench> {
    let packages = workspace.packages.iter();
    let of = |package: &crate::workspace::Package| {
        let targets = package
            .targets
            .iter()
            .filter(|target| target.is(&["bench"]));
        let name = package.name.clone();
        targets
            .map(|target| Bench {
                package: name.clone(),
                name: target.name.clone(),
            })
            .collect::<Vec<_>>()
    };
    packages.flat_map(of).collect()
}

/// Runs the benches one after the other; says whether all ended well.
fn measure(workspace: &Workspace, selection: &Selection) -> Result<bool, Box<dyn Error>> {
    let mut count = 0;
    for bench in &selection.benches {
        let list = bench
            .line(workspace, &["--quiet", "--"])
            .and(selection.words())
            .and(["--list"]);
        let listed = list.output_if_ok().unwrap_or_default();
        count += listed
            .lines()
            .filter(|line| line.ends_with(": benchmark"))
            .count();
    }
    let mut progress = Progress::new(count);
    let mut passed = true;
    for bench in &selection.benches {
        let line = bench
            .line(workspace, &["--quiet", "--"])
            .and(selection.words());
        let mut said = String::new();
        let status = line.each_error_line(|text| {
            if !progress.heard(text) {
                said += text;
                said.push('\n');
            }
        })?;
        if !status.success() {
            progress.note(&format!("{said}error: `{line}` failed"));
            passed = false;
        }
    }
    progress.finish();
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_names_all_is_run() {
        let selection = Selection::new(all(), &[]);
        assert_eq!(
            selection,
            Selection {
                benches: all(),
                filter: None
            }
        );
    }

    #[test]
    fn a_files_name_chooses_the_file_and_another_name_its_workloads() {
        let selection = Selection::new(all(), &["gather".into(), "10".into(), "100".into()]);
        let benches = vec![all()[1].clone()];
        assert_eq!(
            selection,
            Selection {
                benches,
                filter: Some("10|100".into())
            }
        );
    }

    #[test]
    fn a_workloads_name_is_looked_for_in_all_files() {
        let selection = Selection::new(all(), &["yield".into()]);
        assert_eq!(
            selection,
            Selection {
                benches: all(),
                filter: Some("yield".into())
            }
        );
    }

    fn all() -> Vec<Bench> {
        let bench = |name: &str| Bench {
            package: "ouroloop-tests".into(),
            name: name.into(),
        };
        vec![bench("call_soon"), bench("gather")]
    }
}
