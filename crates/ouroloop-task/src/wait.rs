//! The leaves at the bottom of every `.await`: a wait for something else, and a wait that is its own
//! promise.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use ouroloop_core::{LoopError, TimerKey, running_loop_id};

use crate::arena::Key;
use crate::error::TaskError;
use crate::header::Awaited;
use crate::node::{Node, Target, Wake};
use crate::resource::Resource;
use crate::scope::Mark;
use crate::tasks::Tasks;
use crate::wait_graph;

/// A wait under way. Its owner holds what it waits for.
pub(crate) struct Wait {
    tasks: Rc<Tasks>,
    key: Key,
    /// What is wrong with this await: told one iteration later, as asyncio does.
    misuse: Option<Misuse>,
}

#[derive(Clone, Copy)]
enum Misuse {
    LoopClosed,
    SelfAwait,
    WrongLoop,
}

impl From<Misuse> for TaskError {
    fn from(misuse: Misuse) -> TaskError {
        match misuse {
            Misuse::LoopClosed => TaskError::LoopClosed,
            Misuse::SelfAwait => TaskError::SelfAwait,
            Misuse::WrongLoop => TaskError::WrongLoop,
        }
    }
}

impl Wait {
    pub(crate) fn new(tasks: Rc<Tasks>) -> Wait {
        Wait {
            tasks,
            key: Key::NONE,
            misuse: None,
        }
    }

