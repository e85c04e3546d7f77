//! Waits: who is to be told when something is done.
//!
//! A node stands for one `.await` under way, or for one done-callback. It is a member of up to
//! two lists: that of the thing awaited, which gives the order of wake-ups, and that of the
//! cancellation scope which it was last polled under, which says whom to ask when that scope is
//! cancelled. A node without a target is a promise of its own: a sleep, or a place in the queue
//! of a lock, which somebody fires by its key, or the queue that it is in.
//!
//! # Invariants
//!
//! - A node is in its target's list exactly until it has fired. One without a target is in the list of a
//!   [`WaitQueue`](crate::WaitQueue), by the same links, exactly while it is `QUEUED`.
//! - A node is in its scope's list exactly while `scope` is not `NIL`, and then that scope is in use.
//! - `FIRED` is set before anybody is told, and then it tells nobody any more.
//! - `FORWARDED` is set only where `request` is there.
//! - `about` holds what `HAS_TARGET` and `HAS_RESOURCE` say, of which one is set at most; `told` what `TELLS_WAKER` and
//!   `TELLS_CALLBACK` say, likewise, and else a key. Who takes something out clears its flag.
//! - A node that is not in use is in no list, and has no flags, no request, and nobody to tell.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use ouroloop_core::{Context, LoopRef};

use crate::error::Cancelled;
use crate::header::{CellRef, ENDED_CANCELLED};
use crate::pool::{Entry, Key, NIL, Pool};
use crate::resource::Resource;
use crate::scope::ScopeRecord;
use crate::task_ref::FutureRef;

pub(crate) struct Node {
    generation: Cell<u32>,
    pub(crate) next: Cell<u32>,
    pub(crate) prev: Cell<u32>,
    pub(crate) scope: Cell<u32>,
    pub(crate) scope_next: Cell<u32>,
    pub(crate) scope_prev: Cell<u32>,
    /// The step of its task in which it was last polled.
    pub(crate) polled_in: Cell<u32>,
    flags: Cell<u32>,
    told: Cell<Told>,
    about: Cell<About>,
    /// The time of the loop at which a timer fires it, or its number in a queue of waiters.
    order: Cell<u64>,
    /// The request that it accepted: a node that is its own promise was cancelled by it.
    request: Cell<Option<Box<Request>>>,
}

/// Whom a node tells. There may be a million nodes, so these share a place.
union Told {
    /// A task, by its root scope, if it was polled with that task's own waker; or nobody.
    task: Key,
    /// Whoever polls by wakers of its own, within a task or outside of any.
    waker: ManuallyDrop<Waker>,
    callback: ManuallyDrop<DoneCallback>,
}

impl Told {
    const NOBODY: Told = Told { task: Key::NONE };
}

/// What a node waits for.
union About {
    nothing: (),
    /// The thing that has a list of those who wait for it, this one among them.
    target: ManuallyDrop<CellRef>,
    /// What fires it, as the promise of its own that it is, in words.
    resource: ManuallyDrop<Rc<dyn Resource>>,
}

impl About {
    const NOTHING: About = About { nothing: () };
}

/// What it waits for is done, and whoever waits was told.
const FIRED: u32 = 1;
/// A request to cancel was passed on through this wait, and accepted.
const FORWARDED: u32 = 1 << 1;
/// It has a target.
const HAS_TARGET: u32 = 1 << 2;
/// It tells a waker that is no task's own.
const TELLS_WAKER: u32 = 1 << 3;
/// A timer fires it.
const TIMED: u32 = 1 << 4;
/// It has a resource.
const HAS_RESOURCE: u32 = 1 << 5;
/// It has a request.
const HAS_REQUEST: u32 = 1 << 6;
/// It is in a queue of waiters, which fires it.
const QUEUED: u32 = 1 << 7;
/// It is a done-callback.
const TELLS_CALLBACK: u32 = 1 << 8;
/// It tells somebody that is no task.
const TELLS_OTHER: u32 = TELLS_WAKER | TELLS_CALLBACK;
/// One word of a timer that is in the ready queue, and was called off since: above this bit they are counted.
const STALE: u32 = 1 << 16;

