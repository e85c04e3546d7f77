//! `timeout`, `timeout_at`, and the timeout whose deadline moves.

use std::cell::Cell;
use std::future::{Future, IntoFuture};
use std::rc::Rc;
use std::time::Duration;

use ouroloop_core::with_running;
use ouroloop_task::{Cancelled, Scope, ScopeHandle, current_task, current_task_key};

use crate::caller::Caller;
use crate::error::TimeoutError;

/// Runs `future`, or awaits a task or a promise, for at most `delay`; `None` is no limit. asyncio's
/// `async with timeout(delay)`.
///
/// At the deadline what `future` is waiting for is cancelled, as `cancel()` would, and it unwinds
/// up to here. It may catch that and clean up, for as long as it likes. What runs beside this in a `join!`
/// goes on.
///
/// # Errors
///
/// [`TimeoutError`] if the deadline passed and `future` ended cancelled for it. If it caught the
/// cancellation and came to a value all the same, that value is given.
///
/// # Cancellation
///
/// A cancellation from outside goes through: it is never turned into a `TimeoutError`, also when
/// the deadline passes in the same iteration. Either way `future` is dropped, and with it what it did
/// not finish.
///
/// # Ordering
///
/// A `future` that never suspends is not cut off, even with a `delay` of nothing. What is set or
/// put by a callback in the iteration of the deadline comes too late.
///
/// # Panics
///
/// Outside of a task, when it is first polled.
///
/// # Examples
///
/// ```
/// use ouroloop::{Runner, TimeoutError, VirtualClock, sleep, timeout};
/// use std::time::Duration;
///
/// Runner::new().clock(VirtualClock::new()).run(async {
///     let second = Duration::from_secs(1);
///     assert_eq!(timeout(second, async { 42 }).await, Ok(42));
///     assert_eq!(timeout(second, sleep(2 * second)).await, Err(TimeoutError));
///     timeout(None, sleep(2 * second)).await?; // no limit
///     Ok::<_, TimeoutError>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn timeout<F: IntoFuture>(
    delay: impl Into<Option<Duration>>,
    future: F,
) -> impl Future<Output = Result<F::Output, TimeoutError>> {
    timeout_for(Caller::of("timeout"), delay.into(), future)
}

/// [`timeout`] on behalf of a function of this crate.
pub(crate) async fn timeout_for<F: IntoFuture>(
    caller: Caller,
    delay: Option<Duration>,
    future: F,
) -> Result<F::Output, TimeoutError> {
    let guard = Guard::enter(caller);
    if let Some(delay) = delay {
        guard.scope.set_delay(delay);
    }
    let caught = guard.scope.catch(future.into_future()).await;
    match guard.exit(caught) {
        Ok(outcome) => outcome,
        Err(cancelled) => cancelled.raise().await,
    }
}

/// Runs `future` until `when` on the clock of the loop, at most: asyncio's `async with timeout_at(when)`.
///
/// As [`timeout`] but for the deadline, which is a time since the loop's beginning of time, as
/// `event_loop.time()` gives it. Use it where several steps share one deadline.
///
/// # Errors
///
/// [`TimeoutError`] if the deadline passed and `future` ended cancelled for it.
///
/// # Cancellation
///
/// As for [`timeout`].
///
/// # Ordering
///
/// As for [`timeout`]. A deadline that has passed takes effect in the next iteration.
///
/// # Panics
///
/// Outside of a task, when it is first polled.
///
/// # Examples
///
/// ```
/// use ouroloop::{Runner, TimeoutError, VirtualClock, get_running_loop, sleep, timeout_at};
/// use std::time::Duration;
///
/// Runner::new().clock(VirtualClock::new()).run(async {
///     let second = Duration::from_secs(1);
///     let deadline = get_running_loop().unwrap().time() + 3 * second;
///     assert_eq!(timeout_at(deadline, sleep(2 * second)).await, Ok(()));
///     assert_eq!(timeout_at(deadline, sleep(2 * second)).await, Err(TimeoutError));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn timeout_at<F: IntoFuture>(
    when: impl Into<Option<Duration>>,
    future: F,
) -> impl Future<Output = Result<F::Output, TimeoutError>> {
    let caller = Caller::of("timeout_at");
    let when = when.into();
    async move {
        let guard = Guard::enter(caller);
        guard.scope.set_deadline(when);
        let caught = guard.scope.catch(future.into_future()).await;
        match guard.exit(caught) {
            Ok(outcome) => outcome,
            Err(cancelled) => cancelled.raise().await,
        }
    }
}

