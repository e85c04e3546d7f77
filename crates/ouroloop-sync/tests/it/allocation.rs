use std::pin::pin;
use std::rc::Rc;
use std::task::Waker;

use allocation_counter::measure;
use ouroloop_sync::{BoundedSemaphore, Event, Lock, Queue, Semaphore};
use ouroloop_task::{LoopTasks, create_task};
use ouroloop_testkit::{TestLoop, poll_once};

use crate::support::run;

#[test]
fn what_is_free_allocates_nothing() {
    run(async {
        let (lock, event) = (Lock::new(), Event::new());
        let (semaphore, bounded) = (Semaphore::new(2), BoundedSemaphore::new(1));
        let queue = Queue::new(2);
        event.set();
        queue.put(0).await.unwrap();
        let allocated = measure(|| {
            let all = async {
                for round in 1..100 {
                    let _guard = lock.acquire().await;
                    let _permits = (semaphore.acquire().await, bounded.acquire().await);
                    event.wait().await;
                    queue.put(round).await.unwrap();
                    queue.get().await.unwrap();
                }
            };
            assert!(poll_once(pin!(all), Waker::noop()).is_ready());
        });
        assert_eq!(allocated.count_total, 0);
    });
}

/// How often a ping-pong of so many rounds allocates.
fn pingpong(rounds: u64) -> u64 {
    let test_loop = TestLoop::new();
    let allocated = measure(|| {
        let played = test_loop.run_until_complete(async move {
            let (there, back) = (Rc::new(Queue::new(1)), Rc::new(Queue::new(1)));
            let echo = create_task({
                let (there, back) = (there.clone(), back.clone());
                async move {
                    while let Ok(item) = there.get().await {
                        back.put(item).await.unwrap();
                    }
                }
            });
            for round in 0..rounds {
                there.put(round).await.unwrap();
                back.get().await.unwrap();
            }
            there.shutdown(false);
            echo.await.unwrap();
        });
        played.unwrap();
    });
    allocated.count_total
}

#[test]
fn waiting_allocates_nothing_once_the_tables_have_room() {
    pingpong(10);
    assert_eq!(pingpong(10), pingpong(1000));
}

#[test]
fn a_crowd_of_waiters_leaves_no_memory_behind() {
    // What a thread keeps once.
    run(async {});
    let crowd = measure(|| {
        run(async {
            let lock = Rc::new(Lock::new());
            let guard = lock.acquire().await;
            for _ in 0..1000 {
                let lock = lock.clone();
                create_task(async move { drop(lock.acquire().await) });
            }
            ouroloop_task::bare_yield().await;
            drop(guard);
        });
    });
    assert!(crowd.count_current <= 0, "{crowd:?}");
}
