//! What is printed: a line a page, and a summary.

use std::cell::Cell;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::HumanBytes;

use crate::client::{FetchError, Page};
use crate::progress::Progress;

pub struct Report {
    begun: Instant,
    progress: Progress,
    pages: Cell<usize>,
    failed: Cell<usize>,
    bytes: Cell<u64>,
    is_mute: Cell<bool>,
}

impl Report {
    pub fn new(pages: usize) -> Report {
        Report {
            begun: Instant::now(),
            progress: Progress::new(pages),
            pages: Cell::new(0),
            failed: Cell::new(0),
            bytes: Cell::new(0),
            is_mute: Cell::new(false),
        }
    }

    pub fn page(&self, url: &str, result: &Result<Page, FetchError>, took: Duration) {
        self.progress.advance(|| match result {
            Ok(page) => {
                let size = HumanBytes(page.size).to_string();
                let (status, seconds) = (page.status, took.as_secs_f64());
                self.out(&format!("{status}  {size:>11}  {seconds:7.3} s  {url}"));
            }
            Err(error) => err(&format!("error: {url}: {error}")),
        });
        match result {
            Ok(page) => {
                self.pages.set(self.pages.get() + 1);
                self.bytes.set(self.bytes.get() + page.size);
            }
            Err(_) => self.failed.set(self.failed.get() + 1),
        }
    }

    /// Prints the summary, and gives the exit status.
    pub fn finish(&self) -> ExitCode {
        self.progress.finish();
        let (pages, failed) = (self.pages.get(), self.failed.get());
        let (size, seconds) = (
            HumanBytes(self.bytes.get()),
            self.begun.elapsed().as_secs_f64(),
        );
        self.out(&format!(
            "{pages} pages, {size}, in {seconds:.3} s; {failed} failed"
        ));
        if failed == 0 && !self.is_mute.get() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Whoever reads standard output no more has had enough, and the pages are saved all the same; but a
    /// disk that is full is an error, which is said once.
    fn out(&self, line: &str) {
        let mut stdout = io::stdout();
        match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(_) if self.is_mute.get() => {}
            Err(error) => {
                self.is_mute.set(true);
                err(&format!("error: cannot write to standard output: {error}"));
            }
        }
    }
}

/// One line for what went wrong.
pub fn err(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
