//! The tree of cancellation scopes of a task.
//!
//! A scope is a place where a cancellation is caught: the root of a task, or a
//! [`Scope`](crate::Scope) whose `catch` is being awaited. The loop knows the innermost scope that
//! is being polled. A scope links to its parent when its catch is first polled, and unlinks when
//! that is ready or dropped.
//!
//! # State
//!
//! - `must_cancel`: a request at this scope that could not be passed on; it is delivered at the
//!   task's next step, or passed on when the task suspends on something that takes it.
//! - `mark`: the scope is to drop what it polls and to give `Err` at its next chance.
//! - `count`: requests directed at this scope, less the calls of `uncancel`. At the root, this is
//!   `cancel()` of the task.
//!
//! # Invariants
//!
//! - `first_child..last_child` are the scopes whose `parent` is this one, linked by `next` and `prev`,
//!   in the order in which they were entered. They are `LINKED`, and so are no others.
//! - `first_wait..last_wait` are the waits whose `scope` is this one.
//! - `MUST_CANCEL` and `MARKED` say what `rare` holds.
//! - A record that is not in use is in no list, and holds nothing.

use std::cell::Cell;
use std::task::Waker;

use ouroloop_core::TimerKey;

use crate::error::Cancelled;
use crate::header::TaskCellRef;
use crate::node::{Node, Request};
use crate::pool::{Entry, Key, NIL, Pool};

pub(crate) struct ScopeRecord {
    generation: Cell<u32>,
    /// Of a root: the task. The loop owns its tasks, and this is where.
    cell: Cell<Option<TaskCellRef>>,
    /// The scope around it, while it is linked.
    pub(crate) parent: Cell<Key>,
    pub(crate) first_child: Cell<u32>,
    pub(crate) last_child: Cell<u32>,
    pub(crate) next: Cell<u32>,
    pub(crate) prev: Cell<u32>,
    pub(crate) first_wait: Cell<u32>,
    pub(crate) last_wait: Cell<u32>,
    pub(crate) count: Cell<u32>,
    flags: Cell<u32>,
    /// Of a root: the number of its last step.
    pub(crate) last_step: Cell<u32>,
    /// The timer of its deadline, if it has one that is not due yet.
    pub(crate) timer: Cell<Option<TimerKey>>,
    /// What few scopes ever have.
    rare: Cell<Option<Box<Rare>>>,
}

#[derive(Default)]
struct Rare {
    must_cancel: Option<Request>,
    mark: Option<Mark>,
    /// The last step in which a request that was directed here was delivered.
    delivered_in: u32,
    /// The last step in which code in it raised a cancellation of its own.
    raised_in: u32,
    /// Of a root: the waits below it that accepted a request, as far as that is not known to be delivered.
    asked: Vec<Key>,
    /// The waker that its catch was last polled with, if it was not the task's own.
    waker: Option<Waker>,
    /// How many queued expiries were called off, and are to be ignored.
    stale_expiries: u32,
}

/// A cancellation on its way.
#[derive(Clone)]
pub(crate) struct Mark {
    pub(crate) cancelled: Cancelled,
    /// The scope that it was left to, and with which it is over.
    pub(crate) target: Key,
    /// The scope at which the request was directed, which is that or one around it, as each of several branches is
    /// left the request for itself; none if it is noted there that it has arrived.
    pub(crate) directed_at: Key,
}

/// Of a root: its task is in the ready queue.
pub(crate) const SCHEDULED: u32 = 1;
/// Of a root: its task is being polled.
pub(crate) const RUNNING: u32 = 1 << 1;
/// Of a root: its task was woken while it ran.
pub(crate) const WOKEN: u32 = 1 << 2;
/// Of a root: some scope of its task has `must_cancel`.
pub(crate) const CANCEL_PENDING: u32 = 1 << 3;
/// Its catch is being awaited, so that it is in the list of its parent.
pub(crate) const LINKED: u32 = 1 << 4;
/// Its deadline passed, and it was cancelled for that.
pub(crate) const EXPIRED: u32 = 1 << 5;
/// Its expiry is in the ready queue.
pub(crate) const EXPIRING: u32 = 1 << 6;
/// Of a root: its task has begun its first step.
pub(crate) const STARTED: u32 = 1 << 7;
/// Of a root: a wait below it has accepted a request, and may not have delivered it yet.
pub(crate) const ASKED: u32 = 1 << 8;
/// It is the root of a task.
pub(crate) const ROOT: u32 = 1 << 9;
/// It has a request that could not be passed on.
pub(crate) const MUST_CANCEL: u32 = 1 << 10;
/// It is to unwind at its next chance.
pub(crate) const MARKED: u32 = 1 << 11;
/// It keeps the waker of a combinator.
const HAS_WAKER: u32 = 1 << 12;
/// It has something rare.
const HAS_RARE: u32 = 1 << 13;

