//! Wake-ups from other threads: before, while and after the loop runs, stops and closes.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use ouroloop_core::{EventLoop, VirtualClock, new_event_loop};
use ouroloop_task::{LoopTasks, RunError, Scope, bare_yield, create_future, create_task};
use ouroloop_testkit::{TestLoop, run_iterations};

use crate::support::own_waker;

/// A loop on the system's clock and selector.
fn real_loop() -> EventLoop {
    new_event_loop().expect("a loop can be made")
}

/// Waits until the flag is set; hands its waker to the channel at each poll.
async fn until(flag: Arc<AtomicBool>, wakers: mpsc::Sender<Waker>) -> usize {
    let mut polls = 0;
    poll_fn(move |cx| {
        polls += 1;
        if flag.load(Ordering::Acquire) {
            return Poll::Ready(polls);
        }
        let _ = wakers.send(cx.waker().clone());
        Poll::Pending
    })
    .await
}

#[test]
fn a_waker_wakes_a_loop_that_sleeps() {
    let event_loop = real_loop();
    let flag = Arc::new(AtomicBool::new(false));
    let (send, receive) = mpsc::channel();
    let helper = thread::spawn({
        let flag = flag.clone();
        move || {
            let waker: Waker = receive.recv().expect("it is polled");
            flag.store(true, Ordering::Release);
            waker.wake();
        }
    });
    let polls = event_loop.run_until_complete(until(flag, send));
    assert_eq!(polls.expect("it has a value"), 2);
    helper.join().expect("it does not panic");
    event_loop.close().expect("it does not run");
}

#[test]
fn no_wake_is_lost_between_many_threads_and_many_tasks() {
    const TASKS: usize = if cfg!(miri) { 5 } else { 50 };
    const ROUNDS: usize = if cfg!(miri) { 4 } else { 40 };
    let event_loop = real_loop();
    let (send, receive) = mpsc::channel::<(Waker, Arc<AtomicBool>)>();
    let receive = Arc::new(Mutex::new(receive));
    let wakes = Arc::new(AtomicUsize::new(0));
    let helpers: Vec<_> = (0..4)
        .map(|_| {
            let (receive, wakes) = (receive.clone(), wakes.clone());
            thread::spawn(move || {
                loop {
                    let next = receive.lock().expect("nobody panicked").recv();
                    let Ok((waker, flag)) = next else { return };
                    flag.store(true, Ordering::Release);
                    wakes.fetch_add(1, Ordering::Relaxed);
                    waker.wake();
                }
            })
        })
        .collect();
    let done = event_loop.run_until_complete(async move {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let send = send.clone();
                create_task(async move {
                    for _ in 0..ROUNDS {
                        let flag = Arc::new(AtomicBool::new(false));
                        let mut sent = false;
                        poll_fn(|cx| {
                            if flag.load(Ordering::Acquire) {
                                return Poll::Ready(());
                            }
                            if !std::mem::replace(&mut sent, true) {
                                let _ = send.send((cx.waker().clone(), flag.clone()));
                            }
                            Poll::Pending
                        })
                        .await;
                    }
                    ROUNDS
                })
            })
            .collect();
        drop(send);
        let mut done = 0;
        for task in tasks {
            done += task.await.expect("it has a value");
        }
        done
    });
    assert_eq!(done.expect("it has a value"), TASKS * ROUNDS);
    assert_eq!(wakes.load(Ordering::Relaxed), TASKS * ROUNDS);
    for helper in helpers {
        helper.join().expect("it does not panic");
    }
    event_loop.close().expect("it does not run");
}

#[test]
fn a_wake_while_the_loop_does_not_run_counts_in_the_next_run() {
    let test_loop = TestLoop::new();
    let flag = Arc::new(AtomicBool::new(false));
    let (send, receive) = mpsc::channel();
    let task = test_loop
        .create_task(until(flag.clone(), send))
        .expect("it is open");
    run_iterations(&test_loop, 1);
    let waker = receive.recv().expect("it was polled");
    thread::spawn(move || {
        flag.store(true, Ordering::Release);
        // Twice: a task is queued at most once.
        waker.wake_by_ref();
        waker.wake();
    })
    .join()
    .expect("it does not panic");
    assert!(!task.done());
    run_iterations(&test_loop, 1);
    assert!(
        task.done(),
        "the word is in the batch of the iteration that finds it"
    );
    assert_eq!(test_loop.run(task.into_future()).ok(), Some(2));
}

#[test]
fn a_wake_of_the_own_thread_while_the_loop_does_not_run_counts_too() {
    let test_loop = TestLoop::new();
    let flag = Arc::new(AtomicBool::new(false));
    let (send, receive) = mpsc::channel();
    let task = test_loop
        .create_task(until(flag.clone(), send))
        .expect("it is open");
    run_iterations(&test_loop, 1);
    flag.store(true, Ordering::Release);
    receive.recv().expect("it was polled").wake();
    run_iterations(&test_loop, 1);
    assert_eq!(task.result().ok(), Some(&2));
}

#[test]
fn wakes_while_the_loop_stops_and_runs_again_are_kept() {
    const ROUNDS: usize = if cfg!(miri) { 3 } else { 50 };
    let event_loop = real_loop();
    for _ in 0..ROUNDS {
        let flag = Arc::new(AtomicBool::new(false));
        let (send, receive) = mpsc::channel();
        let task = event_loop
            .create_task(until(flag.clone(), send))
            .expect("it is open");
        let remote = event_loop.remote();
        let helper = thread::spawn(move || {
            let waker: Waker = receive.recv().expect("it is polled");
            remote.stop().expect("it is open");
            flag.store(true, Ordering::Release);
            waker.wake();
        });
        // A stop can outlive its run by one, as in asyncio.
        let ended = (0..3)
            .map(|_| event_loop.run_until_complete(&task))
            .find(|ended| !matches!(ended, Err(RunError::Stopped)));
        assert!(matches!(ended, Some(Ok(_))), "{ended:?}");
        helper.join().expect("it does not panic");
    }
    event_loop.close().expect("it does not run");
}

