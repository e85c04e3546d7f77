//! What a loop consists of.
//!
//! # State
//!
//! All of it belongs to the loop's thread; only `inbox` and `remote` are shared with others.
//! Everything that user code could reach while user code runs is in cells that are borrowed for
//! the length of one operation: callbacks, wakers, handlers and destructors run with nothing
//! borrowed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::batch::BatchOrder;
use super::builder::IoPoll;
use super::exceptions::ExceptionHandler;
use super::observe::EntryObserver;
use super::statistics::Counters;
use crate::clock::{ClockReader, duration_to_ns};
use crate::inbox::{Inbox, Item};
use crate::io::IoTable;
use crate::ready::ReadyQueue;
use crate::remote::RemoteShared;
use crate::timers::Timers;
use crate::{Client, LoopId, Selector, SelectorEvent};

pub(crate) struct Inner {
    pub(crate) id: LoopId,
    pub(crate) generation: u64,
    /// The process that made the loop: after a fork it is not to be used.
    pub(crate) pid: u32,
    pub(crate) clock: ClockReader,

    pub(crate) ready: ReadyQueue,
    pub(crate) timers: Timers,
    pub(crate) clients: RefCell<Vec<Rc<dyn Client>>>,

    /// `EventLoop` values.
    pub(crate) users: Cell<usize>,
    /// The loop is in its thread's slot.
    pub(crate) running: Cell<bool>,
    /// An iteration, or a step of one, is under way.
    pub(crate) stepping: Cell<bool>,
    pub(crate) stopping: Cell<bool>,
    pub(crate) closed: Cell<bool>,

    pub(crate) inbox: &'static Inbox,
    /// The buffer that changes places with the inbox's.
    pub(crate) drained: RefCell<Vec<Item>>,
    pub(crate) remote: Arc<RemoteShared>,

    /// `None` once the loop is closed.
    pub(crate) selector: RefCell<Option<Box<dyn Selector>>>,
    pub(crate) waits_virtually: bool,
    pub(crate) io: RefCell<IoTable>,
    /// How many entries `io` has; looked at in every iteration.
    pub(crate) io_count: Cell<usize>,
    /// Polled and not yet dispatched.
    pub(crate) events: RefCell<Vec<SelectorEvent>>,
    pub(crate) polling: PollState,

    pub(crate) exception_handler: RefCell<Option<ExceptionHandler>>,
    pub(crate) debug: Cell<bool>,
    pub(crate) slow_callback_ns: Cell<u64>,
    pub(crate) batch_order: RefCell<Option<BatchOrder>>,
    /// Counts how often an order was set.
    pub(crate) batch_order_epoch: Cell<u64>,
    pub(crate) entry_observer: RefCell<Option<EntryObserver>>,
    /// Counts how often an observer was set.
    pub(crate) entry_observer_epoch: Cell<u64>,
    /// Entries are run one by one with care: debug mode, a batch order or an observer is on.
    pub(crate) watched: Cell<bool>,

    pub(crate) counters: Counters,
}

/// When the selector and the clock were last asked, and when they are to be asked again though the
/// loop is busy.
pub(crate) struct PollState {
    pub(crate) callbacks_max: usize,
    pub(crate) time_max_ns: u64,
    /// The clock is read after so many callbacks at the latest, if anything depends on it.
    pub(crate) look_after: Cell<usize>,
    /// As many as `look_after` can be.
    pub(crate) look_after_max: usize,
    /// How many callbacks had run at the last poll; one more than have if the next turn is to poll.
    pub(crate) polled_at: Cell<usize>,
    /// The loop's time of the last poll.
    pub(crate) last_ns: Cell<u64>,
    /// The same for the last reading of the clock.
    pub(crate) read_at: Cell<usize>,
    /// The last reading of the clock.
    pub(crate) recent_ns: Cell<u64>,
}

/// Callbacks between two readings of the clock, while they are quick.
const LOOK_AFTER: usize = 8;

impl PollState {
    pub(crate) fn new(policy: IoPoll, clock: &ClockReader) -> PollState {
        let (callbacks_max, time_max_ns) = match policy {
            IoPoll::EveryIteration => (0, 0),
            IoPoll::Amortised {
                callbacks_max,
                time_max,
            } => (callbacks_max as usize, duration_to_ns(time_max)),
        };
        // Virtual time costs nothing to read, and strictness has its price.
        let always = matches!(clock, ClockReader::Virtual(_)) || policy == IoPoll::EveryIteration;
        let look_after_max = if always { 0 } else { LOOK_AFTER };
        PollState {
            callbacks_max,
            time_max_ns,
            look_after: Cell::new(0),
            look_after_max,
            polled_at: Cell::new(0),
            last_ns: Cell::new(0),
            read_at: Cell::new(0),
            recent_ns: Cell::new(0),
        }
    }
}
