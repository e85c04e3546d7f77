use std::rc::Rc;

use ouroloop_core::get_running_loop;
use ouroloop_sync::{Barrier, Condition, Event, Lock, Queue, Semaphore};
use ouroloop_task::{LoopTasks, ResourceState, RunError, TaskBuilder, bare_yield, create_task};
use ouroloop_testkit::TestLoop;

use crate::support::{me, run, turns};

/// What a task that runs `future` waits for, once it waits.
async fn waits_of(future: impl Future<Output = ()> + 'static) -> ResourceState {
    let task = TaskBuilder::new().name("waiting").create_task(future);
    turns(2).await;
    let graph = get_running_loop().expect("it runs").wait_graph();
    let waits = graph.task(task.id()).expect("it waits").waits_for.clone();
    task.cancel();
    turns(2).await;
    assert_eq!(waits.len(), 1, "{waits:?}");
    waits.into_iter().next().expect("there is one")
}

#[track_caller]
fn check(state: &ResourceState, kind: &str, detail: &str, holders: &[u64], line: u32) {
    assert_eq!((state.kind, &*state.detail), (kind, detail));
    assert_eq!(state.holders, holders);
    let place = state.created_at.expect("it is known");
    assert!(place.file().ends_with("wait_graph.rs"));
    assert_eq!(place.line(), line);
}

#[test]
fn each_primitive_says_what_it_is_who_holds_it_and_where_it_was_made() {
    run(async {
        let me = me().id();

        let (lock, line) = (Rc::new(Lock::new()), line!());
        let _guard = lock.acquire().await.into_owned();
        let waits = waits_of(async move { drop(lock.acquire().await) }).await;
        check(&waits, "Lock", "locked", &[me], line);

        let (event, line) = (Event::new(), line!());
        let waits = waits_of(async move { event.wait().await }).await;
        check(&waits, "Event", "unset", &[], line);

        let (semaphore, line) = (Rc::new(Semaphore::new(2)), line!());
        let _permits = (semaphore.acquire().await, semaphore.acquire().await);
        let waits = waits_of({
            let semaphore = semaphore.clone();
            async move { drop(semaphore.acquire().await) }
        })
        .await;
        check(&waits, "Semaphore", "0 free", &[me], line);

        let (queue, line) = (Queue::<u32>::new(10), line!());
        let waits = waits_of(async move { assert!(queue.get().await.is_ok()) }).await;
        check(&waits, "Queue", "empty", &[], line);

        let (queue, line) = (Queue::new(1), line!());
        queue.put_nowait(1).unwrap();
        let waits = waits_of(async move { assert!(queue.put(2).await.is_ok()) }).await;
        check(&waits, "Queue", "full, 1 of 1", &[], line);

        let (queue, line) = (Queue::new(0), line!());
        queue.put_nowait(1).unwrap();
        queue.get_nowait().unwrap();
        let waits = waits_of(async move { queue.join().await }).await;
        let detail = "empty, join waits for 1 task_done";
        check(&waits, "Queue", detail, &[], line);

        let (condition, line) = (Condition::new(), line!());
        let waits = waits_of(async move {
            let mut guard = condition.acquire().await;
            condition.wait(&mut guard).await.unwrap();
        })
        .await;
        check(&waits, "Condition", "not notified", &[], line);

        let (barrier, line) = (Barrier::new(3).unwrap(), line!());
        let waits = waits_of(async move { assert!(barrier.wait().await.is_ok()) }).await;
        check(&waits, "Barrier", "1 of 3 came", &[], line);
    });
}

#[test]
fn a_permit_that_is_released_elsewhere_is_nobodys_any_more() {
    run(async {
        let semaphore = Rc::new(Semaphore::new(1));
        let holder = create_task({
            let semaphore = semaphore.clone();
            async move { semaphore.acquire().await.forget() }
        });
        holder.await.unwrap();
        semaphore.release();
        let permit = semaphore.acquire().await;
        let waits = waits_of({
            let semaphore = semaphore.clone();
            async move { drop(semaphore.acquire().await) }
        })
        .await;
        assert_eq!(waits.holders, [me().id()]);
        drop(permit);
    });
}

