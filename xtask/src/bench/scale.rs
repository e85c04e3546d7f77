//! `scale`: very many tasks, timers and waiters, on this project's loop alone.
//!
//! The scenarios are in `benches/src/scale.rs`. Their clock is virtual, so all time is work.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use super::plan::{Effort, Figure, OURS, Place};
use super::sample::{Request, Sample, take};
use super::table::{round, short};
use crate::Outcome;
use crate::workspace::Workspace;

/// A thing of which there are many.
struct Scenario {
    name: &'static str,
    about: &'static str,
    largest: u64,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "scale_tasks",
        about: "tasks that sleep until random times",
        largest: 1_000_000,
    },
    Scenario {
        name: "scale_shutdown",
        about: "sleeping tasks at the end of a run: cancelled, awaited, dropped",
        largest: 1_000_000,
    },
    Scenario {
        name: "scale_timers",
        about: "callbacks at random times",
        largest: 1_000_000,
    },
    Scenario {
        name: "scale_lock",
        about: "tasks that wait for one lock, and get it in turn",
        largest: 100_000,
    },
    Scenario {
        name: "scale_gather",
        about: "tasks in one gather",
        largest: 1_000_000,
    },
    Scenario {
        name: "scale_chain",
        about: "tasks each of which awaits the next; the first is cancelled",
        largest: 100_000,
    },
];

const SIZES: [u64; 4] = [1000, 10_000, 100_000, 1_000_000];

/// No step that can be split may take longer.
const LIMIT_US: f64 = 10_000.0;

/// Runs all scenarios in all sizes and prints what they cost.
///
/// # Errors
///
/// The program cannot be built, or a scenario fails.
pub fn run(workspace: &Workspace) -> Outcome {
    let program = super::build(workspace, "ours", &[])?;
    let rows = measure(&program, Effort::FULL.scale)?;
    print!("{}", text(&rows));
    let long = rows.iter().filter(|row| row.is_long()).count();
    if long > 0 {
        println!("\n{long} of them have a step that held the loop up for more than 10 ms");
    }
    Ok(match long {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// What one scenario costs in one size.
pub struct Row {
    scenario: &'static Scenario,
    size: u64,
    ns: f64,
    bytes: f64,
    /// The longest step of the loop.
    step_us: f64,
    /// The one call that the scenario is about: it is one for whoever makes it, so it cannot be split.
    call_us: f64,
}

impl Row {
    fn is_long(&self) -> bool {
        self.step_us > LIMIT_US
    }

    fn shown(&self) -> [String; 5] {
        let call = match self.call_us {
            0.0 => String::new(),
            call => short(call),
        };
        [
            round(self.size),
            short(self.ns),
            short(self.bytes),
            short(self.step_us),
            call,
        ]
    }
}

/// Takes the samples, of up to so many.
///
/// # Errors
///
/// A scenario fails.
pub fn measure(program: &Path, largest: u64) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for scenario in SCENARIOS {
        let largest = largest.min(scenario.largest);
        for size in SIZES.into_iter().filter(|size| *size <= largest) {
            let [whole, steps] = [size, 0].map(|count| sample(program, scenario, size, count));
            let (whole, steps) = (whole?, steps?);
            let failed = || format!("{} of {size} gave no figures", scenario.name);
            let named =
                |sample: &Sample, name| sample.figure(Figure::Named(name)).ok_or_else(failed);
            rows.push(Row {
                scenario,
                size,
                ns: whole.figure(Figure::Wall).ok_or_else(failed)?,
                bytes: named(&whole, "bytes")?,
                step_us: named(&steps, "step_us")?,
                call_us: named(&steps, "call_us")?,
            });
        }
    }
    Ok(rows)
}

/// Without a count it looks at each step.
fn sample(
    program: &Path,
    scenario: &Scenario,
    size: u64,
    count: u64,
) -> Result<Sample, Box<dyn Error>> {
    let request = Request {
        peer: OURS,
        workload: scenario.name,
        place: Place::One,
        count,
        size,
    };
    let sample = take(program, request)?;
    sample.ok_or_else(|| format!("the program has no {}", scenario.name).into())
}

fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:>5} {:>8} {:>11} {:>13} {:>9}  {}\n",
        "", "ns each", "bytes each", "longest step", "the call", "us; of what"
    );
    for row in rows {
        let [size, ns, bytes, step, call] = row.shown();
        let about = row.scenario.about;
        text += &format!("{size:>5} {ns:>8} {bytes:>11} {step:>13} {call:>9}  {about}\n");
    }
    text
}

/// A table for the page.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | how many | ns each | bytes each | longest step, us | the call itself, us |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in rows {
        let about = row.scenario.about;
        text += &format!("| {about} | {} |\n", row.shown().join(" | "));
    }
    text
}
