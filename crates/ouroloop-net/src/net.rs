//! What a loop knows of its sockets: this crate as a client of the core.
//!
//! A connection that has something to flush, or a listener with somebody at the door, gets its turn
//! as a word in the ready queue, at the place where asyncio's writer or reader callback would be. So
//! no task is needed for it, and none shows up among the user's. When the loop closes, all sockets
//! close with it, whoever still holds a stream.
//!
//! # Invariants
//!
//! - What has a number here has an open socket, or may have one soon; whoever loses its socket
//!   leaves at once. Numbers are never used again, so a late word finds nothing.
//! - The table is not borrowed while a turn runs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};

use ouroloop_core::{
    Client, ClientId, ClientWord, LoopError, LoopId, LoopRef, get_running_loop, post,
    running_loop_id, with_running,
};

use crate::buffer::Spare;
use crate::error::NetError;
use crate::resolve::Lookups;

/// Something with a socket, to which the loop gives turns.
pub(crate) trait Turn {
    /// The socket has become ready for what was waited for, or another turn was asked for.
    fn run(self: Rc<Self>);

    /// For the slow-callback warning.
    fn describe(&self) -> String;

    /// The loop is closing: close the socket and release all who wait.
    fn loop_closed(&self);
}

pub(crate) struct Net {
    event_loop: LoopRef,
    client: Cell<Option<ClientId>>,
    turns: RefCell<BTreeMap<u64, Rc<dyn Turn>>>,
    last_number: Cell<u64>,
    /// An iteration in which something was read or written, and the time when that began.
    noted: Cell<(u64, u64)>,
    spare: Spare,
    lookups: Lookups,
}

thread_local! {
    /// The loops of this thread that have sockets; nearly always one.
    static REGISTRY: RefCell<Vec<Rc<Net>>> = const { RefCell::new(Vec::new()) };
}

impl Net {
    /// The sockets of a loop.
    pub(crate) fn of(event_loop: &LoopRef) -> Result<Rc<Net>, LoopError> {
        if event_loop.is_closed() {
            return Err(LoopError::Closed);
        }
        let found = REGISTRY.with_borrow(|all| {
            let mut all = all.iter();
            all.find(|net| net.event_loop.same_loop(event_loop))
                .cloned()
        });
        if let Some(found) = found {
            return Ok(found);
        }
        let net = Rc::new(Net {
            event_loop: event_loop.clone(),
            client: Cell::new(None),
            turns: RefCell::new(BTreeMap::new()),
            last_number: Cell::new(0),
            noted: Cell::new((u64::MAX, 0)),
            spare: Spare::default(),
            lookups: Lookups::new(),
        });
        net.client
            .set(Some(event_loop.register_client(net.clone())));
        REGISTRY.with_borrow_mut(|all| all.push(net.clone()));
        Ok(net)
    }

    /// The sockets of the running loop.
    pub(crate) fn running() -> Result<Rc<Net>, NetError> {
        let running = get_running_loop()?;
        Ok(Net::of(&running)?)
    }

    pub(crate) fn event_loop(&self) -> &LoopRef {
        &self.event_loop
    }

    pub(crate) fn spare(&self) -> &Spare {
        &self.spare
    }

    pub(crate) fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    /// Notes the time, at the first call in each iteration: so the clock is read once for all sockets.
    pub(crate) fn note_time(&self, iteration: u64) {
        if self.noted.get().0 != iteration {
            self.noted.set((iteration, self.event_loop.time_ns()));
        }
    }

    /// How long ago that was.
    pub(crate) fn time_since_noted_ns(&self) -> u64 {
        self.event_loop.time_ns() - self.noted.get().1
    }

    /// Keeps what `make` makes of its number, until it leaves.
    pub(crate) fn enter<T: Turn + 'static>(
        self: &Rc<Self>,
        make: impl FnOnce(Seat) -> Rc<T>,
    ) -> Rc<T> {
        let number = self.last_number.get() + 1;
        self.last_number.set(number);
        let turn = make(Seat {
            net: self.clone(),
            number,
            waker: RefCell::new(None),
        });
        self.turns.borrow_mut().insert(number, turn.clone());
        turn
    }

    fn word(&self, number: u64) -> ClientWord {
        let client = self.client.get().expect("registered when it was made");
        client.word(number)
    }

    fn find(&self, number: u64) -> Option<Rc<dyn Turn>> {
        self.turns.borrow().get(&number).cloned()
    }
}

impl Client for Net {
    fn run(&self, payload: u64) {
        if let Some(turn) = self.find(payload) {
            turn.run();
        }
    }

    fn posted(&self, payload: u64) {
        self.event_loop.schedule(self.word(payload));
    }

    fn describe(&self, payload: u64) -> String {
        match self.find(payload) {
            Some(turn) => turn.describe(),
            None => "<a socket that is closed>".into(),
        }
    }

    fn close(&self) {
        REGISTRY.with_borrow_mut(|all| {
            all.retain(|net| !net.event_loop.same_loop(&self.event_loop));
        });
        self.lookups.close();
        loop {
            let oldest = self.turns.borrow_mut().pop_first();
            let Some((_, turn)) = oldest else { break };
            turn.loop_closed();
        }
    }
}

/// The place of one socket among those of its loop.
pub(crate) struct Seat {
    net: Rc<Net>,
    number: u64,
    waker: RefCell<Option<Waker>>,
}

impl Seat {
    pub(crate) fn net(&self) -> &Net {
        &self.net
    }

    pub(crate) fn event_loop(&self) -> &LoopRef {
        &self.net.event_loop
    }

    /// Asks for a turn in the next iteration.
    pub(crate) fn schedule(&self) {
        self.net.event_loop.schedule(self.net.word(self.number));
    }

    /// What asks for a turn when it is woken.
    pub(crate) fn waker(&self) -> Waker {
        let mut waker = self.waker.borrow_mut();
        let waker = waker.get_or_insert_with(|| {
            Waker::from(Arc::new(TurnWaker {
                event_loop: self.net.event_loop.id(),
                word: self.net.word(self.number),
            }))
        });
        waker.clone()
    }

    /// Gives the place up: no more turns.
    pub(crate) fn leave(&self) {
        let turn = self.net.turns.borrow_mut().remove(&self.number);
        drop(turn);
    }
}

struct TurnWaker {
    event_loop: LoopId,
    word: ClientWord,
}

impl Wake for TurnWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if running_loop_id() == Some(self.event_loop) {
            with_running(|running| {
                if let Some(running) = running {
                    running.schedule(self.word);
                }
            });
        } else {
            post(self.event_loop, self.word);
        }
    }
}
