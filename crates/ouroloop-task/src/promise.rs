//! `Promise`: asyncio's `Future`, the box that somebody fills later.

use std::cell::{Cell, OnceCell};
use std::error::Error;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::cancel::{AskingWait, Frame};
use crate::error::{Cancelled, InvalidState, TaskError};
use crate::header::{ASKING, Asking, Awaited, Begun, CellRef, Header, InCell, TaskVtable, UNREAD};
use crate::pool::NIL;
use crate::resource::{Resource, ResourceState};
use crate::task_ref::{AsFutureRef, CallbackId, FutureRef};
use crate::tasks::Tasks;
use crate::wait::Wait;

/// A result that somebody sets later, with everything that waits for it: asyncio's `Future`.
///
/// [`create_future`](crate::create_future) makes one. Clones are further setters of the same promise.
/// [`future`](Promise::future) gives a [`PromiseFuture`], which can wait and cancel but not set. The two
/// are counted apart: when the last setter goes without setting, those who wait get
/// [`TaskError::BrokenPromise`] at once, rather than waiting for ever.
///
/// Awaiting a promise by value gives up the right to set it, and clones the result (or moves it out,
/// if nobody else can see it); so it wants `T: Clone`. Awaiting `&promise` lends the result, whatever its type.
///
/// A promise lives on its loop's thread. [`Promise::remote`] makes the setter that may cross to
/// others.
///
/// # Errors
///
/// Awaiting it gives the error that was set, [`TaskError::Cancelled`] when somebody else cancelled it,
/// [`TaskError::BrokenPromise`] when nobody is left to set it, and [`TaskError::LoopClosed`] or
/// [`TaskError::WrongLoop`] when it belongs to a loop that is closed or is not the one that runs.
///
/// Where no loop runs at all, as under the `block_on` of another library, it is no error: whoever awaits it waits until
/// somebody runs its loop, or drives it step by step, and for ever if nobody does. Give it to
/// [`run_until_complete`](crate::LoopTasks::run_until_complete) there.
///
/// # Cancellation
///
/// Cancelling a task that awaits a promise cancels the promise, and with it whoever else waits for
/// it: they get [`TaskError::Cancelled`] as a value. Use `shield` where that is not wanted. Dropping the await
/// alone cancels nothing.
///
/// # Ordering
///
/// Setting it changes its state now, and queues those who wait, tasks and callbacks alike, in the
/// order in which they asked. They run in the next iteration.
///
/// # Differences from asyncio
///
/// A `Future` whose last reference goes unset leaves those who await it waiting for ever; here they get
/// `BrokenPromise`. Setting needs the promise itself: what [`future`](Promise::future) hands out
/// cannot.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, create_future, create_task};
///
/// #[ouroloop::main]
/// async fn main() -> Result<(), TaskError> {
///     let promise = create_future();
///     let future = promise.future();
///     create_task(async move { promise.set_result(42) });
///     assert_eq!(future.await?, 42);
///
///     let forgotten = create_future::<u32>();
///     let future = forgotten.future();
///     drop(forgotten);
///     assert!(matches!(future.await, Err(TaskError::BrokenPromise)));
///     Ok(())
/// }
/// ```
#[doc(alias = "Future")]
#[must_use = "a promise that is dropped breaks at once for those who wait; keep it until it is set"]
pub struct Promise<T: 'static> {
    waiting: PromiseFuture<T>,
}

