//! Waits: who is to be told when something is done.
//!
//! A node stands for one `.await` under way, or for one done-callback. It is a member of up to
//! two lists: that of the thing awaited, which gives the order of wake-ups, and that of the
//! cancellation scope which it was last polled under, which says whom to ask when that scope is
//! cancelled. A node without a target is a promise of its own: a sleep, or a place in the queue
//! of a lock, which somebody fires by its key.
//!
//! # Invariants
//!
//! - A node is in its target's list exactly until it has fired.
//! - A node is in its scope's list exactly while `scope` names a live scope.

use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use ouroloop_core::Context;

use crate::arena::{Arena, Key, NIL};
use crate::error::Cancelled;
use crate::header::{Awaited, ENDED_CANCELLED, Header};
use crate::resource::Resource;
use crate::scope::ScopeRecord;
use crate::task_ref::FutureRef;

pub(crate) struct Node {
    pub(crate) next: u32,
    pub(crate) prev: u32,
    pub(crate) scope: Key,
    pub(crate) scope_next: u32,
    pub(crate) scope_prev: u32,
    /// What it waits for is done, and whoever waits was told.
    pub(crate) fired: bool,
    /// The step of its task in which it was last polled.
    pub(crate) polled_in: u32,
    /// A request to cancel was passed on through this wait, and accepted.
    pub(crate) forwarded: bool,
    /// The scope at which that request was directed; of several, the outermost.
    pub(crate) directed_at: Key,
    pub(crate) wake: Wake,
    pub(crate) target: Target,
    /// The request that it accepted: a node that is its own promise was cancelled by it.
    pub(crate) request: Option<Box<Cancelled>>,
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
    Other(Rc<dyn Awaited>),
}

impl Target {
    pub(crate) fn other(&self) -> Option<&Rc<dyn Awaited>> {
        match self {
            Target::Other(target) => Some(target),
            _ => None,
        }
    }
}

/// Whom a node tells.
pub(crate) enum Wake {
    Nobody,
    /// The task whose root scope this is: it was polled with its own waker.
    Task(Key),
    /// Whoever polls by wakers of its own, within a task or outside of any.
    Waker(Waker),
    Callback(Callback),
}

pub(crate) type DoneCallback = Box<dyn FnOnce(&FutureRef)>;

pub(crate) struct Callback {
    pub(crate) run: DoneCallback,
    pub(crate) context: Option<Context>,
    /// Where it was added.
    pub(crate) created_at: &'static Location<'static>,
}

impl Node {
    pub(crate) fn new(target: Target, wake: Wake) -> Node {
        Node {
            next: NIL,
            prev: NIL,
            scope: Key::NONE,
            scope_next: NIL,
            scope_prev: NIL,
            fired: false,
            polled_in: 0,
            forwarded: false,
            directed_at: Key::NONE,
            wake,
            target,
            request: None,
        }
    }

    /// Takes out what it calls, if it is a done-callback; it tells nobody from then on.
    pub(crate) fn take_callback(&mut self) -> Option<DoneCallback> {
        match std::mem::replace(&mut self.wake, Wake::Nobody) {
            Wake::Callback(callback) => Some(callback.run),
            other => {
                self.wake = other;
                None
            }
        }
    }

    /// Whether its task waits for it: one that the task has polled and kept, and did not poll in its last
    /// step, is set aside, and a request that it accepted would get lost.
    pub(crate) fn is_awaited(&self, scopes: &Arena<ScopeRecord>) -> bool {
        match self.wake {
            Wake::Task(root) => {
                !self.fired
                    && scopes
                        .get(root)
                        .is_some_and(|record| record.last_step == self.polled_in)
            }
            // Who polls by wakers of its own polls only what was woken.
            _ => !self.fired,
        }
    }

    /// Whether what it waited for ended cancelled because a request was passed on through it.
    pub(crate) fn unwinds(&self) -> bool {
        self.fired
            && self.forwarded
            && match self.target.other() {
                Some(target) => target.header().has(ENDED_CANCELLED),
                None => self.request.is_some(),
            }
    }

    /// The cancellation that it ended with.
    pub(crate) fn cancellation(&self) -> Option<Cancelled> {
        match self.target.other() {
            Some(target) => match target.error() {
                Some(crate::TaskError::Cancelled(cancelled)) => Some(cancelled),
                _ => None,
            },
            None => self.request.as_deref().cloned(),
        }
    }
}

impl Arena<Node> {
    /// Appends a node to the list of those that `header` tells.
    pub(crate) fn link(&mut self, header: &Header, index: u32) {
        let last = header.last.get();
        let node = self.at_mut(index);
        node.prev = last;
        node.next = NIL;
        if last == NIL {
            header.first.set(index);
        } else {
            self.at_mut(last).next = index;
        }
        header.last.set(index);
    }

    pub(crate) fn unlink(&mut self, header: &Header, index: u32) {
        let (prev, next) = {
            let node = self.at(index);
            (node.prev, node.next)
        };
        if prev == NIL {
            header.first.set(next);
        } else {
            self.at_mut(prev).next = next;
        }
        if next == NIL {
            header.last.set(prev);
        } else {
            self.at_mut(next).prev = prev;
        }
    }
}
