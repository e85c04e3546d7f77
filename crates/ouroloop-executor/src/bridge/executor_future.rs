//! The future of another thread, as a loop awaits it.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ouroloop_core::{LoopError, LoopRef};
use ouroloop_task::{
    AsFutureRef, Awaitable, CallbackId, Eventual, EventualValue, FutureRef, IntoTask,
    PromiseFuture, PromiseValue, TaskError,
};

use super::Bridge;
use super::link::Link;
use crate::concurrent;
use crate::concurrent::cell::{Shared, Watcher};

/// What comes of a job, as its loop sees it: what `run_in_executor` and `wrap_future` return in asyncio.
///
/// Await it for the result. Dropping it loses nothing but the result: the job goes on.
///
/// # Cancellation
///
/// Cancelling it, or the task that awaits it, ends it at once, and the task unwinds. One iteration later the job is
/// told: if no thread has begun with it, it never runs; else it runs to its end, and what it gives is dropped.
///
/// # Ordering
///
/// When the job is done, its outcome is copied in the next iteration of the loop, and those who wait resume in the one
/// after.
///
/// # Examples
///
/// ```
/// use ouroloop::{gather, run_in_executor};
///
/// ouroloop::run(async {
///     let left = run_in_executor(None, || (1..=5).sum::<u32>());
///     let right = run_in_executor(None, || (6..=10).sum::<u32>());
///     assert!(!left.done());
///     assert_eq!(gather([left, right]).values().await.unwrap(), [15, 40]);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "dropping it loses the result; the job goes on"]
pub struct ExecutorFuture<T: 'static>(Chained<T>);

/// Both sides: what the loop knows, and where the outcome is.
struct Chained<T: 'static> {
    link: Rc<Link>,
    shared: Arc<dyn Shared<T>>,
    /// Somebody asked for the outcome.
    taken: Cell<bool>,
}

impl<T> Chained<T> {
    fn promise(&self) -> PromiseFuture<()> {
        self.link.promise(|| self.shared.clone().erase())
    }

    /// What came of it, once the loop knows.
    fn take(&self) -> Result<T, TaskError> {
        self.taken.set(true);
        self.shared.cell().take()
    }
}

impl<T> Drop for Chained<T> {
    fn drop(&mut self) {
        if !self.taken.get() && !self.link.leave_one_of_many(self.shared.cell()) {
            self.link.abandon(self.shared.clone().erase());
        }
    }
}

impl<T> ExecutorFuture<T> {
    /// Makes what `make` does, which is given whom to tell of the end, known to the loop.
    pub(crate) fn of_watched(
        bridge: &Rc<Bridge>,
        created_at: &'static Location<'static>,
        make: impl FnOnce(Watcher<T>) -> Arc<dyn Shared<T>>,
    ) -> ExecutorFuture<T> {
        let (link, word) = bridge.chain(created_at);
        let shared = make(Watcher::Word(bridge.event_loop.address(), word));
        ExecutorFuture(Chained {
            link,
            shared,
            taken: Cell::new(false),
        })
    }

    /// Makes `future` known to the loop.
    pub(crate) fn of(
        bridge: &Rc<Bridge>,
        future: &concurrent::Future<T>,
        created_at: &'static Location<'static>,
    ) -> ExecutorFuture<T> {
        let mut watcher = None;
        let chained = ExecutorFuture::of_watched(bridge, created_at, |told| {
            watcher = Some(told);
            future.shared.clone()
        });
        match future.check_process() {
            Err(forked) if !future.done() => {
                let source = future.shared.clone().erase();
                chained.0.link.fail(source, TaskError::failed(forked));
            }
            _ => watcher.into_iter().for_each(|it| future.watch(it)),
        }
        chained
    }

    /// Makes one that has failed, whatever becomes of `future`; the loop is told nothing.
    pub(crate) fn failed(
        bridge: &Rc<Bridge>,
        future: &concurrent::Future<T>,
        error: TaskError,
        created_at: &'static Location<'static>,
    ) -> ExecutorFuture<T> {
        let link = Link::new(bridge.clone(), created_at);
        link.fail(future.shared.clone().erase(), error);
        ExecutorFuture(Chained {
            link,
            shared: future.shared.clone(),
            taken: Cell::new(false),
        })
    }

    /// Cancels it, and later the job; false if it is done.
    pub fn cancel(&self) -> bool {
        self.0.promise().cancel()
    }

    /// The same, with a message.
    pub fn cancel_with(&self, message: impl Into<Arc<str>>) -> bool {
        self.0.promise().cancel_with(message)
    }

    /// Whether the loop knows its outcome.
    pub fn done(&self) -> bool {
        self.0.link.done()
    }

