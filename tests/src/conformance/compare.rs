//! Two traces of one program: what CPython says, and what ouroloop says.

use std::fmt;

use super::corpus::Scenario;
use super::runner::{Run, run};

/// What comes of comparing a scenario.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The traces are equal.
    Passed,
    /// They are not, or the run did not come to its end.
    Failed {
        /// Where they part, with both lines.
        difference: String,
    },
}

impl Verdict {
    /// Runs a scenario and compares.
    pub fn of(scenario: &Scenario) -> (Verdict, Run) {
        let run = run(&scenario.program);
        let verdict = match difference(&scenario.trace, &run) {
            Some(difference) => Verdict::Failed { difference },
            None => Verdict::Passed,
        };
        (verdict, run)
    }
}

/// How many scenarios passed and failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Those with equal traces.
    pub passed: usize,
    /// Those with different traces.
    pub failed: usize,
}

impl Report {
    /// Counts one more.
    pub fn count(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Failed { .. } => &mut self.failed,
        } += 1;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { passed, failed } = self;
        // None ever is: the interpreter has the whole language. Scripts look for all three.
        write!(f, "{passed} passed, {failed} failed, 0 skipped")
    }
}

/// The first line that differs, if one does or the run failed.
fn difference(expected: &[String], run: &Run) -> Option<String> {
    let line_count = expected.len().max(run.trace.len());
    let first = (0..line_count).find(|line| expected.get(*line) != run.trace.get(*line));
    let parted = first.map(|line| {
        let (number, end) = (line + 1, String::from("(the end)"));
        let theirs = expected.get(line).unwrap_or(&end);
        let ours = run.trace.get(line).unwrap_or(&end);
        format!("line {number}\n  asyncio:  {theirs}\n  ouroloop: {ours}")
    });
    match (parted, &run.failure) {
        (parted, None) => parted,
        (Some(parted), Some(failure)) => Some(format!("{parted}\n  {failure}")),
        (None, Some(failure)) => Some(failure.to_string()),
    }
}

/// Both traces in two columns, with a mark where they differ.
#[must_use]
pub fn side_by_side(expected: &[String], ours: &[String]) -> String {
    const NOTHING: &str = "";
    let width = expected.iter().map(|line| line.chars().count()).max();
    let width = width.unwrap_or(0).max("asyncio".len());
    let mut text = format!("  {:width$}   ouroloop\n", "asyncio");
    for line in 0..expected.len().max(ours.len()) {
        let (left, right) = (expected.get(line), ours.get(line));
        let mark = if left == right { ' ' } else { '!' };
        let left = left.map_or(NOTHING, String::as_str);
        let right = right.map_or(NOTHING, String::as_str);
        text += format!("{mark} {left:width$}   {right}").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Failure;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn run_of(trace: &str, failure: Option<Failure>) -> Run {
        Run {
            trace: lines(trace),
            failure,
        }
    }

    #[test]
    fn equal_traces_do_not_differ() {
        assert_eq!(difference(&lines("a\nb"), &run_of("a\nb", None)), None);
    }

    #[test]
    fn the_first_line_that_differs_is_shown_with_its_number() {
        let shown = difference(&lines("a\nb\nc"), &run_of("a\nx\ny", None)).unwrap();
        assert_eq!(shown, "line 2\n  asyncio:  b\n  ouroloop: x");
    }

    #[test]
    fn a_trace_that_ends_early_or_late_differs() {
        let early = difference(&lines("a\nb"), &run_of("a", None)).unwrap();
        assert_eq!(early, "line 2\n  asyncio:  b\n  ouroloop: (the end)");
        let late = difference(&lines("a"), &run_of("a\nb", None)).unwrap();
        assert_eq!(late, "line 2\n  asyncio:  (the end)\n  ouroloop: b");
    }

    #[test]
    fn a_run_that_did_not_end_differs_even_if_all_its_lines_are_right() {
        let shown = difference(&lines("a"), &run_of("a", Some(Failure::TooLong)));
        assert_eq!(shown.as_deref(), Some("the trace is too long"));
    }

    #[test]
    fn columns_mark_the_lines_that_differ() {
        let shown = side_by_side(&lines("0 a\n0 bb"), &lines("0 a\n0 c\n0 d"));
        assert_eq!(
            lines(&shown),
            [
                "  asyncio   ouroloop",
                "  0 a       0 a",
                "! 0 bb      0 c",
                "!           0 d"
            ]
        );
    }

    #[test]
    fn a_report_counts_each_verdict_in_its_place() {
        let mut report = Report::default();
        report.count(&Verdict::Passed);
        report.count(&Verdict::Passed);
        report.count(&Verdict::Failed {
            difference: "line 1".to_owned(),
        });
        assert_eq!(report.to_string(), "2 passed, 1 failed, 0 skipped");
    }
}
