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

use std::rc::Rc;
use std::task::Waker;

use ouroloop_core::TimerKey;

use crate::arena::{Arena, Key, NIL};
use crate::error::Cancelled;
use crate::node::Node;
use crate::task_cell::TaskObject;

pub(crate) struct ScopeRecord {
    /// Of a root: the task. The loop owns its tasks, and this is where.
    pub(crate) cell: Option<Rc<dyn TaskObject>>,
    /// The scope around it, while it is linked.
    pub(crate) parent: Key,
    pub(crate) first_child: u32,
    pub(crate) last_child: u32,
    pub(crate) next: u32,
    pub(crate) prev: u32,
    pub(crate) first_wait: u32,
    pub(crate) last_wait: u32,
    pub(crate) count: u32,
    pub(crate) flags: u32,
    /// Of a root: the number of its last step.
    pub(crate) last_step: u32,
    /// The timer of its deadline, if it has one that is not due yet.
    pub(crate) timer: Option<TimerKey>,
    /// How many queued expiries were called off, and are to be ignored.
    pub(crate) stale_expiries: u32,
    /// What few scopes ever have.
    pub(crate) rare: Option<Box<Rare>>,
}

#[derive(Default)]
pub(crate) struct Rare {
    pub(crate) must_cancel: Option<Cancelled>,
    pub(crate) mark: Option<Mark>,
    /// The waker that its catch was last polled with, if it was not the task's own.
    pub(crate) waker: Option<Waker>,
}

/// A cancellation on its way, and the scope at which it was directed.
pub(crate) struct Mark {
    pub(crate) cancelled: Cancelled,
    pub(crate) target: Key,
}

/// Of a root: its task is in the ready queue.
pub(crate) const SCHEDULED: u32 = 1;
/// Of a root: its task is being polled.
pub(crate) const RUNNING: u32 = 1 << 1;
/// Of a root: its task was woken while it ran.
pub(crate) const WOKEN: u32 = 1 << 2;
/// Of a root: some scope of its task has `must_cancel`.
pub(crate) const CANCEL_PENDING: u32 = 1 << 3;
/// Of a root: a wait below it has accepted a request, and may not have delivered it yet.
pub(crate) const ASKED: u32 = 1 << 8;
/// Its catch is being awaited, so that it is in the list of its parent.
pub(crate) const LINKED: u32 = 1 << 4;
/// Its deadline passed, and it was cancelled for that.
pub(crate) const EXPIRED: u32 = 1 << 5;
/// Its expiry is in the ready queue.
pub(crate) const EXPIRING: u32 = 1 << 6;
/// Of a root: its task has begun its first step.
pub(crate) const STARTED: u32 = 1 << 7;

impl ScopeRecord {
    pub(crate) fn new() -> ScopeRecord {
        ScopeRecord {
            cell: None,
            parent: Key::NONE,
            first_child: NIL,
            last_child: NIL,
            next: NIL,
            prev: NIL,
            first_wait: NIL,
            last_wait: NIL,
            count: 0,
            flags: 0,
            last_step: 0,
            timer: None,
            stale_expiries: 0,
            rare: None,
        }
    }

    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether something may be awaited here that is not in a scope further in.
    pub(crate) fn is_innermost(&self) -> bool {
        self.first_child == NIL || self.first_wait != NIL
    }

    /// Of a root: its task leaves the ready queue and is polled.
    #[inline]
    pub(crate) fn begin_step(&mut self, step: u32) -> Rc<dyn TaskObject> {
        self.last_step = step;
        self.flags = self.flags & !(SCHEDULED | WOKEN) | RUNNING | STARTED;
        self.cell.clone().expect("only root scopes are scheduled")
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(Box::default)
    }

    pub(crate) fn must_cancel(&self) -> Option<&Cancelled> {
        self.rare.as_ref()?.must_cancel.as_ref()
    }

    pub(crate) fn take_must_cancel(&mut self) -> Option<Cancelled> {
        self.rare.as_mut()?.must_cancel.take()
    }

    pub(crate) fn take_mark(&mut self) -> Option<Mark> {
        self.rare.as_mut()?.mark.take()
    }
}

impl Arena<ScopeRecord> {
    pub(crate) fn link_child(&mut self, parent: Key, child: Key) {
        let last = self.at(parent.index).last_child;
        let record = self.at_mut(child.index);
        debug_assert!(!record.has(LINKED));
        record.flags |= LINKED;
        record.parent = parent;
        record.prev = last;
        record.next = NIL;
        if last == NIL {
            self.at_mut(parent.index).first_child = child.index;
        } else {
            self.at_mut(last).next = child.index;
        }
        self.at_mut(parent.index).last_child = child.index;
    }