#[test]
fn a_waker_may_outlive_its_loop() {
    let wakers: Vec<Waker> = {
        let test_loop = TestLoop::new();
        let waker = test_loop.run(own_waker());
        vec![waker.clone(), waker]
    };
    thread::spawn(move || {
        for waker in wakers {
            waker.wake_by_ref();
            drop(waker.clone());
            waker.wake();
        }
    })
    .join()
    .expect("it does not panic");
}

#[test]
fn wakes_race_with_the_close_of_the_loop() {
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 100 };
    for _ in 0..ROUNDS {
        let test_loop = TestLoop::new();
        let waker = test_loop.run(own_waker());
        let go = Arc::new(AtomicBool::new(false));
        let helper = thread::spawn({
            let go = go.clone();
            move || {
                while !go.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                for _ in 0..20 {
                    waker.wake_by_ref();
                }
            }
        });
        go.store(true, Ordering::Release);
        drop(test_loop);
        helper.join().expect("it does not panic");
    }
}

/// Loops until the id of a closed loop comes back, which is at once unless other tests take it.
fn successor_of(id: ouroloop_core::LoopId) -> Option<TestLoop> {
    let mut others = Vec::new();
    for _ in 0..64 {
        let test_loop = TestLoop::new();
        if test_loop.id() == id {
            return Some(test_loop);
        }
        others.push(test_loop);
    }
    None
}

#[test]
fn a_waker_of_a_closed_loop_is_at_worst_a_spurious_poll_of_its_successor() {
    for _ in 0..20 {
        // Wakers of the first tasks of a loop.
        let first = TestLoop::new();
        let id = first.id();
        let wakers: Vec<Waker> = first.run(async {
            let mut wakers = vec![own_waker().await];
            let tasks: Vec<_> = (0..6).map(|_| create_task(own_waker())).collect();
            for task in tasks {
                wakers.push(task.await.expect("it has a value"));
            }
            wakers
        });
        drop(first);
        let Some(second) = successor_of(id) else {
            continue;
        };
        let polls = second.run(async move {
            // Here the places of those tasks are taken by scopes.
            let mut scopes: Vec<_> = (0..6).map(|_| Scope::new()).collect();
            let promise = create_future::<()>();
            let future = promise.future();
            let polls = Rc::new(Cell::new(0));
            let task = create_task({
                let (scope, polls) = (scopes.remove(0), polls.clone());
                async move {
                    let mut wait = Box::pin(future.into_future());
                    scope
                        .catch(poll_fn(move |cx| {
                            polls.set(polls.get() + 1);
                            wait.as_mut().poll(cx)
                        }))
                        .await
                }
            });
            bare_yield().await;
            for waker in &wakers {
                waker.wake_by_ref();
            }
            bare_yield().await;
            thread::spawn(move || wakers.into_iter().for_each(Waker::wake))
                .join()
                .expect("it does not panic");
            bare_yield().await;
            bare_yield().await;
            promise.set_result(()).expect("it is pending");
            task.await
                .expect("it has a value")
                .expect("nobody cancelled it")
                .expect("it is set");
            polls.get()
        });
        assert!((2..=4).contains(&polls), "{polls} polls");
        second.close();
        assert_eq!(second.take_reports(), [""; 0]);
        return;
    }
    panic!("the id of a closed loop never came back");
}

#[test]
fn a_waker_that_is_dropped_in_another_thread_drops_no_task_there() {
    let test_loop = TestLoop::new();
    let home = thread::current().id();
    let seen = Rc::new(Cell::new(None));
    struct Guard(Rc<Cell<Option<thread::ThreadId>>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.set(Some(thread::current().id()));
        }
    }
    let guard = Guard(seen.clone());
    let (send, receive) = mpsc::channel();
    let task = test_loop
        .create_task(async move {
            let _guard = guard;
            send.send(own_waker().await).expect("it is received");
            std::future::pending::<()>().await;
        })
        .expect("it is open");
    run_iterations(&test_loop, 1);
    let waker = receive.recv().expect("it was polled");
    task.cancel();
    drop(task);
    thread::spawn(move || drop(waker))
        .join()
        .expect("it does not panic");
    assert_eq!(seen.get(), None, "the loop has not stepped it yet");
    run_iterations(&test_loop, 1);
    assert_eq!(seen.get(), Some(home));
}

#[test]
fn two_loops_of_two_threads_do_not_see_each_other() {
    let sums: Vec<_> = (0..4)
        .map(|seed| {
            thread::spawn(move || {
                let event_loop = EventLoop::builder()
                    .clock(VirtualClock::new())
                    .build()
                    .expect("a loop can be made");
                let sum = event_loop.run_until_complete(async move {
                    let tasks: Vec<_> = (0..20)
                        .map(|n| create_task(async move { n * seed }))
                        .collect();
                    let mut sum = 0;
                    for task in tasks {
                        sum += task.await.expect("it has a value");
                    }
                    sum
                });
                event_loop.close().expect("it does not run");
                sum.expect("it has a value")
            })
        })
        .collect();
    let sums: Vec<u32> = sums
        .into_iter()
        .map(|thread| thread.join().expect("it does not panic"))
        .collect();
    assert_eq!(sums, [0, 190, 380, 570]);
}
