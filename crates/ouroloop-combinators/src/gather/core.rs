//! What decides a gather, without the types of its results.
//!
//! # State
//!
//! Until it is known how the results are to be read (`settle`), ends of children are only written
//! down; nobody can have looked at the outer promise by then. After that each end is counted as
//! asyncio does: in the order of the children's callbacks, the first failure ends the gather, or
//! the last child does.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use ouroloop_core::{LoopError, LoopRef};
use ouroloop_task::{
    AsFutureRef, Delegate, FutureRef, LoopTasks, Promise, PromiseFuture, TaskError,
};

use crate::error::ErrorIsValue;

pub(crate) struct Core {
    children: Rc<Children>,
    outer: Promise<()>,
    finished: Cell<usize>,
    first_failed: Cell<Option<usize>>,
    /// Ends of children that came before `settle`: their places.
    early: RefCell<Vec<usize>>,
    reading: OnceCell<Reading>,
    /// Whether another core counts the children in its place.
    given_up: Cell<bool>,
}

struct Reading {
    return_exceptions: bool,
    /// Whether the child at a place ended in a value that is an error.
    failed: Box<dyn Fn(usize) -> bool>,
}

/// Whom a gather asks when it is cancelled. Apart from the core, which owns the promise that owns
/// this.
struct Children {
    /// As given. One that was given twice is asked twice, as in asyncio.
    all: Vec<FutureRef>,
    /// The first place of each.
    unique: Vec<usize>,
    cancel_requested: Cell<bool>,
}

impl Delegate for Children {
    fn ask(&self) -> Vec<FutureRef> {
        self.all.clone()
    }

    fn asked(&self, accepted: bool) {
        if accepted {
            self.cancel_requested.set(true);
        }
    }

    fn kind(&self) -> &'static str {
        "gather"
    }
}

impl Core {
    #[track_caller]
    pub(crate) fn new(
        event_loop: &LoopRef,
        futures: Vec<FutureRef>,
    ) -> Result<Rc<Core>, LoopError> {
        let mut seen = HashSet::with_capacity(futures.len());
        let unique = (0..futures.len())
            .filter(|place| seen.insert(&futures[*place]))
            .collect();
        let children = Rc::new(Children {
            unique,
            all: futures,
            cancel_requested: Cell::new(false),
        });
        let core = Rc::new(Core {
            outer: event_loop.create_delegating_future(children.clone())?,
            children,
            finished: Cell::new(0),
            first_failed: Cell::new(None),
            early: RefCell::new(Vec::new()),
            reading: OnceCell::new(),
            given_up: Cell::new(false),
        });
        for &place in &core.children.unique {
            let child = &core.children.all[place];
            if child.done() {
                core.early.borrow_mut().push(place);
                continue;
            }
            let core = core.clone();
            child.add_done_callback(move |child| core.child_done(place, child));
        }
        if core.children.unique.is_empty() {
            // Nobody else can set it.
            let _ = core.outer.set_result(());
        }
        Ok(core)
    }

    pub(crate) fn outer(&self) -> PromiseFuture<()> {
        self.outer.future()
    }

    /// The place of the child that failed first, if that is what ended the gather.
    pub(crate) fn first_failed(&self) -> Option<usize> {
        self.first_failed.get()
    }

    /// Gathers the same children anew, for who was polled and is then read in another way: an outer promise
    /// that has ended in an error cannot take it back.
    #[track_caller]
    pub(crate) fn again(self: &Rc<Core>) -> Rc<Core> {
        let event_loop = self.outer().as_future_ref().event_loop();
        let Ok(core) = Core::new(&event_loop, self.children.all.clone()) else {
            // The loop is closed, and the promise with it.
            return self.clone();
        };
        self.given_up.set(true);
        self.outer().as_future_ref().mark_retrieved();
        core
    }

    /// Says how the results are to be read, and counts the children that are done already.
    pub(crate) fn settle(&self, return_exceptions: bool, failed: Box<dyn Fn(usize) -> bool>) {
        let reading = Reading {
            return_exceptions,
            failed,
        };
        // One that was polled is settled, in the same way.
        let _ = self.reading.set(reading);
        for place in self.early.take() {
            self.child_done(place, &self.children.all[place]);
        }
    }

    fn child_done(&self, place: usize, child: &FutureRef) {
        if self.given_up.get() {
            return;
        }
        let Some(reading) = self.reading.get() else {
            self.early.borrow_mut().push(place);
            return;
        };
        self.finished.set(self.finished.get() + 1);
        if self.outer.done() {
            if !child.cancelled() {
                child.mark_retrieved();
            }
            return;
        }
        if !reading.return_exceptions {
            if let Some(error) = self.failure(reading, place, child) {
                self.first_failed.set(Some(place));
                self.end(error);
                return;
            }
        }
        if self.finished.get() < self.children.unique.len() {
            return;
        }
        if self.children.cancel_requested.get() {
            // asyncio takes the message of the last child, cancelled or not.
            let cancelled = child.exception().filter(TaskError::is_cancelled);
            self.end(cancelled.unwrap_or_else(|| {
                TaskError::Cancelled(ouroloop_task::Cancelled::new(
                    ouroloop_task::CancelledBy::Task,
                ))
            }));
        } else {
            // It is pending: that was asked above.
            let _ = self.outer.set_result(());
        }
    }

    fn failure(&self, reading: &Reading, place: usize, child: &FutureRef) -> Option<TaskError> {
        match child.exception() {
            Some(error) => Some(error),
            None if (reading.failed)(place) => {
                child.mark_retrieved();
                Some(TaskError::failed(ErrorIsValue))
            }
            None => None,
        }
    }

    fn end(&self, error: TaskError) {
        // It is pending: its callers asked.
        let _ = self.outer.set_error(error);
    }
}
