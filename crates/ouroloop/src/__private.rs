//! What the attributes `main` and `test` expand to. Not for others: it changes without notice.

use std::future::Future;
use std::io::{self, Write};
use std::process::{ExitCode, Termination};

use crate::Runner;
use ouroloop_core::{Clock, VirtualClock};

/// The options of `#[ouroloop::main]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MainOptions {
    debug: Option<bool>,
}

impl MainOptions {
    /// None given: the environment decides about debug mode.
    pub const fn new() -> MainOptions {
        MainOptions { debug: None }
    }

    /// Debug mode, whatever the environment says.
    #[must_use]
    pub const fn debug(self, on: bool) -> MainOptions {
        MainOptions { debug: Some(on) }
    }
}

/// The options of `#[ouroloop::test]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TestOptions {
    start_paused: bool,
    #[cfg(feature = "testkit")]
    seed: Option<u64>,
    #[cfg(feature = "testkit")]
    seeds: u64,
}

/// The number of a seed: there is none without the test kit.
#[diagnostic::on_unimplemented(
    message = "the options `seed` and `seeds` need the feature `testkit` of the crate `ouroloop`",
    label = "in the options of this attribute",
    note = "in Cargo.toml: [dev-dependencies] ouroloop = {{ version = \"...\", features = [\"testkit\"] }}"
)]
pub trait SeedNumber {
    /// The number.
    fn number(self) -> u64;
}

#[cfg(feature = "testkit")]
impl SeedNumber for u64 {
    fn number(self) -> u64 {
        self
    }
}

impl TestOptions {
    /// None given: real time.
    pub const fn new() -> TestOptions {
        TestOptions {
            start_paused: false,
            #[cfg(feature = "testkit")]
            seed: None,
            #[cfg(feature = "testkit")]
            seeds: 0,
        }
    }

    /// Virtual time.
    #[must_use]
    pub const fn start_paused(mut self, on: bool) -> TestOptions {
        self.start_paused = on;
        self
    }
}

#[cfg(feature = "testkit")]
impl TestOptions {
    /// The schedule of one seed.
    #[must_use]
    pub fn seed(mut self, seed: impl SeedNumber) -> TestOptions {
        self.seed = Some(seed.number());
        self
    }

    /// The schedules of so many seeds.
    #[must_use]
    pub fn seeds(mut self, seeds: impl SeedNumber) -> TestOptions {
        self.seeds = seeds.number();
        self
    }
}

/// No number is one here, so that the missing feature is what the compiler reports.
#[cfg(not(feature = "testkit"))]
impl TestOptions {
    /// The schedule of one seed.
    #[must_use]
    pub fn seed(self, _seed: impl SeedNumber) -> TestOptions {
        self
    }

    /// The schedules of so many seeds.
    #[must_use]
    pub fn seeds(self, _seeds: impl SeedNumber) -> TestOptions {
        self
    }
}

/// Runs a program's main function; its value says how the program ends, unless the loop failed it.
#[track_caller]
pub fn run_main<F>(options: MainOptions, main: F) -> ExitCode
where
    F: Future + 'static,
    F::Output: Termination + 'static,
{
    let mut runner = Runner::new();
    if let Some(debug) = options.debug {
        runner = runner.debug(debug);
    }
    match runner.run_and_close(main) {
        Ok(value) => value.report(),
        Err(error) => {
            // `eprintln!` would panic if it cannot be written.
            let _ = writeln!(io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a test's function and gives its value to the harness.
///
/// # Panics
///
/// The loop could not run it to its end.
#[track_caller]
pub fn run_test<F>(options: TestOptions, test: F) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    let mut runner = Runner::new();
    if options.start_paused {
        runner = runner.clock(Clock::Virtual(VirtualClock::new()));
    }
    match runner.run_and_close(test) {
        Ok(value) => value,
        Err(error) => panic!("the test could not run to its end: {error}"),
    }
}

/// Runs a test's function under the schedule of one seed or of many, and gives the last value to
/// the harness.
///
/// # Panics
///
/// A run has failed, in the sense of the test kit; or there is none.
#[cfg(feature = "testkit")]
#[track_caller]
pub fn explore_test<F>(options: TestOptions, test: impl Fn() -> F) -> F::Output
where
    F: Future<Output: ouroloop_testkit::Verdict> + 'static,
{
    let seeds = match (options.seed, options.seeds) {
        (Some(seed), 0) => seed..=seed,
        (None, seeds @ 1..) => 0..=seeds - 1,
        _ => panic!("give the test either `seed`, or `seeds` of 1 and more"),
    };
    let exploration = ouroloop_testkit::Exploration::new().real_time(!options.start_paused);
    match exploration.explore_to_output(seeds, test) {
        Ok((_, output)) => output.expect("there was a run, and it passed"),
        Err(failure) => panic!("{failure}"),
    }
}

/// Is there so that the lack of the test kit is the only error.
#[cfg(not(feature = "testkit"))]
#[track_caller]
pub fn explore_test<F>(options: TestOptions, test: impl Fn() -> F) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    run_test(options, test())
}
