//! Running what is ready, and surviving it.
//!
//! The length of the queue is taken once; exactly so many entries run. What they schedule waits
//! for the next batch.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;

use super::LoopRef;
use super::statistics::add;
use crate::ready::Ready;
use crate::{
    Client, ClientId, ClientWord, ExceptionContext, LoopError, PanicPayload, swap_context,
};

/// What [`LoopRef::set_batch_order`] takes: from how many are left, the index of the one that runs next.
pub type BatchOrder = Box<dyn FnMut(usize) -> usize>;

/// A batch, as far as it got: it outlives the panics of its entries.
pub(super) struct Batch {
    /// What remains to run before the turn is over.
    left: Cell<usize>,
    /// The length was taken, and the turn is not over.
    under_way: Cell<bool>,
    current: Cell<Current>,
}

impl Batch {
    /// No batch yet: the turn begins with what precedes one.
    pub(super) fn none() -> Batch {
        Batch {
            left: Cell::new(0),
            under_way: Cell::new(false),
            current: Cell::new(Current::Nothing),
        }
    }

    pub(super) fn begin(&self, size: usize) {
        self.left.set(size);
        self.under_way.set(true);
        self.current.set(Current::Nothing);
    }

    #[inline]
    fn take(&self, next: impl FnOnce(usize) -> Option<Ready>) -> Option<Ready> {
        let left = self.left.get();
        if left == 0 {
            return None;
        }
        let entry = next(left);
        self.left.set(if entry.is_some() { left - 1 } else { 0 });
        entry
    }
}

/// What is running, for the report if it panics and for the observer.
#[derive(Copy, Clone)]
pub(super) enum Current {
    Nothing,
    Call(&'static Location<'static>),
    Client(ClientWord),
}

impl LoopRef {
    /// Sets who says which entry of a batch runs next. `order` is given how many are left, and
    /// returns the index of one among them; they run first come, first served, at `None`.
    ///
    /// A hook for exploring schedules: with it a loop may do whatever order asyncio does not
    /// promise. An order that panics, or returns an index that is too great, is reported as a callback that
    /// panics, and is in force no longer.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let event_loop = ouroloop::new_event_loop()?;
    /// let seen = Rc::new(RefCell::new(String::new()));
    /// for letter in ['a', 'b', 'c'] {
    ///     let seen = seen.clone();
    ///     event_loop.call_soon(move || seen.borrow_mut().push(letter))?;
    /// }
    /// event_loop.set_batch_order(Some(Box::new(|left| left - 1)));
    /// event_loop.run_once()?;
    /// assert_eq!(*seen.borrow(), "cba");
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn set_batch_order(&self, order: Option<BatchOrder>) {
        let epoch = &self.inner().batch_order_epoch;
        epoch.set(epoch.get() + 1);
        let before = self.inner().batch_order.replace(order);
        self.update_watched();
        drop(before);
    }

    /// Runs turns until `once` has been enough or the loop is to stop; the first one from the
    /// state that `batch` is in.
    ///
    /// One `catch_unwind` is around all of it, and is entered again after a panic, so a callback
    /// that does not panic pays nothing for it.
    pub(super) fn run_turns(&self, batch: &Batch, once: bool) -> Result<(), LoopError> {
        loop {
            let turns = AssertUnwindSafe(|| self.run_turns_unguarded(batch, once));
            match panic::catch_unwind(turns) {
                Ok(result) => return result,
                Err(payload) if batch.under_way.get() => {
                    self.report_panic(batch.current.get(), PanicPayload::from_payload(payload));
                    swap_context(None);
                }
                // No user code runs unguarded outside of a batch: an invariant is broken.
                Err(payload) => panic::resume_unwind(payload),
            }
        }
    }

    fn run_turns_unguarded(&self, batch: &Batch, once: bool) -> Result<(), LoopError> {
        let inner = self.inner();
        // Most words are of one client: it is looked up once.
        let mut client = None;
        loop {
            if !batch.under_way.get() {
                add(&inner.counters.iterations, 1);
                self.gather()?;
                batch.begin(inner.ready.len());
                self.count_callbacks(batch.left.get());
            }
            if inner.watched.get() {
                self.run_watched(batch);
            } else {
                self.run_plainly(batch, &mut client);
            }
            batch.under_way.set(false);
            if once || inner.stopping.get() {
                return Ok(());
            }
        }
    }

    #[inline]
    fn run_plainly(&self, batch: &Batch, client: &mut Option<(ClientId, Rc<dyn Client>)>) {
        let ready = &self.inner().ready;
        while let Some(entry) = batch.take(|_| ready.pop()) {
            match entry {
                Ready::Client(word) => {
                    batch.current.set(Current::Client(word));
                    match client {
                        Some((id, client)) if *id == word.client() => client.run(word.payload()),
                        _ => self.run_word(word, client),
                    }
                }
                Ready::Call(cell) => {
                    batch.current.set(Current::Call(cell.shared().created_at));
                    cell.run(self);
                    swap_context(None);
                }
            }
        }
    }

    #[cold]
    fn run_word(&self, word: ClientWord, last: &mut Option<(ClientId, Rc<dyn Client>)>) {
        *last = self
            .client(word.client())
            .map(|client| (word.client(), client));
        if let Some((_, client)) = last {
            client.run(word.payload());
        }
    }

    /// As `run_plainly`, with the order that was set, and a look at the clock.
    #[cold]
    fn run_watched(&self, batch: &Batch) {
        let ready = &self.inner().ready;
        while let Some(entry) = batch.take(|left| ready.remove(self.next_index(left))) {
            let current = match &entry {
                Ready::Client(word) => Current::Client(*word),
                Ready::Call(cell) => Current::Call(cell.shared().created_at),
            };
            // In words before it runs: a task that ends is forgotten. Not if the entry itself
            // switches debug mode on.
            let timed = self
                .debug()
                .then(|| (self.describe(current), self.time_ns()));
            match entry {
                Ready::Client(word) => {
                    batch.current.set(current);
                    self.observe(current, batch.left.get() + 1);
                    self.run_word(word, &mut None);
                }
                Ready::Call(cell) => {
                    batch.current.set(current);
                    if !cell.shared().cancelled.get() {
                        self.observe(current, batch.left.get() + 1);
                    }
                    cell.run(self);
                    swap_context(None);
                }
            }
            if let Some((what, begun_ns)) = timed {
                self.warn_if_slow(begun_ns, &what);
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

    pub(super) fn describe(&self, current: Current) -> String {
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
        let context = ExceptionContext::new("Exception in callback").with_panic(panic);
        self.contain("Exception while reporting a panic", || {
            let context = match current {
                Current::Call(place) => context.with_source("<Handle>").with_created_at(place),
                current => context.with_source(self.describe(current)),
            };
            self.call_exception_handler(context);
        });
    }
}
