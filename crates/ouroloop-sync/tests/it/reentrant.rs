use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ouroloop_sync::{Barrier, Condition, Event, Lock, PriorityQueue, Queue, Semaphore};
use ouroloop_task::bare_yield;
use ouroloop_testkit::{Log, PolledInline, poll_once};

use crate::support::run;

#[test]
fn h10_what_wakes_a_waiter_holds_nothing_that_its_poll_needs() {
    run(async {
        let log = Log::default();
        let lock = Rc::new(Lock::new());
        let guard = lock.acquire().await;
        for name in ["a", "b"] {
            let (lock, log) = (lock.clone(), log.clone());
            PolledInline::start(async move {
                let _guard = lock.acquire().await;
                log.say(name);
            });
        }
        drop(guard);
        assert_eq!(log.take(), "a b");
        let semaphore = Rc::new(Semaphore::new(0));
        let event = Rc::new(Event::new());
        let queue = Rc::new(Queue::new(1));
        for name in ["a", "b"] {
            let (semaphore, event, queue) = (semaphore.clone(), event.clone(), queue.clone());
            let log = log.clone();
            PolledInline::start(async move {
                event.wait().await;
                event.clear();
                drop(semaphore.acquire().await);
                let item: u32 = queue.get().await.unwrap();
                log.say(format!("{name}{item}"));
                queue.task_done().unwrap();
                let _ = queue.put_nowait(item + 1);
            });
        }
        // One that releases its permit lets the other go first, within that release.
        let joined = log.clone();
        event.set();
        semaphore.release();
        queue.put_nowait(1).unwrap();
        let join = queue.clone();
        PolledInline::start(async move {
            join.join().await;
            joined.say("joined");
        });
        queue.task_done().unwrap();
        assert_eq!(log.take(), "b1 a2 joined");
    });
}

#[test]
fn h10_a_condition_and_a_barrier_may_wake_inline_too() {
    run(async {
        let log = Log::default();
        let (condition, barrier) = (Rc::new(Condition::new()), Rc::new(Barrier::new(3).unwrap()));
        for name in ["a", "b"] {
            let (condition, barrier, log) = (condition.clone(), barrier.clone(), log.clone());
            PolledInline::start(async move {
                let mut guard = condition.acquire().await;
                condition.wait(&mut guard).await.unwrap();
                drop(guard);
                let index = barrier.wait().await.unwrap();
                log.say(format!("{name}{index}"));
            });
        }
        let guard = condition.acquire().await;
        condition.notify_all(&guard).unwrap();
        drop(guard);
        assert_eq!(barrier.wait().await, Ok(2));
        // `b` goes on within the release of the lock by `a`.
        assert_eq!(log.take(), "a1 b0");
    });
}

#[test]
fn h10_a_waiter_that_is_dropped_by_the_wake_of_another_leaves_the_queue_whole() {
    run(async {
        let event = Rc::new(Event::new());
        let log = Log::default();
        let second: Rc<RefCell<Option<PolledInline>>> = Rc::default();
        let wait = |name: &'static str, drops: Option<Rc<RefCell<Option<PolledInline>>>>| {
            let (event, log) = (event.clone(), log.clone());
            PolledInline::start(async move {
                event.wait().await;
                log.say(name);
                if let Some(other) = drops.and_then(|other| other.take()) {
                    other.drop_future();
                }
            })
        };
        wait("a", Some(second.clone()));
        second.replace(Some(wait("b", None)));
        wait("c", None);
        event.set();
        assert_eq!(log.take(), "a c");
        assert_eq!(event.statistics().tasks_waiting, 0);
    });
}

/// An item whose drop uses its own queue.
struct Nosy(Rc<Queue<Nosy>>, Log);

impl Drop for Nosy {
    fn drop(&mut self) {
        self.1.say(format!("{}", self.0.qsize()));
        let _ = self.0.get_nowait();
    }
}

#[test]
fn h10_an_item_whose_drop_uses_the_queue_finds_it_in_order() {
    run(async {
        let (queue, log) = (Rc::new(Queue::new(0)), Log::default());
        for _ in 0..3 {
            let item = Nosy(queue.clone(), log.clone());
            assert!(queue.put_nowait(item).is_ok());
        }
        queue.shutdown(true);
        assert!(queue.empty());
        assert_eq!(log.take(), "2 1 0");
    });
}