/// The ends of a list of nodes: of those that something tells, or of a queue of waiters.
pub(crate) struct Ends {
    pub(crate) first: Cell<u32>,
    pub(crate) last: Cell<u32>,
}

impl Ends {
    pub(crate) const fn new() -> Ends {
        Ends {
            first: Cell::new(NIL),
            last: Cell::new(NIL),
        }
    }
}

/// A request to cancel, and the scope at which it was directed; of several, the outermost.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) cancelled: Cancelled,
    pub(crate) directed_at: Key,
}

/// What a node waits for.
#[derive(Clone)]
pub(crate) enum Target {
    /// It is a promise of its own, which somebody fires.
    Itself,
    /// The same, fired by a timer at this time of the loop, in nanoseconds.
    Timer(u64),
    /// The same, fired by what hands this out.
    Resource(Rc<dyn Resource>),
    /// Something that has a list of those who wait for it.
    Other(CellRef),
}

/// Whom a node tells that is no task: see [`Told`].
pub(crate) enum OtherWake {
    Waker(Waker),
    Callback(DoneCallback),
}

/// What is called once something is done, in one allocation.
pub(crate) type DoneCallback = Box<dyn Callback>;

pub(crate) trait Callback {
    /// Calls it through the loop, with what is done.
    fn schedule(self: Box<Self>, event_loop: &LoopRef, done: FutureRef);
}

pub(crate) struct CallbackOf<F> {
    pub(crate) run: F,
    pub(crate) context: Option<Context>,
    /// Where it was added.
    pub(crate) created_at: &'static Location<'static>,
}

impl<F: FnOnce(&FutureRef) + 'static> Callback for CallbackOf<F> {
    fn schedule(self: Box<Self>, event_loop: &LoopRef, done: FutureRef) {
        let CallbackOf {
            run,
            context,
            created_at,
        } = *self;
        let called = event_loop.call_created_at(context, move || run(&done), created_at);
        debug_assert!(called.is_ok(), "the loop is open");
    }
}

impl Default for Node {
    fn default() -> Node {
        Node {
            generation: Cell::new(0),
            next: Cell::new(NIL),
            prev: Cell::new(NIL),
            scope: Cell::new(NIL),
            scope_next: Cell::new(NIL),
            scope_prev: Cell::new(NIL),
            polled_in: Cell::new(0),
            flags: Cell::new(0),
            told: Cell::new(Told::NOBODY),
            about: Cell::new(About::NOTHING),
            order: Cell::new(0),
            request: Cell::default(),
        }
    }
}

impl Entry for Node {
    #[inline]
    fn generation(&self) -> &Cell<u32> {
        &self.generation
    }

    #[inline]
    fn next_free(&self) -> &Cell<u32> {
        &self.next
    }
}

impl Node {
    /// Takes a node into use that waits for a target; in no list yet, and telling nobody.
    #[inline]
    pub(crate) fn begin(&self, target: CellRef) {
        self.flags.set(HAS_TARGET);
        let target = ManuallyDrop::new(target);
        self.about.set(About { target });
    }

    /// Takes a node into use that is a promise of its own.
    #[inline]
    pub(crate) fn begin_own(&self) {
        self.flags.set(0);
    }

    /// The same, and something hands it out.
    #[inline]
    pub(crate) fn begin_on(&self, resource: Rc<dyn Resource>) {
        self.flags.set(HAS_RESOURCE);
        let resource = ManuallyDrop::new(resource);
        self.about.set(About { resource });
    }

    /// The same, and it is in a queue of waiters, where it has a number.
    #[inline]
    pub(crate) fn begin_queued(&self, resource: Rc<dyn Resource>, serial: u64) {
        self.begin_on(resource);
        self.flags.set(HAS_RESOURCE | QUEUED);
        self.order.set(serial);
    }

