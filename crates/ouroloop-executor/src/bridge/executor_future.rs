//! The future of another thread, as a loop awaits it.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ouroloop_core::{ClientWord, LoopError, LoopRef, running_loop_id};
use ouroloop_task::{
    AsFutureRef, Awaitable, CallbackId, Eventual, EventualValue, FutureRef, IntoTask, LoopTasks,
    PromiseFuture, PromiseValue, Resource, ResourceState, TaskError, create_future_of,
};

use super::{Bridge, Entry};
use crate::concurrent;
use crate::concurrent::cell::{Shared, Watcher};
use crate::job::JobInfo;

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
pub struct ExecutorFuture<T: 'static> {
    promise: PromiseFuture<()>,
    link: Rc<Link<T>>,
}

/// A word that something is to be told by, before there is something: given back if that does not come about.
pub(crate) struct Place {
    bridge: Rc<Bridge>,
    word: ClientWord,
}

impl Place {
    pub(crate) fn reserve(bridge: &Rc<Bridge>) -> Place {
        Place {
            bridge: bridge.clone(),
            word: bridge.enter(Entry::Reserved),
        }
    }

    /// What is to tell the loop of the end.
    pub(crate) fn watcher<T>(&self) -> Watcher<T> {
        Watcher::Word(self.bridge.event_loop.id(), self.word)
    }

    /// Chains a promise of the loop to what has the [`watcher`](Place::watcher), or is about to get it.
    pub(crate) fn chain<T>(
        self,
        shared: Arc<dyn Shared<T>>,
        created_at: &'static Location<'static>,
    ) -> Result<ExecutorFuture<T>, LoopError> {
        let (bridge, word) = (&self.bridge, self.word);
        let link = Rc::new(Link {
            shared,
            created_at,
            bridge: bridge.clone(),
            word,
        });
        let promise = match running_loop_id() == Some(bridge.event_loop.id()) {
            true => create_future_of(link.clone()),
            // Before the loop runs, a wait graph knows it as a promise.
            false => match bridge.event_loop.create_future() {
                Ok(promise) => promise,
                Err(error) => {
                    bridge.leave(word);
                    return Err(error);
                }
            },
        };
        let told = link.clone();
        let on_cancel = promise
            .as_future_ref()
            .add_done_callback_in(None, move |_| {
                told.bridge.leave(told.word);
                Source::cancel(&*told);
            });
        let future = promise.future();
        let entry = Entry::Chained {
            promise,
            source: link.clone(),
            on_cancel,
        };
        bridge.fill(word, entry);
        Ok(ExecutorFuture {
            promise: future,
            link,
        })
    }
}

/// What the future, its entry, the callback of its cancellation and a wait graph share: the other thread's side.
struct Link<T: 'static> {
    shared: Arc<dyn Shared<T>>,
    created_at: &'static Location<'static>,
    bridge: Rc<Bridge>,
    word: ClientWord,
}

/// The same for those who do not know the type of the value.
pub(crate) trait Source {
    fn cancel(&self);

    fn cancelled(&self) -> bool;

    fn error(&self) -> Option<TaskError>;

    fn info(&self) -> Option<&JobInfo>;
}

impl<T> Source for Link<T> {
    fn cancel(&self) {
        self.shared.clone().erase().cancel();
    }

    fn cancelled(&self) -> bool {
        self.shared.cancelled()
    }

    fn error(&self) -> Option<TaskError> {
        self.shared.error()
    }

    fn info(&self) -> Option<&JobInfo> {
        self.shared.info()
    }
}

impl<T> ExecutorFuture<T> {
    /// Chains a promise of the loop to `future`.
    pub(crate) fn chain(
        bridge: &Rc<Bridge>,
        future: &concurrent::Future<T>,
        created_at: &'static Location<'static>,
    ) -> Result<ExecutorFuture<T>, LoopError> {
        let place = Place::reserve(bridge);
        let watcher = place.watcher();
        let word = place.word;
        let chained = place.chain(future.shared.clone(), created_at)?;
        match future.check_process() {
            Err(forked) if !future.done() => bridge.fail(word, TaskError::failed(forked)),
            _ => future.watch(watcher),
        }
        Ok(chained)
    }

    /// Cancels it, and later the job; false if it is done.
    pub fn cancel(&self) -> bool {
        self.promise.cancel()
    }

    /// The same, with a message.
    pub fn cancel_with(&self, message: impl Into<Arc<str>>) -> bool {
        self.promise.cancel_with(message)
    }

    /// Whether the loop knows its outcome.
    pub fn done(&self) -> bool {
        self.promise.done()
    }

    /// Whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        self.promise.cancelled()
    }

    /// The result, without waiting. It is moved out.
    ///
    /// # Errors
    ///
    /// [`TaskError::InvalidState`] while it is pending, and [`TaskError::ResultTaken`] the second time; else what it
    /// came to instead of a value.
    pub fn result(&self) -> Result<T, TaskError> {
        self.promise.result()?;
        self.link.shared.cell().take()
    }

    /// Calls `callback` through the loop once this is done: see [`FutureRef::add_done_callback`].
    pub fn add_done_callback(&self, callback: impl FnOnce(&FutureRef) + 'static) -> CallbackId {
        self.promise.as_future_ref().add_done_callback(callback)
    }

    fn into_eventual(self) -> Eventual<T> {
        let future = self.promise.as_future_ref();
        Eventual::new(future, move || self.result())
    }
}

impl<T> AsFutureRef for ExecutorFuture<T> {
    fn as_future_ref(&self) -> FutureRef {
        self.promise.as_future_ref()
    }
}

impl<T> fmt::Debug for ExecutorFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.promise.fmt(f)
    }
}

/// The future of an [`ExecutorFuture`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct ExecutorValue<T: 'static> {
    wait: PromiseValue<()>,
    link: Rc<Link<T>>,
}

impl<T> Unpin for ExecutorValue<T> {}

impl<T> Future for ExecutorValue<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.wait).poll(cx))?;
        Poll::Ready(this.link.shared.cell().take())
    }
}

impl<T> IntoFuture for ExecutorFuture<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = ExecutorValue<T>;

    fn into_future(self) -> ExecutorValue<T> {
        ExecutorValue {
            wait: self.promise.into_future(),
            link: self.link,
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

/// What a wait graph says of it.
impl<T> Resource for Link<T> {
    fn state(&self) -> ResourceState {
        let stage = match self.shared.running() {
            true => "running",
            false => "queued",
        };
        let Some(info) = self.shared.info() else {
            return ResourceState::new("concurrent::Future", self.created_at);
        };
        let detail = match info.name() {
            Some(name) => format!("{name:?}, {stage}"),
            None => stage.to_owned(),
        };
        ResourceState::new("executor job", info.created_at()).detail(detail)
    }
}
