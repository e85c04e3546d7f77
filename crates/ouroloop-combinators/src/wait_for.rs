//! `wait_for`.

use std::future::{Future, pending};
use std::time::Duration;

use ouroloop_task::{AsFutureRef, Awaitable, FutureRef, TaskError, Waiter, create_task};

use crate::caller::Caller;
use crate::error::{AwaitError, TimeoutError};
use crate::timeout::timeout_for;
use crate::watched::Watch;

/// Awaits a coroutine or a task for at most `limit`; `None` is no limit. asyncio's `wait_for`.
///
/// A coroutine runs in its caller's place, not as a task of its own. What the limit cuts off is
/// cancelled, and waited for: it may clean up, or come to a value all the same, which is then
/// given. Wrap a task in `shield` to let it go on.
///
/// # Errors
///
/// [`AwaitError::Timeout`] if the time was up first; [`AwaitError::Task`] if the task or promise
/// ended without a value. A coroutine's own `Err` is a value here.
///
/// # Cancellation
///
/// A coroutine is dropped; to a task or promise the request is passed on. It goes through as it is, and is
/// never turned into a timeout.
///
/// # Ordering
///
/// With a limit of nothing a coroutine never starts, and one that is done already gives its
/// result.
///
/// # Panics
///
/// Outside of a task, when it is first polled.
///
/// # Examples
///
/// ```
/// use ouroloop::{AwaitError, Runner, VirtualClock, create_task, sleep, wait_for};
/// use std::time::Duration;
///
/// Runner::new().clock(VirtualClock::new()).run(async {
///     let second = Duration::from_secs(1);
///     assert_eq!(wait_for(async { 42 }, second).await.unwrap(), 42);
///
///     let slow = create_task(sleep(2 * second));
///     let late = wait_for(&slow, second).await;
///     assert!(matches!(late, Err(AwaitError::Timeout(_))));
///     assert!(slow.cancelled());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn wait_for<A: Awaitable>(
    awaitable: A,
    limit: impl Into<Option<Duration>>,
) -> impl Future<Output = Result<A::Output, AwaitError>> {
    let caller = Caller::of("wait_for");
    let limit = limit.into();
    async move {
        if limit == Some(Duration::ZERO) {
            return without_delay(awaitable, caller).await;
        }
        Ok(timeout_for(caller, limit, awaitable.into_awaited()).await??)
    }
}

/// A limit of nothing: the result if it is there, else a cancellation that is waited for.
async fn without_delay<A: Awaitable>(
    awaitable: A,
    caller: Caller,
) -> Result<A::Output, AwaitError> {
    caller.task();
    let Some(future) = awaitable.existing() else {
        // asyncio makes a task of the coroutine and cancels it before its first step.
        drop(awaitable);
        let never = create_task(pending::<()>()).as_future_ref();
        cancel_and_wait(&never, caller).await;
        return Err(TimeoutError.into());
    };
    if future.done() {
        return Ok(awaitable.into_awaited().await?);
    }
    cancel_and_wait(&future, caller).await;
    // Asked of what was awaited, since its output may hold the cancellation in its own error.
    match future.exception() {
        Some(TaskError::Cancelled(_)) => Err(TimeoutError.into()),
        _ => Ok(awaitable.into_awaited().await?),
    }
}

/// Cancels something and waits for its end; a cancellation of the waiting task ends only the wait.
async fn cancel_and_wait(future: &FutureRef, caller: Caller) {
    let watch = Watch::new(caller);
    let waiter = Waiter::on(watch.watched());
    let key = waiter.key();
    watch.add(future.clone(), move |_| {
        key.fire();
    });
    future.cancel();
    waiter.await;
}
