//! What all queues have in common: who waits for what, and when they are told.
//!
//! # State
//!
//! Getters wait while the queue is empty, putters while it is full, joiners while something is not
//! done. An item stays in the queue until a getter runs, so one that does not wait may take it in
//! between; the getter that was chosen then queues again, at the back. Putters likewise.
//!
//! # Invariants
//!
//! - `len` is the number of items in the store, whenever nothing of the store runs.
//! - A getter that was chosen and goes while there are items chooses the next one; a putter that
//!   was chosen and goes while there is room does so too. So no item and no room is left with
//!   nobody on the way to it while somebody waits.
//! - The store is borrowed only while it pushes or pops, and items are dropped outside of that. What
//!   compares items of a priority queue must not use that queue.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;

use ouroloop_task::{Place, Resource, ResourceState, WaitQueue, WaitSource};

use super::store::Store;
use crate::error::{GetError, PutError, QueueShutDown, TaskDoneTooOften};
use crate::statistics::QueueStatistics;

pub(crate) struct Core<S> {
    store: RefCell<S>,
    state: Rc<QueueState>,
}

impl<S: Store + Default> Core<S> {
    #[track_caller]
    pub(crate) fn new(kind: &'static str, maxsize: usize) -> Core<S> {
        Core {
            store: RefCell::default(),
            state: Rc::new(QueueState {
                kind,
                maxsize,
                len: Cell::new(0),
                unfinished: Cell::new(0),
                shut_down: Cell::new(false),
                getters: WaitQueue::new(),
                putters: WaitQueue::new(),
                joiners: WaitQueue::new(),
                created_at: Location::caller(),
            }),
        }
    }
}

impl<S: Store> Core<S> {
    #[inline]
    pub(crate) fn qsize(&self) -> usize {
        self.state.len.get()
    }

    pub(crate) fn maxsize(&self) -> usize {
        self.state.maxsize
    }

    pub(crate) fn full(&self) -> bool {
        self.state.full()
    }

    pub(crate) async fn put(&self, item: S::Item) -> Result<(), QueueShutDown<S::Item>> {
        let state = &*self.state;
        while state.full() {
            if state.shut_down.get() {
                break;
            }
            Place::new(Putters(state), self.state.clone()).await;
        }
        self.put_nowait(item)
            .map_err(|error| QueueShutDown::of(error.into_item()))
    }

    #[inline]
    pub(crate) fn put_nowait(&self, item: S::Item) -> Result<(), PutError<S::Item>> {
        let state = &*self.state;
        if state.shut_down.get() {
            return Err(PutError::QueueShutDown(item));
        }
        if state.full() {
            return Err(PutError::QueueFull(item));
        }
        {
            let mut store = self.store.borrow_mut();
            store.push(item);
            state.len.set(store.len());
        }
        state.unfinished.set(state.unfinished.get() + 1);
        state.getters.pop_next();
        Ok(())
    }

    pub(crate) async fn get(&self) -> Result<S::Item, QueueShutDown> {
        let state = &*self.state;
        loop {
            match self.get_nowait() {
                Ok(item) => return Ok(item),
                Err(GetError::QueueShutDown) => return Err(QueueShutDown::of(())),
                Err(GetError::QueueEmpty) => {}
            }
            Place::new(Getters(state), self.state.clone()).await;
        }
    }

    #[inline]
    pub(crate) fn get_nowait(&self) -> Result<S::Item, GetError> {
        let state = &*self.state;
        match self.pop() {
            Some(item) => {
                state.putters.pop_next();
                Ok(item)
            }
            None if state.shut_down.get() => Err(GetError::QueueShutDown),
            None => Err(GetError::QueueEmpty),
        }
    }

    pub(crate) fn task_done(&self) -> Result<(), TaskDoneTooOften> {
        let state = &*self.state;
        let left = state.unfinished.get().checked_sub(1);
        state.unfinished.set(left.ok_or(TaskDoneTooOften)?);
        if left == Some(0) {
            state.joiners.choose_all();
        }
        Ok(())
    }

    pub(crate) async fn join(&self) {
        if self.state.unfinished.get() > 0 {
            Place::new(Joiners(&self.state), self.state.clone()).await;
        }
    }

