//! The leaves at the bottom of every `.await`: a wait for something else, and a wait that is its own
//! promise.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use ouroloop_core::{LoopError, TimerKey, running_loop_id};

use crate::error::TaskError;
use crate::header::CellRef;
use crate::node::{Node, OtherWake};
use crate::pool::{Key, NIL};
use crate::resource::Resource;
use crate::scope::Mark;
use crate::tasks::Tasks;
use crate::wait_graph;

/// A wait under way for something else, which it keeps.
pub(crate) struct Wait {
    target: CellRef,
    /// Its node; or that there is none yet, or what is wrong with this await, which is told one iteration
    /// later, as asyncio does. One word, so that the whole fits into two registers.
    key: Key,
}

/// In the place of a node: the loop is closed.
const LOOP_CLOSED: Key = Key::special(1);
/// In the place of a node: a task awaits itself.
const SELF_AWAIT: Key = Key::special(2);
/// In the place of a node: the thing is of another loop.
const WRONG_LOOP: Key = Key::special(3);

impl Wait {
    #[inline]
    pub(crate) fn new(target: CellRef) -> Wait {
        Wait {
            target,
            key: Key::NONE,
        }
    }

    /// What it waits for.
    #[inline]
    pub(crate) fn target(&self) -> &CellRef {
        &self.target
    }

    /// The same, to look whether nobody else has it.
    #[inline]
    pub(crate) fn target_mut(&mut self) -> &mut CellRef {
        &mut self.target
    }

    /// Ready once the target is done. Stays pending where the request to cancel that ended it came
    /// through here: then the scope around it unwinds as soon as this returns.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        match self.key.is_special() {
            true if self.key.is_none() && self.target.done() => Poll::Ready(Ok(())),
            true => self.register(cx),
            false => self.resume(cx),
        }
    }

    /// Polls one that is registered.
    fn resume(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        let tasks = self.target.tasks();
        let Some(node) = tasks.nodes.get(self.key) else {
            return Poll::Ready(Ok(()));
        };
        if poll_found(tasks, self.key, node, cx).is_pending() {
            let is_over = tasks.is_closed() && !self.target.done();
            return match is_over {
                true => Poll::Ready(Err(TaskError::LoopClosed)),
                false => Poll::Pending,
            };
        }
        remove_found(tasks, std::mem::replace(&mut self.key, Key::NONE), node);
        Poll::Ready(Ok(()))
    }

    fn register(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        let is_new = self.key.is_none() && self.find_misuse().is_none();
        if !is_new || !self.target.tasks().is_own_waker(cx.waker()) {
            return self.register_with_care(cx);
        }
        let tasks = self.target.tasks();
        let (key, node) = tasks.nodes.insert();
        self.key = key;
        node.begin(self.target.clone());
        node.tell_task(tasks.current_root());
        self.link(key, node);
        Poll::Pending
    }

    /// The same of a wait that something is wrong with, or whose waker is that of a combinator.
    #[cold]
    fn register_with_care(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        match std::mem::replace(&mut self.key, Key::NONE) {
            LOOP_CLOSED => return Poll::Ready(Err(TaskError::LoopClosed)),
            SELF_AWAIT => return Poll::Ready(Err(TaskError::SelfAwait)),
            WRONG_LOOP => return Poll::Ready(Err(TaskError::WrongLoop)),
            _ => {}
        }
        if let Some(misuse) = self.find_misuse() {
            self.key = misuse;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // A clone is anybody's code.
        let waker = cx.waker().clone();
        if self.target.done() {
            return Poll::Ready(Ok(()));
        }
        let (key, node) = self.target.tasks().nodes.insert();
        self.key = key;
        node.begin(self.target.clone());
        node.tell_other(OtherWake::Waker(waker));
        self.link(key, node);
        Poll::Pending
    }

    /// Puts a new node into the lists of what it waits for, and of the scope in which it is polled.
    #[inline(always)]
    fn link(&self, key: Key, node: &Node) {
        let tasks = self.target.tasks();
        node.polled_in.set(tasks.current_step());
        tasks.nodes.link(&self.target.told, key.index(), node);
        tasks
            .scopes
            .link_wait(&tasks.nodes, tasks.current(), key.index(), node);
        if tasks.event_loop.debug() {
            wait_graph::warn_of_circle(tasks);
        }
    }

    /// Ends the wait.
    #[inline(always)]
    pub(crate) fn release(&mut self) {
        let key = std::mem::replace(&mut self.key, Key::NONE);
        if !key.is_special() {
            remove_node(self.target.tasks(), key);
        }
    }

    #[inline(always)]
    fn find_misuse(&self) -> Option<Key> {
        let tasks = self.target.tasks();
        if running_loop_id().is_some_and(|id| id != tasks.id()) {
            return Some(WRONG_LOOP);
        }
        if tasks.is_closed() {
            return Some(LOOP_CLOSED);
        }
        let root = self.target.task()?.root.get();
        (root == tasks.current_root()).then_some(SELF_AWAIT)
    }
}