    /// Ready once `target` is done. Stays pending where the request to cancel that ended it came
    /// through here: then the scope around it unwinds as soon as this returns.
    pub(crate) fn poll(
        &mut self,
        target: &Rc<dyn Awaited>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TaskError>> {
        if let Some(misuse) = self.misuse.take() {
            return Poll::Ready(Err(misuse.into()));
        }
        if !self.key.is_none() {
            return poll_node(&self.tasks, self.key, cx).map(Ok);
        }
        if target.header().done() {
            return Poll::Ready(Ok(()));
        }
        if let Some(misuse) = self.find_misuse(target) {
            self.misuse = Some(misuse);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let wake = self.tasks.wake_for(cx.waker());
        // Cloning a foreign waker may have run anything.
        if target.header().done() {
            return Poll::Ready(Ok(()));
        }
        let scope = self.tasks.current();
        let mut nodes = self.tasks.nodes.borrow_mut();
        let mut node = Node::new(Target::Other(target.clone()), wake);
        node.polled_in = self.tasks.current_step();
        self.key = nodes.insert(node);
        nodes.link(target.header(), self.key.index);
        self.tasks
            .scopes
            .borrow_mut()
            .link_wait(&mut nodes, scope, self.key.index);
        drop(nodes);
        if self.tasks.event_loop.debug() {
            wait_graph::warn_of_circle(&self.tasks);
        }
        Poll::Pending
    }

    /// Ends the wait, and with it its hold on what it waited for.
    pub(crate) fn release(&mut self) {
        let key = std::mem::replace(&mut self.key, Key::NONE);
        if !key.is_none() {
            remove_node(&self.tasks, key);
        }
    }

    fn find_misuse(&self, target: &Rc<dyn Awaited>) -> Option<Misuse> {
        if running_loop_id().is_some_and(|id| id != self.tasks.event_loop.id()) {
            return Some(Misuse::WrongLoop);
        }
        if self.tasks.is_closed() {
            return Some(Misuse::LoopClosed);
        }
        let root = target.task()?.root.get();
        (root == self.tasks.current_root()).then_some(Misuse::SelfAwait)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.release();
    }
}

/// Polls a wait that is registered.
fn poll_node(tasks: &Rc<Tasks>, key: Key, cx: &mut Context<'_>) -> Poll<()> {
    let mut nodes = tasks.nodes.borrow_mut();
    let Some(node) = nodes.get_mut(key) else {
        return Poll::Ready(());
    };
    if !node.fired {
        node.polled_in = tasks.current_step();
        let scope = tasks.current();
        let stays = match &node.wake {
            Wake::Task(root) => *root == tasks.current_root() && tasks.is_own_waker(cx.waker()),
            Wake::Waker(waker) => waker.will_wake(cx.waker()),
            Wake::Nobody | Wake::Callback(_) => false,
        };
        if node.scope != scope {
            let mut scopes = tasks.scopes.borrow_mut();
            scopes.unlink_wait(&mut nodes, key.index);
            scopes.link_wait(&mut nodes, scope, key.index);
        }
        drop(nodes);
        if stays || replace_wake(tasks, key, cx) {
            return Poll::Pending;
        }
        return poll_node(tasks, key, cx);
    }
    if node.unwinds() {
        let cancelled = node.cancellation();
        // Delivered now: its drop must not deliver it once more.
        node.forwarded = false;
        let (is_own, directed_at) = (node.target.other().is_none(), node.directed_at);
        drop(nodes);
        // A scope that is over cancels nobody: what it has ended gives its error as a value. A wait
        // that is its own promise has none to give.
        let is_meant = is_own || tasks.is_within(directed_at);
        if is_meant && cancelled.is_some_and(|cancelled| tasks.unwind(cancelled)) {
            return Poll::Pending;
        }
    }
    Poll::Ready(())
}

/// Tells another waker from now on; false if the wait was fired meanwhile.
///
/// Wakers are cloned and dropped outside of any borrow: they may run anybody's code.
fn replace_wake(tasks: &Tasks, key: Key, cx: &Context<'_>) -> bool {
    let mut wake = tasks.wake_for(cx.waker());
    let pending = match tasks.nodes.borrow_mut().get_mut(key) {
        Some(node) if !node.fired => {
            std::mem::swap(&mut node.wake, &mut wake);
            true
        }
        _ => false,
    };
    drop(wake);
    pending
}

/// Takes a wait out of its lists.
///
/// A cancellation that it accepted for its task and never delivered, since a combinator dropped it
/// before polling it again, is left to the scope around it: no request gets lost.
fn remove_node(tasks: &Tasks, key: Key) {
    let mut nodes = tasks.nodes.borrow_mut();
    if nodes.get(key).is_none() {
        return;
    }
    let mut scopes = tasks.scopes.borrow_mut();
    let scope = nodes.at(key.index).scope;
    scopes.unlink_wait(&mut nodes, key.index);
    if !nodes.at(key.index).fired {
        if let Some(target) = nodes.at(key.index).target.other().cloned() {
            nodes.unlink(target.header(), key.index);
        }
    }
    let node = nodes.remove(key).expect("it was there above");
    if node.unwinds() {
        if let (Some(record), Some(cancelled)) = (scopes.get_mut(scope), node.cancellation()) {
            record.rare().mark.get_or_insert(Mark {
                cancelled,
                target: node.directed_at,
            });
        }
    }
    // What accepted has not ended yet, and now nobody waits for that: unless the request was
    // delivered by another wait in this very step, it is as if nothing had accepted.
    let undelivered = node.forwarded
        && !node.fired
        && tasks.delivered_in.get() != tasks.current_step()
        && scopes.get(node.directed_at).is_some();
    drop((nodes, scopes));
    if let (true, Some(request)) = (undelivered, &node.request) {
        tasks.set_must_cancel(node.directed_at, request);
    }
    // Its target may be the last reference to a value, and that runs anybody's code.
    drop(node);
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
    pub fn new() -> Waiter {
        Waiter::in_tasks(
            crate::event_loop::running_tasks("Waiter::new", ""),
            Target::Itself,
        )
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
    pub fn on(resource: Rc<dyn Resource>) -> Waiter {
        Waiter::in_tasks(
            crate::event_loop::running_tasks("Waiter::on", ""),
            Target::Resource(resource),
        )
    }

    fn in_tasks(tasks: Rc<Tasks>, target: Target) -> Waiter {
        let key = tasks
            .nodes
            .borrow_mut()
            .insert(Node::new(target, Wake::Nobody));
        Waiter {
            tasks,
            key,
            timer: Cell::new(None),
        }
    }

    /// Gives the right to fire it.
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
    pub fn fire_at(&self, when: Duration) -> Result<(), LoopError> {
        let when_ns = u64::try_from(when.as_nanos()).unwrap_or(u64::MAX);
        if self.tasks.event_loop.is_closed() {
            return Err(LoopError::Closed);
        }
        if let Some(node) = self.tasks.nodes.borrow_mut().get_mut(self.key) {
            if matches!(node.target, Target::Itself | Target::Timer(_)) {
                node.target = Target::Timer(when_ns);
            }
        }
        let word = self.tasks.fire_word(self.key);
        let timer = self.tasks.event_loop.schedule_at(when_ns, word);
        if let Some(old) = self.timer.replace(Some(timer)) {
            self.tasks.event_loop.cancel_timer(old);
        }
        Ok(())
    }

    /// Tells whether it was fired, or cancelled.
    pub fn done(&self) -> bool {
        self.tasks
            .nodes
            .borrow()
            .get(self.key)
            .is_none_or(|node| node.fired)
    }

    /// Tells whether it was cancelled instead of fired: whoever handed something over with it takes it
    /// back.
    pub fn cancelled(&self) -> bool {
        self.tasks
            .nodes
            .borrow()
            .get(self.key)
            .is_some_and(|node| node.target.other().is_none() && node.request.is_some())
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
    pub fn fire(&self) -> bool {
        self.tasks.fire_own(self.key)
    }

    /// Tells whether the waiter is still there to be fired.
    pub fn is_pending(&self) -> bool {
        self.tasks
            .nodes
            .borrow()
            .get(self.key)
            .is_some_and(|node| !node.fired)
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
