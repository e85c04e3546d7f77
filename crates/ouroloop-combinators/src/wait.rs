//! `wait`.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ouroloop_core::LoopRef;
use ouroloop_task::{AsFutureRef, Eventual, FutureRef, Task, TaskError, Waiter};

use crate::caller::Caller;
use crate::error::WaitError;
use crate::timeout::from_now;
use crate::watched::Watch;

/// When [`wait`] returns: asyncio's `return_when`.
///
/// asyncio's names [`ALL_COMPLETED`], [`FIRST_COMPLETED`] and [`FIRST_EXCEPTION`] are there as well, and are how it
/// is printed.
///
/// # Examples
///
/// ```
/// use ouroloop::{FIRST_EXCEPTION, create_task, wait};
/// use std::future::pending;
///
/// ouroloop::run(async {
///     let (never, panics) = (create_task(pending()), create_task(async { panic!("out of paper") }));
///     let (done, _) = wait([&never, &panics]).return_when(FIRST_EXCEPTION).await.unwrap();
///     assert!(done[0].exception().unwrap().is_some());
///     never.cancel();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReturnWhen {
    /// When all are done.
    #[default]
    AllCompleted,
    /// When any is done.
    FirstCompleted,
    /// When any ended in an error that is not a cancellation, or all are done.
    ///
    /// An `Err` among the values of a task counts if the task was told so: see [`Wait::expect_errors`].
    FirstException,
}

/// asyncio's names: `FIRST_COMPLETED` and so on.
impl fmt::Display for ReturnWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ReturnWhen::AllCompleted => "ALL_COMPLETED",
            ReturnWhen::FirstCompleted => "FIRST_COMPLETED",
            ReturnWhen::FirstException => "FIRST_EXCEPTION",
        })
    }
}

/// [`ReturnWhen::AllCompleted`], by asyncio's name.
pub const ALL_COMPLETED: ReturnWhen = ReturnWhen::AllCompleted;
/// [`ReturnWhen::FirstCompleted`], by asyncio's name.
pub const FIRST_COMPLETED: ReturnWhen = ReturnWhen::FirstCompleted;
/// [`ReturnWhen::FirstException`], by asyncio's name.
pub const FIRST_EXCEPTION: ReturnWhen = ReturnWhen::FirstException;

/// Waits for tasks or promises, and sorts them into those that are done and those that are not:
/// asyncio's `wait`.
///
/// Neither a failure nor the end of the time is an error here, and nothing is cancelled. It takes
/// tasks, promises, gathers, or references to them; not coroutines, which could not be told apart
/// afterwards. Those of different types go in as [`FutureRef`]s:
/// `wait([task.as_future_ref(), promise.as_future_ref()])`.
///
/// **With [`FIRST_EXCEPTION`] the `Err` of a task does not count by itself.** It is a value, which `wait` cannot tell
/// from others; panics count. Say [`expect_errors`](Wait::expect_errors) where the tasks give `Result`s.
///
/// # Errors
///
/// [`WaitError::EmptySet`] if there is nothing to wait for; [`WaitError::WrongLoop`] and
/// [`WaitError::LoopClosed`] if one that is not done belongs to another loop, or to one that is closed: it would
/// be waited for in vain. Whether it does is looked at once, at the first poll.
///
/// # Cancellation
///
/// The tasks are left alone, and those that were given by value are detached.
///
/// # Ordering
///
/// Both lists are in the order given. All that ended in the iteration that ended the wait are
/// among the done.
///
/// # Panics
///
/// When it is first polled, if no loop is running in this thread.
///
/// # Differences from asyncio
///
/// Two lists instead of two sets.
///
/// # Examples
///
/// ```
/// use ouroloop::{FIRST_COMPLETED, create_task, sleep, wait};
/// use std::time::Duration;
///
/// ouroloop::run(async {
///     let quick = create_task(async {});
///     let slow = create_task(sleep(Duration::from_secs(3600)));
///     let (done, pending) = wait([&quick, &slow]).return_when(FIRST_COMPLETED).await.unwrap();
///     assert_eq!((done.len(), pending.len()), (1, 1));
///     assert!(quick.done() && !slow.done());
///     slow.cancel();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn wait<I>(items: I) -> Wait<I::Item>
where
    I: IntoIterator,
    I::Item: AsFutureRef,
{
    Wait {
        items: items.into_iter().collect(),
        caller: Caller::of("wait"),
        limit: None,
        return_when: ReturnWhen::default(),
        waiting: None,
    }
}

/// A [`wait`] that is not awaited yet: say for how long, and for which of them.
///
/// # Cancellation
///
/// As described for [`wait`].
///
/// # Examples
///
/// ```
/// use ouroloop::{Runner, VirtualClock, create_future, wait};
/// use std::time::Duration;
///
/// Runner::new().clock(VirtualClock::new()).run(async {
///     let never = create_future::<()>();
///     let (done, pending) = wait([never.future()]).timeout(Duration::from_secs(1)).await.unwrap();
///     assert!(done.is_empty() && pending.len() == 1);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "nothing is waited for unless this is awaited"]
pub struct Wait<W> {
    items: Vec<W>,
    caller: Caller,
    limit: Option<Duration>,
    return_when: ReturnWhen,
    /// The callbacks on what is waited for, and what they fire.
    waiting: Option<(Waiter, Watch)>,
}