impl Default for ScopeRecord {
    fn default() -> ScopeRecord {
        ScopeRecord {
            generation: Cell::new(0),
            cell: Cell::new(None),
            parent: Cell::new(Key::NONE),
            first_child: Cell::new(NIL),
            last_child: Cell::new(NIL),
            next: Cell::new(NIL),
            prev: Cell::new(NIL),
            first_wait: Cell::new(NIL),
            last_wait: Cell::new(NIL),
            count: Cell::new(0),
            flags: Cell::new(0),
            last_step: Cell::new(0),
            timer: Cell::new(None),
            rare: Cell::new(None),
        }
    }
}

impl Entry for ScopeRecord {
    #[inline]
    fn generation(&self) -> &Cell<u32> {
        &self.generation
    }

    #[inline]
    fn next_free(&self) -> &Cell<u32> {
        &self.next
    }
}

impl ScopeRecord {
    #[inline]
    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags.get() & flag != 0
    }

    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        self.flags.get()
    }

    #[inline]
    pub(crate) fn set_flags(&self, flags: u32) {
        self.flags.set(flags);
    }

    #[inline]
    pub(crate) fn set(&self, flags: u32) {
        self.flags.set(self.flags.get() | flags);
    }

    #[inline]
    pub(crate) fn clear(&self, flags: u32) {
        self.flags.set(self.flags.get() & !flags);
    }

    /// Makes it the root of a task, whose word is in the ready queue if it is `scheduled`.
    #[inline]
    pub(crate) fn begin_root(&self, scheduled: bool) {
        self.flags
            .set(if scheduled { ROOT | SCHEDULED } else { ROOT });
        self.last_step.set(0);
    }

    /// Of a root that has none yet: its task.
    #[inline]
    pub(crate) fn set_cell(&self, cell: TaskCellRef) {
        std::mem::forget(self.cell.replace(Some(cell)));
    }

    /// Of a root: its task.
    #[inline]
    pub(crate) fn cell(&self) -> Option<TaskCellRef> {
        // SAFETY: the record is of one thread, the reference is gone at the end of this line, and a
        // clone of such a pointer calls nothing that could change the place.
        unsafe { &*self.cell.as_ptr() }.clone()
    }

    /// Of a root: its task, not counted.
    ///
    /// # Safety
    ///
    /// Its scope does not end while the loan lives.
    #[inline]
    pub(crate) unsafe fn lent_cell(&self) -> &TaskCellRef {
        // SAFETY: the record is of one thread, and nothing else than the end of the scope changes the
        // place, which the caller excludes.
        unsafe { &*self.cell.as_ptr() }
            .as_ref()
            .expect("only root scopes are scheduled")
    }

    /// Of a root: has the beginning of its task loaded into the cache, with what of the future it begins with.
    #[inline]
    pub(crate) fn prefetch_cell(&self) {
        // SAFETY: as for `cell`; nothing is called here.
        if let Some(cell) = unsafe { &*self.cell.as_ptr() } {
            cell.prefetch();
        }
    }

    /// Of a root that is about to end: its task, which is its own from now on.
    #[inline]
    pub(crate) fn take_cell(&self) -> Option<TaskCellRef> {
        self.cell.take()
    }

    /// Whether something may be awaited here that is not in a scope further in.
    pub(crate) fn is_innermost(&self) -> bool {
        self.first_child.get() == NIL || self.first_wait.get() != NIL
    }

    /// Of a root: its task leaves the ready queue and is polled.
    #[inline]
    pub(crate) fn begin_step(&self, step: u32) {
        self.last_step.set(step);
        self.flags
            .set(self.flags.get() & !(SCHEDULED | WOKEN) | RUNNING | STARTED);
    }

    #[cold]
    fn with_rare<R>(&self, change: impl FnOnce(&mut Rare) -> R) -> R {
        let mut rare = self.rare.take().unwrap_or_default();
        let result = change(&mut rare);
        self.set(HAS_RARE);
        self.rare.set(Some(rare));
        result
    }

    pub(crate) fn must_cancel(&self) -> Option<Request> {
        if !self.has(MUST_CANCEL) {
            return None;
        }
        self.with_rare(|rare| rare.must_cancel.clone())
    }

    pub(crate) fn set_must_cancel(&self, request: Request) {
        self.set(MUST_CANCEL);
        self.with_rare(|rare| rare.must_cancel = Some(request));
    }

    #[inline]
    pub(crate) fn take_must_cancel(&self) -> Option<Request> {
        if !self.has(MUST_CANCEL) {
            return None;
        }
        self.clear(MUST_CANCEL);
        self.with_rare(|rare| rare.must_cancel.take())
    }

    #[inline]
    pub(crate) fn take_mark(&self) -> Option<Mark> {
        if !self.has(MARKED) {
            return None;
        }
        self.clear(MARKED);
        self.with_rare(|rare| rare.mark.take())
    }

    /// Lets it unwind at its next chance, whatever it was to unwind for before.
    pub(crate) fn mark(&self, mark: Mark) {
        self.set(MARKED);
        self.with_rare(|rare| rare.mark = Some(mark));
    }

    /// The same, unless it is to unwind already.
    pub(crate) fn mark_if_unmarked(&self, mark: Mark) {
        if !self.has(MARKED) {
            self.mark(mark);
        }
    }

    pub(crate) fn note_raised(&self, step: u32) {
        self.with_rare(|rare| rare.raised_in = step);
    }

    pub(crate) fn add_asked(&self, waits: impl IntoIterator<Item = Key>) {
        self.with_rare(|rare| rare.asked.extend(waits));
    }

    pub(crate) fn take_asked(&self) -> Vec<Key> {
        self.with_rare(|rare| std::mem::take(&mut rare.asked))
    }

    /// A queued expiry was called off.
    #[cold]
    pub(crate) fn add_stale_expiry(&self) {
        self.with_rare(|rare| rare.stale_expiries += 1);
    }

    /// Whether the expiry that has its turn is one that was called off.
    pub(crate) fn take_stale_expiry(&self) -> bool {
        if !self.rare_is(|rare| rare.stale_expiries > 0) {
            return false;
        }
        self.with_rare(|rare| rare.stale_expiries -= 1);
        true
    }

    fn rare_is(&self, is: impl FnOnce(&Rare) -> bool) -> bool {
        self.has(HAS_RARE) && self.with_rare(|rare| is(rare))
    }

    /// Whether the waker that it keeps is just the one that it needs: `None` if it needs none.
    #[inline]
    pub(crate) fn keeps_waker(&self, needed: Option<&Waker>) -> bool {
        match (self.has(HAS_WAKER), needed) {
            (false, None) => true,
            (true, Some(needed)) => self.with_rare(|rare| match &rare.waker {
                Some(kept) => kept.will_wake(needed),
                None => false,
            }),
            _ => false,
        }
    }

    /// Keeps another waker, and gives the one before, whose drop may run anybody's code.
    pub(crate) fn replace_waker(&self, waker: Option<Waker>) -> Option<Waker> {
        if waker.is_some() {
            self.set(HAS_WAKER);
        } else {
            self.clear(HAS_WAKER);
        }
        self.with_rare(|rare| std::mem::replace(&mut rare.waker, waker))
    }
}

