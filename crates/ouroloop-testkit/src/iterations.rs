//! Iterations of the loop: running a few of them, and counting them.

use std::future::IntoFuture;

use ouroloop_core::LoopRef;

use crate::time::running_loop;

/// Runs so many iterations of a loop; none of them sleeps.
///
/// # Panics
///
/// If the loop is running or closed.
///
/// # Examples
///
/// ```
/// use ouroloop::testkit::{Log, TestLoop, run_iterations, running_loop};
///
/// let (test_loop, log) = (TestLoop::new(), Log::default());
/// let again = log.line("again");
/// test_loop.call_soon(|| drop(running_loop().call_soon(again)))?;
/// run_iterations(&test_loop, 1);
/// assert_eq!(log.take(), "", "what a callback schedules runs an iteration later");
/// run_iterations(&test_loop, 1);
/// assert_eq!(log.take(), "again");
/// # Ok::<(), ouroloop::LoopError>(())
/// ```
#[track_caller]
pub fn run_iterations(event_loop: &LoopRef, count: usize) {
    for _ in 0..count {
        event_loop.stop();
        if let Err(error) = event_loop.run_once() {
            panic!("the loop cannot run an iteration: {error}");
        }
    }
}

/// How many iterations the running loop has begun.
///
/// # Panics
///
/// If no loop is running in this thread.
///
/// # Examples
///
/// ```
/// use ouroloop::{bare_yield, run, testkit::iteration};
///
/// run(async {
///     let before = iteration();
///     bare_yield().await;
///     assert_eq!(iteration(), before + 1);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn iteration() -> u64 {
    running_loop().statistics().iterations
}

/// How many iterations of the loop an await takes, and what it gives.
///
/// asyncio's order is made of these hops: who waits for one thing more goes on an iteration later.
///
/// # Cancellation
///
/// As that of `future`.
///
/// # Panics
///
/// If it is not polled in a running loop.
///
/// # Examples
///
/// ```
/// use ouroloop::{bare_yield, create_task, run, testkit::hops};
///
/// run(async {
///     assert_eq!(hops(bare_yield()).await.0, 1);
///     let (count, value) = hops(create_task(async { 7 })).await;
///     assert_eq!((count, value.unwrap()), (2, 7), "its step, and then the caller's");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub async fn hops<T>(future: impl IntoFuture<Output = T>) -> (u64, T) {
    let before = iteration();
    let value = future.await;
    (iteration() - before, value)
}
