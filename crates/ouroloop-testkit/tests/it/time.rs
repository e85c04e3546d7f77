//! Virtual time, moved by hand.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join;
use futures_util::stream::FuturesUnordered;
use ouroloop::testkit::{PolledInline, advance, virtual_clock, wait_all_tasks_blocked};
use ouroloop::{
    Clock, EventLoop, LoopTasks, bare_yield, create_task, get_running_loop, run, sleep,
};

const SECOND: Duration = Duration::from_secs(1);

fn log() -> (Rc<RefCell<Vec<String>>>, impl Fn(&str) + Clone) {
    let log = Rc::new(RefCell::new(Vec::new()));
    let write = {
        let log = log.clone();
        move |what: &str| {
            let at = virtual_clock().now().as_secs();
            log.borrow_mut().push(format!("{what}@{at}"));
        }
    };
    (log, write)
}

#[ouroloop::test(start_paused)]
async fn time_that_does_not_advance_by_itself_stands_still() {
    let clock = virtual_clock();
    clock.set_auto_advance(false);
    let sleeper = create_task(sleep(SECOND));
    for _ in 0..100 {
        sleep(Duration::ZERO).await;
    }
    assert!(!sleeper.done());
    assert_eq!(clock.now(), Duration::ZERO);
    advance(SECOND).await;
    assert!(sleeper.done());
    assert_eq!(clock.now(), SECOND);
}

#[ouroloop::test(start_paused)]
async fn an_advance_stops_at_each_deadline_on_its_way() {
    virtual_clock().set_auto_advance(false);
    let (log, write) = log();
    for (name, every) in [("a", 2), ("b", 3)] {
        let write = write.clone();
        create_task(async move {
            loop {
                sleep(every * SECOND).await;
                write(name);
            }
        });
    }
    advance(6 * SECOND).await;
    assert_eq!(*log.borrow(), ["a@2", "b@3", "a@4", "b@6", "a@6"]);
    advance(SECOND / 2).await;
    assert_eq!(virtual_clock().now(), 6 * SECOND + SECOND / 2);
    assert_eq!(log.borrow().len(), 5);
}

#[ouroloop::test(start_paused)]
async fn an_advance_of_a_clock_that_jumps_is_exact_too() {
    let (log, write) = log();
    let task = create_task(async move {
        sleep(SECOND).await;
        write("due");
        sleep(100 * SECOND).await;
    });
    advance(5 * SECOND).await;
    assert_eq!(virtual_clock().now(), 5 * SECOND);
    assert_eq!(*log.borrow(), ["due@1"]);
    task.cancel();
}

#[ouroloop::test(start_paused)]
async fn an_advance_of_nothing_runs_what_is_due() {
    virtual_clock().set_auto_advance(false);
    let task = create_task(async { sleep(SECOND).await });
    wait_all_tasks_blocked().await;
    virtual_clock().advance(SECOND);
    assert!(!task.done(), "the clock moves nobody but itself");
    advance(Duration::ZERO).await;
    assert!(task.done());
}

#[ouroloop::test(start_paused)]
async fn tasks_that_wake_each_other_are_waited_for() {
    let (log, write) = log();
    create_task(async move {
        for _ in 0..3 {
            let write = write.clone();
            create_task(async move { write("child") }).await.unwrap();
        }
    });
    wait_all_tasks_blocked().await;
    assert_eq!(log.borrow().len(), 3);
}

#[ouroloop::test(start_paused)]
async fn several_can_wait_for_all_the_others() {
    let (log, write) = log();
    let tasks = ["a", "b", "c"].map(|name| {
        let write = write.clone();
        create_task(async move {
            wait_all_tasks_blocked().await;
            write(name);
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*log.borrow(), ["a@0", "b@0", "c@0"]);
    wait_all_tasks_blocked().await;
}

/// A task that is ready in each of so many turns.
fn busy(turns: u32) -> ouroloop::Task<()> {
    create_task(async move {
        for _ in 0..turns {
            bare_yield().await;
        }
    })
}

#[ouroloop::test(start_paused)]
async fn one_task_can_wait_twice_for_all_the_others() {
    let other = busy(20);
    let wait = || async {
        wait_all_tasks_blocked().await;
        assert!(other.done());
    };
    join(wait(), wait()).await;
    // A combinator that polls its parts by their own wakers.
    let other = busy(20);
    let parts: FuturesUnordered<_> = (0..3).map(|_| wait_all_tasks_blocked()).collect();
    parts.for_each(async |()| assert!(other.done())).await;
}

#[test]
fn who_waits_in_one_loop_is_not_counted_in_another() {
    let loops = [(); 2].map(|()| EventLoop::builder().clock(Clock::virtual_time()).build());
    let [first, second] = loops.map(Result::unwrap);
    let waits = first.create_task(wait_all_tasks_blocked_later());
    first.run_once().unwrap();
    let ended = second
        .create_task(async {
            let other = busy(20);
            wait_all_tasks_blocked().await;
            other.done()
        })
        .unwrap();
    assert!(second.run_until_complete(ended).unwrap());
    first.run_until_complete(waits.unwrap()).unwrap();
    first.close().unwrap();
    second.close().unwrap();
}

async fn wait_all_tasks_blocked_later() {
    wait_all_tasks_blocked().await;
}

#[test]
fn a_loop_that_is_closed_meanwhile_leaves_nothing_to_the_next() {
    for _ in 0..2 {
        let event_loop = EventLoop::builder().build().unwrap();
        let task = event_loop
            .create_task(wait_all_tasks_blocked_later())
            .unwrap();
        event_loop.run_once().unwrap();
        assert!(!task.done());
        event_loop.close().unwrap();
    }
    run(wait_all_tasks_blocked_later()).unwrap();
}

#[test]
fn who_waits_for_the_others_may_be_polled_inline() {
    run(async {
        let other = busy(5);
        let inline = PolledInline::start(wait_all_tasks_blocked());
        other.await.unwrap();
        sleep(Duration::ZERO).await;
        wait_all_tasks_blocked().await;
        assert!(inline.done());
    })
    .unwrap();
}

#[ouroloop::test(start_paused)]
async fn who_is_dropped_while_it_waits_is_not_counted_on() {
    let first = create_task(wait_all_tasks_blocked());
    sleep(Duration::ZERO).await;
    first.cancel();
    wait_all_tasks_blocked().await;
    assert!(first.cancelled());
}

#[test]
#[should_panic(expected = "the running loop is on real time")]
fn real_time_has_no_clock_to_move() {
    let _ = run(async { drop(virtual_clock()) });
}

#[test]
#[should_panic(expected = "no running event loop")]
fn outside_of_a_loop_there_is_nobody_to_wait_for() {
    drop(wait_all_tasks_blocked());
}

#[test]
fn on_real_time_all_can_be_blocked_as_well() {
    run(async {
        let task = create_task(async {
            sleep(Duration::ZERO).await;
            sleep(Duration::from_secs(3600)).await;
        });
        wait_all_tasks_blocked().await;
        assert_eq!(get_running_loop().unwrap().statistics().timers, 1);
        task.cancel();
    })
    .unwrap();
}