impl Drop for Wait {
    #[inline(always)]
    fn drop(&mut self) {
        self.release();
    }
}

/// Polls a wait that is registered.
#[inline]
fn poll_node(tasks: &Tasks, key: Key, cx: &mut Context<'_>) -> Poll<()> {
    match tasks.nodes.get(key) {
        Some(node) => poll_found(tasks, key, node, cx),
        None => Poll::Ready(()),
    }
}

#[inline]
fn poll_found(tasks: &Tasks, key: Key, node: &Node, cx: &mut Context<'_>) -> Poll<()> {
    if !node.fired() {
        return poll_pending(tasks, key, node, cx);
    }
    if node.unwinds() && unwind(tasks, node) {
        return Poll::Pending;
    }
    Poll::Ready(())
}

/// Polls one that has not fired.
pub(crate) fn poll_pending(tasks: &Tasks, key: Key, node: &Node, cx: &mut Context<'_>) -> Poll<()> {
    node.polled_in.set(tasks.current_step());
    let scope = tasks.current();
    if node.scope.get() != scope.index() {
        tasks.scopes.unlink_wait(&tasks.nodes, node);
        tasks
            .scopes
            .link_wait(&tasks.nodes, scope, key.index(), node);
    }
    if tasks.is_own_waker(cx.waker()) {
        // Its drop is anybody's code.
        drop(node.tell_task(tasks.current_root()));
        return Poll::Pending;
    }
    poll_with_other(tasks, key, node, cx)
}

/// The same with a waker that is not the task's own.
#[cold]
fn poll_with_other(tasks: &Tasks, key: Key, node: &Node, cx: &mut Context<'_>) -> Poll<()> {
    if node.tells(cx.waker()) {
        return Poll::Pending;
    }
    // A clone and a drop are anybody's code, which may fire the wait.
    let waker = cx.waker().clone();
    match tasks.nodes.get(key).filter(|node| !node.fired()) {
        Some(node) => {
            drop(node.tell_other(OtherWake::Waker(waker)));
            Poll::Pending
        }
        None => {
            drop(waker);
            poll_node(tasks, key, cx)
        }
    }
}

/// Delivers the request that ended a wait, if it is still meant for the code that waits.
#[cold]
pub(crate) fn unwind(tasks: &Tasks, node: &Node) -> bool {
    let (cancelled, directed_at) = match (node.cancellation(), node.request()) {
        (Some(cancelled), Some(request)) => (cancelled, request.directed_at),
        _ => return false,
    };
    // Delivered now: its drop must not deliver it once more.
    node.clear_forwarded();
    // A scope that is over cancels nobody: what it has ended gives its error as a value. A wait
    // that is its own promise has none to give.
    let is_meant = node.is_own() || tasks.is_within(directed_at);
    if is_meant {
        tasks
            .scopes
            .note_delivery(directed_at, tasks.current_step());
    }
    is_meant && tasks.unwind(cancelled)
}

/// Takes a wait out of its lists.
pub(crate) fn remove_node(tasks: &Tasks, key: Key) {
    if let Some(node) = tasks.nodes.get(key) {
        remove_found(tasks, key, node);
    }
}

