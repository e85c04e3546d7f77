//! Runs a list of steps, with a heading and a time for each, and sums them up.
//!
//! The last line is for machines: `N passed, N failed`, alone on it, where N counts steps. Nothing
//! is written after it.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::command::CommandLine;

/// One thing to do, and the command that does only this thing again.
pub struct Step {
    repeat: String,
    action: Box<dyn FnOnce() -> Result<bool, Box<dyn Error>>>,
    skipped: Option<String>,
}

impl Step {
    /// A step that is a command.
    pub fn command(line: CommandLine) -> Step {
        Step::new(line.to_string(), move || line.succeeds())
    }

    /// A step of this program's own; `repeat` is the command line for it alone.
    pub fn new(
        repeat: impl Into<String>,
        action: impl FnOnce() -> Result<bool, Box<dyn Error>> + 'static,
    ) -> Step {
        Step {
            repeat: repeat.into(),
            action: Box::new(action),
            skipped: None,
        }
    }

    /// A step that cannot be done here: `why` says what it lacks and how to get that.
    pub fn skipped(repeat: impl Into<String>, why: impl Into<String>) -> Step {
        Step {
            skipped: Some(why.into()),
            ..Step::new(repeat, || Ok(true))
        }
    }
}

/// Runs the steps in order up to the first failure, or all of them to `keep_going`.
pub fn run(steps: Vec<Step>, keep_going: bool) -> ExitCode {
    let mut summary = Summary::default();
    for step in steps {
        if summary.failed() > 0 && !keep_going {
            summary.add(step.repeat, End::NotRun, Duration::ZERO);
            continue;
        }
        println!("\n== {}", step.repeat);
        if let Some(why) = step.skipped {
            println!("   skipped: {why}");
            summary.add(step.repeat, End::Skipped, Duration::ZERO);
            continue;
        }
        let started = Instant::now();
        let end = match (step.action)() {
            Ok(true) => End::Passed,
            Ok(false) => End::Failed,
            Err(error) => {
                eprintln!("error: {error}");
                End::Failed
            }
        };
        let took = started.elapsed();
        println!("   {} after {}", end.word(), seconds(took));
        if end == End::Failed {
            println!("   repeat it with: {}", step.repeat);
        }
        summary.add(step.repeat, end, took);
    }
    print!("{}", summary.text());
    if summary.failed() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// How the steps ended, in order.
#[derive(Default)]
struct Summary {
    rows: Vec<(String, End, Duration)>,
}

impl Summary {
    fn add(&mut self, step: String, end: End, took: Duration) {
        self.rows.push((step, end, took));
    }

    fn failed(&self) -> usize {
        self.count(End::Failed)
    }

    fn count(&self, end: End) -> usize {
        self.rows.iter().filter(|row| row.1 == end).count()
    }

    fn text(&self) -> String {
        let mut text = String::from("\n");
        for (step, end, took) in &self.rows {
            let time = if took.is_zero() {
                "-".to_owned()
            } else {
                seconds(*took)
            };
            text += &format!("{:8} {time:>9}  {step}\n", end.word());
        }
        for (step, _, _) in self.rows.iter().filter(|row| row.1 == End::Failed) {
            text += &format!("\nrepeat what failed with: {step}\n");
        }
        text += &format!(
            "\n{} passed, {} failed\n",
            self.count(End::Passed),
            self.failed()
        );
        text
    }
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Failed,
    NotRun,
    Passed,
    Skipped,
}

impl End {
    fn word(self) -> &'static str {
        match self {
            End::Failed => "failed",
            End::NotRun => "not run",
            End::Passed => "passed",
            End::Skipped => "skipped",
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn the_closing_line_counts_what_passed_and_what_failed() {
        let mut summary = Summary::default();
        summary.add("a".into(), End::Passed, Duration::from_millis(1250));
        summary.add("b".into(), End::Skipped, Duration::ZERO);
        summary.add("c".into(), End::Failed, Duration::from_secs(2));
        summary.add("d".into(), End::NotRun, Duration::ZERO);
        let text = summary.text();
        assert!(text.ends_with("\n1 passed, 1 failed\n"), "{text}");
        assert!(text.contains("\nrepeat what failed with: c\n"), "{text}");
        assert!(text.contains("skipped          -  b\n"), "{text}");
    }

    #[test]
    fn a_failure_stops_the_steps_behind_it() {
        assert_eq!(ran(false), ["good", "bad"]);
    }

    #[test]
    fn keep_going_runs_what_is_behind_a_failure() {
        assert_eq!(ran(true), ["good", "bad", "broken", "last"]);
    }

    fn ran(keep_going: bool) -> Vec<&'static str> {
        let log = Rc::new(RefCell::new(Vec::new()));
        let step = |name: &'static str, result: Result<bool, &'static str>| {
            let log = Rc::clone(&log);
            Step::new(name, move || {
                log.borrow_mut().push(name);
                result.map_err(Into::into)
            })
        };
        let steps = vec![
            step("good", Ok(true)),
            Step::skipped("absent", "not installed"),
            step("bad", Ok(false)),
            step("broken", Err("cannot start")),
            step("last", Ok(true)),
        ];
        run(steps, keep_going);
        log.take()
    }
}
