//! Running what is ready, and surviving it.
//!
//! The length of the queue is taken once; exactly so many entries run. One `catch_unwind` is
//! around the whole batch, and is entered again after a panic, so a callback that does not panic
//! pays nothing for it.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;

use super::LoopRef;
use super::statistics::add;
use crate::ready::Ready;
use crate::{Client, ClientId, ClientWord, ExceptionContext, PanicPayload, swap_context};

/// What [`LoopRef::set_batch_order`] takes.
pub type BatchOrder = Box<dyn FnMut(usize) -> usize>;

/// What is running, for the report if it panics.
#[derive(Copy, Clone)]
enum Current {
    Nothing,
    Call(&'static Location<'static>),
    Client(ClientWord),
}

impl LoopRef {
    /// Sets who says which entry of a batch runs next. `order` is given how many are left, and
    /// returns the index of one among them; they run first come, first served, at `None`.
    ///
    /// A hook for exploring schedules: with it a loop may do whatever order asyncio does not
    /// promise.
    ///
    /// # Panics
    ///
    /// An order that panics, or returns an index that is too great, is reported as a callback that
    /// panics, and is in force no longer.
    pub fn set_batch_order(&self, order: Option<BatchOrder>) {
        let epoch = &self.inner().batch_order_epoch;
        epoch.set(epoch.get() + 1);
        let before = self.inner().batch_order.replace(order);
        self.update_watched();
        drop(before);
    }

    /// Runs one batch and returns its size.
    pub(super) fn run_entries(&self) -> usize {
        let inner = self.inner();
        let size = inner.ready.len();
        if size == 0 {
            return 0;
        }
        let left = Cell::new(size);
        let current = Cell::new(Current::Nothing);
        while left.get() > 0 {
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
                if inner.watched.get() {
                    self.run_watched(&left, &current);
                } else {
                    self.run_plainly(&left, &current);
                }
            }));
            if let Err(payload) = outcome {
                self.report_panic(current.get(), PanicPayload::from_payload(payload));
                swap_context(None);
            }
        }
        let callbacks = inner.polling.callbacks.get();
        inner
            .polling
            .callbacks
            .set(callbacks.saturating_add(size as u32));
        add(&inner.counters.callbacks, size as u64);
        size
    }

    fn run_plainly(&self, left: &Cell<usize>, current: &Cell<Current>) {
        let ready = &self.inner().ready;
        // Most words in a row are of one client: look it up once.
        let mut client: Option<(ClientId, Rc<dyn Client>)> = None;
        while left.get() > 0 {
            let Some(entry) = ready.pop() else {
                left.set(0);
                return;
            };
            left.set(left.get() - 1);
            match entry {
                Ready::Client(word) => {
                    current.set(Current::Client(word));
                    match &client {
                        Some((id, client)) if *id == word.client() => client.run(word.payload()),
                        _ => {
                            client = self.client(word.client()).map(|it| (word.client(), it));
                            if let Some((_, client)) = &client {
                                client.run(word.payload());
                            }
                        }
                    }
                }
                Ready::Call(cell) => {
                    current.set(Current::Call(cell.shared().created_at));
                    cell.run(self);
                    swap_context(None);
                }
            }
        }
    }

    /// As `run_plainly`, with the order that was set, and a look at the clock.
    fn run_watched(&self, left: &Cell<usize>, current: &Cell<Current>) {
        let ready = &self.inner().ready;
        while left.get() > 0 {
            let index = self.next_index(left.get());
            let Some(entry) = ready.remove(index) else {
                left.set(0);
                return;
            };
            left.set(left.get() - 1);
            let begun_ns = if self.debug() {
                self.time_ns()
            } else {
                u64::MAX
            };
            match entry {
                Ready::Client(word) => {
                    current.set(Current::Client(word));
                    if let Some(client) = self.client(word.client()) {
                        client.run(word.payload());
                    }
                }
                Ready::Call(cell) => {
                    current.set(Current::Call(cell.shared().created_at));
                    cell.run(self);
                    swap_context(None);
                }
            }
            if self.debug() {
                self.warn_if_slow(begun_ns, || self.describe(current.get()));
            }
        }
    }

    fn next_index(&self, left: usize) -> usize {
        // Out of its place while it runs, since it may set another one. One that panics, or that
        // chooses what is not there, does not come back.
        let place = &self.inner().batch_order;
        let (Some(mut order), epoch) = (place.take(), self.inner().batch_order_epoch.get()) else {
            return 0;
        };
        let index = order(left);
        assert!(
            index < left,
            "the batch order chose entry {index} of {left}"
        );
        if self.inner().batch_order_epoch.get() == epoch {
            place.replace(Some(order));
            self.update_watched();
        }
        index
    }

    pub(super) fn client(&self, id: ClientId) -> Option<Rc<dyn Client>> {
        self.inner()
            .clients
            .borrow()
            .get(usize::from(id.0))
            .cloned()
    }

    fn describe(&self, current: Current) -> String {
        match current {
            Current::Nothing => "the batch order".into(),
            Current::Call(created_at) => format!("<Handle created at {created_at}>"),
            Current::Client(word) => match self.client(word.client()) {
                Some(client) => client.describe(word.payload()),
                None => format!("{word:?}"),
            },
        }
    }

    fn report_panic(&self, current: Current, panic: PanicPayload) {
        let mut context = ExceptionContext::new("Exception in callback").with_panic(panic);
        if let Current::Call(created_at) = current {
            context = context.with_created_at(created_at);
        }
        self.contain("Exception while reporting a panic", || {
            let context = context.with_source(self.describe(current));
            self.call_exception_handler(context);
        });
    }
}
