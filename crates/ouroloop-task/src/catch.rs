//! `try ... except CancelledError` and `raise`, for Rust: scopes that catch a cancellation.
//!
//! In asyncio, `cancel()` makes the innermost `await` raise, which unwinds the coroutine to the
//! nearest `except`. Here the suspended futures are dropped, innermost first, up to the nearest
//! scope that catches.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::error::{Cancelled, CancelledBy};
use crate::pool::{Bookmark, Key, NIL};
use crate::scope::{CANCEL_PENDING, EXPIRED, LINKED, MUST_CANCEL, ScopeRecord};
use crate::tasks::Tasks;

/// Runs `future` and catches a cancellation that arrives meanwhile: `try ... except
/// CancelledError`.
///
/// The task goes on after an `Err`: it may await its clean-up, and either swallow the
/// cancellation or raise it again with [`Cancelled::raise`]. A swallowed one stays swallowed; call
/// [`uncancel`](crate::TaskRef::uncancel), too, if a timeout or a group around it shall not count it.
///
/// # Errors
///
/// [`Cancelled`] when a request to cancel reached this place: `future` was dropped, which ran its
/// destructors (the sync `finally`), and nothing of it is left.
///
/// # Cancellation
///
/// This is where it ends. Outside of a task nothing is ever caught.
///
/// # Ordering
///
/// It costs no iteration: the code after it runs in the step in which the cancellation is delivered.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, catch_cancelled, create_task, sleep};
/// use std::time::Duration;
///
/// async fn serve() -> &'static str {
///     match catch_cancelled(sleep(Duration::from_secs(3600))).await {
///         Ok(()) => "closed for the day",
///         Err(cancelled) => {
///             sleep(Duration::ZERO).await; // cleaning up may await
///             cancelled.raise().await
///         }
///     }
/// }
///
/// #[ouroloop::main]
/// async fn main() {
///     let task = create_task(serve());
///     sleep(Duration::ZERO).await;
///     task.cancel_with("enough");
///     match task.await {
///         Err(TaskError::Cancelled(why)) => assert_eq!(why.message(), Some("enough")),
///         other => panic!("{other:?}"),
///     }
/// }
/// ```
#[doc(alias = "except")]
pub async fn catch_cancelled<F: IntoFuture>(future: F) -> Result<F::Output, Cancelled> {
    let future = future.into_future();
    match Tasks::running() {
        Some(tasks) => {
            let scope = Scope::in_tasks(tasks);
            let caught = scope.catch(future).await;
            // What a scope further in has left to it goes on outwards.
            scope.close();
            caught
        }
        None => Ok(future.await),
    }
}

/// Raises a cancellation of one's own: unwinds to the next scope outwards, in the same poll.
///
/// The counterpart of `raise CancelledError`. The task ends cancelled if nothing catches it, although nobody
/// asked for it: its [`cancelling`](crate::TaskRef::cancelling) stays what it was. To raise one again that was
/// caught, use [`Cancelled::raise`], which keeps its message.
///
/// # Cancellation
///
/// It ends as a cancellation, whichever request comes meanwhile; nothing after the `.await` runs.
///
/// # Panics
///
/// When it is awaited outside of a task, where there is nothing to unwind.
///
/// # Examples
///
/// ```
/// use ouroloop::{create_task, raise_cancelled};
///
/// ouroloop::run(async {
///     let task = create_task(async {
///         if true {
///             raise_cancelled().await;
///         }
///         "not reached"
///     });
///     assert!(task.await.unwrap_err().is_cancelled());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub fn raise_cancelled() -> Raise {
    Cancelled::new(CancelledBy::Itself).raise()
}

impl Cancelled {
    /// Raises this cancellation (again): unwinds to the next scope outwards, in the same poll.
    ///
    /// The bare `raise` of an `except CancelledError`: [`catch_cancelled`] has an example.
    ///
    /// # Cancellation
    ///
    /// As for [`raise_cancelled`].
    ///
    /// # Panics
    ///
    /// When it is awaited outside of a task, where there is nothing to unwind.
    pub fn raise(self) -> Raise {
        Raise(Some(self))
    }
}

