//! A loop on virtual time that forgives no report.

use std::fmt;
use std::future::Future;
use std::ops::Deref;

use ouroloop_core::{EventLoop, LoopRef, VirtualClock};
use ouroloop_task::LoopTasks;

use crate::Reports;

/// A loop on virtual time whose reports must have been read when it goes.
///
/// What a loop tells its exception handler is easily overlooked: an error that nobody has read, a
/// panic in a callback, a task that was still pending. This loop collects it. A test that expects
/// a report [takes](TestLoop::take_reports) it; any other fails when the `TestLoop` is dropped,
/// which closes the loop first.
///
/// It is for tests that drive a loop from outside, several of them maybe, or look at it after the
/// main task. For a test that is one coroutine there is `#[ouroloop::test(start_paused)]`.
///
/// # Panics
///
/// When it is dropped, if there is a report that nobody has taken, or if the loop is running.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use ouroloop::{LoopTasks, create_task, sleep, testkit::TestLoop};
///
/// let test_loop = TestLoop::new();
/// let task = test_loop.run(async { create_task(sleep(Duration::from_secs(3600))) });
/// drop(task);
/// assert_eq!(test_loop.all_tasks().len(), 1);
/// test_loop.close();
/// assert_eq!(test_loop.take_reports(), ["Task was destroyed but it is pending!"]);
/// ```
pub struct TestLoop {
    event_loop: EventLoop,
    reports: Reports,
}

impl TestLoop {
    /// Makes a loop on virtual time, without debug mode.
    ///
    /// # Panics
    ///
    /// If the system refuses it a selector.
    #[track_caller]
    pub fn new() -> TestLoop {
        let clock = VirtualClock::new();
        let event_loop = match EventLoop::builder().clock(clock).debug(false).build() {
            Ok(event_loop) => event_loop,
            Err(error) => panic!("no loop can be made for this test: {error}"),
        };
        let reports = Reports::of(&event_loop);
        TestLoop {
            event_loop,
            reports,
        }
    }

    /// Runs `future` as the main task, and gives its value.
    ///
    /// # Panics
    ///
    /// If the main task has no value: it panics, it is cancelled, or the loop finds that nothing
    /// can ever go on. Whoever expects that calls `run_until_complete`.
    #[track_caller]
    pub fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        match self.event_loop.run_until_complete(future) {
            Ok(value) => value,
            Err(error) => panic!("the main task has no value: {error}"),
        }
    }

    /// The messages of the reports so far; none are left then.
    ///
    /// What else a report says is in those that [`Reports::of`] collects in place of these.
    pub fn take_reports(&self) -> Vec<String> {
        let reports = self.reports.take();
        let messages = reports.iter().map(|report| report.message().to_owned());
        messages.collect()
    }

    /// Closes the loop; what it still owns is dropped, and may be reported.
    ///
    /// # Panics
    ///
    /// If the loop is running.
    #[track_caller]
    pub fn close(&self) {
        if let Err(error) = self.event_loop.close() {
            panic!("the loop of this test cannot be closed: {error}");
        }
    }
}

impl Default for TestLoop {
    #[track_caller]
    fn default() -> TestLoop {
        TestLoop::new()
    }
}

impl Deref for TestLoop {
    type Target = LoopRef;

    fn deref(&self) -> &LoopRef {
        &self.event_loop
    }
}

impl fmt::Debug for TestLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestLoop")
            .field("event_loop", &self.event_loop)
            .field("reports", &self.reports)
            .finish()
    }
}

impl Drop for TestLoop {
    fn drop(&mut self) {
        // A second panic would end the process, and hide the first.
        if std::thread::panicking() {
            return;
        }
        self.close();
        let reports = self.reports.take();
        if !reports.is_empty() {
            let lines: Vec<_> = reports.iter().map(ToString::to_string).collect();
            panic!("reports that nobody took: {lines:#?}");
        }
    }
}
