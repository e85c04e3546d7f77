//! `shield`.

use std::cell::Cell;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ouroloop_task::{
    AsFutureRef, Awaitable, FutureRef, Promise, PromiseFuture, PromiseValue, Resource,
    ResourceState, TaskError, create_future_of,
};
use pin_project_lite::pin_project;

use crate::caller::running_loop;
use crate::error::ErrorIsValue;

/// Awaits a task, and keeps a cancellation of the awaiting task away from it: asyncio's `shield`.
///
/// Give it a reference: what a cancelled shield leaves behind is the task itself, which its owner
/// still holds, and which goes on. What is done already needs no shield, and is awaited as it is.
///
/// # Errors
///
/// [`TaskError::Cancelled`] if the task itself was cancelled by somebody, or the shield by
/// [`Shield::cancel`]; else what the task ended with.
///
/// # Cancellation
///
/// The shield is cancelled at once, and the task not at all. If the task fails later and nobody
/// else looks at it, that is reported as an error never retrieved.
///
/// # Ordering
///
/// The shield is done one iteration after the task.
///
/// # Panics
///
/// If no loop is running in this thread and the task is pending.
///
/// # Differences from asyncio
///
/// A coroutine cannot be given: nobody would hold the task that is left. Make a task of it.
///
/// # Examples
///
/// ```
/// use ouroloop::{Runner, VirtualClock, create_task, shield, sleep, timeout};
/// use std::time::Duration;
///
/// Runner::new().clock(VirtualClock::new()).run(async {
///     let saving = create_task(async {
///         sleep(Duration::from_secs(2)).await;
///         "saved"
///     });
///     let late = timeout(Duration::from_secs(1), shield(&saving)).await;
///     assert!(late.is_err());
///     assert_eq!(saving.await.unwrap(), "saved");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn shield<W: AsFutureRef>(inner: W) -> Shield<W> {
    let future = inner.as_future_ref();
    if future.done() {
        return Shield { inner, outer: None };
    }
    let event_loop = running_loop("shield");
    let outer: Promise<()> = create_future_of(Rc::new(Shielding {
        task: future.task_key(),
        created_at: Location::caller(),
    }));
    let waiting = outer.future();
    if let Some(error) = future.misuse_on(&event_loop) {
        // It is pending: it was made here. An await of what is shielded gives the same error.
        let _ = outer.set_error(error);
        return Shield {
            inner,
            outer: Some(waiting),
        };
    }
    let id = future.add_done_callback({
        // The callback is what sets the outer promise; if it is removed, nobody will.
        let outer = Rc::new(Cell::new(Some(outer)));
        move |inner| {
            if let Some(outer) = outer.take() {
                conclude(inner, &outer);
            }
        }
    });
    waiting.add_done_callback({
        let future = future.clone();
        move |_| {
            future.remove_done_callback(id);
        }
    });
    Shield {
        inner,
        outer: Some(waiting),
    }
}

/// What a wait graph names. It must not own what is shielded, whose callback owns the outer promise.
struct Shielding {
    task: Option<u64>,
    created_at: &'static Location<'static>,
}

impl Resource for Shielding {
    fn state(&self) -> ResourceState {
        ResourceState::new("shield", self.created_at).tasks(self.task)
    }
}

fn conclude(inner: &FutureRef, outer: &Promise<()>) {
    if outer.cancelled() {
        if !inner.cancelled() {
            inner.mark_retrieved();
        }
        return;
    }
    // Whoever cancelled the shield meanwhile was told so; the value is read from the task.
    match inner.exception() {
        _ if inner.cancelled() => {
            outer.cancel();
        }
        Some(error) => {
            let _ = outer.set_error(error);
        }
        None if inner.ended_in_error() => {
            inner.mark_retrieved();
            let _ = outer.set_error(TaskError::failed(ErrorIsValue));
        }
        None => {
            let _ = outer.set_result(());
        }
    }
}

/// A shield around a task: what [`shield`] gives.
///
/// # Errors
///
/// Awaiting it gives the errors of [`shield`].
///
/// # Cancellation
///
/// As described for [`shield`].
///
/// # Examples
///
/// ```
/// use ouroloop::{create_task, shield, sleep};
/// use std::time::Duration;
///
/// ouroloop::run(async {
///     let task = create_task(sleep(Duration::from_secs(3600)));
///     let shielded = shield(&task);
///     assert!(shielded.cancel());
///     assert!(shielded.await.unwrap_err().is_cancelled());
///     assert!(!task.done());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "a shield does nothing unless it is awaited"]
pub struct Shield<W> {
    inner: W,
    outer: Option<PromiseFuture<()>>,
}

impl<W: AsFutureRef> Shield<W> {
    /// Cancels the shield and not the task; false if it is done.
    pub fn cancel(&self) -> bool {
        self.as_future_ref().cancel()
    }

    /// Cancels the shield and not the task, with a message; false if it is done.
    pub fn cancel_with(&self, message: impl Into<Arc<str>>) -> bool {
        self.as_future_ref().cancel_with(message)
    }

    /// Tells whether it has its outcome.
    pub fn done(&self) -> bool {
        self.as_future_ref().done()
    }

    /// Tells whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        self.as_future_ref().cancelled()
    }

    /// Gives what it shields.
    pub fn inner(&self) -> &W {
        &self.inner
    }
}

impl<W: AsFutureRef> AsFutureRef for Shield<W> {
    fn as_future_ref(&self) -> FutureRef {
        match &self.outer {
            Some(outer) => outer.as_future_ref(),
            None => self.inner.as_future_ref(),
        }
    }
}

impl<W, T, E> IntoFuture for Shield<W>
where
    W: IntoFuture<Output = Result<T, E>>,
    E: From<TaskError>,
{
    type Output = Result<T, E>;
    type IntoFuture = Shielded<W::IntoFuture>;

    fn into_future(self) -> Shielded<W::IntoFuture> {
        Shielded {
            outer: self.outer.map(IntoFuture::into_future),
            inner: self.inner.into_future(),
        }
    }
}

impl<W, T> Awaitable for Shield<W>
where
    W: AsFutureRef + IntoFuture<Output = Result<T, TaskError>>,
{
    type Output = T;
    type Awaited = Shielded<W::IntoFuture>;

    fn into_awaited(self) -> Self::Awaited {
        self.into_future()
    }

    fn existing(&self) -> Option<FutureRef> {
        Some(self.as_future_ref())
    }
}

pin_project! {
    /// The future of a [`Shield`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Shielded<F> {
        outer: Option<PromiseValue<()>>,
        #[pin]
        inner: F,
    }
}

impl<F, T, E> Future for Shielded<F>
where
    F: Future<Output = Result<T, E>>,
    E: From<TaskError>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(outer) = this.outer {
            let ended = ready!(Pin::new(outer).poll(cx));
            *this.outer = None;
            if let Err(error @ TaskError::Cancelled(_)) = ended {
                return Poll::Ready(Err(error.into()));
            }
        }
        // It is done, so this does not suspend.
        this.inner.poll(cx)
    }
}
