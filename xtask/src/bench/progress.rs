//! How far a run is.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar with what is being measured; plain lines where there is no terminal.
pub struct Progress {
    bar: ProgressBar,
    last: String,
}

impl Progress {
    /// For this number of samples.
    pub fn new(samples: usize) -> Progress {
        let bar = ProgressBar::new(samples as u64);
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed} {wide_msg}")
            .expect("a template of known keys");
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress {
            bar,
            last: String::new(),
        }
    }

    /// Says what comes next.
    pub fn begin(&mut self, workload: &str, peer: &str) {
        self.bar.set_message(format!("{workload} {peer}"));
        if self.bar.is_hidden() && self.last != workload {
            let elapsed = self.bar.elapsed().as_secs();
            println!("{elapsed:4} s  {workload}");
            workload.clone_into(&mut self.last);
        }
    }

    /// Counts samples that were taken, or that will not be.
    pub fn done(&self, samples: usize) {
        self.bar.inc(samples as u64);
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