/// The same of a wait whose node is at hand.
#[inline(always)]
pub(crate) fn remove_found(tasks: &Tasks, key: Key, node: &Node) {
    if node.forwarded() {
        return remove_asked(tasks, key, node);
    }
    tasks.scopes.unlink_wait(&tasks.nodes, node);
    tasks.nodes.end(key, node);
}

/// A cancellation that the wait accepted for its task and never delivered, since a combinator dropped it
/// before polling it again, is left to the scope around it: no request gets lost.
#[cold]
fn remove_asked(tasks: &Tasks, key: Key, node: &Node) {
    let scope = node.scope.get();
    tasks.scopes.unlink_wait(&tasks.nodes, node);
    let request = node.request();
    let directed_at = request
        .as_ref()
        .map_or(Key::NONE, |request| request.directed_at);
    if node.unwinds() && scope != NIL {
        if let Some(cancelled) = node.cancellation() {
            tasks.scopes.at(scope).mark_if_unmarked(Mark {
                cancelled,
                target: directed_at,
                directed_at,
            });
        }
    }
    // What accepted has not ended yet, and now nobody waits for that: unless this request was
    // delivered by another wait in this very step, it is as if nothing had accepted.
    let scopes = &tasks.scopes;
    let undelivered = !node.fired()
        && !scopes.is_delivered(directed_at, scope, tasks.current_step())
        && scopes.get(directed_at).is_some();
    if let (true, Some(request)) = (undelivered, request) {
        tasks.set_must_cancel(directed_at, request);
    }
    tasks.nodes.end(key, node);
}

/// A wait that is its own promise: one waiter, no value, no allocation.
///
/// It is what a sleep, and a place in the queue of a lock, are made of: for those who build such things.
/// Make it, hand its [`key`](Waiter::key) to whoever is to fire it, and await it.
///
/// # Cancellation
///
/// A request to cancel the awaiting task cancels the waiter at once, and the await unwinds.
/// Dropping it gives up the wait, and disarms its timer.
///
/// # Ordering
///
/// Firing it queues the awaiting task at that moment; the task resumes in the next iteration.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::Waiter;
/// use ouroloop::create_task;
///
/// ouroloop::run(async {
///     let waiter = Waiter::new();
///     let key = waiter.key();
///     create_task(async move { key.fire() });
///     waiter.await;
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "a waiter does nothing unless it is awaited"]
pub struct Waiter {
    tasks: Rc<Tasks>,
    key: Key,
    timer: Cell<Option<TimerKey>>,
}

impl Waiter {
    /// Makes a waiter of the running loop.
    ///
    /// # Cancellation
    ///
    /// As described for [`Waiter`].
    ///
    /// # Panics
    ///
    /// If no loop is running in this thread.
    #[track_caller]
    #[allow(clippy::new_without_default, reason = "it can panic")]
    #[inline]
    pub fn new() -> Waiter {
        let tasks = crate::event_loop::running_tasks("Waiter::new", "");
        let (key, node) = tasks.nodes.insert();
        node.begin_own();
        Waiter {
            tasks,
            key,
            timer: Cell::new(None),
        }
    }

    /// Makes a waiter of the running loop that waits for `resource`, which reports of deadlocks then name:
    /// see [`Resource`].
    ///
    /// # Cancellation
    ///
    /// As described for [`Waiter`].
    ///
    /// # Panics
    ///
    /// If no loop is running in this thread.
    #[track_caller]
    #[inline]
    pub fn on(resource: Rc<dyn Resource>) -> Waiter {
        let tasks = crate::event_loop::running_tasks_to_wait(&*resource);
        let (key, node) = tasks.nodes.insert();
        node.begin_on(resource);
        Waiter {
            tasks,
            key,
            timer: Cell::new(None),
        }
    }

    /// Gives the right to fire it.
    #[inline]
    pub fn key(&self) -> WaiterKey {
        WaiterKey {
            tasks: self.tasks.clone(),
            key: self.key,
        }
    }

