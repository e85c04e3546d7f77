//! [`Sequencer`]: an exact interleaving, written into the test.
//!
//! The idea is trio's `trio.testing.Sequencer`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

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
#[derive(Clone, Default)]
pub struct Sequencer {
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    /// Whose turn it is, or will be when somebody comes for it.
    next: Cell<u64>,
    used: RefCell<BTreeSet<u64>>,
    waiting: RefCell<BTreeMap<u64, Waker>>,
    given_up: Cell<Option<u64>>,
}

impl Sequencer {
    /// A sequence that begins with turn 0.
    pub fn new() -> Sequencer {
        Sequencer::default()
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
    pub fn turn(&self, number: u64) -> impl Future<Output = Turn> + use<> {
        WaitForTurn {
            state: self.state.clone(),
            number,
            state_of_wait: Wait::Unpolled,
        }
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
        let waker = state.waiting.borrow_mut().remove(&next);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct WaitForTurn {
    state: Rc<State>,
    number: u64,
    state_of_wait: Wait,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Wait {
    Unpolled,
    Waiting,
    Over,
}

impl Future for WaitForTurn {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn> {
        let number = self.number;
        if self.state_of_wait == Wait::Unpolled {
            assert!(
                self.state.used.borrow_mut().insert(number),
                "turn {number} of the sequencer was given away before: give each part a number of \
                 its own"
            );
        }
        self.state_of_wait = Wait::Over;
        if let Some(given_up) = self.state.given_up.get().filter(|it| *it < number) {
            panic!(
                "turn {number} of the sequencer can never come: the task with turn {given_up} \
                 gave up waiting"
            );
        }
        if self.state.next.get() == number {
            self.state.waiting.borrow_mut().remove(&number);
            let state = self.state.clone();
            return Poll::Ready(Turn {
                sequencer: Sequencer { state },
            });
        }
        self.state_of_wait = Wait::Waiting;
        let waker = cx.waker().clone();
        let before = self.state.waiting.borrow_mut().insert(number, waker);
        drop(before);
        Poll::Pending
    }
}

impl Drop for WaitForTurn {
    fn drop(&mut self) {
        if self.state_of_wait != Wait::Waiting {
            return;
        }
        let first = self.state.given_up.get().unwrap_or(self.number);
        self.state.given_up.set(Some(first.min(self.number)));
        let waiting = self.state.waiting.take();
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}
