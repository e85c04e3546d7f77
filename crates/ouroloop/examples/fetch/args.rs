//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Fetches pages over HTTP, many at once. Without URLs it starts a small server and fetches twenty
/// pages from that.
#[derive(Debug, Parser)]
#[command(name = "fetch")]
pub struct Args {
    /// How many pages to fetch at once
    #[arg(long, value_name = "N", default_value = "20")]
    pub concurrency: NonZeroUsize,

    /// For how long a page may take
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout: Duration,

    /// Where to save the pages, named after the last part of their URLs
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// The pages, of the form http://host:port/path
    #[arg(value_name = "URL")]
    pub urls: Vec<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(limit) if !limit.is_zero() => Ok(limit),
        _ => Err("not a time above zero".into()),
    }
}
