//! The attributes as a user writes them, over a stand-in for the crate that they expand to.
//!
//! The real one cannot be a dependency here: it depends on this crate.

#![forbid(unsafe_code)]

extern crate self as ouroloop;

use std::cell::Cell;
use std::process::ExitCode;

use ouroloop_macros::test;

/// Runs what is ready at once, and notes how it was asked to.
#[doc(hidden)]
pub mod __private {
    use std::process::{ExitCode, Termination};
    use std::task::{Context, Poll, Waker};

    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    pub struct MainOptions(pub Option<bool>);

    impl MainOptions {
        pub fn new() -> MainOptions {
            MainOptions::default()
        }

        pub fn debug(self, on: bool) -> MainOptions {
            MainOptions(Some(on))
        }
    }

    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    pub struct TestOptions(pub Option<bool>, pub Option<u64>);

    impl TestOptions {
        pub fn new() -> TestOptions {
            TestOptions::default()
        }

        pub fn start_paused(self, on: bool) -> TestOptions {
            TestOptions(Some(on), self.1)
        }

        pub fn seed(self, seed: u64) -> TestOptions {
            TestOptions(self.0, Some(seed))
        }

        pub fn seeds(self, seeds: u64) -> TestOptions {
            TestOptions(self.0, Some(seeds))
        }
    }

    pub fn run_main<F: Future<Output: Termination>>(options: MainOptions, main: F) -> ExitCode {
        super::MAIN_OPTIONS.set(Some(options));
        ready(main).report()
    }

    pub fn run_test<T>(options: TestOptions, test: impl Future<Output = T>) -> T {
        super::TEST_OPTIONS.set(Some(options));
        ready(test)
    }

    pub fn explore_test<T, F>(options: TestOptions, mut test: impl FnMut() -> F) -> T
    where
        F: Future<Output = T>,
    {
        super::TEST_OPTIONS.set(Some(options));
        ready(test());
        ready(test())
    }

    fn ready<T>(future: impl Future<Output = T>) -> T {
        match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("the stand-in has no loop"),
        }
    }
}

thread_local! {
    static MAIN_OPTIONS: Cell<Option<__private::MainOptions>> = const { Cell::new(None) };
    static TEST_OPTIONS: Cell<Option<__private::TestOptions>> = const { Cell::new(None) };
}

mod plain {
    #[ouroloop_macros::main]
    pub(super) async fn main() {}
}

mod failing {
    /// The type of the body is the one that is written: `?` finds what to convert into.
    #[ouroloop_macros::main(debug = false)]
    pub(super) async fn main() -> Result<(), Box<dyn std::error::Error>> {
        let number: u8 = "300".parse()?;
        unreachable!("{number}")
    }
}

mod chosen {
    use std::process::ExitCode;

    #[ouroloop_macros::main(debug = true)]
    pub(super) async fn main() -> ExitCode {
        ExitCode::from(7)
    }
}

#[core::prelude::v1::test]
fn main_ends_as_its_value_says() {
    assert_eq!(plain::main(), ExitCode::SUCCESS);
    assert_eq!(failing::main(), ExitCode::FAILURE);
    assert_eq!(chosen::main(), ExitCode::from(7));
}

#[core::prelude::v1::test]
fn main_passes_debug_on_only_when_it_is_given() {
    let options = |main: fn() -> ExitCode| {
        main();
        MAIN_OPTIONS.take().map(|options| options.0)
    };
    assert_eq!(options(plain::main), Some(None));
    assert_eq!(options(failing::main), Some(Some(false)));
    assert_eq!(options(chosen::main), Some(Some(true)));
}

#[test]
async fn real_time_is_what_one_gets_without_options() {
    assert_eq!(TEST_OPTIONS.take().map(|options| options.0), Some(None));
}

#[test(start_paused)]
async fn time_is_paused_by_the_name_alone() {
    assert_eq!(
        TEST_OPTIONS.take().map(|options| options.0),
        Some(Some(true))
    );
}

#[test(start_paused = false)]
async fn time_is_not_paused_when_it_says_false() {
    assert_eq!(
        TEST_OPTIONS.take().map(|options| options.0),
        Some(Some(false))
    );
}

#[test(seed = 7, start_paused)]
async fn a_seed_goes_with_the_other_options() {
    let options = TEST_OPTIONS.get().map(|options| (options.0, options.1));
    assert_eq!(options, Some((Some(true), Some(7))));
}

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

#[test(seeds = 2)]
async fn a_test_of_many_seeds_is_run_again_and_again() -> Result<(), String> {
    let runs = RUNS.get() + 1;
    RUNS.set(runs);
    assert_eq!(TEST_OPTIONS.get().and_then(|options| options.1), Some(2));
    if runs > 2 {
        Err("too often".into())
    } else {
        Ok(())
    }
}

/// Panics on purpose: were `should_panic` lost, this would fail.
#[test]
#[should_panic(expected = "on purpose")]
async fn should_panic_may_stand_behind_the_attribute() {
    panic!("on purpose");
}

#[should_panic(expected = "on purpose")]
#[test]
async fn should_panic_may_stand_before_the_attribute() {
    panic!("on purpose");
}

#[test]
async fn a_result_is_the_tests_own() -> Result<(), std::num::ParseIntError> {
    let number: u8 = "30".parse()?;
    assert_eq!(number, 30);
    Ok(())
}