/// Runs `body` with a timeout that it can ask and move: asyncio's `async with timeout(delay) as t`.
///
/// See [`timeout`] for what happens at the deadline.
///
/// # Errors
///
/// [`TimeoutError`] if the deadline passed and the body ended cancelled for it.
///
/// # Cancellation
///
/// As for [`timeout`].
///
/// # Ordering
///
/// As for [`timeout`].
///
/// # Panics
///
/// Outside of a task, when it is first polled.
///
/// # Examples
///
/// ```
/// use ouroloop::{Runner, VirtualClock, get_running_loop, sleep, timeout_scope};
/// use std::time::Duration;
///
/// Runner::new().clock(VirtualClock::new()).run(async {
///     let second = Duration::from_secs(1);
///     timeout_scope(second, async |t| {
///         for _ in 0..10 {
///             // As long as something arrives, the second begins anew.
///             t.reschedule(get_running_loop().unwrap().time() + second).unwrap();
///             sleep(second / 2).await;
///         }
///     })
///     .await
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Timeout")]
#[track_caller]
pub fn timeout_scope<R>(
    delay: impl Into<Option<Duration>>,
    body: impl AsyncFnOnce(Timeout) -> R,
) -> impl Future<Output = Result<R, TimeoutError>> {
    let caller = Caller::of("timeout_scope");
    let delay = delay.into();
    async move {
        caller.check_running();
        run_scope(caller, delay.map(from_now), body).await
    }
}

/// Runs `body` with a timeout that it can ask and move, and whose deadline is on the clock of the loop:
/// asyncio's `async with timeout_at(when) as t`.
///
/// As [`timeout_scope`] but for the deadline.
///
/// # Errors
///
/// [`TimeoutError`] if the deadline passed and the body ended cancelled for it.
///
/// # Cancellation
///
/// As for [`timeout`].
///
/// # Ordering
///
/// As for [`timeout`]. A deadline that has passed takes effect in the next iteration.
///
/// # Panics
///
/// Outside of a task, when it is first polled.
///
/// # Examples
///
/// ```
/// use ouroloop::{get_running_loop, timeout_scope_at};
/// use std::time::Duration;
///
/// ouroloop::run(async {
///     let deadline = get_running_loop().unwrap().time() + Duration::from_secs(1);
///     timeout_scope_at(deadline, async |t| assert_eq!(t.when(), Some(deadline))).await
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn timeout_scope_at<R>(
    when: impl Into<Option<Duration>>,
    body: impl AsyncFnOnce(Timeout) -> R,
) -> impl Future<Output = Result<R, TimeoutError>> {
    run_scope(Caller::of("timeout_scope_at"), when.into(), body)
}

async fn run_scope<R>(
    caller: Caller,
    when: Option<Duration>,
    body: impl AsyncFnOnce(Timeout) -> R,
) -> Result<R, TimeoutError> {
    let guard = Guard::enter(caller);
    guard.scope.set_deadline(when);
    let timeout = Timeout {
        inner: Rc::new(Inner {
            scope: guard.scope.handle(),
            when: Cell::new(when),
            exited: Cell::new(None),
        }),
    };
    let caught = guard.scope.catch(body(timeout.clone())).await;
    timeout.inner.exited.set(Some(guard.scope.expired()));
    match guard.exit(caught) {
        Ok(outcome) => outcome,
        Err(cancelled) => cancelled.raise().await,
    }
}

/// A timeout under way: what the body of a [`timeout_scope`] is given. Clones are the same timeout.
///
/// # Examples
///
/// ```
/// use ouroloop::{Runner, Timeout, TimeoutStateError, VirtualClock, sleep, timeout_scope};
/// use std::{cell::RefCell, time::Duration};
///
/// Runner::new().clock(VirtualClock::new()).run(async {
///     let kept = RefCell::new(None::<Timeout>);
///     timeout_scope(Duration::from_secs(1), async |t| {
///         kept.replace(Some(t));
///         sleep(Duration::from_secs(2)).await;
///     })
///     .await
///     .unwrap_err();
///     let t = kept.take().unwrap();
///     assert!(t.expired());
///     assert_eq!(t.reschedule(None), Err(TimeoutStateError::Finished));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct Timeout {
    inner: Rc<Inner>,
}