    /// Its number in the queue that it is in.
    #[inline]
    pub(crate) fn serial(&self) -> u64 {
        self.order.get()
    }

    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        self.flags.get() & QUEUED != 0
    }

    /// It is out of its queue, for good.
    #[inline]
    pub(crate) fn leave_queue(&self) {
        self.flags.set(self.flags.get() & !QUEUED);
    }

    #[inline]
    pub(crate) fn fired(&self) -> bool {
        self.flags.get() & FIRED != 0
    }

    /// Whether it is a promise of its own that waits to be fired by its name. Names can be forged, and of another node
    /// they name nothing that can be.
    #[inline]
    pub(crate) fn can_be_fired(&self) -> bool {
        self.flags.get() & (FIRED | HAS_TARGET | TELLS_CALLBACK | QUEUED) == 0
    }

    /// Marks it as fired, and gives the task that it tells, by its root scope. None if that is nobody, or somebody
    /// else: see [`take_other_wake`](Self::take_other_wake).
    #[inline]
    pub(crate) fn fire(&self) -> Key {
        let root = self.told_task();
        self.flags.set(self.flags.get() | FIRED);
        if !root.is_none() {
            self.told.set(Told::NOBODY);
        }
        root
    }

    /// The task that it tells, by its root scope.
    #[inline]
    pub(crate) fn told_task(&self) -> Key {
        if self.flags.get() & TELLS_OTHER != 0 {
            return Key::NONE;
        }
        // SAFETY: of one thread, and the reference is gone at the end of this line.
        let told = unsafe { &*self.told.as_ptr() };
        // SAFETY: it is a key if neither flag is set.
        unsafe { told.task }
    }

    /// Whom it tells that is no task.
    #[cold]
    pub(crate) fn take_other_wake(&self) -> Option<OtherWake> {
        let flags = self.flags.get();
        if flags & TELLS_OTHER == 0 {
            return None;
        }
        self.flags.set(flags & !TELLS_OTHER);
        let told = self.told.replace(Told::NOBODY);
        Some(if flags & TELLS_WAKER != 0 {
            // SAFETY: the flag says so, and neither is there any more.
            OtherWake::Waker(ManuallyDrop::into_inner(unsafe { told.waker }))
        } else {
            // SAFETY: as above.
            OtherWake::Callback(ManuallyDrop::into_inner(unsafe { told.callback }))
        })
    }

    /// Tells this task from now on; gives whom else it told before, if anybody.
    #[inline]
    pub(crate) fn tell_task(&self, root: Key) -> Option<OtherWake> {
        let before = match self.flags.get() & TELLS_OTHER != 0 {
            true => self.take_other_wake(),
            false => None,
        };
        self.told.set(Told { task: root });
        before
    }

    /// Tells somebody that is no task from now on; gives whom else it told before, if anybody.
    pub(crate) fn tell_other(&self, other: OtherWake) -> Option<OtherWake> {
        let before = self.take_other_wake();
        let (flag, told) = match other {
            OtherWake::Waker(waker) => {
                let waker = ManuallyDrop::new(waker);
                (TELLS_WAKER, Told { waker })
            }
            OtherWake::Callback(callback) => {
                let callback = ManuallyDrop::new(callback);
                (TELLS_CALLBACK, Told { callback })
            }
        };
        self.told.set(told);
        self.flags.set(self.flags.get() | flag);
        before
    }

    /// Whether it tells just this waker.
    pub(crate) fn tells(&self, waker: &Waker) -> bool {
        if self.flags.get() & TELLS_WAKER == 0 {
            return false;
        }
        // SAFETY: of one thread, and `will_wake` compares two pairs of pointers, so nothing changes the place meanwhile.
        let told = unsafe { &*self.told.as_ptr() };
        // SAFETY: the flag says so.
        unsafe { &told.waker }.will_wake(waker)
    }

    #[inline]
    pub(crate) fn forwarded(&self) -> bool {
        self.flags.get() & FORWARDED != 0
    }

    /// What was accepted through it is delivered, or is nobody's concern any more.
    pub(crate) fn clear_forwarded(&self) {
        self.flags.set(self.flags.get() & !FORWARDED);
    }

    /// A request that is directed at a scope was accepted through it.
    pub(crate) fn forward(
        &self,
        cancelled: &Cancelled,
        directed_at: Key,
        scopes: &Pool<ScopeRecord>,
    ) {
        let mut request = self.request.take().unwrap_or_else(|| {
            Box::new(Request {
                cancelled: cancelled.clone(),
                directed_at,
            })
        });
        if !self.forwarded() || scopes.is_below(request.directed_at, directed_at) {
            request.directed_at = directed_at;
        }
        self.request.set(Some(request));
        self.flags.set(self.flags.get() | FORWARDED | HAS_REQUEST);
    }

    /// Cancels it as the promise of its own that it is.
    pub(crate) fn cancel(&self, cancelled: &Cancelled) {
        self.flags.set(self.flags.get() | HAS_REQUEST);
        self.request.set(Some(Box::new(Request {
            cancelled: cancelled.clone(),
            directed_at: Key::NONE,
        })));
    }

    /// The request that it accepted.
    pub(crate) fn request(&self) -> Option<Request> {
        // SAFETY: of one thread, the reference is gone at the end of this line, and a clone of such a value calls nothing
        // that could change the place.
        unsafe { &*self.request.as_ptr() }.as_deref().cloned()
    }

    /// Whether it accepted a request.
    pub(crate) fn has_request(&self) -> bool {
        self.flags.get() & HAS_REQUEST != 0
    }

    /// The thing that it waits for, if it is not its own promise.
    pub(crate) fn other(&self) -> Option<CellRef> {
        if self.is_own() {
            return None;
        }
        // SAFETY: as for `request`.
        let about = unsafe { &*self.about.as_ptr() };
        // SAFETY: the flag says so.
        let target = unsafe { &about.target };
        Some(CellRef::clone(target))
    }

    fn resource(&self) -> Option<Rc<dyn Resource>> {
        if self.flags.get() & HAS_RESOURCE == 0 {
            return None;
        }
        // SAFETY: as for `request`.
        let about = unsafe { &*self.about.as_ptr() };
        // SAFETY: the flag says so.
        let resource = unsafe { &about.resource };
        Some(Rc::clone(resource))
    }

    /// Takes out what it waits for.
    #[inline(always)]
    fn take_about(&self) -> (Option<CellRef>, Option<Rc<dyn Resource>>) {
        let flags = self.flags.get();
        self.flags.set(flags & !(HAS_TARGET | HAS_RESOURCE));
        let about = self.about.replace(About::NOTHING);
        if flags & HAS_TARGET != 0 {
            // SAFETY: the flag says so, and it is not there any more.
            let target = unsafe { about.target };
            return (Some(ManuallyDrop::into_inner(target)), None);
        }
        if flags & HAS_RESOURCE != 0 {
            // SAFETY: as above.
            let resource = unsafe { about.resource };
            return (None, Some(ManuallyDrop::into_inner(resource)));
        }
        (None, None)
    }

    #[inline]
    pub(crate) fn is_own(&self) -> bool {
        self.flags.get() & HAS_TARGET == 0
    }

    pub(crate) fn target(&self) -> Target {
        if let Some(other) = self.other() {
            return Target::Other(other);
        }
        match self.resource() {
            Some(resource) => Target::Resource(resource),
            None if self.flags.get() & TIMED != 0 => Target::Timer(self.order.get()),
            None => Target::Itself,
        }
    }

    /// It is fired by a timer from now on.
    #[inline]
    pub(crate) fn set_time(&self, when_ns: u64) {
        self.flags.set(self.flags.get() | TIMED);
        self.order.set(when_ns);
    }

    /// A timer that was called off has its word in the ready queue already.
    pub(crate) fn add_stale(&self) {
        // With more than 65,000 of them, one after another, a word in excess may fire it.
        if let Some(flags) = self.flags.get().checked_add(STALE) {
            self.flags.set(flags);
        }
    }

    /// Whether the word of a timer that has its turn is one that was called off.
    #[inline]
    pub(crate) fn take_stale(&self) -> bool {
        let is_stale = self.flags.get() >= STALE;
        if is_stale {
            self.flags.set(self.flags.get() - STALE);
        }
        is_stale
    }

    /// Takes out what it calls, if it is a done-callback, which counts as fired from then on.
    pub(crate) fn take_callback(&self) -> Option<DoneCallback> {
        if self.flags.get() & TELLS_CALLBACK == 0 {
            return None;
        }
        self.flags.set(self.flags.get() | FIRED);
        match self.take_other_wake() {
            Some(OtherWake::Callback(callback)) => Some(callback),
            _ => unreachable!("the flag says that it is one"),
        }
    }

    /// Whether its task waits for it: one that the task has polled and kept, and did not poll in its last
    /// step, is set aside, and a request that it accepted would get lost.
    pub(crate) fn is_awaited(&self, scopes: &Pool<ScopeRecord>) -> bool {
        if self.fired() {
            return false;
        }
        let root = self.told_task();
        if root.is_none() {
            // Who polls by wakers of its own polls only what was woken.
            return true;
        }
        scopes
            .get(root)
            .is_some_and(|record| record.last_step.get() == self.polled_in.get())
    }

    /// Whether what it waited for ended cancelled because a request was passed on through it.
    #[inline]
    pub(crate) fn unwinds(&self) -> bool {
        const BOTH: u32 = FIRED | FORWARDED;
        self.flags.get() & BOTH == BOTH
            && match self.other() {
                Some(target) => target.has(ENDED_CANCELLED),
                None => true,
            }
    }

    /// The cancellation that it ended with.
    pub(crate) fn cancellation(&self) -> Option<Cancelled> {
        match self.other() {
            Some(target) => match target.awaited().error() {
                Some(crate::TaskError::Cancelled(cancelled)) => Some(cancelled),
                _ => None,
            },
            None => self.request().map(|request| request.cancelled),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop((self.take_about(), self.take_other_wake()));
    }
}

