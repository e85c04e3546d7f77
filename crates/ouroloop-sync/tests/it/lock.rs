use std::pin::pin;
use std::rc::Rc;
use std::task::Waker;

use ouroloop_combinators::timeout;
use ouroloop_sync::{Lock, LockGuard, NotAcquired};
use ouroloop_task::{LoopTasks, Task, TaskError, bare_yield, catch_cancelled, create_task};
use ouroloop_testkit::{Log, TestLoop, hops, ms, poll_once};

use crate::support::{run, turns};

/// Acquires, says its name, and holds the lock for so many turns.
fn visitor(lock: &Rc<Lock>, log: &Log, name: &'static str, stay: usize) -> Task<()> {
    let (lock, log) = (lock.clone(), log.clone());
    create_task(async move {
        let _guard = lock.acquire().await;
        log.say(name);
        turns(stay).await;
    })
}

#[test]
fn a_free_lock_is_taken_without_a_turn_of_the_loop() {
    run(async {
        let lock = Lock::new();
        let (taken, guard) = hops(lock.acquire()).await;
        assert_eq!(taken, 0);
        assert!(lock.locked());
        drop(guard);
        assert!(!lock.locked());
    });
}

#[test]
fn waiters_are_served_first_come_first_served_one_hop_after_the_release() {
    run(async {
        let (lock, log) = (Rc::new(Lock::new()), Log::default());
        let guard = lock.acquire().await;
        let tasks = ["a", "b", "c"].map(|name| visitor(&lock, &log, name, 0));
        bare_yield().await;
        assert_eq!(lock.statistics().tasks_waiting, 3);
        drop(guard);
        log.say("released");
        for _ in 0..3 {
            bare_yield().await;
            log.say("turn");
        }
        assert_eq!(log.take(), "released a turn b turn c turn");
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn between_release_and_wake_up_it_is_not_locked_but_newcomers_queue_behind() {
    run(async {
        let (lock, log) = (Rc::new(Lock::new()), Log::default());
        let guard = lock.acquire().await;
        let waiter = visitor(&lock, &log, "waiter", 0);
        bare_yield().await;
        drop(guard);
        assert!(!lock.locked());
        let late = visitor(&lock, &log, "late", 0);
        let again = lock.acquire().await;
        log.say("again");
        drop(again);
        late.await.unwrap();
        waiter.await.unwrap();
        assert_eq!(log.take(), "waiter again late");
    });
}

#[test]
fn whoever_comes_when_all_others_are_cancelled_does_not_wait() {
    run(async {
        let (lock, log) = (Rc::new(Lock::new()), Log::default());
        let guard = lock.acquire().await;
        let waiters = ["a", "b"].map(|name| visitor(&lock, &log, name, 0));
        bare_yield().await;
        waiters.iter().for_each(|waiter| assert!(waiter.cancel()));
        drop(guard);
        let (taken, guard) = hops(lock.acquire()).await;
        assert_eq!(taken, 0);
        turns(2).await;
        drop(guard);
        assert!(!lock.locked() && lock.statistics().tasks_waiting == 0);
        assert_eq!(log.take(), "");
    });
}

#[test]
fn h19_a_waiter_that_is_cancelled_after_it_was_chosen_passes_the_lock_on() {
    run(async {
        let (lock, log) = (Rc::new(Lock::new()), Log::default());
        let guard = lock.acquire().await;
        let first = visitor(&lock, &log, "first", 0);
        let second = visitor(&lock, &log, "second", 0);
        bare_yield().await;
        drop(guard);
        first.cancel();
        second.await.unwrap();
        assert_eq!(log.take(), "second");
        assert!(matches!(first.await, Err(TaskError::Cancelled(_))));
    });
}

#[test]
fn h19_a_waiter_that_is_dropped_in_any_state_leaves_nothing_behind() {
    run(async {
        let lock = Lock::new();
        for chosen in [false, true] {
            let guard = lock.acquire().await;
            let mut next;
            {
                let mut first = Box::pin(lock.acquire());
                assert!(poll_once(first.as_mut(), Waker::noop()).is_pending());
                next = Box::pin(lock.acquire());
                assert!(poll_once(next.as_mut(), Waker::noop()).is_pending());
                if chosen {
                    drop(guard);
                    drop(first);
                } else {
                    drop(first);
                    drop(guard);
                }
            }
            assert!(
                poll_once(next.as_mut(), Waker::noop()).is_ready(),
                "chosen: {chosen}"
            );
            drop(next);
            assert!(!lock.locked() && lock.statistics().tasks_waiting == 0);
        }
    });
}

#[test]
fn h20_a_timeout_in_the_tick_of_the_release_leaves_the_lock_to_one_of_the_two() {
    run(async {
        for release_first in [false, true] {
            let lock = Rc::new(Lock::new());
            let guard = lock.acquire().await.into_owned();
            let release = async move {
                ouroloop_combinators::sleep(ms(5)).await;
                drop(guard);
            };
            let waiting = {
                let lock = lock.clone();
                async move { timeout(ms(5), lock.acquire()).await.map(drop).is_ok() }
            };
            let (first, second) = if release_first {
                let release = create_task(release);
                (create_task(waiting), release)
            } else {
                let waiting = create_task(waiting);
                let release = create_task(release);
                (waiting, release)
            };
            first.await.unwrap();
            second.await.unwrap();
            assert!(!lock.locked() && lock.statistics().tasks_waiting == 0);
            let (taken, guard) = hops(lock.acquire()).await;
            assert_eq!(taken, 0);
            drop(guard);
        }
    });
}

#[test]
fn a_task_that_unwinds_releases_what_it_holds() {
    run(async {
        let lock = Rc::new(Lock::new());
        let holder = create_task({
            let lock = lock.clone();
            async move {
                let _guard = lock.acquire().await;
                std::future::pending::<()>().await;
            }
        });
        bare_yield().await;
        assert!(lock.locked());
        holder.cancel();
        turns(1).await;
        assert!(!lock.locked());
    });
}

#[test]
fn releasing_a_lock_that_is_not_held_is_an_error() {
    run(async {
        let lock = Lock::new();
        assert_eq!(lock.release(), Err(NotAcquired));
        lock.acquire().await.forget();
        assert_eq!(lock.release(), Ok(()));
        assert_eq!(lock.release(), Err(NotAcquired));
        assert!(lock.adopt().is_err());
    });
}

#[test]
fn a_guard_whose_lock_was_released_by_hand_does_not_release_that_of_another() {
    run(async {
        let lock = Lock::new();
        let stale = lock.acquire().await;
        lock.release().unwrap();
        let current = lock.acquire().await;
        drop(stale);
        assert!(lock.locked());
        drop(current);
        assert!(!lock.locked());
    });
}

#[test]
fn an_owned_guard_outlives_the_borrow_and_the_lock_itself() {
    run(async {
        let guard: LockGuard<'static> = {
            let lock = Lock::new();
            let guard = lock.acquire().await.into_owned();
            assert!(lock.locked());
            guard
        };
        drop(guard);
    });
}

#[test]
fn the_owner_is_the_task_that_acquired() {
    run(async {
        let lock = Rc::new(Lock::new());
        let holder = create_task({
            let lock = lock.clone();
            async move { lock.acquire().await.forget() }
        });
        let id = holder.id();
        holder.await.unwrap();
        assert_eq!(lock.statistics().owner, Some(id));
        lock.release().unwrap();
        assert_eq!(lock.statistics().owner, None);
    });
}

#[test]
fn several_waits_of_one_task_each_get_their_turn() {
    run(async {
        let lock = Lock::new();
        let guard = lock.acquire().await;
        let both = async {
            let (one, two) = (async { drop(lock.acquire().await) }, async {
                drop(lock.acquire().await);
            });
            futures_util::join!(one, two);
        };
        let mut both = pin!(both);
        let release = async {
            bare_yield().await;
            drop(guard);
        };
        futures_util::join!(both.as_mut(), release);
        assert!(!lock.locked());
    });
}

#[test]
fn a_cancelled_wait_that_is_caught_can_wait_again() {
    run(async {
        let lock = Rc::new(Lock::new());
        let guard = lock.acquire().await;
        let stubborn = create_task({
            let lock = lock.clone();
            async move {
                assert!(catch_cancelled(lock.acquire()).await.is_err());
                drop(lock.acquire().await);
                "got it"
            }
        });
        bare_yield().await;
        stubborn.cancel();
        turns(2).await;
        drop(guard);
        assert_eq!(stubborn.await.unwrap(), "got it");
    });
}

#[test]
fn a_loop_that_is_closed_with_waiters_of_a_lock_takes_them_along() {
    const PENDING: &str = "Task was destroyed but it is pending!";
    let lock = Rc::new(Lock::new());
    for chosen in [false, true] {
        let test_loop = TestLoop::new();
        let shared = lock.clone();
        let ended = test_loop.run_until_complete(async move {
            shared.acquire().await.forget();
            for _ in 0..3 {
                let lock = shared.clone();
                create_task(async move { drop(lock.acquire().await) });
            }
            bare_yield().await;
            if chosen {
                shared.release().unwrap();
            }
        });
        ended.unwrap();
        test_loop.close();
        // One that was chosen has passed it on to the next.
        assert_eq!(
            test_loop.take_reports(),
            [PENDING; 3][usize::from(chosen)..]
        );
        drop(test_loop);
        assert_eq!(lock.statistics().tasks_waiting, 0);
        if !chosen {
            lock.release().unwrap();
        }
        assert!(!lock.locked());
    }
}
