//! Several things that are waited for at once, by their done-callbacks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ouroloop_core::{EventLoop, get_running_loop};
use ouroloop_task::{CallbackId, FutureRef, Resource, ResourceState};

use crate::caller::Caller;

/// Done-callbacks that are removed when this is dropped.
pub(crate) struct Watch(Rc<Watched>);

/// What a wait graph names. No callback may own it, or the two would keep each other.
pub(crate) struct Watched {
    caller: Caller,
    /// One of them is enough.
    any: Cell<bool>,
    callbacks: RefCell<Vec<(FutureRef, CallbackId)>>,
}

impl Watch {
    /// Nothing so far, on behalf of a function.
    pub(crate) fn new(caller: Caller) -> Watch {
        Watch(Rc::new(Watched {
            caller,
            any: Cell::new(false),
            callbacks: RefCell::new(Vec::new()),
        }))
    }

    pub(crate) fn add(&self, future: FutureRef, callback: impl FnOnce(&FutureRef) + 'static) {
        if future.done() {
            if let Some(here) = elsewhere(&future) {
                // Its own loop may never run again.
                let told = here.call_soon(move || callback(&future));
                debug_assert!(told.is_ok(), "it runs, so it is not closed");
                return;
            }
        }
        let id = future.add_done_callback(callback);
        self.0.callbacks.borrow_mut().push((future, id));
    }

    /// Says that the first of them ends the wait.
    pub(crate) fn any_is_enough(&self) {
        self.0.any.set(true);
    }

    pub(crate) fn caller(&self) -> Caller {
        self.0.caller
    }

    pub(crate) fn watched(&self) -> Rc<Watched> {
        self.0.clone()
    }
}

/// The running loop, if what is done belongs to another one.
fn elsewhere(future: &FutureRef) -> Option<EventLoop> {
    let here = get_running_loop().ok()?;
    Some(here).filter(|here| !future.event_loop().same_loop(here))
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.remove_all();
    }
}

impl Watched {
    pub(crate) fn remove_all(&self) {
        for (future, id) in self.callbacks.take() {
            future.remove_done_callback(id);
        }
    }
}

impl Resource for Watched {
    fn state(&self) -> ResourceState {
        let callbacks = self.callbacks.borrow();
        let futures = callbacks.iter().map(|(future, _)| future);
        let done = futures.clone().filter(|future| future.done()).count();
        let state = ResourceState::new(self.caller.function, self.caller.place)
            .detail(format!("{done} of {} done", callbacks.len()))
            .futures(futures.cloned());
        match self.any.get() {
            true => state.any(),
            false => state,
        }
    }
}