#[test]
fn h12_a_comparison_that_panics_leaves_a_queue_that_works() {
    #[derive(PartialEq, Eq)]
    struct Odd(u32);
    impl PartialOrd for Odd {
        fn partial_cmp(&self, other: &Odd) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Odd {
        fn cmp(&self, other: &Odd) -> std::cmp::Ordering {
            assert!(self.0 != 13 && other.0 != 13, "unlucky");
            self.0.cmp(&other.0)
        }
    }
    let queue = PriorityQueue::new(0);
    assert!(queue.put_nowait(Odd(2)).is_ok());
    let put = std::panic::AssertUnwindSafe(|| queue.put_nowait(Odd(13)));
    assert!(std::panic::catch_unwind(put).is_err());
    assert!(!queue.empty());
    queue.shutdown(false);
    let got = std::iter::from_fn(|| queue.get_nowait().ok()).count();
    assert!(got >= 1 && queue.empty());
}

#[test]
fn a_waiter_that_is_polled_by_another_waker_is_woken_by_the_last() {
    run(async {
        let lock = Rc::new(Lock::new());
        let guard = lock.acquire().await;
        let mut waiting = Box::pin({
            let lock = lock.clone();
            async move { drop(lock.acquire().await) }
        });
        let mut noop = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut noop).is_pending());
        let waiter = ouroloop_task::create_task(waiting);
        bare_yield().await;
        drop(guard);
        bare_yield().await;
        assert!(waiter.done());
        assert!(matches!(
            std::pin::pin!(lock.acquire()).poll(&mut noop),
            Poll::Ready(_)
        ));
    });
}

#[test]
fn h10_a_notification_from_within_the_release_of_a_wait_reaches_that_wait() {
    run(async {
        let (condition, ready) = (Rc::new(Condition::new()), Rc::new(Cell::new(false)));
        let mut guard = condition.acquire().await;
        let notifier = PolledInline::start({
            let (condition, ready) = (condition.clone(), ready.clone());
            async move {
                let guard = condition.acquire().await;
                ready.set(true);
                condition.notify(&guard, 1).unwrap();
            }
        });
        let waited = condition.wait_for(&mut guard, || ready.get()).await;
        assert_eq!((waited, notifier.done()), (Ok(true), true));
    });
}

/// An item that counts its drops, which may panic.
struct Bomb {
    drops: Rc<Cell<u32>>,
    armed: bool,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
        let spare = std::thread::panicking();
        assert!(!self.armed || spare, "bomb {}", self.drops.get());
    }
}

#[test]
fn h12_items_whose_drop_panics_do_not_keep_a_shutdown_from_its_end() {
    run(async {
        let drops = Rc::new(Cell::new(0));
        let bomb = |armed| Bomb {
            drops: drops.clone(),
            armed,
        };
        let queue = Queue::new(3);
        let mut gets = [(); 4].map(|()| Box::pin(queue.get()));
        for get in &mut gets {
            assert!(poll_once(get.as_mut(), Waker::noop()).is_pending());
        }
        for armed in [true, false, true] {
            assert!(queue.put_nowait(bomb(armed)).is_ok());
        }
        let (mut put, mut join) = (Box::pin(queue.put(bomb(false))), Box::pin(queue.join()));
        assert!(poll_once(put.as_mut(), Waker::noop()).is_pending());
        assert!(poll_once(join.as_mut(), Waker::noop()).is_pending());

        let shutdown = catch_unwind(AssertUnwindSafe(|| queue.shutdown(true)));
        let panic = shutdown.expect_err("a bomb went off");
        assert_eq!(panic.downcast_ref::<String>().unwrap(), "bomb 1");
        assert!(queue.empty() && drops.get() == 3);
        for get in &mut gets {
            let got = poll_once(get.as_mut(), Waker::noop());
            assert!(matches!(got, Poll::Ready(Err(_))));
        }
        assert!(poll_once(put.as_mut(), Waker::noop()).is_ready());
        assert!(poll_once(join.as_mut(), Waker::noop()).is_ready());
    });
}
