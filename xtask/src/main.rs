//! The checks and chores of this workspace: `cargo xtask COMMAND`.
//!
//! One file per command. CI runs `cargo xtask test` and nothing else, so what is red there is red
//! at the desk with the same words.

#![forbid(unsafe_code)]

mod bench;
mod ci;
mod command;
mod conformance;
mod docs;
mod layers;
mod loom;
mod miri;
mod steps;
mod stress;
mod table;
mod test;
mod workspace;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::workspace::Workspace;

/// What a command gives: how the program ends, or why it could not do its work at all.
type Outcome = Result<ExitCode, Box<dyn Error>>;

/// The checks and chores of the Ouroloop workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Format, layers, clippy, all tests, conformance, instructions: before every commit (a few minutes)
    ///
    /// Runs what CI runs, in the same order: rustfmt, the layers of the crate graph, clippy with
    /// warnings as errors, every test and documentation example, whether the loom models compile, the traces of asyncio, and the gate
    /// that counts instructions (`bench --gate`), which is skipped without valgrind, or with another
    /// compiler than that of benches/instructions.txt. Stops at the first failure and says which
    /// command repeats it. The first run compiles everything and takes some minutes, a later one less.
    Test(StepArguments),

    /// `test`, each feature by itself, packages, no-std, oldest Rust: before a release (10 minutes)
    ///
    /// Everything of `test`; then each crate by itself without features, with each feature, and
    /// with all; the packages as crates.io would get them; the timer wheel for a target without
    /// std; and the oldest Rust that the crates promise. What needs a target or toolchain that
    /// is not installed is skipped, with the command that installs it.
    Ci(StepArguments),

    /// The order of the crates, and where unsafe, mio and the other guarded things are (1 second)
    ///
    /// Reads the manifests and sources. A crate may depend only on crates above it in the table of
    /// xtask/src/table.rs. Prints what was checked, and for each violation what to do about it.
    Layers,

    /// Compares our traces with those of CPython's asyncio (seconds, after a release build)
    ///
    /// Runs the scenarios of the corpus, or of the files given, in virtual time, and compares the
    /// traces line by line.
    Conformance(conformance::Arguments),

    /// The tests of the crates with unsafe code under Miri (10 minutes and more; needs nightly)
    ///
    /// Undefined behaviour, data races and leaks all fail. What comes after `miri` goes to
    /// `cargo miri test`, a test's name for instance. Without Miri says how to get it and
    /// ends with status 2.
    Miri {
        /// Passed on to `cargo miri test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },

    /// The models of what crosses threads, under loom (minutes)
    ///
    /// Explores every interleaving of the models beside the code, and prints for each how many
    /// executions there were. Has a build folder of its own, since all is built with another cfg.
    Loom,

    /// What crosses threads, for long: 10 million jobs, 10,000 starts and stops (a minute)
    ///
    /// The tests of these things are small copies of what this runs. With `--sanitize-threads` runs the
    /// usual tests under ThreadSanitizer instead, which needs nightly with rust-src, on Linux on x86-64.
    Stress {
        /// The usual tests under ThreadSanitizer instead
        #[arg(long)]
        sanitize_threads: bool,
    },

    /// Our workloads beside those of our peers, as ratios (10 minutes; a few with `--quick`)
    ///
    /// Measures tokio, smol, monoio, compio and glommio in the same run, and writes docs/performance.md with its charts. With
    /// names or `--quick` writes them into the build folder instead. The first run builds the peers, which takes some
    /// minutes. Leave the machine alone meanwhile.
    ///
    /// `--gate` counts instructions under callgrind instead, and fails when a workload needs more than 3 % above what
    /// benches/instructions.txt has (1 minute; needs valgrind). `--gate --update` writes that file.
    Bench(bench::Arguments),

    /// A thousand to a million tasks, timers and waiters: what each costs, and how long the loop pauses (1 minute)
    ///
    /// Everything has to cost the same however many there are. Fails if a step of the loop takes more than 10 milliseconds of
    /// the thread's time; a call that is one for whoever makes it, such as `gather`, is shown apart.
    Scale,

    /// The guide and the documentation of all crates, without a dead link (1 minute)
    ///
    /// Builds both into one site, warnings as errors, and checks every link in it, anchors
    /// included. Links to other sites are listed and not fetched. The guide needs mdBook, which
    /// the first run installs into the build folder (some minutes).
    Docs,
}

/// What the commands made of steps have in common.
#[derive(Args)]
struct StepArguments {
    /// Run the remaining steps after a failure too
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = Workspace::load().and_then(|workspace| dispatch(&workspace, arguments.command));
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn dispatch(workspace: &Workspace, command: Command) -> Outcome {
    match command {
        Command::Test(arguments) => Ok(steps::run(test::steps(workspace), arguments.keep_going)),
        Command::Ci(arguments) => Ok(steps::run(ci::steps(workspace)?, arguments.keep_going)),
        Command::Layers => layers::run(workspace),
        Command::Conformance(arguments) => conformance::run(workspace, &arguments, &current_dir()?),
        Command::Miri { arguments } => miri::run(workspace, &arguments),
        Command::Loom => loom::run(workspace),
        Command::Stress { sanitize_threads } => stress::run(workspace, sanitize_threads),
        Command::Bench(arguments) => bench::run(workspace, &arguments),
        Command::Scale => bench::scale(workspace),
        Command::Docs => docs::run(workspace),
    }
}

fn current_dir() -> Result<PathBuf, Box<dyn Error>> {
    Ok(std::env::current_dir()?)
}
