use std::rc::Rc;
use std::task::Waker;

use ouroloop_sync::{Barrier, BrokenBarrierError, NoPartiesError};
use ouroloop_task::{Task, bare_yield, create_task};
use ouroloop_testkit::{Log, hops, poll_once};

use crate::support::{run, turns};

type Waited = Result<usize, BrokenBarrierError>;

fn new(parties: usize) -> Rc<Barrier> {
    Rc::new(Barrier::new(parties).unwrap())
}

fn visitor(barrier: &Rc<Barrier>, log: &Log, name: &'static str) -> Task<Waited> {
    let (barrier, log) = (barrier.clone(), log.clone());
    create_task(async move {
        let waited = barrier.wait().await;
        log.say(match waited {
            Ok(index) => format!("{name}{index}"),
            Err(_) => format!("{name}!"),
        });
        waited
    })
}

#[test]
fn a_barrier_for_nobody_cannot_be_made() {
    assert_eq!(Barrier::new(0).err(), Some(NoPartiesError));
}

#[test]
fn the_last_one_does_not_suspend_and_the_others_follow_in_order() {
    run(async {
        let (barrier, log) = (new(3), Log::default());
        let tasks = ["a", "b"].map(|name| visitor(&barrier, &log, name));
        turns(2).await;
        assert_eq!(barrier.n_waiting(), 2);
        let (taken, index) = hops(barrier.wait()).await;
        assert_eq!((taken, index), (0, Ok(2)));
        log.say("c2");
        turns(4).await;
        assert_eq!(log.take(), "c2 a0 b1");
        assert_eq!(barrier.statistics().tasks_inside, 0);
        drop(tasks);
    });
}

#[test]
fn it_can_be_used_again_and_early_ones_wait_until_it_is_empty() {
    run(async {
        let (barrier, log) = (new(2), Log::default());
        let _tasks = ["a", "b", "c", "d"].map(|name| visitor(&barrier, &log, name));
        turns(10).await;
        assert_eq!(log.take(), "b1 a0 d1 c0");
        assert_eq!(barrier.n_waiting(), 0);
    });
}

#[test]
fn abort_breaks_it_for_all_until_it_is_reset() {
    run(async {
        let (barrier, log) = (new(2), Log::default());
        let a = visitor(&barrier, &log, "a");
        bare_yield().await;
        barrier.abort().await;
        assert!(barrier.broken());
        assert_eq!(a.await.unwrap(), Err(BrokenBarrierError));
        assert_eq!(barrier.wait().await, Err(BrokenBarrierError));
        barrier.reset().await;
        let b = visitor(&barrier, &log, "b");
        bare_yield().await;
        assert_eq!(barrier.wait().await, Ok(1));
        assert_eq!(b.await.unwrap(), Ok(0));
    });
}

#[test]
fn reset_sends_those_who_wait_away() {
    run(async {
        let (barrier, log) = (new(3), Log::default());
        let tasks = ["a", "b"].map(|name| visitor(&barrier, &log, name));
        turns(2).await;
        barrier.reset().await;
        for task in tasks {
            assert_eq!(task.await.unwrap(), Err(BrokenBarrierError));
        }
        assert!(!barrier.broken());
        assert_eq!(barrier.statistics().tasks_inside, 0);
    });
}

#[test]
fn h19_one_that_is_cancelled_or_dropped_is_not_counted_any_more() {
    run(async {
        let (barrier, log) = (new(2), Log::default());
        let gone = visitor(&barrier, &log, "gone");
        turns(1).await;
        gone.cancel();
        turns(2).await;
        assert_eq!(barrier.n_waiting(), 0);
        let mut dropped = Box::pin(barrier.wait());
        assert!(poll_once(dropped.as_mut(), Waker::noop()).is_pending());
        assert_eq!(barrier.n_waiting(), 1);
        drop(dropped);
        assert_eq!(barrier.n_waiting(), 0);
        let a = visitor(&barrier, &log, "a");
        turns(1).await;
        assert_eq!(barrier.wait().await, Ok(1));
        assert_eq!(a.await.unwrap(), Ok(0));
    });
}
