//! One sample: which processes take it, and what they say.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::plan::{Figure, Place};
use super::process::Process;

/// What a sample has, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    figures: BTreeMap<String, f64>,
}

impl Sample {
    /// Reads words such as `count=1000`; `none` is for a peer that cannot do the workload.
    ///
    /// # Errors
    ///
    /// It has another form.
    pub fn parse(line: &str) -> Result<Option<Sample>, Box<dyn Error>> {
        if line == "none" {
            return Ok(None);
        }
        let pair = |word: &str| {
            let (name, figure) = word.split_once('=')?;
            Some((name.to_owned(), figure.parse().ok()?))
        };
        let figures = line.split_whitespace().map(pair).collect::<Option<_>>();
        let figures = figures.ok_or_else(|| format!("no sample: {line}"))?;
        Ok(Some(Sample { figures }))
    }

    /// A figure by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.figures.get(name).copied()
    }

    /// The figure of a workload.
    pub fn figure(&self, figure: Figure) -> Option<f64> {
        let each = |name| Some(self.get(name)? / self.get("count")?);
        match figure {
            Figure::Wall => each("wall_ns"),
            Figure::Cpu => each("cpu_ns"),
            Figure::Rate => each("wall_ns").map(|ns| 1e9 / ns),
            Figure::Named(name) => self.get(name),
        }
    }
}

/// What to take a sample of.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The peer.
    pub peer: &'a str,
    /// The workload.
    pub workload: &'a str,
    /// Where it runs.
    pub place: Place,
    /// Operations.
    pub count: u64,
    /// How many there are of what the workload has many of.
    pub size: u64,
}

/// Takes it; `None` if the peer cannot do this workload.
///
/// # Errors
///
/// A process fails, or takes too long.
pub fn take(program: &Path, request: Request<'_>) -> Result<Option<Sample>, Box<dyn Error>> {
    let (own, client) = match request.place {
        Place::One => ("0", None),
        Place::Two => ("0,1", None),
        Place::Server => ("0", Some("1")),
        Place::ServerWithClient => ("0", Some("0")),
    };
    let workload = match client {
        None => request.workload,
        Some(_) if request.workload.starts_with("echo") => "echo",
        Some(_) => request.workload,
    };
    let numbers = [request.count, request.size].map(|number| number.to_string());
    let mut command = Command::new(program);
    command.args([own, request.peer, workload]).args(&numbers);
    if request.workload == "blocking4" {
        // smol's pool takes its size from nowhere else.
        command.env("BLOCKING_MAX_THREADS", "4");
    }
    if request.workload.starts_with("scale") {
        // Else the first large block that is freed after a million small ones waits while glibc joins these.
        command.env("GLIBC_TUNABLES", "glibc.malloc.mxfast=0");
    }
    let mut process = Process::start(&mut command)?;
    let line = process.line(LIMIT)?;
    let Some(core) = client else {
        return Sample::parse(&line);
    };
    let Some(port) = line.strip_prefix("port=") else {
        return Sample::parse(&line);
    };
    let server = process.id().to_string();
    let words = [core, "client", request.workload, &numbers[0], port, &server];
    let mut client = Process::start(Command::new(program).args(words))?;
    Sample::parse(&client.line(LIMIT)?)
}

/// No sample takes longer.
const LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_made_for_one_operation() {
        let line = "count=1000 wall_ns=5000 cpu_ns=4000 bytes=160.5";
        let sample = Sample::parse(line).unwrap().unwrap();
        assert_eq!(sample.figure(Figure::Wall), Some(5.0));
        assert_eq!(sample.figure(Figure::Cpu), Some(4.0));
        assert_eq!(sample.figure(Figure::Rate), Some(2e8));
        assert_eq!(sample.figure(Figure::Named("bytes")), Some(160.5));
        assert_eq!(sample.figure(Figure::Named("late_us")), None);
    }

    #[test]
    fn what_a_peer_cannot_do_is_no_error() {
        assert_eq!(Sample::parse("none").unwrap(), None);
        assert!(Sample::parse("thread main panicked").is_err());
    }
}