impl Pool<ScopeRecord> {
    #[inline]
    pub(crate) fn link_child(&self, parent: Key, child: Key, record: &ScopeRecord) {
        let around = self.at(parent.index());
        let last = around.last_child.get();
        debug_assert!(!record.has(LINKED));
        record.set(LINKED);
        record.parent.set(parent);
        record.prev.set(last);
        record.next.set(NIL);
        if last == NIL {
            around.first_child.set(child.index());
        } else {
            self.at(last).next.set(child.index());
        }
        around.last_child.set(child.index());
    }

    #[inline]
    pub(crate) fn unlink_child(&self, record: &ScopeRecord) {
        record.clear(LINKED);
        let parent = self.get(record.parent.replace(Key::NONE));
        let (prev, next) = (record.prev.get(), record.next.get());
        if prev != NIL {
            self.at(prev).next.set(next);
        } else if let Some(parent) = parent {
            parent.first_child.set(next);
        }
        if next != NIL {
            self.at(next).prev.set(prev);
        } else if let Some(parent) = parent {
            parent.last_child.set(prev);
        }
    }

    /// The root of the task in which a scope is linked. Followed anew each time, since a scope may
    /// move to another task with all that is below it.
    pub(crate) fn root_of(&self, scope: Key) -> Option<Key> {
        let mut top = scope;
        loop {
            let record = self.get(top)?;
            if record.has(ROOT) {
                return Some(top);
            }
            top = record.parent.get();
        }
    }

