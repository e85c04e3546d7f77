//! Fetches pages over HTTP, many at once, and says of each how it went as soon as it is there.
//!
//! ```text
//! cargo run --release --example fetch                       # a server of its own, twenty pages
//! cargo run --release --example fetch -- --out pages http://localhost:8000/a http://localhost:8000/b
//! ```
//!
//! A page that fails is one line and no more; the others go on, and the exit status is 1.

mod args;
mod client;
mod files;
mod progress;
mod report;
mod server;
mod url;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use ouroloop::{TaskGroupError, task_group, timeout};

use args::Args;
use client::{FetchError, Page};
use files::{NewFile, Plan};
use report::Report;
use url::Url;

#[ouroloop::main]
async fn main() -> ExitCode {
    match fetch_all(Args::parse()).await {
        Ok(status) => status,
        Err(error) => {
            report::err(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn fetch_all(mut args: Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    if args.urls.is_empty() {
        args.urls = server::start().await?;
    }
    let mut plan = Plan::new(args.out)?;
    let jobs: VecDeque<_> = args
        .urls
        .into_iter()
        .map(|url| Job::new(url, &mut plan))
        .collect();
    let workers = args.concurrency.get().min(jobs.len());
    let report = Rc::new(Report::new(jobs.len()));
    let jobs = Rc::new(RefCell::new(jobs));
    task_group(async |tg| {
        for _ in 0..workers {
            tg.create_task(work(jobs.clone(), args.timeout, report.clone()))?;
        }
        Ok::<_, TaskGroupError>(())
    })
    .await?;
    Ok(report.finish())
}

/// A page to fetch, and where to put it.
struct Job {
    text: String,
    url: Result<Url, FetchError>,
    file: Option<NewFile>,
}

impl Job {
    fn new(text: String, plan: &mut Plan) -> Job {
        let url = Url::parse(&text).map_err(FetchError::from);
        let file = url.as_ref().ok().and_then(|url| plan.file_for(url));
        Job { text, url, file }
    }
}

/// Fetches one page after the other, until none is left.
async fn work(jobs: Rc<RefCell<VecDeque<Job>>>, limit: Duration, report: Rc<Report>) {
    loop {
        let Some(job) = jobs.borrow_mut().pop_front() else {
            return;
        };
        let begun = Instant::now();
        let result = match timeout(limit, fetch(job.url, job.file)).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::Timeout(limit)),
        };
        report.page(&job.text, &result, begun.elapsed());
    }
}

/// Streams a page to its file, or to nowhere. A file is kept only if the page is complete.
async fn fetch(url: Result<Url, FetchError>, file: Option<NewFile>) -> Result<Page, FetchError> {
    let url = url?;
    let Some(file) = file else {
        return client::get(&url, &mut io::sink()).await;
    };
    let mut file = file.create()?;
    let page = client::get(&url, &mut file).await?;
    file.flush()?;
    file.keep();
    Ok(page)
}