    /// Fires it when the loop's time is `when`, unless that happened before.
    ///
    /// A time that was set before is replaced.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] once the loop is closed.
    ///
    /// # Ordering
    ///
    /// The timer takes its place among the due timers of its iteration; the awaiting task resumes
    /// in the one after, as with asyncio's `sleep`.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::lowlevel::Waiter;
    /// use ouroloop::{Runner, VirtualClock, get_running_loop};
    /// use std::time::Duration;
    ///
    /// Runner::new().clock(VirtualClock::new()).run(async {
    ///     let event_loop = get_running_loop().unwrap();
    ///     let waiter = Waiter::new();
    ///     waiter.fire_at(event_loop.time() + Duration::from_secs(5)).unwrap();
    ///     waiter.await;
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[inline]
    pub fn fire_at(&self, when: Duration) -> Result<(), LoopError> {
        let when_ns = u64::try_from(when.as_nanos()).unwrap_or(u64::MAX);
        if self.tasks.event_loop.is_closed() {
            return Err(LoopError::Closed);
        }
        if let Some(node) = self.tasks.nodes.get(self.key) {
            node.set_time(when_ns);
        }
        let word = self.tasks.fire_word(self.key);
        let timer = self.tasks.event_loop.schedule_at(when_ns, word);
        if let Some(old) = self.timer.replace(Some(timer)) {
            let is_queued = !self.tasks.event_loop.cancel_timer(old);
            if let (true, Some(node)) = (is_queued, self.tasks.nodes.get(self.key)) {
                node.add_stale();
            }
        }
        Ok(())
    }

    /// Tells whether it was fired, or cancelled.
    pub fn done(&self) -> bool {
        self.tasks.nodes.get(self.key).is_none_or(Node::fired)
    }

    /// Tells whether it was cancelled instead of fired: whoever handed something over with it takes it
    /// back.
    pub fn cancelled(&self) -> bool {
        self.tasks
            .nodes
            .get(self.key)
            .is_some_and(|node| node.is_own() && node.has_request())
    }
}

impl Future for Waiter {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        poll_node(&self.tasks, self.key, cx)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.tasks.event_loop.cancel_timer(timer);
        }
        remove_node(&self.tasks, self.key);
    }
}

/// The right to fire a [`Waiter`]. Once that is gone it does nothing.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::{Waiter, WaiterKey};
///
/// ouroloop::run(async {
///     let waiter = Waiter::new();
///     let key: WaiterKey = waiter.key();
///     assert!(key.fire() && !key.is_pending());
///     drop(waiter);
///     assert!(!key.fire(), "it is gone");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct WaiterKey {
    tasks: Rc<Tasks>,
    key: Key,
}

impl WaiterKey {
    /// Wakes whoever awaits the waiter; false if it is done or dropped already.
    #[inline]
    pub fn fire(&self) -> bool {
        self.tasks.fire_own(self.key)
    }

    /// Tells whether the waiter is still there to be fired.
    #[inline]
    pub fn is_pending(&self) -> bool {
        self.tasks
            .nodes
            .get(self.key)
            .is_some_and(|node| !node.fired())
    }
}

/// Gives the other ready callbacks and tasks their turn: asyncio's bare `yield`, and `sleep(0)`.
///
/// `sleep(Duration::ZERO)` does the same.
///
/// # Cancellation
///
/// A request that comes meanwhile is delivered when the task would have resumed.
///
/// # Ordering
///
/// The task goes to the end of the ready queue when it suspends, and resumes in the next iteration.
///
/// # Examples
///
/// ```
/// use ouroloop::{bare_yield, create_task};
///
/// ouroloop::run(async {
///     let other = create_task(async { "ran" });
///     assert!(!other.done());
///     bare_yield().await;
///     assert!(other.done());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[doc(alias = "yield")]
pub fn bare_yield() -> BareYield {
    BareYield { yielded: false }
}

/// The future of [`bare_yield`].
///
/// # Cancellation
///
/// As described for [`bare_yield`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct BareYield {
    yielded: bool,
}

impl Future for BareYield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
