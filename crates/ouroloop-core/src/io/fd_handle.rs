//! The callback of `add_reader` or `add_writer`: like a handle, but it runs many times.

use std::cell::Cell;
use std::panic::Location;

use crate::handle::{HandleShared, Scheduled};
use crate::{Context, LoopRef, Token, swap_context};

/// A reader or writer of a descriptor.
pub(crate) struct FdHandle {
    shared: HandleShared,
    /// Whether it is in the ready queue: it is there at most once.
    queued: Cell<bool>,
    token: Cell<Option<Token>>,
    callback: Cell<Option<Box<dyn FnMut()>>>,
}

impl FdHandle {
    pub(crate) fn new(
        callback: Box<dyn FnMut()>,
        context: Option<Context>,
        created_at: &'static Location<'static>,
    ) -> FdHandle {
        FdHandle {
            shared: HandleShared::new(context, created_at),
            queued: Cell::new(false),
            token: Cell::new(None),
            callback: Cell::new(Some(callback)),
        }
    }

    pub(crate) fn set_token(&self, token: Token) {
        self.token.set(Some(token));
    }

    /// Marks it as queued; false if it was.
    pub(crate) fn mark_queued(&self) -> bool {
        !self.queued.replace(true)
    }
}

impl Scheduled for FdHandle {
    fn run(&self, event_loop: &LoopRef) {
        self.queued.set(false);
        if let Some(callback) = self.callback.take() {
            let mut turn = Turn {
                handle: self,
                event_loop,
                callback: Some(callback),
            };
            self.shared.enter_context();
            if let Some(callback) = &mut turn.callback {
                callback();
            }
        }
    }

    fn cancel(&self) {
        self.shared.cancelled.set(true);
        drop(self.callback.take());
    }

    fn shared(&self) -> &HandleShared {
        &self.shared
    }
}

/// A call under way. Puts the callback back at its end, even if it ends by a panic.
struct Turn<'a> {
    handle: &'a FdHandle,
    event_loop: &'a LoopRef,
    callback: Option<Box<dyn FnMut()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let shared = &self.handle.shared;
        if shared.cancelled.get() {
            return;
        }
        self.handle.callback.set(self.callback.take());
        if shared.context.get().is_none() {
            // What the callback has set is there again the next time, as the handle has one context.
            if let Some(context) = swap_context(None) {
                swap_context(Some(context.clone()));
                let _ = shared.context.set(context);
            }
        }
        if let Some(token) = self.handle.token.get() {
            self.event_loop.rearm_later(token);
        }
    }
}
