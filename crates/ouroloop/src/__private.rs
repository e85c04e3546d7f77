//! What the attributes `main` and `test` expand to. Not for others: it changes without notice.

use std::future::Future;
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
}

impl TestOptions {
    /// None given: real time.
    pub const fn new() -> TestOptions {
        TestOptions {
            start_paused: false,
        }
    }

    /// Virtual time.
    #[must_use]
    pub const fn start_paused(self, on: bool) -> TestOptions {
        TestOptions { start_paused: on }
    }
}

/// Runs a program's main function; its value says how the program ends, unless the loop failed it.
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
            eprintln!("Error: {error}");
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
