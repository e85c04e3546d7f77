//! What is explored, and what has to hold.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use ouroloop_sync::{Barrier, Condition, Event, Lock, Queue, Semaphore};
use ouroloop_testkit::poll_once;

use super::{Action, Gate, Scene, explore};

/// Says that somebody is inside while it lives.
struct Inside<'a>(&'a Cell<usize>);

impl<'a> Inside<'a> {
    fn enter(count: &'a Cell<usize>) -> Inside<'a> {
        count.set(count.get() + 1);
        Inside(count)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

struct OneLock<const ACTORS: usize> {
    lock: Lock,
    inside: Cell<usize>,
}

impl<const ACTORS: usize> Scene for OneLock<ACTORS> {
    const GATES: &'static [usize] = [2; 4].split_at(ACTORS).0;

    fn new() -> Self {
        OneLock {
            lock: Lock::new(),
            inside: Cell::new(0),
        }
    }

    fn act(self: Rc<Self>, _actor: usize, gate: Gate) -> Action {
        Box::pin(async move {
            gate.pass().await;
            let _guard = self.lock.acquire().await;
            let _inside = Inside::enter(&self.inside);
            gate.pass().await;
        })
    }

    fn alike(one: usize, other: usize) -> bool {
        one < ACTORS && other < ACTORS
    }

    fn check(&self) {
        assert!(self.inside.get() <= 1, "mutual exclusion");
        assert_eq!(self.lock.locked(), self.inside.get() == 1);
    }

    fn check_quiet(&self) {
        let waiting = self.lock.statistics().tasks_waiting;
        assert!(self.lock.locked() || waiting == 0, "a lost wake-up");
    }

    fn check_end(&self) {
        self.check_quiet();
        assert!(!self.lock.locked());
    }
}

struct TwoPermits(Semaphore, Cell<usize>);

impl Scene for TwoPermits {
    const GATES: &'static [usize] = &[2; 4];

    fn new() -> Self {
        TwoPermits(Semaphore::new(2), Cell::new(0))
    }

    fn act(self: Rc<Self>, _actor: usize, gate: Gate) -> Action {
        Box::pin(async move {
            gate.pass().await;
            let _permit = self.0.acquire().await;
            let _inside = Inside::enter(&self.1);
            gate.pass().await;
        })
    }

    fn alike(one: usize, other: usize) -> bool {
        one < 4 && other < 4
    }

    fn check(&self) {
        assert!(self.0.statistics().value + self.1.get() <= 2);
    }

    fn check_quiet(&self) {
        let state = self.0.statistics();
        assert_eq!(state.value + self.1.get(), 2, "no permit is lost");
        assert!(
            state.value == 0 || state.tasks_waiting == 0,
            "a lost wake-up"
        );
    }

    fn check_end(&self) {
        self.check_quiet();
        assert_eq!(self.0.statistics().value, 2);
    }
}

/// Two wait, one sets, one clears.
struct OneEvent(Event);

impl Scene for OneEvent {
    const GATES: &'static [usize] = &[1, 1, 2, 1];

    fn new() -> Self {
        OneEvent(Event::new())
    }

    fn act(self: Rc<Self>, actor: usize, gate: Gate) -> Action {
        Box::pin(async move {
            gate.pass().await;
            match actor {
                0 | 1 => self.0.wait().await,
                2 => {
                    self.0.set();
                    assert!(self.0.is_set());
                    gate.pass().await;
                    self.0.set();
                    self.0.clear();
                }
                _ => self.0.clear(),
            }
        })
    }

    fn alike(one: usize, other: usize) -> bool {
        one < 2 && other < 2
    }

    fn check_quiet(&self) {
        assert!(!self.0.is_set() || self.0.statistics().tasks_waiting == 0);
    }

    fn help(&self) {
        self.0.set();
    }

    fn check_end(&self) {
        assert_eq!(self.0.statistics().tasks_waiting, 0);
    }
}

/// Two put two items each, two get two each, through a queue for one.
struct OneQueue {
    queue: Queue<usize>,
    put: RefCell<Vec<usize>>,
    got: RefCell<Vec<usize>>,
}

impl Scene for OneQueue {
    const GATES: &'static [usize] = &[2; 4];

    fn new() -> Self {
        OneQueue {
            queue: Queue::new(1),
            put: RefCell::default(),
            got: RefCell::default(),
        }
    }

    fn act(self: Rc<Self>, actor: usize, gate: Gate) -> Action {
        Box::pin(async move {
            for round in 0..2 {
                gate.pass().await;
                if actor % 2 == 0 {
                    let item = 10 * actor + round;
                    if self.queue.put(item).await.is_ok() {
                        self.put.borrow_mut().push(item);
                    }
                } else if let Ok(item) = self.queue.get().await {
                    self.got.borrow_mut().push(item);
                    self.queue.task_done().expect("it was put");
                }
            }
        })
    }

    fn alike(one: usize, other: usize) -> bool {
        one % 2 == other % 2
    }

    fn check(&self) {
        let (put, got) = (self.put.borrow(), self.got.borrow());
        assert!(put.starts_with(&got), "{put:?} were put, {got:?} got");
        let state = self.queue.statistics();
        assert_eq!(put.len(), got.len() + state.qsize);
        assert_eq!(state.unfinished, state.qsize);
    }

    fn check_quiet(&self) {
        let state = self.queue.statistics();
        assert!(
            state.qsize == 0 || state.tasks_waiting_get == 0,
            "{state:?}"
        );
        assert!(
            state.qsize == 1 || state.tasks_waiting_put == 0,
            "{state:?}"
        );
    }

    fn help(&self) {
        // Those who got harmed left others without a partner.
        let state = self.queue.statistics();
        if state.tasks_waiting_get + state.tasks_waiting_put > 0 {
            self.queue.shutdown(false);
        }
    }

    fn check_end(&self) {
        let state = self.queue.statistics();
        let waiting = state.tasks_waiting_get + state.tasks_waiting_put + state.tasks_waiting_join;
        assert_eq!(waiting, 0);
    }
}

/// One puts tokens and notifies, two wait for tokens under the lock, one holds the lock meanwhile.
struct OneCondition {
    condition: Condition,
    tokens: Cell<usize>,
    holders: Cell<usize>,
}

impl OneCondition {
    fn give(&self, count: usize) {
        self.tokens.set(self.tokens.get() + count);
    }
}

impl Scene for OneCondition {
    const GATES: &'static [usize] = &[1, 1, 3, 2];

    fn new() -> Self {
        OneCondition {
            condition: Condition::new(),
            tokens: Cell::new(0),
            holders: Cell::new(0),
        }
    }

    fn act(self: Rc<Self>, actor: usize, gate: Gate) -> Action {
        Box::pin(async move {
            gate.pass().await;
            if actor < 2 {
                let mut guard = self.condition.acquire().await;
                let found = || self.tokens.get() > 0;
                let found = self.condition.wait_for(&mut guard, found).await;
                let _inside = Inside::enter(&self.holders);
                assert_eq!((found, self.condition.locked()), (Ok(true), true));
                self.tokens.set(self.tokens.get() - 1);
            } else if actor == 2 {
                for _ in 0..2 {
                    let guard = self.condition.acquire().await;
                    self.give(1);
                    self.condition.notify(&guard, 1).expect("it is held");
                    drop(guard);
                    gate.pass().await;
                }
            } else {
                let _guard = self.condition.acquire().await;
                let _inside = Inside::enter(&self.holders);
                gate.pass().await;
            }
        })
    }

    fn alike(one: usize, other: usize) -> bool {
        one < 2 && other < 2
    }

    fn check(&self) {
        assert!(self.holders.get() <= 1, "mutual exclusion");
    }

    fn check_quiet(&self) {
        let state = self.condition.statistics();
        let idle = !state.lock.locked;
        assert!(!idle || state.lock.tasks_waiting == 0, "a lost wake-up");
        assert!(
            !idle || self.tokens.get() == 0 || state.tasks_waiting == 0,
            "a lost notification"
        );
    }

    fn help(&self) {
        if self.tokens.get() == 0 {
            self.give(2);
        }
        if let Ok(guard) = self.condition.lock().adopt() {
            self.condition.notify_all(&guard).expect("it is held");
            guard.forget();
        } else if self.condition.statistics().lock.tasks_waiting == 0 {
            let mut taking = Box::pin(self.condition.acquire());
            if let std::task::Poll::Ready(guard) = poll_once(taking.as_mut(), Waker::noop()) {
                self.condition.notify_all(&guard).expect("it is held");
            }
        }
    }

    fn check_end(&self) {
        let state = self.condition.statistics();
        assert!(!state.lock.locked);
        assert_eq!((state.tasks_waiting, state.lock.tasks_waiting), (0, 0));
    }
}

/// Three meet in pairs; one aborts and resets.
struct OneBarrier {
    barrier: Barrier,
    indices: RefCell<Vec<usize>>,
    within: Cell<usize>,
}

impl Scene for OneBarrier {
    const GATES: &'static [usize] = &[2, 2, 1, 2];

    fn new() -> Self {
        OneBarrier {
            barrier: Barrier::new(2).expect("two is some"),
            indices: RefCell::default(),
            within: Cell::new(0),
        }
    }

    fn act(self: Rc<Self>, actor: usize, gate: Gate) -> Action {
        Box::pin(async move {
            for round in 0..Self::GATES[actor] {
                gate.pass().await;
                match (actor, round) {
                    (3, 0) => self.barrier.reset().await,
                    (3, _) => self.barrier.abort().await,
                    _ => {
                        let _within = Inside::enter(&self.within);
                        if let Ok(index) = self.barrier.wait().await {
                            self.indices.borrow_mut().push(index);
                        }
                    }
                }
            }
        })
    }

    fn alike(one: usize, other: usize) -> bool {
        one < 2 && other < 2
    }

    fn check(&self) {
        assert!(self.barrier.statistics().tasks_inside <= 2);
        assert!(self.indices.borrow().iter().all(|index| *index < 2));
    }

    fn check_quiet(&self) {
        assert!(self.barrier.n_waiting() < 2, "all have come and none went");
        // A broken one sends everybody away; another one has nobody who waits for it to empty.
        assert_eq!(self.within.get(), self.barrier.n_waiting());
    }

    fn help(&self) {
        let mut aborting = Box::pin(self.barrier.abort());
        let _ = poll_once(aborting.as_mut(), Waker::noop());
    }

    fn check_end(&self) {
        assert_eq!(self.barrier.statistics().tasks_inside, 0);
    }
}

#[test]
fn h19_three_tasks_and_a_lock() {
    assert!(explore::<OneLock<3>>(6) > 10_000);
}

#[test]
fn h19_four_tasks_and_a_lock() {
    assert!(explore::<OneLock<4>>(5) > 5_000);
}

#[test]
fn h19_four_tasks_and_two_permits() {
    assert!(explore::<TwoPermits>(6) > 10_000);
}

#[test]
fn h19_waiters_of_an_event_that_is_set_and_cleared() {
    assert!(explore::<OneEvent>(5) > 10_000);
}

#[test]
fn h19_two_putters_and_two_getters() {
    assert!(explore::<OneQueue>(5) > 10_000);
}

#[test]
fn h19_notifications_and_a_lock_that_is_held_meanwhile() {
    assert!(explore::<OneCondition>(5) > 10_000);
}

#[test]
fn h19_a_barrier_that_is_reset_and_aborted() {
    assert!(explore::<OneBarrier>(5) > 10_000);
}
