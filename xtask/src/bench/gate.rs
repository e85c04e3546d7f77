//! `bench --gate`: instructions for one operation, held against those that a file of the repository has.
//!
//! Time is too noisy to tell a few percent, but the instructions of a single thread are nearly the same in each run. Each
//! workload is run twice under callgrind, with few operations and with many; what the difference has is the cost of the
//! operations, without start and end. The program is this project's alone, built as for `bench`.
//!
//! The compiler decides about instructions too, so counts are compared with those of the same compiler only.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use super::plan::OURS;
use crate::Outcome;
use crate::command::CommandLine;
use crate::steps::Step;
use crate::workspace::Workspace;

/// The file, below the root of the workspace.
pub const FILE: &str = "benches/instructions.txt";

/// How far a count may be above the file's, in percent.
pub const LIMIT_PERCENT: u32 = 3;

/// What is counted, and in how many runs: where the clock decides what is done, the least of several counts repeats
/// better than one.
const WORKLOADS: [(&str, usize); 6] = [
    ("spawn", 1),
    ("yield", 1),
    ("pingpong", 1),
    ("oneshot", 1),
    ("timers_cancel", 5),
    ("call_soon", 1),
];

/// Operations of the two runs.
const FEW: u64 = 10_000;
const MANY: u64 = 30_000;