impl Pool<Node> {
    /// Ends the use of a node, which leaves the list of its target if it is there; not that of its scope.
    ///
    /// It may hold the last pointer to a value, or a foreign waker: their drops, which are anybody's code, come last.
    #[inline(always)]
    pub(crate) fn end(&self, key: Key, node: &Node) {
        if node.flags.get() & (TELLS_OTHER | HAS_REQUEST) == 0 {
            return self.end_plain(key, node);
        }
        let rest = (node.take_other_wake(), node.request.take());
        self.end_plain(key, node);
        drop(rest);
    }

    /// The same for one that has no request, and nobody to tell but a task.
    #[inline(always)]
    fn end_plain(&self, key: Key, node: &Node) {
        let fired = node.fired();
        let about = node.take_about();
        node.flags.set(0);
        node.told.set(Told::NOBODY);
        if let (Some(target), false) = (&about.0, fired) {
            self.unlink(&target.told, node);
        }
        self.remove(key, node);
        drop(about);
    }

    /// Appends a node to a list.
    #[inline]
    pub(crate) fn link(&self, list: &Ends, index: u32, node: &Node) {
        let last = list.last.replace(index);
        node.prev.set(last);
        node.next.set(NIL);
        if last == NIL {
            list.first.set(index);
        } else {
            self.at(last).next.set(index);
        }
    }

    /// Takes a node out of the list that it is in.
    #[inline]
    pub(crate) fn unlink(&self, list: &Ends, node: &Node) {
        let (prev, next) = (node.prev.get(), node.next.get());
        if prev == NIL {
            list.first.set(next);
        } else {
            self.at(prev).next.set(next);
        }
        if next == NIL {
            list.last.set(prev);
        } else {
            self.at(next).prev.set(prev);
        }
    }
}