/// The waiting side of a [`Promise`]: it can be awaited, cancelled and asked, but not set.
///
/// Clones wait for the same promise, so awaiting it by value wants `T: Clone`; awaiting `&future` lends the result,
/// whatever its type. Give this to those who only wait, and keep the [`Promise`]: its
/// drop then tells them that nobody will set it.
///
/// # Errors
///
/// Awaiting it gives the errors of [`Promise`], and waits for ever where nobody runs its loop.
///
/// # Cancellation
///
/// As for [`Promise`]: the request is passed on, and cancels the promise for all who wait.
///
/// # Examples
///
/// ```
/// use ouroloop::{PromiseFuture, TaskError, create_future, create_task};
///
/// async fn wait_for_it(answer: PromiseFuture<u32>) -> Result<u32, TaskError> {
///     answer.await
/// }
///
/// ouroloop::run(async {
///     let answer = create_future();
///     let one = create_task(wait_for_it(answer.future()));
///     let two = create_task(wait_for_it(answer.future()));
///     answer.set_result(42).unwrap();
///     assert_eq!(one.await.unwrap().unwrap() + two.await.unwrap().unwrap(), 84);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct PromiseFuture<T: 'static> {
    /// A [`PromiseCell`] of this type.
    cell: CellRef,
    /// It takes a `T` and lends it, so neither a wider nor a narrower type may stand for it.
    value: PhantomData<fn(T) -> T>,
}

#[repr(C)]
struct PromiseCell<T> {
    header: Header,
    body: PromiseBody<T>,
}

/// A promise takes a value of its type and lends it, so it stands for no other type: a function that wants a reference
/// for ever must not be set where one for any reference is awaited.
///
/// ```compile_fail
/// use ouroloop::{Promise, create_future};
///
/// type OfAny = for<'a> fn(&'a str);
/// type OfStatic = fn(&'static str);
///
/// fn narrow(promise: Promise<OfAny>) -> Promise<OfStatic> {
///     promise
/// }
/// ```
struct PromiseBody<T> {
    outcome: OnceCell<Result<T, TaskError>>,
    /// Handles that can set it.
    setters: Cell<usize>,
    created_at: &'static Location<'static>,
    about: About,
}

impl<T> Deref for PromiseCell<T> {
    type Target = PromiseBody<T>;

    #[inline]
    fn deref(&self) -> &PromiseBody<T> {
        &self.body
    }
}

/// What a promise stands for.
pub(crate) enum About {
    /// Itself: somebody sets it.
    Itself,
    /// Something that says what it is.
    Resource(Rc<dyn Resource>),
    /// Others, who are cancelled in its place.
    Delegate(Rc<dyn Delegate>),
}

/// Says to whom a promise passes a request to cancel, instead of being cancelled itself.
///
/// For those who build combinators, as `gather` is one: see
/// [`create_delegating_future`](crate::LoopTasks::create_delegating_future). Programs need it not.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::Delegate;
/// use ouroloop::{AsFutureRef, FutureRef, LoopTasks, create_task, get_running_loop, sleep};
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// struct Behind {
///     worker: FutureRef,
///     told: Cell<Option<bool>>,
/// }
///
/// impl Delegate for Behind {
///     fn ask(&self) -> Vec<FutureRef> {
///         vec![self.worker.clone()]
///     }
///
///     fn asked(&self, accepted: bool) {
///         self.told.set(Some(accepted));
///     }
/// }
///
/// ouroloop::run(async {
///     let worker = create_task(sleep(Duration::from_secs(3600)));
///     let behind = Rc::new(Behind { worker: worker.as_future_ref(), told: Cell::new(None) });
///     let event_loop = get_running_loop().unwrap();
///     let front = event_loop.create_delegating_future::<()>(behind.clone()).unwrap();
///     front.cancel();
///     assert!(!front.done(), "the worker is cancelled in its place");
///     assert_eq!(behind.told.get(), Some(true));
///     assert!(worker.await.unwrap_err().is_cancelled());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub trait Delegate {
    /// Whom to ask, in this order. Those that are done may be among them.
    fn ask(&self) -> Vec<FutureRef>;

    /// Hears whether any of them accepted; `cancel()` of the promise answers the same.
    fn asked(&self, accepted: bool);

    /// What the promise is called in a wait graph: the name of the function that made it.
    fn kind(&self) -> &'static str {
        "Promise"
    }
}