/// Counts, and compares with the file; or with `update` writes it.
///
/// # Errors
///
/// Valgrind is missing, the compiler is not the file's, or the program cannot be built or run.
pub fn run(workspace: &Workspace, update: bool) -> Outcome {
    if let Some(why) = no_valgrind(workspace) {
        return Err(why.into());
    }
    if update {
        let counts = count(workspace)?;
        let text = Kept {
            compiler: compiler(workspace)?,
            counts,
        }
        .text();
        fs::write(workspace.root.join(FILE), &text)?;
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(why) = other_compiler(workspace)? {
        return Err(why.into());
    }
    Ok(match passes(workspace)? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The comparison as a step among others; skipped where it cannot be made.
pub fn step(workspace: &Workspace) -> Step {
    const NAME: &str = "cargo xtask bench --gate";
    if let Some(why) = no_valgrind(workspace) {
        return Step::skipped(NAME, why);
    }
    match other_compiler(workspace) {
        Ok(Some(why)) => Step::skipped(NAME, why),
        absent => {
            let own = workspace.clone();
            Step::new(NAME, move || absent.and_then(|_| passes(&own)))
        }
    }
}

fn no_valgrind(workspace: &Workspace) -> Option<String> {
    let line = CommandLine::new(&workspace.root, ["valgrind", "--version"]);
    line.output_if_ok().is_none().then(|| {
        "instructions are counted by valgrind, which is not installed; get it from your \
         system's packages, such as `apt-get install valgrind`"
            .to_owned()
    })
}

fn other_compiler(workspace: &Workspace) -> Result<Option<String>, Box<dyn Error>> {
    let (kept, own) = (read(workspace)?.compiler, compiler(workspace)?);
    Ok((kept != own).then(|| {
        format!(
            "{FILE} has counts of {kept}, and this is {own}, whose counts would differ for that \
             alone; use that compiler, or count anew with `cargo xtask bench --gate --update` on \
             a commit that is known to be good"
        )
    }))
}

/// The compiler and what it compiles for.
fn compiler(workspace: &Workspace) -> Result<String, Box<dyn Error>> {
    let line = CommandLine::new(&workspace.root, ["rustc", "-vV"]);
    let text = line
        .output_if_ok()
        .ok_or_else(|| format!("`{line}` failed"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let version = text.lines().next().unwrap_or_default();
    Ok(format!("{version} for {}", host.unwrap_or("unknown")))
}

fn read(workspace: &Workspace) -> Result<Kept, Box<dyn Error>> {
    let text = fs::read_to_string(workspace.root.join(FILE)).map_err(|error| {
        format!("{FILE}: {error}; write it with `cargo xtask bench --gate --update`")
    })?;
    Kept::parse(&text)
}

fn passes(workspace: &Workspace) -> Result<bool, Box<dyn Error>> {
    let kept = read(workspace)?;
    let rows = compare(&kept, &count(workspace)?);
    for row in &rows {
        println!("{}", row.text());
    }
    let more = rows.iter().any(|row| row.verdict() == Verdict::More);
    if more {
        println!(
            "\nmore instructions than {FILE} has, by more than {LIMIT_PERCENT} %: find out what costs them, or, if they \
             are worth it, write the new counts with `cargo xtask bench --gate --update` and say why \
             in the commit"
        );
    } else if rows.iter().any(|row| row.verdict() == Verdict::Fewer) {
        println!("\nkeep what was won with `cargo xtask bench --gate --update`");
    }
    Ok(!more)
}

/// Instructions for one operation of each workload.
fn count(workspace: &Workspace) -> Result<Vec<(String, f64)>, Box<dyn Error>> {
    let program = super::build(workspace, "ours", &[])?;
    let each = |(workload, runs): &(&str, usize)| {
        let least = |count| -> Result<u64, Box<dyn Error>> {
            let mut least = u64::MAX;
            for _ in 0..*runs {
                least = least.min(instructions(&program, workload, count)?);
            }
            Ok(least)
        };
        let one = (least(MANY)? as f64 - least(FEW)? as f64) / (MANY - FEW) as f64;
        Ok(((*workload).to_owned(), one))
    };
    WORKLOADS.iter().map(each).collect()
}

fn instructions(program: &Path, workload: &str, count: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["0", OURS, workload, &count.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| {
        let (_, number) = line.split_once("Collected : ")?;
        number.trim().parse().ok()
    });
    match collected {
        Some(collected) if output.status.success() => Ok(collected),
        _ => Err(format!("callgrind could not run {workload}: {said}").into()),
    }
}

/// What the file has.
#[derive(Debug, PartialEq)]
struct Kept {
    compiler: String,
    counts: Vec<(String, f64)>,
}

impl Kept {
    fn parse(text: &str) -> Result<Kept, Box<dyn Error>> {
        let wrong = |line: &str| format!("{FILE}: not a count: `{line}`");
        let mut lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let compiler = lines.next().ok_or_else(|| wrong(""))?.to_owned();
        let count = |line: &str| {
            let (name, number) = line.split_once(' ')?;
            Some((name.to_owned(), number.trim().parse().ok()?))
        };
        let counts = lines.map(|line| count(line).ok_or_else(|| wrong(line)));
        Ok(Kept {
            compiler,
            counts: counts.collect::<Result<_, _>>()?,
        })
    }

    fn text(&self) -> String {
        let mut text = format!("{HEAD}{}\n", self.compiler);
        for (name, count) in &self.counts {
            writeln!(text, "{name:13} {count:8.1}").expect("a string takes all");
        }
        text
    }
}

const HEAD: &str = "\
# Instructions for one operation under callgrind, and the compiler that they were counted with.
# Compared by `cargo xtask bench --gate`, written by `cargo xtask bench --gate --update`.
";

/// A workload with what the file has, and what was counted.
#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    before: Option<f64>,
    now: f64,
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Fewer,
    More,
    Same,
}

impl Row {
    fn verdict(&self) -> Verdict {
        let limit = f64::from(LIMIT_PERCENT) / 100.0;
        match self.before {
            Some(before) if self.now > before * (1.0 + limit) => Verdict::More,
            Some(before) if self.now < before * (1.0 - limit) => Verdict::Fewer,
            Some(_) => Verdict::Same,
            None => Verdict::More,
        }
    }

    fn text(&self) -> String {
        let Row { name, before, now } = self;
        let Some(before) = before else {
            return format!("{name:13} not in the file, {now:.1} now: count with --update");
        };
        let change = (now / before - 1.0) * 100.0;
        let word = match self.verdict() {
            Verdict::Fewer => "fewer",
            Verdict::More => "MORE",
            Verdict::Same => "",
        };
        let text = format!("{name:13} {before:8.1} before {now:8.1} now {change:+6.1} %  {word}");
        text.trim_end().to_owned()
    }
}

fn compare(kept: &Kept, counted: &[(String, f64)]) -> Vec<Row> {
    let row = |(name, now): &(String, f64)| {
        let before = kept.counts.iter().find(|(kept, _)| kept == name);
        Row {
            name: name.clone(),
            before: before.map(|(_, count)| *count),
            now: *now,
        }
    };
    counted.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        Kept {
            compiler: "rustc 1.2.3 (abc 2020-01-01) for x86_64-unknown-linux-gnu".into(),
            counts: vec![("spawn".into(), 200.0), ("yield".into(), 80.5)],
        }
    }

    fn verdict(now: f64) -> Verdict {
        let rows = compare(&kept(), &[("spawn".into(), now)]);
        rows[0].verdict()
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        assert_eq!(Kept::parse(&kept().text()).unwrap(), kept());
    }

    #[test]
    fn a_line_without_a_count_is_an_error_that_shows_it() {
        let error = Kept::parse("rustc\nspawn many\n").unwrap_err().to_string();
        assert_eq!(error, format!("{FILE}: not a count: `spawn many`"));
    }

    #[test]
    fn three_percent_more_is_the_limit() {
        assert_eq!(verdict(205.9), Verdict::Same);
        assert_eq!(verdict(206.1), Verdict::More);
        assert_eq!(verdict(190.0), Verdict::Fewer);
    }

    #[test]
    fn what_is_not_in_the_file_does_not_pass() {
        let rows = compare(&kept(), &[("oneshot".into(), 1.0)]);
        assert_eq!(rows[0].verdict(), Verdict::More);
    }

    #[test]
    fn a_row_names_the_workload_with_before_and_now() {
        let rows = compare(&kept(), &[("spawn".into(), 250.0)]);
        assert_eq!(
            rows[0].text(),
            "spawn            200.0 before    250.0 now  +25.0 %  MORE"
        );
    }
}
