use std::rc::Rc;

use ouroloop_core::LoopRef;
use ouroloop_sync::{Barrier, Condition, Event, Lock, Queue, Semaphore};
use ouroloop_task::{LoopTasks, bare_yield, current_task};
use ouroloop_testkit::{Log, TestLoop};

/// Runs one loop for a few iterations.
fn go(event_loop: &LoopRef) {
    let ended = event_loop.run_until_complete(async {
        for _ in 0..4 {
            bare_yield().await;
        }
    });
    ended.expect("it has an end");
}

#[test]
fn a_waiter_wakes_on_the_loop_of_its_task() {
    let (one, two) = (TestLoop::new(), TestLoop::new());
    let log = Log::default();
    let (lock, event) = (Rc::new(Lock::new()), Rc::new(Event::new()));
    let (semaphore, queue) = (Rc::new(Semaphore::new(0)), Rc::new(Queue::new(0)));
    let (condition, barrier) = (Rc::new(Condition::new()), Rc::new(Barrier::new(3).unwrap()));
    for (name, event_loop) in [("one", &one), ("two", &two)] {
        let (lock, event, semaphore) = (lock.clone(), event.clone(), semaphore.clone());
        let (queue, condition, barrier) = (queue.clone(), condition.clone(), barrier.clone());
        let log = log.clone();
        let visit = async move {
            drop(lock.acquire().await);
            event.wait().await;
            semaphore.acquire().await.forget();
            let item: u32 = queue.get().await.unwrap();
            let mut guard = condition.acquire().await;
            condition.wait(&mut guard).await.unwrap();
            drop(guard);
            let index = barrier.wait().await.unwrap();
            log.say(format!("{name}:{item}:{index}"));
        };
        event_loop.create_task(visit).expect("it is open");
    }
    let both = || {
        go(&one);
        go(&two);
    };
    one.run_until_complete({
        let lock = lock.clone();
        async move { lock.acquire().await.forget() }
    })
    .expect("it is free");
    both();
    // Each of these is done from outside of the two loops, or from the other one.
    lock.release().expect("it was taken");
    both();
    both();
    event.set();
    both();
    semaphore.release();
    semaphore.release();
    both();
    queue.put_nowait(1).expect("there is room");
    queue.put_nowait(2).expect("there is room");
    both();
    both();
    two.run_until_complete({
        let condition = condition.clone();
        async move {
            let guard = condition.acquire().await;
            condition.notify_all(&guard).expect("it is held");
        }
    })
    .expect("it is free");
    both();
    both();
    assert_eq!(barrier.n_waiting(), 2);
    two.run_until_complete({
        let barrier = barrier.clone();
        async move { barrier.wait().await }
    })
    .expect("it has an end")
    .expect("it is the last");
    both();
    both();
    // The loop on which all were notified went on first.
    assert_eq!(log.take(), "two:2:0 one:1:1");
    one.close();
    two.close();
}

#[test]
fn a_waiter_of_a_closed_loop_is_passed_over() {
    let (one, two) = (TestLoop::new(), TestLoop::new());
    let lock = Rc::new(Lock::new());
    let wait = |lock: Rc<Lock>| async move { drop(lock.acquire().await) };
    two.run_until_complete({
        let lock = lock.clone();
        async move { lock.acquire().await.forget() }
    })
    .expect("it is free");
    one.create_task(wait(lock.clone())).expect("it is open");
    go(&one);
    let second = two.create_task(wait(lock.clone())).expect("it is open");
    go(&two);
    lock.release().expect("it is held");
    one.close();
    assert_eq!(
        one.take_reports(),
        ["Task was destroyed but it is pending!"]
    );
    go(&two);
    assert!(second.done() && !lock.locked());
    two.close();
}

#[test]
fn the_owner_of_a_lock_is_the_number_of_its_task_on_each_loop() {
    for _ in 0..2 {
        TestLoop::new().run(async {
            let lock = Lock::new();
            let _guard = lock.acquire().await;
            let me = current_task().expect("this is a task");
            assert_eq!(lock.statistics().owner, Some(me.id()));
        });
    }
}
