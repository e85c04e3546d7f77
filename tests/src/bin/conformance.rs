//! `conformance [FILE...] [--show NAME]`: our traces beside those of CPython's asyncio.
//!
//! Without a file it takes the project's own corpus. It prints the first differing line of each
//! scenario that fails, and ends with the counts. The exit status is 1 if any failed, and 2 if the
//! arguments or a file are no good. `--show` runs the scenario of that name, and prints both of
//! its traces.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use ouroloop_tests::conformance::{
    Report, Scenario, Verdict, corpus_files, read_corpus, side_by_side,
};

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let arguments = Arguments::parse(std::env::args().skip(1));
    match arguments.and_then(|it| compare(&it, &mut out)) {
        Ok(report) => ExitCode::from(u8::from(report.failed > 0)),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

struct Arguments {
    files: Vec<PathBuf>,
    show: Option<String>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
        let mut arguments = Arguments {
            files: Vec::new(),
            show: None,
        };
        while let Some(word) = words.next() {
            if word == "--show" {
                let name = words.next().ok_or("--show wants the name of a scenario")?;
                arguments.show = Some(name);
            } else if word.starts_with('-') {
                return Err(format!("{word} is unknown; {USAGE}").into());
            } else {
                arguments.files.push(word.into());
            }
        }
        if arguments.files.is_empty() {
            arguments.files = corpus_files()?;
        }
        Ok(arguments)
    }
}

fn compare(arguments: &Arguments, out: &mut impl Write) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::default();
    let shown = |scenario: &Scenario| arguments.show.as_ref() == Some(&scenario.name);
    for file in &arguments.files {
        for scenario in read_corpus(file)? {
            if arguments.show.is_some() && !shown(&scenario) {
                continue;
            }
            let (verdict, run) = Verdict::of(&scenario);
            report.count(&verdict);
            if shown(&scenario) {
                write!(out, "{}", side_by_side(&scenario.trace, &run.trace))?;
            }
            if let Verdict::Failed { difference } = verdict {
                writeln!(out, "{}: {difference}", scenario.name)?;
            }
        }
    }
    if let (Some(name), true) = (&arguments.show, report == Report::default()) {
        return Err(format!("no scenario is named {name}").into());
    }
    writeln!(out, "{report}")?;
    Ok(report)
}

const USAGE: &str = "usage: conformance [FILE...] [--show NAME]";