#[test]
fn who_forgets_a_guard_or_a_permit_holds_it_no_more() {
    run(async {
        let (lock, line) = (Rc::new(Lock::new()), line!());
        let wait = || {
            let lock = lock.clone();
            waits_of(async move { drop(lock.acquire().await) })
        };
        let forgetful = create_task({
            let lock = lock.clone();
            async move { lock.acquire().await.forget() }
        });
        bare_yield().await;
        let forgotten = "locked, its guard was forgotten";
        check(&wait().await, "Lock", forgotten, &[], line);
        assert_eq!(lock.statistics().owner, Some(forgetful.id()));
        let adopted = lock.adopt().unwrap();
        check(&wait().await, "Lock", "locked", &[me().id()], line);
        drop(adopted);

        let (semaphore, line) = (Rc::new(Semaphore::new(2)), line!());
        semaphore.acquire().await.forget();
        let other = create_task({
            let semaphore = semaphore.clone();
            async move {
                let _permit = semaphore.acquire().await;
                std::future::pending::<()>().await;
            }
        });
        bare_yield().await;
        let waits = waits_of(async move { drop(semaphore.acquire().await) }).await;
        check(&waits, "Semaphore", "0 free", &[other.id()], line);
    });
}

#[test]
fn a_guard_that_is_forgotten_too_late_changes_nothing() {
    run(async {
        let lock = Rc::new(Lock::new());
        let late = lock.acquire().await;
        lock.release().unwrap();
        let _guard = lock.acquire().await;
        late.forget();
        let waits = waits_of({
            let lock = lock.clone();
            async move { drop(lock.acquire().await) }
        })
        .await;
        assert_eq!(
            (&*waits.detail, &*waits.holders),
            ("locked", &[me().id()][..])
        );
    });
}

#[test]
fn the_holder_is_who_acquired_also_where_the_guard_moved() {
    run(async {
        let (lock, line) = (Rc::new(Lock::new()), line!());
        let guard = lock.acquire().await.into_owned();
        let keeper = create_task(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        bare_yield().await;
        let waits = waits_of(async move { drop(lock.acquire().await) }).await;
        check(&waits, "Lock", "locked", &[me().id()], line);
        keeper.cancel();
    });
}

#[test]
fn a_release_by_hand_takes_no_holder_off_the_graph() {
    run(async {
        let semaphore = Rc::new(Semaphore::new(2));
        let _permit = semaphore.acquire().await;
        let other = create_task({
            let semaphore = semaphore.clone();
            async move {
                semaphore.release();
                let _permits = (semaphore.acquire().await, semaphore.acquire().await);
                std::future::pending::<()>().await;
            }
        });
        bare_yield().await;
        let waits = waits_of({
            let semaphore = semaphore.clone();
            async move { drop(semaphore.acquire().await) }
        })
        .await;
        assert_eq!(waits.holders, [me().id(), other.id()]);
    });
}

#[test]
fn a_permit_beyond_those_that_are_remembered_takes_no_holder_off_the_graph() {
    run(async {
        let semaphore = Rc::new(Semaphore::new(REMEMBERED + 1));
        let holders = [1, REMEMBERED - 1].map(|count| {
            let semaphore = semaphore.clone();
            create_task(async move {
                let mut permits = Vec::new();
                for _ in 0..count {
                    permits.push(semaphore.acquire().await);
                }
                std::future::pending::<()>().await;
            })
        });
        bare_yield().await;
        drop(semaphore.acquire().await);
        let _permit = semaphore.acquire().await;
        let waits = waits_of({
            let semaphore = semaphore.clone();
            async move { drop(semaphore.acquire().await) }
        })
        .await;
        assert_eq!(waits.holders, holders.map(|task| task.id()));
    });
}

#[test]
fn two_tasks_that_hold_each_others_lock_are_found_out() {
    let test_loop = TestLoop::new();
    let locks = [Rc::new(Lock::new()), Rc::new(Lock::new())];
    let crossed = [locks[1].clone(), locks[0].clone()];
    let mut tasks = Vec::new();
    for (first, second) in locks.into_iter().zip(crossed) {
        let task = test_loop.create_task(async move {
            let _first = first.acquire().await;
            turns(1).await;
            let _second = second.acquire().await;
        });
        tasks.push(task.expect("it is open").id());
    }
    let ended = test_loop.run_until_complete(std::future::pending::<()>());
    let Err(RunError::Deadlock { graph, .. }) = ended else {
        panic!("nothing can go on");
    };
    let [cycle] = graph.cycles() else {
        panic!("there is one: {graph}");
    };
    let mut members = cycle.clone();
    members.sort_unstable();
    assert_eq!(members, tasks);
    for (task, holder) in tasks.iter().zip(tasks.iter().rev()) {
        let waits = &graph.task(*task).expect("it waits").waits_for;
        assert_eq!(waits.len(), 1);
        assert_eq!((waits[0].kind, &*waits[0].detail), ("Lock", "locked"));
        assert_eq!(waits[0].holders, [*holder]);
    }
    test_loop.close();
    let pending = "Task was destroyed but it is pending!";
    assert_eq!(test_loop.take_reports(), [pending; 2]);
}

/// How many holders a semaphore remembers.
const REMEMBERED: usize = 64;