    pub(crate) fn unlink_child(&mut self, child: Key) {
        let record = self.at_mut(child.index);
        record.flags &= !LINKED;
        let (parent, prev, next) = (record.parent, record.prev, record.next);
        record.parent = Key::NONE;
        if prev != NIL {
            self.at_mut(prev).next = next;
        } else if let Some(parent) = self.get_mut(parent) {
            parent.first_child = next;
        }
        if next != NIL {
            self.at_mut(next).prev = prev;
        } else if let Some(parent) = self.get_mut(parent) {
            parent.last_child = prev;
        }
    }

    /// The root of the task in which a scope is linked. Followed anew each time, since a scope may
    /// move to another task with all that is below it.
    pub(crate) fn root_of(&self, scope: Key) -> Option<Key> {
        let mut top = scope;
        loop {
            let record = self.get(top)?;
            if record.cell.is_some() {
                return Some(top);
            }
            top = record.parent;
        }
    }

    /// Whether `inner` is linked somewhere below `outer`.
    pub(crate) fn is_below(&self, inner: Key, outer: Key) -> bool {
        let mut scope = inner;
        while let Some(record) = self.get(scope) {
            scope = record.parent;
            if scope == outer {
                return true;
            }
        }
        false
    }

    /// Puts a wait under a scope.
    pub(crate) fn link_wait(&mut self, nodes: &mut Arena<Node>, scope: Key, index: u32) {
        let Some(record) = self.get_mut(scope) else {
            return;
        };
        let last = record.last_wait;
        record.last_wait = index;
        if last == NIL {
            record.first_wait = index;
        } else {
            nodes.at_mut(last).scope_next = index;
        }
        let node = nodes.at_mut(index);
        node.scope = scope;
        node.scope_prev = last;
        node.scope_next = NIL;
    }

    pub(crate) fn unlink_wait(&mut self, nodes: &mut Arena<Node>, index: u32) {
        let node = nodes.at_mut(index);
        let (scope, prev, next) = (node.scope, node.scope_prev, node.scope_next);
        node.scope = Key::NONE;
        let Some(record) = self.get_mut(scope) else {
            return;
        };
        if prev == NIL {
            record.first_wait = next;
        } else {
            nodes.at_mut(prev).scope_next = next;
        }
        if next == NIL {
            record.last_wait = prev;
        } else {
            nodes.at_mut(next).scope_prev = prev;
        }
    }

    /// Lets go of the waits that outlive a scope: they find another one when next polled.
    pub(crate) fn orphan_waits(&mut self, nodes: &mut Arena<Node>, scope: Key) {
        let mut index = self.at(scope.index).first_wait;
        while index != NIL {
            let node = nodes.at_mut(index);
            node.scope = Key::NONE;
            index = node.scope_next;
        }
        let record = self.at_mut(scope.index);
        record.first_wait = NIL;
        record.last_wait = NIL;
    }

    /// The scopes of the subtree at `top`, outermost first, in the order of their entry.
    pub(crate) fn below(&self, top: Key) -> Vec<Key> {
        let mut found = vec![top];
        let mut scope = top;
        loop {
            let record = self.at(scope.index);
            if record.first_child != NIL {
                scope = self.key_at(record.first_child);
            } else {
                // Up until there is a sibling, and on with that.
                while scope != top && self.at(scope.index).next == NIL {
                    scope = self.at(scope.index).parent;
                }
                if scope == top {
                    break;
                }
                scope = self.key_at(self.at(scope.index).next);
            }
            found.push(scope);
        }
        found
    }

    /// Ends a scope: what is still linked below it finds another place when next polled.
    pub(crate) fn close(&mut self, nodes: &mut Arena<Node>, scope: Key) -> Option<ScopeRecord> {
        let record = self.get(scope)?;
        if record.first_wait != NIL {
            self.orphan_waits(nodes, scope);
        }
        let mut child = self.at(scope.index).first_child;
        while child != NIL {
            let record = self.at_mut(child);
            record.flags &= !LINKED;
            record.parent = Key::NONE;
            child = record.next;
        }
        if self.at(scope.index).has(LINKED) {
            self.unlink_child(scope);
        }
        self.remove(scope)
    }
}