impl<T: 'static> Promise<T> {
    pub(crate) fn in_tasks(
        tasks: Rc<Tasks>,
        about: About,
        created_at: &'static Location<'static>,
    ) -> Promise<T> {
        let fill = |place: NonNull<PromiseCell<T>>| {
            let place = place.as_ptr();
            // SAFETY: a place in the block that is being filled.
            let body = unsafe { &raw mut (*place).body };
            // SAFETY: as above; what is there is not initialized yet.
            unsafe {
                body.write(PromiseBody {
                    outcome: OnceCell::new(),
                    setters: Cell::new(1),
                    created_at,
                    about,
                });
            }
        };
        // SAFETY: that was all but the header, and no panic.
        let cell = unsafe { CellRef::new(tasks, 1, fill) };
        Promise {
            waiting: PromiseFuture {
                cell,
                value: PhantomData,
            },
        }
    }

    /// Sets the value, and queues those who wait.
    ///
    /// # Errors
    ///
    /// [`InvalidState`] if it is done or cancelled already; the value is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{InvalidState, create_future};
    ///
    /// ouroloop::run(async {
    ///     let promise = create_future();
    ///     assert_eq!(promise.set_result(1), Ok(()));
    ///     assert_eq!(promise.set_result(2), Err(InvalidState));
    ///     assert_eq!(promise.await.unwrap(), 1);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn set_result(&self, value: T) -> Result<(), InvalidState> {
        self.waiting.finish(Ok(value))
    }

    /// Sets an error instead of a value, and queues those who wait. All get the same one.
    ///
    /// If nobody ever looks at the error, it goes to the loop's exception handler.
    ///
    /// # Errors
    ///
    /// [`InvalidState`] if it is done or cancelled already; the error is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::create_future;
    /// use std::io;
    ///
    /// ouroloop::run(async {
    ///     let promise = create_future::<u32>();
    ///     promise.set_exception(io::Error::from(io::ErrorKind::BrokenPipe)).unwrap();
    ///     let error = promise.await.unwrap_err();
    ///     let cause = error.downcast_ref::<io::Error>().unwrap();
    ///     assert_eq!(cause.kind(), io::ErrorKind::BrokenPipe);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn set_exception(
        &self,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Result<(), InvalidState> {
        self.set_error(TaskError::failed(error))
    }

    /// Sets what another task or promise ended with.
    ///
    /// A [`TaskError::Cancelled`] is stored as an error, as `gather` does: whoever awaits the
    /// promise sees a cancellation, but [`cancelled`](PromiseFuture::cancelled) stays false.
    ///
    /// # Errors
    ///
    /// [`InvalidState`] if it is done or cancelled already.
    pub fn set_error(&self, error: TaskError) -> Result<(), InvalidState> {
        if self.done() {
            return Err(InvalidState);
        }
        let stored_cancellation = error.is_cancelled();
        self.waiting.store(Err(error), stored_cancellation);
        Ok(())
    }

    pub(crate) fn tasks(&self) -> &Rc<Tasks> {
        self.waiting.cell.tasks()
    }

    /// Gives the waiting side, which cannot set it.
    pub fn future(&self) -> PromiseFuture<T> {
        self.waiting.clone()
    }

    /// Counts the setters: this one, its clones, and those that [`remote`](Promise::remote) made.
    pub fn setter_count(&self) -> usize {
        self.waiting.cell().setters.get()
    }
}

impl<T> Deref for Promise<T> {
    type Target = PromiseFuture<T>;

    fn deref(&self) -> &PromiseFuture<T> {
        &self.waiting
    }
}

