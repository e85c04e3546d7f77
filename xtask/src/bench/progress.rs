//! How far a run of benches is, from what criterion says on its way.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar with the workload under measurement; plain lines where there is no terminal.
pub struct Progress {
    bar: ProgressBar,
    count: usize,
    done: usize,
}

impl Progress {
    /// For this number of measurements.
    pub fn new(count: usize) -> Progress {
        let bar = ProgressBar::new(count as u64);
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed} {wide_msg}")
            .expect("a template of known keys");
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress {
            bar,
            count,
            done: 0,
        }
    }

    /// Takes a line of criterion, and says whether it was one about progress.
    pub fn heard(&mut self, line: &str) -> bool {
        let Some((name, phase)) = parse(line) else {
            return false;
        };
        if phase == "Analyzing" {
            self.done += 1;
            self.bar.set_position(self.done as u64);
            if self.bar.is_hidden() {
                println!("[{}/{}] {name}", self.done, self.count);
            }
        } else {
            self.bar.set_message(format!("{name} {phase}"));
        }
        true
    }

    /// Prints something without disturbing the bar.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// The measurement that a line of criterion is about, and what is being done for it.
fn parse(line: &str) -> Option<(&str, &str)> {
    let text = line.strip_prefix("Benchmarking ")?;
    Some(text.split_once(": ").unwrap_or((text, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_is_done_when_it_is_analyzed() {
        let mut progress = Progress::new(2);
        assert!(progress.heard("Benchmarking gather/tokio/10"));
        assert!(progress.heard("Benchmarking gather/tokio/10: Warming up for 3.0 s"));
        assert_eq!(progress.done, 0);
        assert!(progress.heard("Benchmarking gather/tokio/10: Analyzing"));
        assert_eq!(progress.done, 1);
    }

    #[test]
    fn other_lines_are_left_to_the_caller() {
        assert!(!Progress::new(1).heard("thread 'main' panicked at benches/a.rs:1"));
    }
}