    pub(crate) fn shutdown(&self, immediate: bool) {
        let state = &*self.state;
        state.shut_down.set(true);
        let mut panicked = None;
        if immediate {
            panicked = self.discard_all();
            if state.unfinished.get() == 0 {
                state.joiners.choose_all();
            }
        }
        while state.getters.pop_next() {}
        while state.putters.pop_next() {}
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }

    pub(crate) fn statistics(&self) -> QueueStatistics {
        let state = &*self.state;
        QueueStatistics {
            qsize: state.len.get(),
            maxsize: state.maxsize,
            unfinished: state.unfinished.get(),
            tasks_waiting_get: state.getters.len(),
            tasks_waiting_put: state.putters.len(),
            tasks_waiting_join: state.joiners.len(),
            shut_down: state.shut_down.get(),
        }
    }

    pub(crate) fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = &*self.state;
        f.debug_struct(state.kind)
            .field("maxsize", &state.maxsize)
            .field("qsize", &state.len.get())
            .field("getters", &state.getters.len())
            .field("putters", &state.putters.len())
            .field("unfinished", &state.unfinished.get())
            .field("shut_down", &state.shut_down.get())
            .finish()
    }

    /// Drops all items; gives the first panic of one.
    fn discard_all(&self) -> Option<Box<dyn Any + Send>> {
        let mut panicked = None;
        loop {
            // One by one: to drop an item is to run anybody's code.
            match catch_unwind(AssertUnwindSafe(|| self.discard())) {
                Ok(true) => {}
                Ok(false) => return panicked,
                Err(panic) => {
                    panicked.get_or_insert(panic);
                }
            }
        }
    }

    /// Drops the next item, which counts as done; false if there is none.
    fn discard(&self) -> bool {
        let Some(item) = self.pop() else {
            return false;
        };
        let unfinished = &self.state.unfinished;
        unfinished.set(unfinished.get().saturating_sub(1));
        drop(item);
        true
    }

    #[inline]
    fn pop(&self) -> Option<S::Item> {
        let mut store = self.store.borrow_mut();
        let item = store.pop();
        self.state.len.set(store.len());
        item
    }
}

/// What does not depend on the items.
struct QueueState {
    kind: &'static str,
    /// 0 for any number.
    maxsize: usize,
    len: Cell<usize>,
    unfinished: Cell<usize>,
    shut_down: Cell<bool>,
    getters: WaitQueue,
    putters: WaitQueue,
    joiners: WaitQueue,
    created_at: &'static Location<'static>,
}

impl QueueState {
    #[inline]
    fn full(&self) -> bool {
        self.maxsize != 0 && self.len.get() >= self.maxsize
    }
}

impl Resource for QueueState {
    fn state(&self) -> ResourceState {
        let len = self.len.get();
        let mut detail = match (len, self.maxsize) {
            (0, _) => "empty".to_owned(),
            (len, 0) => format!("{len} in it"),
            (len, max) if len >= max => format!("full, {len} of {max}"),
            (len, max) => format!("{len} of {max}"),
        };
        // Most programs never say that something is done, and wait for that neither.
        if !self.joiners.is_empty() {
            detail += &format!(", join waits for {} task_done", self.unfinished.get());
        }
        ResourceState::new(self.kind, self.created_at).detail(detail)
    }
}

struct Getters<'a>(&'a QueueState);

impl WaitSource for Getters<'_> {
    fn queue(&self) -> &WaitQueue {
        &self.0.getters
    }

    fn give_back(&self, chosen: bool) {
        if chosen && self.0.len.get() > 0 {
            self.0.getters.pop_next();
        }
    }
}

struct Putters<'a>(&'a QueueState);

impl WaitSource for Putters<'_> {
    fn queue(&self) -> &WaitQueue {
        &self.0.putters
    }

    fn give_back(&self, chosen: bool) {
        if chosen && !self.0.full() {
            self.0.putters.pop_next();
        }
    }
}

struct Joiners<'a>(&'a QueueState);

impl WaitSource for Joiners<'_> {
    fn queue(&self) -> &WaitQueue {
        &self.0.joiners
    }

    /// Each is told of its own: there is nothing to pass on.
    fn give_back(&self, _chosen: bool) {}
}