/// The future of [`raise_cancelled`] and [`Cancelled::raise`]; it never has an output.
///
/// # Cancellation
///
/// As described for [`raise_cancelled`].
///
/// # Panics
///
/// When it is polled outside of a task.
#[must_use = "nothing is raised unless this is awaited"]
pub struct Raise(Option<Cancelled>);

impl Future for Raise {
    type Output = Never;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Never> {
        if let Some(cancelled) = self.0.take() {
            let raised = Tasks::running().is_some_and(|tasks| tasks.raise(cancelled));
            assert!(
                raised,
                "raise_cancelled outside of a task: there is nothing to unwind; await it in a task"
            );
        }
        Poll::Pending
    }
}

/// The type `!`, which stable Rust does not let one name directly.
pub type Never = <fn() -> ! as Returns>::Output;

/// What a function pointer returns: how [`Never`] gets its name.
#[doc(hidden)]
pub trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

/// A place in a task at which a request to cancel can be directed: what `timeout` and `TaskGroup`
/// are made of.
///
/// For those who build combinators; programs use [`catch_cancelled`], `timeout` and `task_group`. A request
/// at a scope asks only what is awaited below it, so the other branches of a `join!` go
/// on. [`catch`](Scope::catch) may be called more than once, one after the other.
///
/// The counts are per scope: see [`TaskRef::cancelling`](crate::TaskRef::cancelling). That of a scope
/// counts for the code within a `catch` of it. [`close`](Scope::close) ends the scope, and hands what
/// is left of its count to the scope around it; one that is dropped takes its requests with it. It dereferences to its
/// [`ScopeHandle`].
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::Scope;
/// use ouroloop::{Cancelled, CancelledBy, get_running_loop};
/// use std::future::pending;
///
/// ouroloop::run(async {
///     let scope = Scope::new();
///     let handle = scope.handle();
///     let event_loop = get_running_loop().unwrap();
///     event_loop
///         .call_soon(move || drop(handle.cancel(&Cancelled::new(CancelledBy::Timeout))))
///         .unwrap();
///     let caught = scope.catch(pending::<()>()).await;
///     assert_eq!(caught, Err(Cancelled::new(CancelledBy::Timeout)));
///     scope.close();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "a scope catches only what runs in its `catch`"]
pub struct Scope {
    handle: ScopeHandle,
}

impl Scope {
    /// Makes a scope of the task that makes it.
    ///
    /// # Panics
    ///
    /// If no loop is running in this thread.
    #[track_caller]
    #[allow(clippy::new_without_default, reason = "it can panic")]
    pub fn new() -> Scope {
        Scope::in_tasks(crate::event_loop::running_tasks("Scope::new", ""))
    }

    fn in_tasks(tasks: Rc<Tasks>) -> Scope {
        let (key, record) = tasks.scopes.insert();
        let bookmark = Bookmark::new(key, record);
        Scope {
            handle: ScopeHandle { tasks, bookmark },
        }
    }

    /// Gives the right to direct requests at it.
    pub fn handle(&self) -> ScopeHandle {
        self.handle.clone()
    }

    /// Gives the key of the task that is being polled, as [`current_task_key`](crate::current_task_key) does: cheaper
    /// where there is a scope.
    #[inline]
    pub fn current_task_key(&self) -> Option<u64> {
        let id = self.tasks.current_id()?;
        Some(self.tasks.key_of(id))
    }

    /// Counts the requests to cancel that concern the code that is being polled, whichever scopes it is in: what
    /// [`TaskRef::cancelling`](crate::TaskRef::cancelling) is for its task.
    #[inline]
    pub fn cancelling(&self) -> u32 {
        self.tasks.cancelling_here()
    }

