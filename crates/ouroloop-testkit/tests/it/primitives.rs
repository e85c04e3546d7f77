//! The runtime's own primitives under many schedules: what one of them loses, exploration would find.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ouroloop::testkit::{Random, explore, note, seed};
use ouroloop::{
    Condition, Lock, Queue, Semaphore, TaskError, create_task, sleep, task_group, timeout,
};

const MS: Duration = Duration::from_millis(1);

/// A few milliseconds that belong to the seed.
fn some_time(random: &mut Random) -> Duration {
    MS * random.below(6) as u32
}

#[test]
fn h19_a_queue_loses_no_item_to_a_timeout_or_a_cancellation() {
    explore(0..300, || async {
        let mut random = Random::new(seed());
        let queue = Rc::new(Queue::new(2));
        let taken = Rc::new(RefCell::new(Vec::new()));
        let consumers = [(); 3].map(|()| {
            let (queue, taken, patience) = (queue.clone(), taken.clone(), some_time(&mut random));
            create_task(async move {
                loop {
                    if let Ok(item) = timeout(patience + MS, queue.get()).await {
                        let Ok(item) = item else { return };
                        note(format!("takes {item}"));
                        taken.borrow_mut().push(item);
                    }
                }
            })
        });
        let producers = [0, 10].map(|first| {
            let (queue, pause) = (queue.clone(), some_time(&mut random));
            create_task(async move {
                for item in first..first + 5 {
                    sleep(pause).await;
                    // Tries again: what a timeout has cancelled was not put.
                    while timeout(2 * MS, queue.put(item)).await.is_err() {}
                }
            })
        });
        sleep(some_time(&mut random)).await;
        consumers[0].cancel();
        for producer in producers {
            producer.await.unwrap();
        }
        queue.shutdown(false);
        let [cancelled, second, third] = consumers;
        assert!(matches!(
            cancelled.await,
            Err(TaskError::Cancelled(_)) | Ok(())
        ));
        second.await.unwrap();
        third.await.unwrap();
        let mut taken = taken.take();
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
    });
}

#[test]
fn h19_locks_and_semaphores_stay_whole_when_waiters_go() {
    explore(0..300, || async {
        let mut random = Random::new(seed());
        let (lock, semaphore) = (Rc::new(Lock::new()), Rc::new(Semaphore::new(2)));
        let (alone, inside) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (lock, semaphore) = (lock.clone(), semaphore.clone());
                let (alone, inside) = (alone.clone(), inside.clone());
                let (work, patience) = (some_time(&mut random), some_time(&mut random));
                create_task(async move {
                    for _ in 0..3 {
                        let _ = timeout(patience + MS, async {
                            let _permit = semaphore.acquire().await;
                            let _inside = Entered::new(&inside, 2);
                            let _guard = lock.acquire().await;
                            let _alone = Entered::new(&alone, 1);
                            sleep(work).await;
                        })
                        .await;
                    }
                })
            })
            .collect();
        sleep(some_time(&mut random)).await;
        tasks[2].cancel();
        tasks[4].cancel();
        for task in tasks {
            let _ = task.await;
        }
        assert!(!lock.locked());
        let _first = semaphore.acquire().await;
        let _second = semaphore.acquire().await;
        assert!(semaphore.locked(), "both permits came back, and no third");
    });
}

#[test]
fn a_condition_wakes_as_many_as_it_is_told_to() {
    explore(0..300, || async {
        let condition = Rc::new(Condition::new());
        let tickets = Rc::new(Cell::new(0));
        let group = task_group(async |group| {
            for _ in 0..4 {
                let (condition, tickets) = (condition.clone(), tickets.clone());
                let waiter = async move {
                    let mut guard = condition.acquire().await;
                    while tickets.get() == 0 {
                        condition.wait(&mut guard).await.unwrap();
                    }
                    tickets.set(tickets.get() - 1);
                };
                group.create_task(waiter).unwrap();
            }
            for _ in 0..4 {
                sleep(MS).await;
                let guard = condition.acquire().await;
                tickets.set(tickets.get() + 1);
                condition.notify(&guard, 1).unwrap();
            }
            Ok::<(), TaskError>(())
        });
        group.await.unwrap();
        assert_eq!(tickets.get(), 0);
    });
}

/// Somebody is inside, where only so many may be.
struct Entered<'a>(&'a Cell<u32>);

impl Entered<'_> {
    fn new(count: &Cell<u32>, most: u32) -> Entered<'_> {
        count.set(count.get() + 1);
        assert!(
            count.get() <= most,
            "{} are where {most} may be",
            count.get()
        );
        Entered(count)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
