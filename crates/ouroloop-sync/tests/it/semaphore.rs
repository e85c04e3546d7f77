use std::rc::Rc;
use std::task::Waker;

use ouroloop_combinators::timeout;
use ouroloop_sync::{BoundedSemaphore, Permit, ReleasedTooOften, Semaphore};
use ouroloop_task::{Task, bare_yield, create_task};
use ouroloop_testkit::{Log, hops, ms, poll_once};

use crate::support::{me, run, turns};

fn visitor(semaphore: &Rc<Semaphore>, log: &Log, name: &'static str) -> Task<()> {
    let (semaphore, log) = (semaphore.clone(), log.clone());
    create_task(async move {
        semaphore.acquire().await.forget();
        log.say(name);
    })
}

#[test]
fn a_free_permit_is_taken_without_a_turn() {
    run(async {
        let semaphore = Semaphore::new(2);
        let (taken, one) = hops(semaphore.acquire()).await;
        assert_eq!((taken, semaphore.locked()), (0, false));
        let two = semaphore.acquire().await;
        assert!(semaphore.locked());
        drop((one, two));
        assert_eq!(semaphore.statistics().value, 2);
    });
}

#[test]
fn a_release_hands_its_permit_over_so_the_value_stays_down() {
    run(async {
        let (semaphore, log) = (Rc::new(Semaphore::new(0)), Log::default());
        let waiter = visitor(&semaphore, &log, "waiter");
        bare_yield().await;
        semaphore.release();
        assert!(semaphore.locked());
        assert_eq!(semaphore.statistics().value, 0);
        let late = visitor(&semaphore, &log, "late");
        turns(3).await;
        assert_eq!(log.take(), "waiter");
        late.cancel();
        waiter.await.unwrap();
    });
}

#[test]
fn three_releases_wake_three_waiters_in_one_batch() {
    run(async {
        let (semaphore, log) = (Rc::new(Semaphore::new(0)), Log::default());
        let _tasks = ["a", "b", "c", "d"].map(|name| visitor(&semaphore, &log, name));
        bare_yield().await;
        (0..3).for_each(|_| semaphore.release());
        bare_yield().await;
        assert_eq!(log.take(), "a b c");
        assert_eq!(semaphore.statistics().tasks_waiting, 1);
    });
}

#[test]
fn h19_a_permit_that_was_handed_to_one_who_goes_is_handed_on() {
    run(async {
        let (semaphore, log) = (Rc::new(Semaphore::new(0)), Log::default());
        let first = visitor(&semaphore, &log, "first");
        let second = visitor(&semaphore, &log, "second");
        bare_yield().await;
        semaphore.release();
        first.cancel();
        second.await.unwrap();
        assert_eq!(log.take(), "second");
        assert_eq!(semaphore.statistics().value, 0);
    });
}

#[test]
fn h19_permits_that_were_handed_to_dropped_waiters_come_back() {
    run(async {
        let semaphore = Semaphore::new(0);
        let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(semaphore.acquire())).collect();
        for waiter in &mut waiters {
            assert!(poll_once(waiter.as_mut(), Waker::noop()).is_pending());
        }
        semaphore.release();
        semaphore.release();
        let last = waiters.pop();
        drop(waiters);
        // The third was chosen when the first went; the permit of the second is free.
        assert_eq!(semaphore.statistics().value, 1);
        drop(last);
        assert_eq!(semaphore.statistics().value, 2);
        assert_eq!(semaphore.statistics().tasks_waiting, 0);
    });
}

#[test]
fn h20_a_timeout_leaves_the_count_right() {
    run(async {
        let semaphore = Semaphore::new(1);
        let permit = semaphore.acquire().await;
        for _ in 0..3 {
            assert!(timeout(ms(1), semaphore.acquire()).await.is_err());
        }
        drop(permit);
        assert_eq!(semaphore.statistics().value, 1);
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_bounded_semaphore_refuses_to_be_released_too_often() {
    run(async {
        let bounded = BoundedSemaphore::new(2);
        assert_eq!(bounded.release(), Err(ReleasedTooOften));
        let permit = bounded.acquire().await;
        assert_eq!(bounded.release(), Ok(()));
        drop(permit);
        assert_eq!(bounded.statistics().value, 2);
        let plain = Semaphore::new(1);
        plain.release();
        assert_eq!(plain.statistics().value, 2);
    });
}

#[test]
fn an_owned_permit_is_released_wherever_it_is_dropped() {
    run(async {
        let bounded = BoundedSemaphore::new(1);
        let permit: Permit<'static> = bounded.acquire().await.into_owned();
        assert!(bounded.locked());
        create_task(async move { drop(permit) }).await.unwrap();
        assert!(!bounded.locked());
    });
}

#[test]
fn a_newcomer_queues_behind_one_whose_turn_has_come_although_a_permit_is_free() {
    run(async {
        let (semaphore, log) = (Rc::new(Semaphore::new(0)), Log::default());
        let waiter = visitor(&semaphore, &log, "waiter");
        bare_yield().await;
        semaphore.release();
        semaphore.release();
        assert_eq!(semaphore.statistics().value, 1);
        assert!(semaphore.locked(), "the waiter has not resumed");
        let mut late = Box::pin(semaphore.acquire());
        assert!(poll_once(late.as_mut(), Waker::noop()).is_pending());
        waiter.await.unwrap();
        drop(late.await);
        assert_eq!(log.take(), "waiter");
        assert_eq!(semaphore.statistics().value, 1);
    });
}

#[test]
fn a_bounded_semaphore_that_is_released_by_hand_counts_the_permits_that_are_out() {
    run(async {
        let bounded = BoundedSemaphore::new(2);
        let free = || bounded.statistics().value;
        let (one, two) = (bounded.acquire().await, bounded.acquire().await);
        bounded.release().unwrap();
        drop(one);
        assert_eq!(free(), 1, "one was released once, two is held");
        drop(two);
        assert_eq!(free(), 2);

        let (one, two) = (bounded.acquire().await, bounded.acquire().await);
        bounded.release().unwrap();
        one.forget();
        assert_eq!(free(), 1, "that is the one that was released");
        drop(two);
        assert_eq!(free(), 2);

        let (one, two) = (bounded.acquire().await, bounded.acquire().await);
        one.forget();
        bounded.release().unwrap();
        drop(two);
        assert_eq!(free(), 2);
    });
}

#[test]
fn h19_a_permit_on_its_way_that_is_released_by_hand_does_not_come_back_twice() {
    run(async {
        let bounded = BoundedSemaphore::new(1);
        let permit = bounded.acquire().await;
        let mut waiting = Box::pin(bounded.acquire());
        assert!(poll_once(waiting.as_mut(), Waker::noop()).is_pending());
        drop(permit);
        assert_eq!(bounded.release(), Ok(()), "the waiter has it");
        drop(waiting);
        assert_eq!(bounded.statistics().value, 1);
        drop(bounded.acquire().await);
        assert_eq!(bounded.statistics().value, 1);
    });
}

#[test]
fn a_semaphore_counts_no_further_than_it_can() {
    run(async {
        let semaphore = Semaphore::new(usize::MAX);
        let permit = semaphore.acquire().await;
        semaphore.release();
        drop(permit);
        assert_eq!(semaphore.statistics().value, usize::MAX);
    });
}