    /// Runs `future` as [`catch_cancelled`] does, and catches what is directed at this scope or further out.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] when a request to cancel reached this place; `future` was dropped.
    ///
    /// # Cancellation
    ///
    /// This is where it ends. If the catch itself is dropped before it is ready, as `select!` does, what
    /// was directed further out goes on to the scope around it, and what was directed at this one is over.
    pub fn catch<F: Future>(&self, future: F) -> Catch<'_, F> {
        Catch {
            scope: self,
            future: Some(future),
        }
    }

    /// Ends the scope and hands what is left of its count, and a request that was not delivered,
    /// to the scope around it.
    pub fn close(self) {
        let Some(record) = self.record() else {
            return;
        };
        let count = record.count.take();
        let undelivered = record.take_must_cancel();
        if count == 0 && undelivered.is_none() {
            return;
        }
        let Some(outer) = self.tasks.scopes.get(self.tasks.current()) else {
            return;
        };
        outer.count.set(outer.count.get() + count);
        if let Some(undelivered) = undelivered {
            outer.set_must_cancel(undelivered);
            self.cancel_is_pending();
        }
    }

    /// The task that is being polled has something to deliver in its next step.
    fn cancel_is_pending(&self) {
        if let Some(record) = self.tasks.scopes.get(self.tasks.current_root()) {
            record.set(CANCEL_PENDING);
        }
    }

    /// Puts the scope below the one that is being polled.
    #[inline]
    fn enter(&self) {
        let current = self.tasks.current();
        let scopes = &self.tasks.scopes;
        let Some(record) = self.record().filter(|_| !current.is_none()) else {
            return;
        };
        if record.has(LINKED) && record.parent.get() == current {
            return;
        }
        // Caught within itself: a circle of scopes would have no root.
        let may_be_around = record.first_child.get() != NIL;
        if current == self.key() || may_be_around && scopes.is_below(current, self.key()) {
            return;
        }
        if record.has(LINKED) {
            scopes.unlink_child(record);
        }
        scopes.link_child(current, self.key(), record);
        if record.has(MUST_CANCEL) {
            self.cancel_is_pending();
        }
    }

    #[inline]
    fn take_mark(&self) -> Option<Cancelled> {
        let mark = self.record()?.take_mark()?;
        let scopes = &self.tasks.scopes;
        scopes.note_delivery(mark.directed_at, self.tasks.current_step());
        Some(mark.cancelled)
    }

    /// The cancellation has arrived here. What was dropped for it may have left cancellations of its own;
    /// and a wait that outlives the scope was asked on behalf of this same delivery.
    fn conclude(&self) {
        self.take_mark();
        let first = self.record().map_or(NIL, |record| record.first_wait.get());
        let mut index = first;
        while index != NIL {
            let node = self.tasks.nodes.at(index);
            node.clear_forwarded();
            index = node.scope_next.get();
        }
        self.leave();
    }

    #[inline]
    fn leave(&self) {
        if let Some(record) = self.record().filter(|record| record.has(LINKED)) {
            self.tasks.scopes.unlink_child(record);
        }
    }
}

impl Deref for Scope {
    type Target = ScopeHandle;

    #[inline]
    fn deref(&self) -> &ScopeHandle {
        &self.handle
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let Some(record) = self.record() else {
            return;
        };
        self.tasks.set_deadline(self.key(), record, None);
        // It may hold a foreign waker, whose drop is somebody else's code.
        let scopes = &self.tasks.scopes;
        scopes.close(&self.tasks.nodes, self.key(), record);
    }
}

/// The right to cancel what runs in a [`Scope`]. Once that is gone it does nothing.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::Scope;
/// use ouroloop::VirtualClock;
/// use std::{future::pending, time::Duration};
///
/// let mut runner = ouroloop::Runner::new().clock(VirtualClock::new());
/// runner.run(async {
///     let scope = Scope::new();
///     let handle = scope.handle();
///     handle.set_delay(Duration::from_secs(5));
///     scope.catch(pending::<()>()).await.unwrap_err();
///     assert!(handle.expired());
///     scope.close();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct ScopeHandle {
    tasks: Rc<Tasks>,
    bookmark: Bookmark<ScopeRecord>,
}

impl ScopeHandle {
    #[inline]
    fn key(&self) -> Key {
        self.bookmark.key()
    }

    /// Its record, unless the scope has ended.
    #[inline]
    fn record(&self) -> Option<&ScopeRecord> {
        // SAFETY: it is in the pool of `tasks`, which `self` keeps.
        unsafe { self.bookmark.get() }
    }

    #[inline]
    fn set_deadline_ns(&self, when: Option<(u64, u64)>) {
        if let Some(record) = self.record() {
            self.tasks.set_deadline(self.key(), record, when);
        }
    }