impl<T> Clone for Promise<T> {
    fn clone(&self) -> Promise<T> {
        let setters = &self.waiting.cell().setters;
        setters.set(setters.get() + 1);
        Promise {
            waiting: self.waiting.clone(),
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let setters = &self.waiting.cell().setters;
        setters.set(setters.get() - 1);
        if setters.get() == 0 && !self.done() {
            self.waiting.store(Err(TaskError::BrokenPromise), false);
            // Nobody set this, so nobody needs a report; those who wait are told.
            self.waiting.cell.clear(UNREAD);
        }
    }
}

impl<T> PromiseFuture<T> {
    /// Cancels the promise and queues all who wait; false if it is done already.
    ///
    /// They get [`TaskError::Cancelled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::create_future;
    ///
    /// ouroloop::run(async {
    ///     let promise = create_future::<u32>();
    ///     assert!(promise.cancel());
    ///     assert!(promise.cancelled() && !promise.cancel());
    ///     assert!(promise.await.unwrap_err().is_cancelled());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.as_future_ref().cancel()
    }

    /// Cancels the promise with a message, as [`cancel`](Self::cancel) does without.
    pub fn cancel_with(&self, message: impl Into<Arc<str>>) -> bool {
        self.as_future_ref().cancel_with(message)
    }

    /// Tells whether it has its outcome: a value, an error, or a cancellation.
    pub fn done(&self) -> bool {
        self.cell.done()
    }

    /// Tells whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        self.cell.has(crate::header::CANCELLED)
    }

    /// Lends the value, without waiting.
    ///
    /// # Errors
    ///
    /// [`TaskError::InvalidState`] while it is pending; else the error that was set,
    /// [`TaskError::Cancelled`] or [`TaskError::BrokenPromise`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{TaskError, create_future};
    ///
    /// ouroloop::run(async {
    ///     let promise = create_future();
    ///     assert!(matches!(promise.result(), Err(TaskError::InvalidState)));
    ///     promise.set_result(42).unwrap();
    ///     assert_eq!(promise.result().unwrap(), &42);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn result(&self) -> Result<&T, TaskError> {
        self.cell.clear(UNREAD);
        match self.cell().outcome.get() {
            Some(outcome) => outcome.as_ref().map_err(TaskError::clone),
            None => Err(TaskError::InvalidState),
        }
    }

    /// Gives the error that was set, if it is done with one.
    ///
    /// Having asked counts as having looked at it, so it is not reported as never retrieved.
    ///
    /// # Errors
    ///
    /// [`TaskError::InvalidState`] while it is pending, [`TaskError::Cancelled`] if it was
    /// cancelled.
    pub fn exception(&self) -> Result<Option<TaskError>, TaskError> {
        match self.result() {
            Ok(_) => Ok(None),
            Err(error @ TaskError::InvalidState) => Err(error),
            Err(error) if self.cancelled() => Err(error),
            Err(error) => Ok(Some(error)),
        }
    }

    /// Calls `callback` with this promise, to be asked, once it is done.
    ///
    /// The callback runs in the context that is current now. A panic in it goes to the loop's exception
    /// handler.
    ///
    /// # Ordering
    ///
    /// Through the loop, never at once: see [`FutureRef::add_done_callback`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{PromiseFuture, bare_yield, create_future};
    ///
    /// fn callback(future: &PromiseFuture<u32>) {
    ///     println!("the result is {}", future.result().unwrap());
    /// }
    ///
    /// ouroloop::run(async {
    ///     let promise = create_future();
    ///     promise.add_done_callback(callback);
    ///     promise.set_result(42).unwrap();
    ///     bare_yield().await; // it is called now
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn add_done_callback(
        &self,
        callback: impl FnOnce(&PromiseFuture<T>) + 'static,
    ) -> CallbackId {
        self.as_future_ref().add_done_callback(move |done| {
            // It is called with what it was added to: a promise of this type.
            callback(&PromiseFuture {
                cell: done.0.clone(),
                value: PhantomData,
            });
        })
    }

    /// Removes a callback that was not queued yet, and gives how many were removed: 0 or 1.
    pub fn remove_done_callback(&self, id: CallbackId) -> usize {
        self.as_future_ref().remove_done_callback(id)
    }

    /// The waiting side, as [`Promise::future`] gives it.
    pub(crate) fn future(&self) -> PromiseFuture<T> {
        self.clone()
    }

    fn finish(&self, outcome: Result<T, TaskError>) -> Result<(), InvalidState> {
        if self.done() {
            return Err(InvalidState);
        }
        self.store(outcome, false);
        Ok(())
    }

    #[inline]
    fn store(&self, outcome: Result<T, TaskError>, stored_cancellation: bool) {
        let cell = &self.cell;
        let unread = matches!(outcome, Err(TaskError::Failed(_) | TaskError::Panicked(_)));
        if stored_cancellation {
            cell.finish(None, false);
            cell.set(crate::header::ENDED_CANCELLED);
        } else {
            cell.finish(outcome.as_ref().err(), unread);
        }
        let stored = self.cell().outcome.set(outcome);
        debug_assert!(stored.is_ok(), "DONE guards the outcome");
        cell.tasks().fire_all(cell);
    }

    #[inline]
    fn cell(&self) -> &PromiseCell<T> {
        // SAFETY: it is the cell of a promise of this type.
        unsafe { self.cell.cell() }
    }
}

