//! A bar on the terminal, if there is one.

use std::io::{IsTerminal, stderr};

use indicatif::ProgressBar;

pub struct Progress(ProgressBar);

impl Progress {
    pub fn new(pages: usize) -> Progress {
        Progress(if stderr().is_terminal() {
            ProgressBar::new(pages as u64)
        } else {
            ProgressBar::hidden()
        })
    }

    /// Another page is done; `say` prints, while the bar is out of the way.
    pub fn advance(&self, say: impl FnOnce()) {
        self.0.suspend(say);
        self.0.inc(1);
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