    /// A request that was directed at this scope arrives somewhere in it.
    pub(crate) fn note_delivery(&self, directed_at: Key, step: u32) {
        if let Some(record) = self.get(directed_at) {
            record.with_rare(|rare| rare.delivered_in = step);
        }
    }

    /// Whether a request needs not be delivered to code in `scope` any more: in this step it arrived elsewhere in the
    /// scope at which it was directed, or what waits is dropped by a cancellation that was raised around it. Step zero
    /// is none.
    pub(crate) fn is_delivered(&self, directed_at: Key, scope: u32, step: u32) -> bool {
        if step == 0 {
            return false;
        }
        if let Some(record) = self.get(directed_at) {
            if record.rare_is(|rare| rare.delivered_in == step) {
                return true;
            }
        }
        let mut around = match scope {
            NIL => None,
            scope => Some(self.at(scope)),
        };
        while let Some(record) = around {
            if record.rare_is(|rare| rare.raised_in == step) {
                return true;
            }
            around = self.get(record.parent.get());
        }
        false
    }

    /// Whether `inner` is linked somewhere below `outer`.
    pub(crate) fn is_below(&self, inner: Key, outer: Key) -> bool {
        let mut scope = inner;
        while let Some(record) = self.get(scope) {
            scope = record.parent.get();
            if scope == outer {
                return true;
            }
        }
        false
    }

    /// Puts a wait under a scope.
    #[inline]
    pub(crate) fn link_wait(&self, nodes: &Pool<Node>, scope: Key, index: u32, node: &Node) {
        let Some(record) = self.get(scope) else {
            return;
        };
        let last = record.last_wait.replace(index);
        if last == NIL {
            record.first_wait.set(index);
        } else {
            nodes.at(last).scope_next.set(index);
        }
        node.scope.set(scope.index());
        node.scope_prev.set(last);
        node.scope_next.set(NIL);
    }

    #[inline]
    pub(crate) fn unlink_wait(&self, nodes: &Pool<Node>, node: &Node) {
        let scope = node.scope.replace(NIL);
        if scope == NIL {
            return;
        }
        let record = self.at(scope);
        let (prev, next) = (node.scope_prev.get(), node.scope_next.get());
        if prev == NIL {
            record.first_wait.set(next);
        } else {
            nodes.at(prev).scope_next.set(next);
        }
        if next == NIL {
            record.last_wait.set(prev);
        } else {
            nodes.at(next).scope_prev.set(prev);
        }
    }

    /// The scopes of the subtree at `top`, outermost first, in the order of their entry.
    pub(crate) fn below(&self, top: Key) -> Vec<Key> {
        let mut found = vec![top];
        let mut scope = top;
        loop {
            let record = self.at(scope.index());
            if record.first_child.get() != NIL {
                scope = self.key_at(record.first_child.get());
            } else {
                // Up until there is a sibling, and on with that.
                while scope != top && self.at(scope.index()).next.get() == NIL {
                    scope = self.at(scope.index()).parent.get();
                }
                if scope == top {
                    break;
                }
                scope = self.key_at(self.at(scope.index()).next.get());
            }
            found.push(scope);
        }
        found
    }

    /// Ends a scope: what is still linked below it finds another place when next polled.
    ///
    /// It may have held the last pointer to its task, or a foreign waker: their drops, which are anybody's code, come
    /// last.
    #[inline(always)]
    pub(crate) fn close(&self, nodes: &Pool<Node>, scope: Key, record: &ScopeRecord) {
        if record.first_wait.get() != NIL || record.first_child.get() != NIL {
            self.let_go(nodes, record);
        }
        let flags = record.flags.get();
        if flags & LINKED != 0 {
            self.unlink_child(record);
        }
        record.count.set(0);
        let cell = record.cell.take();
        let rare = if flags & HAS_RARE != 0 {
            record.rare.take()
        } else {
            None
        };
        record.flags.set(0);
        self.remove(scope, record);
        drop(rare);
        drop(cell);
    }

    /// Lets go of the waits and scopes that outlive a scope: they find another one when next polled.
    #[cold]
    fn let_go(&self, nodes: &Pool<Node>, record: &ScopeRecord) {
        let mut index = record.first_wait.replace(NIL);
        record.last_wait.set(NIL);
        while index != NIL {
            let node = nodes.at(index);
            node.scope.set(NIL);
            index = node.scope_next.get();
        }
        let mut child = record.first_child.replace(NIL);
        record.last_child.set(NIL);
        while child != NIL {
            let record = self.at(child);
            record.clear(LINKED);
            record.parent.set(Key::NONE);
            child = record.next.get();
        }
    }
}