impl<T> Clone for PromiseFuture<T> {
    fn clone(&self) -> PromiseFuture<T> {
        PromiseFuture {
            cell: self.cell.clone(),
            value: PhantomData,
        }
    }
}

impl<T> AsFutureRef for PromiseFuture<T> {
    fn as_future_ref(&self) -> FutureRef {
        FutureRef::new(self.cell.clone())
    }
}

impl<T> AsFutureRef for Promise<T> {
    fn as_future_ref(&self) -> FutureRef {
        self.waiting.as_future_ref()
    }
}

impl<T> std::fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_future_ref().fmt(f)
    }
}

impl<T> std::fmt::Debug for PromiseFuture<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_future_ref().fmt(f)
    }
}

// SAFETY: `repr(C)`, and a header comes first; it is no task.
unsafe impl<T: 'static> InCell for PromiseCell<T> {
    const TASK: Option<TaskVtable> = None;
}

impl<T: 'static> Awaited for PromiseCell<T> {
    fn begin_cancel(&self, request: &Cancelled, frames: &mut Vec<Frame>) -> Begun {
        self.header.clear(UNREAD);
        if self.header.done() || self.header.has(ASKING) {
            return Begun::Refused;
        }
        let About::Delegate(delegate) = &self.about else {
            self.header
                .finish(Some(&TaskError::Cancelled(request.clone())), false);
            let stored = self.outcome.set(Err(TaskError::Cancelled(request.clone())));
            debug_assert!(stored.is_ok(), "DONE guards the outcome");
            return Begun::Accepted;
        };
        let asking = Asking::begin(&self.header);
        let children = delegate.ask();
        asking.go_on();
        let children = children.into_iter();
        frames.extend(children.map(|child| Frame::Target(child.0, AskingWait::NONE)));
        Begun::Asking
    }

    fn end_cancel(&self, _request: &Cancelled, accepted: bool) -> bool {
        self.header.clear(ASKING);
        if let About::Delegate(delegate) = &self.about {
            delegate.asked(accepted);
        }
        accepted
    }

    fn error(&self) -> Option<TaskError> {
        self.outcome.get()?.as_ref().err().cloned()
    }

    fn ended_in_error(&self) -> bool {
        matches!(self.outcome.get(), Some(Err(_)))
    }

    fn state(&self) -> ResourceState {
        match &self.about {
            About::Itself => {
                let setters = match self.setters.get() {
                    1 => "not set, 1 setter left".to_owned(),
                    setters => format!("not set, {setters} setters left"),
                };
                ResourceState::new("Promise", self.created_at).detail(setters)
            }
            About::Resource(resource) => resource.state(),
            About::Delegate(delegate) => {
                let all = delegate.ask();
                let done = all.iter().filter(|future| future.done()).count();
                ResourceState::new(delegate.kind(), self.created_at)
                    .detail(format!("{done} of {} done", all.len()))
                    .futures(all)
            }
        }
    }

    fn depends_on(&self) -> Vec<FutureRef> {
        match &self.about {
            About::Delegate(delegate) => delegate.ask(),
            _ => Vec::new(),
        }
    }
}

