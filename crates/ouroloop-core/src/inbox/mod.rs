//! The inbox: where other threads leave work for a loop, and the protocol that makes a lost
//! wake-up impossible.
//!
//! # Who holds what
//!
//! - The *loop* is one thread at a time: it drains, parks and unparks.
//! - *Submitters* are any threads: they push, and they wake the selector when the loop may be
//!   asleep.
//! - `queue` (items, generation, waker) is touched only under its mutex. No user code runs under
//!   it, not even a destructor: what is refused goes back to its submitter.
//! - `state` is one atomic byte with two bits:
//!   - `PENDING`: the queue is not empty, or somebody wants the loop to look up. Set and cleared
//!     under the mutex, so the bit and the queue cannot disagree. Read without it.
//!   - `PARKED`: the loop is in the selector, or is about to be. Set and cleared by the loop only.
//!
//! # The order of steps
//!
//! Submitter: lock; (1) push the item; (2) `old = state.fetch_or(PENDING)`; unlock; (3) if `old`
//! was exactly `PARKED`, wake the selector.
//!
//! Loop: (a) `compare_exchange(0, PARKED)`; if that fails something is pending, and it does not
//! sleep; (b) sleep in the selector; (c) `fetch_and(!PARKED)`; (d) if `PENDING` is set: lock,
//! `fetch_and(!PENDING)`, take the items, unlock.
//!
//! # Why no wake-up is lost
//!
//! (2) and (a) are read-modify-writes of one byte, so one of them comes first. If (2) is first,
//! (a) sees `PENDING` and fails: the loop does not sleep. If (a) is first, (2) sees `PARKED`, and
//! (3) wakes the selector, whose wake-ups are remembered until the next `select`. There is no
//! third case, and no ordering stronger than acquire-release is needed, since it is one location.
//!
//! A second submitter that finds `PENDING` set already needs not wake: either the first one does,
//! or the loop was not parked and drains before it parks. So the selector is woken at most once a
//! sleep. A wake-up that comes late (the loop was woken by something else meanwhile) ends the next
//! sleep early, which costs an iteration and nothing else.
//!
//! Closing takes the mutex, forgets the generation, and takes the items: a submission is either
//! before it (its item is dropped by the closing loop) or after it (it is refused).

#[cfg(all(test, loom))]
mod loom;
mod table;

use std::mem;
use std::panic::Location;
use std::sync::{Arc, PoisonError};

pub(crate) use table::{claim, inbox, release};

use crate::sync::{AtomicU8, Mutex, MutexGuard, Ordering};
use crate::{ClientWord, Context, SelectorWaker};

const PENDING: u8 = 1;
const PARKED: u8 = 2;

/// What another thread can leave for a loop.
pub(crate) enum Item {
    /// Of `call_soon_threadsafe`.
    Call {
        callback: Box<dyn FnOnce() + Send>,
        context: Option<Context>,
        created_at: &'static Location<'static>,
    },
    /// Of `post`.
    Word(ClientWord),
    /// Of `schedule`.
    Turn(ClientWord),
}

pub(crate) struct Inbox {
    state: AtomicU8,
    queue: Mutex<Queue>,
}

struct Queue {
    /// Which of the loops that had this inbox one after the other has it now; zero for none.
    generation: u64,
    items: Vec<Item>,
    waker: Option<Arc<dyn SelectorWaker>>,
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox {
            state: AtomicU8::new(0),
            queue: Mutex::new(Queue {
                generation: 0,
                items: Vec::new(),
                waker: None,
            }),
        }
    }

    /// Opens the inbox for the loop of this generation, which must not be zero.
    pub(crate) fn open(&self, generation: u64, waker: Arc<dyn SelectorWaker>) {
        debug_assert_ne!(generation, 0, "generation zero means closed");
        let mut queue = self.lock();
        debug_assert_eq!(
            queue.generation, 0,
            "an inbox belongs to one loop at a time"
        );
        debug_assert!(queue.items.is_empty(), "a closed inbox takes nothing");
        queue.generation = generation;
        queue.waker = Some(waker);
        self.state.store(0, Ordering::Release);
    }

    /// Closes the inbox and returns what was in it. The caller drops that on the loop's thread.
    pub(crate) fn close(&self) -> Vec<Item> {
        let mut queue = self.lock();
        queue.generation = 0;
        let waker = queue.waker.take();
        let items = mem::take(&mut queue.items);
        self.state.store(0, Ordering::Release);
        drop(queue);
        drop(waker);
        items
    }

    /// Leaves an item for the loop, and wakes it if it sleeps. With `generation`, only for that
    /// loop; without, for whichever has the inbox now.
    ///
    /// Gives the item back if that loop is closed.
    pub(crate) fn push(&self, generation: Option<u64>, item: Item) -> Result<(), Item> {
        let mut queue = self.lock();
        if queue.generation == 0 || generation.is_some_and(|wanted| wanted != queue.generation) {
            return Err(item);
        }
        queue.items.push(item);
        self.notify(queue);
        Ok(())
    }

    /// Makes the loop look up, although there is nothing for it in the queue.
    pub(crate) fn nudge(&self, generation: u64) {
        let queue = self.lock();
        if queue.generation == generation {
            self.notify(queue);
        }
    }

    /// Whether the loop of this generation has the inbox still.
    pub(crate) fn is_open_for(&self, generation: u64) -> bool {
        self.lock().generation == generation
    }

    /// Whether there is something to drain: one load, for every iteration.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        // Pairs with the release in `notify`; the mutex orders the items themselves.
        self.state.load(Ordering::Acquire) & PENDING != 0
    }

    /// Declares that the loop is going to sleep. If this returns false it must not: something is
    /// pending.
    pub(crate) fn park(&self) -> bool {
        self.state
            .compare_exchange(0, PARKED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Declares that the loop is awake.
    pub(crate) fn unpark(&self) {
        self.state.fetch_and(!PARKED, Ordering::AcqRel);
    }

    /// Moves everything into `into`, which must be empty: its buffer becomes the next queue.
    pub(crate) fn drain(&self, into: &mut Vec<Item>) {
        debug_assert!(into.is_empty(), "the last drain was finished");
        let mut queue = self.lock();
        self.state.fetch_and(!PENDING, Ordering::AcqRel);
        mem::swap(&mut queue.items, into);
    }

    /// Steps 2 and 3 of a submission.
    fn notify(&self, queue: MutexGuard<'_, Queue>) {
        let old = self.state.fetch_or(PENDING, Ordering::AcqRel);
        let waker = if old == PARKED {
            queue.waker.clone()
        } else {
            None
        };
        // Unlock first: the woken loop wants the mutex at once.
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics under this mutex except an allocation, which leaves the queue as it was.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
