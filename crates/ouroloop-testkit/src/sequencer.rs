//! [`Sequencer`]: an exact interleaving, written into the test.
//!
//! The idea is trio's `trio.testing.Sequencer`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::rc::Rc;

use ouroloop_task::{Resource, ResourceState, Waiter, WaiterKey};

/// Forces the parts of several tasks to run in the order of the numbers that they are given.
///
/// Clones are of the same sequence. It begins with 0, and each number is there for one turn.
///
/// # Panics
///
/// A turn panics when its number was used before, and when it can never come, since the task that
/// had an earlier number gave up waiting for it (trio breaks the sequencer then, too).
///
/// # Examples
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use ouroloop::testkit::Sequencer;
/// use ouroloop::{create_task, run};
///
/// run(async {
///     let order = Rc::new(RefCell::new(String::new()));
///     let sequencer = Sequencer::new();
///     let worker = |numbers: [u64; 2], name: char| {
///         let (sequencer, order) = (sequencer.clone(), order.clone());
///         create_task(async move {
///             for number in numbers {
///                 let _turn = sequencer.turn(number).await;
///                 order.borrow_mut().push(name);
///             }
///         })
///     };
///     let (a, b) = (worker([0, 3], 'a'), worker([1, 2], 'b'));
///     a.await.unwrap();
///     b.await.unwrap();
///     assert_eq!(*order.borrow(), "abba");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct Sequencer {
    state: Rc<State>,
}

struct State {
    /// Whose turn it is, or will be when somebody comes for it.
    next: Cell<u64>,
    used: RefCell<BTreeSet<u64>>,
    waiting: RefCell<BTreeMap<u64, WaiterKey>>,
    given_up: Cell<Option<u64>>,
    created_at: &'static Location<'static>,
}

impl Sequencer {
    /// A sequence that begins with turn 0.
    #[track_caller]
    pub fn new() -> Sequencer {
        Sequencer {
            state: Rc::new(State {
                next: Cell::new(0),
                used: RefCell::default(),
                waiting: RefCell::default(),
                given_up: Cell::new(None),
                created_at: Location::caller(),
            }),
        }
    }

    /// Waits until all turns with smaller numbers are over. The next one begins when the [`Turn`]
    /// is dropped: at once with `sequencer.turn(3).await;`, or at the end of a block.
    ///
    /// # Cancellation
    ///
    /// A turn that is given up while it waits breaks the sequence: later ones panic.
    ///
    /// # Ordering
    ///
    /// A turn that has come already does not suspend; else its task resumes in the next iteration.
    ///
    /// # Panics
    ///
    /// See [`Sequencer`]. And if it has to wait and no loop is running in this thread.
    pub fn turn(&self, number: u64) -> impl Future<Output = Turn> + use<> {
        let sequencer = self.clone();
        async move {
            assert!(
                sequencer.state.used.borrow_mut().insert(number),
                "turn {number} of the sequencer was given away before: give each part a number of \
                 its own"
            );
            while sequencer.state.next.get() != number {
                sequencer.check(number);
                Place::wait(&sequencer, number).await;
            }
            Turn { sequencer }
        }
    }

    fn check(&self, number: u64) {
        if let Some(given_up) = self.state.given_up.get().filter(|it| *it < number) {
            panic!(
                "turn {number} of the sequencer can never come: the task with turn {given_up} \
                 gave up waiting"
            );
        }
    }

    /// Whoever waits for `number` can never have it, nor can those behind.
    fn give_up(&self, number: u64) {
        let first = self.state.given_up.get().unwrap_or(number);
        self.state.given_up.set(Some(first.min(number)));
        let waiting = mem::take(&mut *self.state.waiting.borrow_mut());
        for key in waiting.into_values() {
            key.fire();
        }
    }
}

impl Default for Sequencer {
    #[track_caller]
    fn default() -> Sequencer {
        Sequencer::new()
    }
}

impl fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequencer")
            .field("next", &self.state.next.get())
            .field("waiting", &self.state.waiting.borrow().keys())
            .finish()
    }
}

/// A turn that has come; the next one comes when this is dropped.
#[derive(Debug)]
pub struct Turn {
    sequencer: Sequencer,
}

impl Turn {
    /// Its number.
    pub fn number(&self) -> u64 {
        self.sequencer.state.next.get()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let state = &self.sequencer.state;
        let next = state.next.get() + 1;
        state.next.set(next);
        let key = state.waiting.borrow_mut().remove(&next);
        if let Some(key) = key {
            key.fire();
        }
    }
}

/// Given up, if it is dropped while its task waits.
struct Place {
    sequencer: Sequencer,
    number: u64,
    has_come: bool,
}

impl Place {
    async fn wait(sequencer: &Sequencer, number: u64) {
        let mut place = Place {
            sequencer: sequencer.clone(),
            number,
            has_come: false,
        };
        let state = sequencer.state.clone();
        let waiter = Waiter::on(Rc::new(Awaited { state, number }));
        let key = waiter.key();
        sequencer.state.waiting.borrow_mut().insert(number, key);
        waiter.await;
        place.has_come = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.has_come {
            self.sequencer.give_up(self.number);
        }
    }
}

/// What the report of a deadlock says of a task that waits for its turn.
struct Awaited {
    state: Rc<State>,
    number: u64,
}

impl Resource for Awaited {
    fn state(&self) -> ResourceState {
        let (number, next) = (self.number, self.state.next.get());
        ResourceState::new("Sequencer", self.state.created_at)
            .detail(format!("turn {number}, and turn {next} is not over"))
    }
}