struct Inner {
    scope: ScopeHandle,
    when: Cell<Option<Duration>>,
    /// Once its body has ended: whether it had expired.
    exited: Cell<Option<bool>>,
}

/// Why a timeout cannot be moved: what [`Timeout::reschedule`] gives.
///
/// Move it while its body runs and its deadline is ahead. [`Timeout`] has an example.
///
/// # Examples
///
/// ```
/// use ouroloop::{TimeoutError, TimeoutStateError, timeout_scope};
///
/// ouroloop::run(async {
///     let t = timeout_scope(None, async |t| t).await?;
///     assert_eq!(t.reschedule(None), Err(TimeoutStateError::Finished));
///     Ok::<_, TimeoutError>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeoutStateError {
    /// It expired, and its body is being cancelled.
    #[error("the timeout expired already; reschedule it before its deadline")]
    Expired,
    /// Its body has ended.
    #[error("the timeout is finished; reschedule it within its body")]
    Finished,
}

impl Timeout {
    /// Gives the deadline on the clock of the loop; `None` if there is no limit.
    pub fn when(&self) -> Option<Duration> {
        self.inner.when.get()
    }

    /// Moves the deadline to `when` on the clock of the loop; `None` removes it.
    ///
    /// [`timeout_scope`] has an example.
    ///
    /// # Errors
    ///
    /// [`TimeoutStateError::Expired`] once it has expired, [`TimeoutStateError::Finished`] once its body has
    /// ended.
    ///
    /// # Ordering
    ///
    /// A deadline that has passed already takes effect in the next iteration.
    pub fn reschedule(&self, when: impl Into<Option<Duration>>) -> Result<(), TimeoutStateError> {
        if self.inner.exited.get().is_some() {
            return Err(TimeoutStateError::Finished);
        }
        if self.expired() {
            return Err(TimeoutStateError::Expired);
        }
        let when = when.into();
        self.inner.when.set(when);
        self.inner.scope.set_deadline(when);
        Ok(())
    }

    /// Tells whether the deadline passed while the body ran.
    pub fn expired(&self) -> bool {
        match self.inner.exited.get() {
            Some(expired) => expired,
            None => self.inner.scope.expired(),
        }
    }
}

/// The scope of a timeout, and how many requests to cancel its task had when it was entered.
struct Guard {
    scope: Scope,
    /// The task that it began in, and the requests that concerned it then.
    task: u64,
    cancelling: u32,
}

impl Guard {
    #[inline]
    fn enter(caller: Caller) -> Guard {
        caller.check_running();
        let scope = Scope::new();
        let Some(task) = scope.current_task_key() else {
            caller.panic_outside_of_a_task();
        };
        Guard {
            task,
            cancelling: scope.cancelling(),
            scope,
        }
    }

    /// The outcome, or the cancellation that goes on.
    fn exit<T>(self, caught: Result<T, Cancelled>) -> Result<Result<T, TimeoutError>, Cancelled> {
        let expired = self.scope.expired();
        self.scope.set_deadline(None);
        self.scope.close();
        // Its own request is taken back; others, made since, want the cancellation to go on. What
        // it began in may not be the task that it ends in.
        let alone = expired
            && current_task().is_some_and(|task| {
                let same = current_task_key() == Some(self.task);
                let before = if same { self.cancelling } else { 0 };
                task.uncancel() <= before
            });
        match caught {
            Ok(value) => Ok(Ok(value)),
            Err(_) if alone => Ok(Err(TimeoutError)),
            Err(cancelled) => Err(cancelled),
        }
    }
}

/// The time of the running loop after `delay`: its caller has seen that one is running.
pub(crate) fn from_now(delay: Duration) -> Duration {
    let now = with_running(|running| running.map(|running| running.time()));
    now.expect("the caller has looked").saturating_add(delay)
}
