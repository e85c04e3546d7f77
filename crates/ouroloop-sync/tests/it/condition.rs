use std::cell::Cell;
use std::rc::Rc;
use std::task::Waker;

use ouroloop_combinators::timeout;
use ouroloop_sync::{Condition, Lock, NotAcquired};
use ouroloop_task::{Task, TaskError, bare_yield, catch_cancelled, create_task};
use ouroloop_testkit::{Log, hops, ms, poll_once};

use crate::support::{run, turns};

fn waiter(condition: &Rc<Condition>, log: &Log, name: &'static str) -> Task<()> {
    let (condition, log) = (condition.clone(), log.clone());
    create_task(async move {
        let mut guard = condition.acquire().await;
        condition.wait(&mut guard).await.unwrap();
        log.say(format!("{name}:{}", condition.locked()));
    })
}

async fn notify(condition: &Condition, count: usize) {
    let guard = condition.acquire().await;
    condition.notify(&guard, count).unwrap();
}

#[test]
fn waiting_releases_the_lock_and_returns_with_it() {
    run(async {
        let (condition, log) = (Rc::new(Condition::new()), Log::default());
        let task = waiter(&condition, &log, "a");
        bare_yield().await;
        assert!(!condition.locked());
        assert_eq!(condition.statistics().tasks_waiting, 1);
        notify(&condition, 1).await;
        task.await.unwrap();
        assert_eq!(log.take(), "a:true");
        assert!(!condition.locked());
    });
}

#[test]
fn those_who_are_notified_go_on_in_order_as_the_lock_gets_free() {
    run(async {
        let (condition, log) = (Rc::new(Condition::new()), Log::default());
        let tasks = ["a", "b", "c"].map(|name| waiter(&condition, &log, name));
        turns(3).await;
        notify(&condition, 2).await;
        turns(4).await;
        assert_eq!(log.take(), "a:true b:true");
        let guard = condition.acquire().await;
        condition.notify_all(&guard).unwrap();
        drop(guard);
        turns(2).await;
        assert_eq!(log.take(), "c:true");
        drop(tasks);
    });
}

#[test]
fn wait_for_returns_what_the_predicate_gave() {
    run(async {
        let condition = Rc::new(Condition::new());
        let found = Rc::new(Cell::new(None));
        let task = create_task({
            let (condition, found) = (condition.clone(), found.clone());
            async move {
                let mut guard = condition.acquire().await;
                condition.wait_for(&mut guard, || found.get()).await
            }
        });
        bare_yield().await;
        notify(&condition, 1).await;
        turns(3).await;
        assert!(!task.done(), "nothing was found yet");
        found.set(Some(7));
        notify(&condition, 1).await;
        assert_eq!(task.await.unwrap(), Ok(Some(7)));
        let mut guard = condition.acquire().await;
        let (taken, truth) = hops(condition.wait_for(&mut guard, || true)).await;
        assert_eq!((taken, truth), (0, Ok(true)));
    });
}

#[test]
fn the_guard_of_another_lock_does_not_do() {
    run(async {
        let (condition, other) = (Condition::new(), Lock::new());
        let mut guard = other.acquire().await;
        assert_eq!(condition.wait(&mut guard).await, Err(NotAcquired));
        assert_eq!(condition.notify(&guard, 1), Err(NotAcquired));
        let mut released = condition.acquire().await;
        condition.release().unwrap();
        assert_eq!(condition.wait(&mut released).await, Err(NotAcquired));
        assert_eq!(condition.notify_all(&released), Err(NotAcquired));
    });
}

#[test]
fn two_conditions_may_share_a_lock() {
    run(async {
        let lock = Rc::new(Lock::new());
        let conditions = [(); 2].map(|()| Rc::new(Condition::with_lock(lock.clone())));
        let log = Log::default();
        let tasks = [0, 1].map(|n| waiter(&conditions[n], &log, ["a", "b"][n]));
        turns(2).await;
        notify(&conditions[1], 1).await;
        turns(2).await;
        assert_eq!(log.take(), "b:true");
        tasks[0].cancel();
    });
}

#[test]
fn a_cancelled_wait_unwinds_with_the_lock_held() {
    run(async {
        let (condition, log) = (Rc::new(Condition::new()), Log::default());
        let task = create_task({
            let (condition, log) = (condition.clone(), log.clone());
            async move {
                let mut guard = condition.acquire().await;
                let caught = catch_cancelled(condition.wait(&mut guard)).await;
                log.say(format!("{} {}", caught.is_err(), condition.locked()));
                condition.notify_all(&guard).unwrap();
                caught.unwrap_err().raise().await;
            }
        });
        bare_yield().await;
        let held = condition.acquire().await;
        task.cancel();
        turns(3).await;
        // It waits for the lock, and no further request gets it out of that.
        task.cancel();
        turns(3).await;
        assert!(!task.done());
        drop(held);
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
        assert_eq!(log.take(), "true true");
        assert!(!condition.locked());
    });
}

#[test]
fn h19_a_notified_waiter_that_is_cancelled_notifies_the_next() {
    run(async {
        let (condition, log) = (Rc::new(Condition::new()), Log::default());
        let first = waiter(&condition, &log, "first");
        let second = waiter(&condition, &log, "second");
        turns(2).await;
        notify(&condition, 1).await;
        first.cancel();
        second.await.unwrap();
        assert_eq!(log.take(), "second:true");
        assert!(!condition.locked());
    });
}

#[test]
fn h19_a_notified_waiter_that_is_dropped_notifies_the_next_and_holds_nothing() {
    run(async {
        let (condition, log) = (Rc::new(Condition::new()), Log::default());
        for waits_for_lock in [false, true] {
            let mut guard = condition.acquire().await;
            let mut waiting = Box::pin(condition.wait(&mut guard));
            assert!(poll_once(waiting.as_mut(), Waker::noop()).is_pending());
            let next = waiter(&condition, &log, "next");
            bare_yield().await;
            let notifier = condition.acquire().await;
            condition.notify(&notifier, 1).unwrap();
            if waits_for_lock {
                assert!(poll_once(waiting.as_mut(), Waker::noop()).is_pending());
            }
            drop(waiting);
            assert_eq!(condition.notify(&guard, 1), Err(NotAcquired));
            drop(guard);
            assert!(condition.locked(), "it is not that guard's to release");
            drop(notifier);
            next.await.unwrap();
            assert_eq!(log.take(), "next:true");
            assert!(!condition.locked());
        }
    });
}

#[test]
fn h20_a_timeout_of_a_wait_gives_the_lock_back_to_its_holder() {
    run(async {
        let condition = Condition::new();
        let mut guard = condition.acquire().await;
        for _ in 0..3 {
            let waited = timeout(ms(1), condition.wait(&mut guard)).await;
            assert!(waited.is_err() && condition.locked());
        }
        drop(guard);
        assert!(!condition.locked());
        assert_eq!(crate::support::me().cancelling(), 0);
    });
}
