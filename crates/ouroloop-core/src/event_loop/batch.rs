//! Running what is ready, and surviving it.
//!
//! The length of the queue is taken once; exactly so many entries run. What they schedule waits
//! for the next batch.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;

use super::LoopRef;
use super::statistics::add;
use crate::ready::{CALLBACK, NOTHING};
use crate::{
    Client, ClientId, ClientWord, ExceptionContext, LoopError, PanicPayload, Turns, has_context,
    swap_context,
};

/// What [`LoopRef::set_batch_order`] takes: from how many are left, the index of the one that runs next.
pub type BatchOrder = Box<dyn FnMut(usize) -> usize>;

/// A batch, as far as it got: it outlives the panics of its entries.
pub(super) struct Batch {
    /// The position in the ready queue at which it is over.
    end: Cell<usize>,
    /// The end was set, and the turn is not over.
    under_way: Cell<bool>,
    /// The entry that runs: a word, [`CALLBACK`] or [`NOTHING`].
    current: Cell<ClientWord>,
    /// The position of the word that a client was called for last, to take the turns of all its words.
    offered: Cell<Option<usize>>,
    /// Where the callback that runs was made.
    created_at: Cell<&'static Location<'static>>,
}

impl Batch {
    /// No batch yet: the turn begins with what precedes one.
    pub(super) fn none() -> Batch {
        Batch {
            end: Cell::new(0),
            under_way: Cell::new(false),
            current: Cell::new(NOTHING),
            offered: Cell::new(None),
            created_at: Cell::new(Location::caller()),
        }
    }

    #[inline]
    pub(super) fn begin(&self, end: usize) {
        self.end.set(end);
        self.under_way.set(true);
        self.current.set(NOTHING);
    }

    fn current(&self) -> Current {
        match self.current.get() {
            NOTHING => Current::Nothing,
            CALLBACK => Current::Call(self.created_at.get()),
            word => Current::Client(word),
        }
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
                    self.report_panic(batch.current(), PanicPayload::from_payload(payload));
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
                batch.begin(inner.ready.end());
            }
            if inner.watched.get() {
                self.run_watched(batch);
            } else {
                self.run_batch_of(batch, &mut client);
            }
            batch.under_way.set(false);
            if once || inner.stopping.get() {
                return Ok(());
            }
        }
    }

    /// Runs the batch to its end. `client` is the one that had its turn last.
    #[inline]
    fn run_batch_of(&self, batch: &Batch, client: &mut Option<(ClientId, Rc<dyn Client>)>) {
        let ready = &self.inner().ready;
        let end = batch.end.get();
        while let Some(word) = ready.first_word(end) {
            match client {
                Some((id, client)) if word.is_of(*id) => {
                    let mut turns = Turns {
                        ready,
                        client: *id,
                        current: &batch.current,
                        end,
                    };
                    batch.current.set(word);
                    let place = Some(ready.popped());
                    if batch.offered.replace(place) == place {
                        // It was left, by a panic or without one.
                        turns.next().into_iter().for_each(|word| client.run(word));
                    } else {
                        client.run_all(&mut turns);
                    }
                }
                _ if word == CALLBACK => {
                    self.shed_context();
                    ready.pop_word(end);
                    batch.current.set(word);
                    self.run_callback(batch);
                }
                _ => {
                    *client = self.client(word.client()).map(|it| (word.client(), it));
                    if client.is_none() {
                        ready.pop_word(end);
                    }
                }
            }
        }
    }

    /// Leaves behind what somebody has set outside of any turn: a foreign waker, say.
    #[inline]
    fn shed_context(&self) {
        if has_context() {
            self.contain("Exception while dropping a context", || {
                drop(swap_context(None));
            });
        }
    }

    #[inline]
    fn run_callback(&self, batch: &Batch) {
        if let Some(cell) = self.inner().ready.pop_callback() {
            batch.created_at.set(cell.shared().created_at);
            cell.run(self);
            swap_context(None);
        }
    }

    /// Runs the batch to its end, with the order that was set, and a look at the clock.
    #[cold]
    fn run_watched(&self, batch: &Batch) {
        let ready = &self.inner().ready;
        let end = batch.end.get();
        loop {
            batch.current.set(NOTHING);
            let left = ready.len_until(end);
            if left == 0 {
                return;
            }
            self.shed_context();
            ready.bring_to_front(self.next_index(left));
            let Some(word) = ready.pop_word(end) else {
                return;
            };
            let callback = match word {
                CALLBACK => ready.pop_callback(),
                _ => None,
            };
            batch.current.set(word);
            if let Some(cell) = &callback {
                batch.created_at.set(cell.shared().created_at);
            }
            let current = batch.current();
            // In words before it runs: a task that ends is forgotten. Not if the entry itself
            // switches debug mode on.
            let timed = self
                .debug()
                .then(|| (self.describe(current), self.time_ns()));
            match callback {
                None => {
                    self.observe(current, left);
                    if let Some(client) = self.client(word.client()) {
                        client.run(word.payload());
                    }
                }
                Some(cell) => {
                    if !cell.shared().cancelled.get() {
                        self.observe(current, left);
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
            .get(usize::from(id.index()))
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