    /// Directs a request at the scope, and counts it there; false if the scope has ended.
    ///
    /// # Cancellation
    ///
    /// Only what is awaited below the scope is asked; [`Scope::catch`] then gives `Err`.
    pub fn cancel(&self, cancelled: &Cancelled) -> bool {
        self.tasks.cancel_scope(self.key(), cancelled)
    }

    /// Cancels the scope on behalf of a timeout when the loop's time is `when`; `None` disarms it.
    ///
    /// A deadline that was set before is replaced.
    ///
    /// # Ordering
    ///
    /// A time that has passed is queued now, and comes in the next iteration after what is ready;
    /// any other takes its place among the timers.
    #[inline]
    pub fn set_deadline(&self, when: Option<Duration>) {
        let when = when.map(|when| {
            let when_ns = u64::try_from(when.as_nanos()).unwrap_or(u64::MAX);
            (when_ns, self.tasks.event_loop.time_ns())
        });
        self.set_deadline_ns(when);
    }

    /// Cancels the scope on behalf of a timeout after `delay`, counted from now: it reads the clock once.
    #[inline]
    pub fn set_delay(&self, delay: Duration) {
        let now_ns = self.tasks.event_loop.time_ns();
        let delay_ns = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let when = (now_ns.saturating_add(delay_ns), now_ns);
        self.set_deadline_ns(Some(when));
    }

    /// Tells whether the deadline passed and the scope was cancelled for that.
    #[inline]
    pub fn expired(&self) -> bool {
        self.record().is_some_and(|record| record.has(EXPIRED))
    }
}

pin_project! {
    /// The future of [`Scope::catch`].
    ///
    /// # Cancellation
    ///
    /// As described for [`Scope::catch`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Catch<'a, F: Future> {
        scope: &'a Scope,
        #[pin]
        future: Option<F>,
    }

    impl<F: Future> PinnedDrop for Catch<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                this.future.set(None);
                this.scope.abandon();
            }
        }
    }
}

impl<F: Future> Future for Catch<'_, F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let scope = *this.scope;
        scope.enter();
        if let Some(cancelled) = scope.take_mark() {
            this.future.set(None);
            scope.conclude();
            return Poll::Ready(Err(cancelled));
        }
        let future = this
            .future
            .as_mut()
            .as_pin_mut()
            .expect("a catch is not polled after it is ready");
        let polled = {
            let _inside = Inside::enter(&scope.tasks, scope.key());
            future.poll(cx)
        };
        if let Some(cancelled) = scope.take_mark() {
            drop(polled);
            this.future.set(None);
            scope.conclude();
            return Poll::Ready(Err(cancelled));
        }
        match polled {
            Poll::Ready(output) => {
                this.future.set(None);
                scope.leave();
                Poll::Ready(Ok(output))
            }
            Poll::Pending => {
                scope.remember_waker(cx);
                Poll::Pending
            }
        }
    }
}

impl Scope {
    /// The waker through which the scope can be made to be polled, if the task's own is not enough.
    #[inline]
    fn remember_waker(&self, cx: &Context<'_>) {
        let waker = cx.waker();
        let needed = (!self.tasks.is_own_waker(waker)).then_some(waker);
        let Some(record) = self.record() else {
            return;
        };
        if !record.keeps_waker(needed) {
            // A clone and a drop are anybody's code.
            drop(record.replace_waker(needed.cloned()));
        }
    }

    /// The catch was dropped before it was ready. A mark that it never saw goes to the scope around
    /// it if it was directed further out; what was directed at this scope is over with it.
    fn abandon(&self) {
        let scopes = &self.tasks.scopes;
        let Some(record) = self.record() else {
            return;
        };
        if let Some(mark) = record.take_mark() {
            let goes_on = mark.target.is_none() || scopes.is_below(self.key(), mark.target);
            if let Some(parent) = scopes.get(record.parent.get()).filter(|_| goes_on) {
                parent.mark_if_unmarked(mark);
            }
        }
        self.leave();
    }
}

/// While it lives, a scope is the one that is being polled.
struct Inside<'a> {
    tasks: &'a Tasks,
    outer: Key,
}

impl<'a> Inside<'a> {
    fn enter(tasks: &'a Tasks, scope: Key) -> Inside<'a> {
        Inside {
            tasks,
            outer: tasks.set_current(scope),
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.tasks.set_current(self.outer);
    }
}