    /// Whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        match self.0.link.made_promise() {
            Some(promise) => promise.cancelled(),
            None => self.0.link.done() && self.0.shared.cancelled(),
        }
    }

    /// The result, without waiting. It is moved out.
    ///
    /// # Errors
    ///
    /// [`TaskError::InvalidState`] while it is pending, and [`TaskError::ResultTaken`] the second time; else what it
    /// came to instead of a value.
    pub fn result(&self) -> Result<T, TaskError> {
        self.0.link.check()?;
        self.0.take()
    }

    /// Calls `callback` through the loop once this is done: see [`FutureRef::add_done_callback`].
    pub fn add_done_callback(&self, callback: impl FnOnce(&FutureRef) + 'static) -> CallbackId {
        self.as_future_ref().add_done_callback(callback)
    }

    fn into_eventual(self) -> Eventual<T> {
        let future = self.as_future_ref();
        Eventual::new(future, move || self.result())
    }
}

impl<T> AsFutureRef for ExecutorFuture<T> {
    fn as_future_ref(&self) -> FutureRef {
        self.0.promise().as_future_ref()
    }
}

impl<T> fmt::Debug for ExecutorFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.promise().fmt(f)
    }
}

/// The future of an [`ExecutorFuture`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct ExecutorValue<T: 'static> {
    chained: Chained<T>,
    /// From the first poll on, if that came too early.
    wait: Option<PromiseValue<()>>,
}

impl<T> Unpin for ExecutorValue<T> {}

impl<T> Future for ExecutorValue<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.wait.is_some() || !this.chained.link.has_ended_alone() {
            let promise = || this.chained.promise().into_future();
            let wait = this.wait.get_or_insert_with(promise);
            ready!(Pin::new(wait).poll(cx))?;
        }
        Poll::Ready(this.chained.take())
    }
}

impl<T> IntoFuture for ExecutorFuture<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = ExecutorValue<T>;

    fn into_future(self) -> ExecutorValue<T> {
        ExecutorValue {
            chained: self.0,
            wait: None,
        }
    }
}

impl<T> Awaitable for ExecutorFuture<T> {
    type Output = T;
    type Awaited = EventualValue<T>;

    fn into_awaited(self) -> EventualValue<T> {
        self.into_eventual().into_future()
    }

    fn existing(&self) -> Option<FutureRef> {
        Some(self.as_future_ref())
    }
}

impl<T> IntoTask for ExecutorFuture<T> {
    fn into_task_on(self, _event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
        Ok(self.into_eventual())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use ouroloop_core::new_event_loop;
    use ouroloop_task::{LoopTasks, bare_yield, create_task};

    use super::*;
    use crate::{LoopExecutor, ThreadPoolExecutor, run_in_executor};

    #[test]
    fn futures_of_one_source_that_are_dropped_do_not_add_up() {
        let event_loop = new_event_loop().unwrap();
        let promise = concurrent::Promise::new();
        let source = promise.future();
        let kept = event_loop.wrap_future(&source).unwrap();
        for _ in 0..1000 {
            drop(event_loop.wrap_future(&source).unwrap());
        }
        assert_eq!(source.shared.cell().watchers(), 1);
        promise.set_result(1).unwrap();
        assert_eq!(event_loop.run_until_complete(kept).unwrap(), 1);
        event_loop.close().unwrap();
    }

    #[test]
    fn a_future_leaves_nothing_behind_whatever_became_of_it() {
        let event_loop = new_event_loop().unwrap();
        let pool = ThreadPoolExecutor::new();
        let other = pool.clone();
        let links = event_loop.run_until_complete(async move {
            let call = || run_in_executor(&other, || 1);
            let mut links = Vec::new();
            let mut note = |it: &ExecutorFuture<i32>| links.push(Rc::downgrade(&it.0.link));
            let waited_for = call();
            note(&waited_for);
            assert_eq!(waited_for.await.unwrap(), 1);
            let cancelled = call();
            note(&cancelled);
            let task = create_task(cancelled.into_future());
            bare_yield().await;
            task.cancel();
            let _ = task.await;
            let asked = call();
            note(&asked);
            let asked_for = asked.as_future_ref();
            drop(asked);
            while !asked_for.done() {
                bare_yield().await;
            }
            drop(asked_for);
            links
        });
        let held = links
            .unwrap()
            .iter()
            .filter(|it| it.strong_count() > 0)
            .count();
        assert_eq!(held, 0);
        let unasked = event_loop.run_in_executor(&pool, || 1).unwrap();
        let link = Rc::downgrade(&unasked.0.link);
        event_loop.close().unwrap();
        assert!(unasked.done() && unasked.result().is_err());
        drop(unasked);
        assert_eq!(link.strong_count(), 0);
    }
}