impl<W> Wait<W> {
    /// Lets it return after this time at the latest, counted from the first poll; `None` is no limit.
    ///
    /// # Cancellation
    ///
    /// As described for [`wait`].
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Wait<W> {
        self.limit = limit.into();
        self
    }

    /// Says how many have to be done.
    ///
    /// # Cancellation
    ///
    /// As described for [`wait`].
    pub fn return_when(mut self, return_when: ReturnWhen) -> Wait<W> {
        self.return_when = return_when;
        self
    }
}

impl<W: ResultTask> Wait<W> {
    /// Says that an `Err` of a task is an error, which [`FIRST_EXCEPTION`] stops at.
    ///
    /// For tasks that give `Result`s, or references to such; it is [`Task::expect_errors`] for each. As in
    /// asyncio, an error that nobody looks at afterwards is reported.
    ///
    /// # Cancellation
    ///
    /// As described for [`wait`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{FIRST_EXCEPTION, Task, create_task, wait};
    /// use std::{future::pending, io};
    ///
    /// ouroloop::run(async {
    ///     let never: Task<io::Result<()>> = create_task(pending());
    ///     let fails = create_task(async { Err(io::Error::other("out of paper")) });
    ///     let (done, pending) =
    ///         wait([never, fails]).expect_errors().return_when(FIRST_EXCEPTION).await.unwrap();
    ///     assert!(done[0].result().unwrap().is_err()); // looked at, so it is not reported
    ///     pending[0].cancel();
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn expect_errors(self) -> Wait<W> {
        self.items.iter().for_each(W::expect_errors);
        self
    }
}

/// A task that gives a `Result`, or a reference to one: what [`Wait::expect_errors`] is for. Programs need not name
/// it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no task that gives a `Result`",
    note = "only the `Err` of a task can be told to be an error; panics and the errors of promises are errors anyway"
)]
pub trait ResultTask: AsFutureRef {
    /// Says that an `Err` of the task is an error: [`Task::expect_errors`].
    fn expect_errors(&self);
}

impl<T, E> ResultTask for Task<Result<T, E>> {
    fn expect_errors(&self) {
        Task::expect_errors(self);
    }
}

impl<T, E> ResultTask for Eventual<Result<T, E>> {
    fn expect_errors(&self) {
        Eventual::expect_errors(self);
    }
}

impl<W: ResultTask + ?Sized> ResultTask for &W {
    fn expect_errors(&self) {
        (**self).expect_errors();
    }
}

impl<W: ResultTask + ?Sized> ResultTask for Rc<W> {
    fn expect_errors(&self) {
        (**self).expect_errors();
    }
}

impl<W> Unpin for Wait<W> {}

impl<W: AsFutureRef> Future for Wait<W> {
    type Output = Result<(Vec<W>, Vec<W>), WaitError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.items.is_empty() {
            return Poll::Ready(Err(WaitError::EmptySet));
        }
        let (waiter, _) = match &mut this.waiting {
            Some(waiting) => waiting,
            None => {
                let event_loop = this.caller.running_loop();
                let futures = this.items.iter().map(W::as_future_ref);
                if let Some(error) = futures.clone().find_map(|it| misuse(&it, &event_loop)) {
                    return Poll::Ready(Err(error));
                }
                let (waiter, watch) = watch(futures, this.return_when, this.caller);
                if let Some(limit) = this.limit {
                    // The loop is running, so it is not closed.
                    let _ = waiter.fire_at(from_now(limit));
                }
                this.waiting.insert((waiter, watch))
            }
        };
        ready!(Pin::new(waiter).poll(cx));
        this.waiting = None;
        let items = std::mem::take(&mut this.items);
        Poll::Ready(Ok(items
            .into_iter()
            .partition(|item| item.as_future_ref().done())))
    }
}

/// Why waiting for one of them in this loop would never end, if so.
fn misuse(future: &FutureRef, event_loop: &LoopRef) -> Option<WaitError> {
    future.misuse_on(event_loop).map(|error| match error {
        TaskError::LoopClosed => WaitError::LoopClosed,
        _ => WaitError::WrongLoop,
    })
}

/// Calls back when enough of them are done.
fn watch(
    futures: impl Iterator<Item = FutureRef>,
    return_when: ReturnWhen,
    caller: Caller,
) -> (Waiter, Watch) {
    let watch = Watch::new(caller);
    if return_when != ReturnWhen::AllCompleted {
        watch.any_is_enough();
    }
    let waiter = Waiter::on(watch.watched());
    let mut seen = HashSet::new();
    let unique: Vec<_> = futures
        .filter(|future| seen.insert(future.clone()))
        .collect();
    let left = Rc::new(Cell::new(unique.len()));
    for future in unique {
        let left = left.clone();
        let key = waiter.key();
        watch.add(future, move |done| {
            left.set(left.get() - 1);
            let enough = match return_when {
                ReturnWhen::AllCompleted => false,
                ReturnWhen::FirstCompleted => true,
                ReturnWhen::FirstException => done.ended_in_error(),
            };
            if enough || left.get() == 0 {
                key.fire();
            }
        });
    }
    (waiter, watch)
}
