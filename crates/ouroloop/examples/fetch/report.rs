//! What is printed: a line a page, and a summary.

use std::cell::Cell;
use std::io::{self, Write};
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
}

impl Report {
    pub fn new(pages: usize) -> Report {
        Report {
            begun: Instant::now(),
            progress: Progress::new(pages),
            pages: Cell::new(0),
            failed: Cell::new(0),
            bytes: Cell::new(0),
        }
    }

    pub fn page(&self, url: &str, result: &Result<Page, FetchError>, took: Duration) {
        self.progress.advance(|| match result {
            Ok(page) => {
                let size = HumanBytes(page.size).to_string();
                let (status, seconds) = (page.status, took.as_secs_f64());
                out(&format!("{status}  {size:>11}  {seconds:7.3} s  {url}"));
            }
            // Whoever reads standard output no more has had enough; the pages are saved all the same.
            Err(error) => drop(writeln!(io::stderr(), "error: {url}: {error}")),
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
        out(&format!(
            "{pages} pages, {size}, in {seconds:.3} s; {failed} failed"
        ));
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn out(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