impl<T> Drop for PromiseCell<T> {
    fn drop(&mut self) {
        let tasks = self.header.tasks();
        debug_assert_eq!(self.header.told.first.get(), NIL, "who waits keeps it");
        if self.header.has(UNREAD) {
            let context =
                ouroloop_core::ExceptionContext::new("Promise exception was never retrieved")
                    .with_source("a promise")
                    .with_created_at(self.created_at);
            if let Some(Err(error)) = self.outcome.get() {
                let context = error.clone().describe_in(context);
                tasks.event_loop.call_exception_handler(context);
            }
        }
    }
}

/// The future of a [`Promise`] or [`PromiseFuture`] that is awaited by value.
///
/// # Cancellation
///
/// As described for [`Promise`]. Dropping it gives up the wait, and leaves the promise as it is.
#[must_use = "futures do nothing unless they are awaited"]
pub struct PromiseValue<T: 'static> {
    /// For a promise of this type.
    wait: Wait,
    value: PhantomData<fn() -> T>,
}

impl<T: Clone> Future for PromiseValue<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        ready!(this.wait.poll(cx))?;
        this.wait.release();
        let cell = this.wait.target_mut();
        cell.clear(UNREAD);
        // SAFETY: it is the cell of a promise of this type.
        let outcome = match unsafe { cell.get_mut::<PromiseCell<T>>() } {
            Some(alone) => alone.body.outcome.take(),
            // SAFETY: as above.
            None => unsafe { cell.cell::<PromiseCell<T>>() }
                .outcome
                .get()
                .cloned(),
        };
        Poll::Ready(outcome.unwrap_or(Err(TaskError::InvalidState)))
    }
}

/// The future of a [`Promise`] or [`PromiseFuture`] that is awaited by reference: it lends the result.
///
/// # Cancellation
///
/// As described for [`Promise`]. Dropping it gives up the wait, and leaves the promise as it is.
#[must_use = "futures do nothing unless they are awaited"]
pub struct PromiseLoan<'a, T: 'static> {
    future: &'a PromiseFuture<T>,
    wait: Wait,
    loan: PhantomData<&'a T>,
}

impl<'a, T> Future for PromiseLoan<'a, T> {
    type Output = Result<&'a T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        ready!(this.wait.poll(cx))?;
        Poll::Ready(this.future.result())
    }
}

impl<T: Clone> IntoFuture for PromiseFuture<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = PromiseValue<T>;

    fn into_future(self) -> PromiseValue<T> {
        PromiseValue {
            wait: Wait::new(self.cell),
            value: PhantomData,
        }
    }
}

impl<T: Clone> IntoFuture for Promise<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = PromiseValue<T>;

    fn into_future(self) -> PromiseValue<T> {
        self.future().into_future()
    }
}

impl<'a, T> IntoFuture for &'a PromiseFuture<T> {
    type Output = Result<&'a T, TaskError>;
    type IntoFuture = PromiseLoan<'a, T>;

    fn into_future(self) -> PromiseLoan<'a, T> {
        PromiseLoan {
            future: self,
            wait: Wait::new(self.cell.clone()),
            loan: PhantomData,
        }
    }
}

impl<'a, T> IntoFuture for &'a Promise<T> {
    type Output = Result<&'a T, TaskError>;
    type IntoFuture = PromiseLoan<'a, T>;

    fn into_future(self) -> PromiseLoan<'a, T> {
        (&self.waiting).into_future()
    }
}
