//! Tasks: names, results, who may await them, how they are made.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use ouroloop_core::{LoopError, new_event_loop};
use ouroloop_task::{
    AsFutureRef, Awaitable, Eventual, FutureRef, IntoTask, LoopTasks, Task, TaskBuilder, TaskError,
    all_tasks, bare_yield, create_future, create_task, current_task, ensure_future,
};
use ouroloop_testkit::{Log, TestLoop, hops, ms, run_iterations, running_loop};

use crate::support::{panics, run, sleep};

#[test]
fn ids_count_from_one_in_each_loop_and_name_the_tasks() {
    for _ in 0..2 {
        run(async {
            let main = current_task().expect("this is a task");
            assert_eq!((main.id(), &*main.name()), (1, "Task-1"));
            let two = create_task(async {});
            let three = TaskBuilder::new().name("third").create_task(async {});
            let four = create_task(async {});
            assert_eq!((two.id(), three.id(), four.id()), (2, 3, 4));
            assert_eq!(&*two.name(), "Task-2");
            assert_eq!(&*three.name(), "third");
            assert_eq!(&*four.name(), "Task-4");
            two.set_name("renamed");
            assert_eq!(&*two.as_task_ref().name(), "renamed");
            assert_eq!(two.as_future_ref().task_name().as_deref(), Some("renamed"));
        });
    }
}

#[test]
fn a_task_knows_the_line_that_made_it() {
    run(async {
        let here = Location::caller();
        let made = [
            create_task(async {}),
            TaskBuilder::new().create_task(async {}),
            running_loop().create_task(async {}).expect("it is open"),
        ];
        for (place, task) in made.iter().enumerate() {
            assert_eq!(task.created_at().file(), file!());
            let lines = task.created_at().line() - here.line();
            assert_eq!(lines as usize, place + 2);
        }
        assert!(format!("{:?}", made[0]).contains("Task-2"));
        assert!(format!("{:?}", made[0]).contains("task.rs"));
    });
}

#[test]
fn the_current_task_is_there_in_tasks_and_nowhere_else() {
    assert!(current_task().is_none());
    run(async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let look = {
            let seen = seen.clone();
            move || {
                let current = current_task().map(|task| task.id());
                seen.borrow_mut().push(current);
            }
        };
        running_loop().call_soon(look.clone()).expect("it is open");
        let task = create_task({
            let look = look.clone();
            async move { look() }
        });
        task.as_future_ref().add_done_callback({
            let look = look.clone();
            move |_| look()
        });
        look();
        sleep(ms(1)).await;
        look();
        assert_eq!(*seen.borrow(), [Some(1), None, Some(2), None, Some(1)]);
    });
    assert!(current_task().is_none());
}

#[test]
fn all_tasks_are_those_that_are_not_done_oldest_first() {
    let test_loop = TestLoop::new();
    assert!(test_loop.all_tasks().is_empty());
    let other = TestLoop::new();
    let of_other = other.create_task(async {}).expect("it is open");
    test_loop.run(async {
        let quick = create_task(async {});
        let slow = create_task(pending::<()>());
        let ids = || all_tasks().iter().map(|task| task.id()).collect::<Vec<_>>();
        assert_eq!(ids(), [1, 2, 3]);
        bare_yield().await;
        assert!(quick.done());
        assert_eq!(ids(), [1, 3]);
        let later = create_task(pending::<()>());
        assert_eq!(ids(), [1, 3, 4]);
        assert!(all_tasks()[1] == slow.as_task_ref());
        slow.cancel();
        later.cancel();
        bare_yield().await;
        assert_eq!(ids(), [1]);
    });
    assert!(test_loop.all_tasks().is_empty());
    assert_eq!(other.all_tasks(), [of_other.as_task_ref()]);
    other.run(async {});
}

#[test]
fn a_result_that_is_asked_for_too_early_is_an_error_and_never_waits() {
    run(async {
        let task = create_task(async { 4 });
        assert!(matches!(task.result(), Err(TaskError::InvalidState)));
        assert!(matches!(task.exception(), Err(TaskError::InvalidState)));
        assert!(task.as_future_ref().exception().is_none());
        bare_yield().await;
        assert_eq!(task.result().ok(), Some(&4));
        assert!(matches!(task.exception(), Ok(None)));
        let cancelled = create_task(pending::<()>());
        cancelled.cancel();
        bare_yield().await;
        assert!(matches!(cancelled.result(), Err(TaskError::Cancelled(_))));
        assert!(matches!(
            cancelled.exception(),
            Err(TaskError::Cancelled(_))
        ));
        assert!(!cancelled.as_future_ref().ended_in_error());
    });
}

#[test]
fn a_result_is_moved_out_once() {
    run(async {
        let eventual = create_task(async { Rc::new(1) }).into_task();
        assert!(matches!(eventual.take(), Err(TaskError::InvalidState)));
        bare_yield().await;
        assert_eq!(eventual.peek().ok().as_deref(), Some(&1));
        assert_eq!(eventual.inspect(|value| **value + 1).ok(), Some(2));
        let value = eventual.take().expect("it is done");
        assert_eq!(Rc::strong_count(&value), 1, "moved, not cloned");
        assert!(matches!(eventual.take(), Err(TaskError::ResultTaken)));
        assert!(matches!(eventual.peek(), Err(TaskError::ResultTaken)));
        assert!(matches!(eventual.await, Err(TaskError::ResultTaken)));
    });
}

#[test]
fn a_callback_sees_whether_the_result_was_taken_before() {
    run(async {
        let log = Log::default();
        let task = create_task(async { "value".to_owned() });
        let say = |name: &'static str| {
            let log = log.clone();
            move |task: &Task<String>| match task.result() {
                Ok(value) => log.say(format!("{name}:{value}")),
                Err(error) => log.say(format!("{name}:{error:?}")),
            }
        };
        task.add_done_callback(say("early"));
        bare_yield().await;
        let future = task.as_future_ref();
        task.add_done_callback(say("late"));
        // Both are queued; the value is moved out before they run.
        let value = task.await.expect("it has a value");
        future.add_done_callback({
            let log = log.clone();
            move |done| log.say(format!("untyped:{}", done.done()))
        });
        bare_yield().await;
        assert_eq!(value, "value");
        assert_eq!(
            log.take(),
            "early:ResultTaken late:ResultTaken untyped:true"
        );
    });
}

#[test]
fn a_callback_of_a_task_gets_the_value_or_the_error_and_can_be_removed() {
    run(async {
        let log = Log::default();
        let (value, error) = (create_task(async { 3 }), create_task(pending::<u32>()));
        for task in [&value, &error] {
            let log = log.clone();
            task.add_done_callback(move |task| match task.result() {
                Ok(value) => log.say(format!("{}={value}", task.name())),
                Err(_) => log.say(task.cancelled().to_string()),
            });
        }
        let id = value.add_done_callback(|_| unreachable!("it is removed"));
        assert_eq!(error.remove_done_callback(id), 0);
        assert_eq!(value.remove_done_callback(id), 1);
        error.cancel();
        bare_yield().await;
        bare_yield().await;
        assert_eq!(log.take(), "Task-2=3 true");
    });
}

#[test]
fn a_callback_cannot_move_out_what_it_is_looking_at() {
    run(async {
        let eventual = Rc::new(create_task(async { vec![1, 2, 3] }).into_task());
        bare_yield().await;
        let seen = eventual.inspect({
            let eventual = eventual.clone();
            move |value| {
                let stolen = eventual.take();
                assert!(matches!(stolen, Err(TaskError::ResultTaken)));
                value.len()
            }
        });
        assert_eq!(seen.ok(), Some(3));
        assert_eq!(eventual.take().ok(), Some(vec![1, 2, 3]));
    });
}

#[test]
fn nobody_moves_out_what_a_callback_of_a_task_is_lent() {
    run(async {
        let log = Log::default();
        let task = create_task(async { vec![1, 2, 3] });
        let owner = Rc::new(RefCell::new(None::<Eventual<Vec<i32>>>));
        task.add_done_callback({
            let (owner, log) = (owner.clone(), log.clone());
            move |task| {
                let lent = task.result().expect("it has a value");
                let owner = owner.take().expect("it is there by now");
                assert!(matches!(owner.take(), Err(TaskError::ResultTaken)));
                log.say(format!("{lent:?}"));
                drop(owner);
                log.say(format!("{:?}", task.result().expect("it is still there")));
            }
        });
        owner.replace(Some(task.into_task()));
        bare_yield().await;
        bare_yield().await;
        assert_eq!(log.take(), "[1, 2, 3] [1, 2, 3]");
    });
}

#[test]
fn a_task_cannot_await_itself() {
    run(async {
        let handle: Rc<RefCell<Option<Task<()>>>> = Rc::default();
        let task = create_task({
            let handle = handle.clone();
            async move {
                let own = handle.take().expect("it was put there");
                let (count, ended) = hops(own).await;
                assert!(matches!(ended, Err(TaskError::SelfAwait)));
                // asyncio raises it at the next step.
                assert_eq!(count, 1);
            }
        });
        let untyped = task.as_task_ref();
        handle.replace(Some(task));
        sleep(ms(1)).await;
        assert!(untyped.done() && !untyped.as_future_ref().ended_in_error());
    });
}

#[test]
fn a_task_cannot_await_a_reference_to_itself() {
    run(async {
        let handle: Rc<RefCell<Option<Rc<Task<bool>>>>> = Rc::default();
        let task = Rc::new(create_task({
            let handle = handle.clone();
            async move {
                let own = handle.take().expect("it was put there");
                matches!((&*own).await, Err(TaskError::SelfAwait))
            }
        }));
        handle.replace(Some(task.clone()));
        assert_eq!((&*task).await.ok(), Some(&true));
    });
}

#[test]
fn a_task_of_another_loop_is_refused_one_iteration_later() {
    let other = new_event_loop().expect("a loop can be made");
    let task = Rc::new(other.create_task(async { 1 }).expect("it is open"));
    run({
        let task = task.clone();
        async move {
            let (count, ended) = hops(async { (&*task).await.copied() }).await;
            assert!(matches!(ended, Err(TaskError::WrongLoop)));
            assert_eq!(count, 1);
        }
    });
    assert_eq!(other.run_until_complete(&*task).ok(), Some(1));
    other.close().expect("it does not run");
}

#[test]
fn several_can_wait_for_one_task_and_are_lent_one_value() {
    struct Unique(u32);
    run(async {
        let task = Rc::new(create_task(async { Unique(6) }));
        let address = |value: &Unique| (std::ptr::from_ref(value).addr(), value.0);
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let task = task.clone();
                create_task(async move { (&*task).await.map(address) })
            })
            .collect();
        let mut seen = Vec::new();
        for reader in readers {
            seen.push(reader.await.expect("it has a value").expect("it is done"));
        }
        assert!(seen.iter().all(|it| *it == seen[0] && it.1 == 6));
    });
}

#[test]
fn a_fallible_task_gives_what_is_in_its_result_and_shares_its_error() {
    #[derive(Debug, thiserror::Error)]
    #[error("no luck")]
    struct NoLuck;
    run(async {
        let good = TaskBuilder::new()
            .fallible()
            .create_task(async { Ok::<_, NoLuck>(1) });
        let bad = Rc::new(
            TaskBuilder::new()
                .fallible()
                .create_task(async { Err::<u32, _>(NoLuck) }),
        );
        assert_eq!(good.await.ok(), Some(1));
        for _ in 0..2 {
            let Err(error) = (&*bad).await else {
                panic!("it failed");
            };
            assert!(error.downcast_ref::<NoLuck>().is_some());
        }
        assert!(bad.as_future_ref().ended_in_error());
        assert!(!bad.cancelled());
    });
}

#[test]
fn to_make_a_task_without_a_running_loop_panics_and_says_what_to_do() {
    for (function, or, payload) in [
        (
            "create_task",
            "create_task",
            panics(|| drop(create_task(async {}))),
        ),
        (
            "create_future",
            "create_future",
            panics(|| drop(create_future::<()>())),
        ),
        ("all_tasks", "all_tasks", panics(|| drop(all_tasks()))),
        (
            "ensure_future",
            "into_task_on",
            panics(|| drop(ensure_future(async {}))),
        ),
    ] {
        let payload = payload.expect_err("no loop is running");
        let text = payload
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_default();
        let says = format!(
            "{function}: no running event loop: call it from a task or a callback of a loop, or use `{or}("
        );
        assert!(text.starts_with(&says), "{text:?}");
    }
}

#[test]
fn a_closed_loop_makes_no_tasks() {
    let test_loop = TestLoop::new();
    let early = test_loop.create_future::<()>();
    test_loop.close();
    assert!(matches!(
        test_loop.create_task(async {}),
        Err(LoopError::Closed)
    ));
    let options = TaskBuilder::new().name("late");
    let made = test_loop.create_task_with(options, async {});
    assert!(matches!(made, Err(LoopError::Closed)));
    assert!(test_loop.all_tasks().is_empty());
    drop(early);
}

#[test]
fn the_future_of_a_task_that_is_refused_is_dropped() {
    let test_loop = TestLoop::new();
    test_loop.close();
    let log = Log::default();
    let guard = log.on_drop("dropped");
    let made = test_loop.create_task(async move { drop(guard) });
    assert!(made.is_err());
    assert_eq!(log.take(), "dropped");
}

#[test]
fn a_closed_loop_is_not_mistaken_for_the_one_that_got_its_id() {
    for _ in 0..64 {
        let first = TestLoop::new();
        drop(first.create_task(async {}).expect("it is open"));
        run_iterations(&first, 1);
        first.close();
        let second = TestLoop::new();
        if second.id() != first.id() {
            continue;
        }
        let task = second.create_task(async {}).expect("it is open");
        assert!(first.all_tasks().is_empty());
        let made = first.create_task(async {});
        assert!(matches!(made, Err(LoopError::Closed)));
        let factory = first.set_task_factory(None);
        assert!(matches!(factory, Err(LoopError::Closed)));
        assert_eq!(second.all_tasks().len(), 1);
        second.run(task.into_future()).expect("it has a value");
        return;
    }
    panic!("the id of a closed loop never came back");
}

#[test]
fn tasks_work_on_a_loop_that_has_many_other_clients() {
    struct Nobody;
    impl ouroloop_core::Client for Nobody {
        fn run(&self, _: u64) {}
        fn posted(&self, _: u64) {}
        fn describe(&self, _: u64) -> String {
            String::new()
        }
        fn close(&self) {}
    }
    let test_loop = TestLoop::new();
    for _ in 0..20 {
        test_loop.register_client(Rc::new(Nobody));
    }
    let sum = test_loop.run(async {
        let mut sum = 0;
        for n in 0..3 {
            bare_yield().await;
            sum += create_task(async move { n }).await.expect("it has a value");
        }
        sum
    });
    assert_eq!(sum, 3);
}

#[test]
fn whatever_can_be_awaited_becomes_an_eventual() {
    run(async {
        let promise = create_future::<u32>();
        promise.set_result(3).expect("it is pending");
        let task = create_task(async { 2 });
        let before = task.id();
        let all: Vec<Eventual<u32>> = vec![
            IntoTask::into_task(async { 1 }),
            IntoTask::into_task(&task),
            IntoTask::into_task(promise.future()),
            IntoTask::into_task(&promise),
        ];
        assert!(Awaitable::existing(&&task).is_some());
        assert!(Awaitable::existing(&async { 1 }).is_none());
        assert_eq!(all[1].as_future_ref(), task.as_future_ref());
        let mut values = Vec::new();
        for eventual in all {
            values.push(eventual.await.expect("it has a value"));
        }
        assert_eq!(values, [1, 2, 3, 3]);
        // Only the coroutine was made a task.
        assert_eq!(create_task(async {}).id(), before + 2);
        assert_eq!(task.await.ok(), Some(2));
    });
}

#[test]
fn futures_of_other_makers_are_taken_as_those_of_ours() {
    /// A coroutine of another crate.
    struct Theirs(u32);
    impl Future for Theirs {
        type Output = u32;
        fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<u32> {
            self.0 += 1;
            if self.0 % 2 == 0 {
                return Poll::Ready(self.0);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
    /// A handle of another crate.
    struct Handle(Task<u32>);
    impl AsFutureRef for Handle {
        fn as_future_ref(&self) -> FutureRef {
            self.0.as_future_ref()
        }
    }
    run(async {
        let task = ensure_future(Theirs(4));
        assert_eq!(task.await.ok(), Some(6));
        let handle = Handle(create_task(Theirs(6)));
        let here = running_loop();
        assert!(handle.as_future_ref().event_loop().same_loop(&here));
        assert!(handle.as_future_ref().is(&handle) && !handle.as_future_ref().done());
        assert_eq!(handle.0.await.ok(), Some(8));
    });
}

#[test]
fn ensure_future_makes_a_task_of_a_coroutine_and_leaves_the_rest_as_it_is() {
    run(async {
        let promise = create_future::<u32>();
        let task = create_task(pending::<u32>());
        assert!(ensure_future(&promise).is(&promise));
        assert_eq!(ensure_future(&promise).task_name(), None);
        let same = ensure_future(task);
        assert_eq!(same.task_name().as_deref(), Some("Task-2"));
        let made = ensure_future(async { 1 });
        assert_eq!(made.task_name().as_deref(), Some("Task-3"));
        assert!(!made.is(&same));
        assert!(same.cancel() && !same.done());
        bare_yield().await;
        assert!(same.done() && same.cancelled() && !made.cancelled());
        assert_eq!(made.await.ok(), Some(1));
    });
}

#[test]
fn an_err_that_was_said_to_be_an_error_is_an_exception_and_stays_the_value() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let unsaid = create_task(async { Err::<(), _>("no paper") });
        let said = create_task(async { Err::<(), _>("no paper") });
        let well = create_task(async { Ok::<_, &str>(()) });
        said.expect_errors();
        well.expect_errors();
        assert!(matches!(said.exception(), Err(TaskError::InvalidState)));
        bare_yield().await;
        assert!(matches!(unsaid.exception(), Ok(None)));
        assert!(matches!(well.exception(), Ok(None)));
        let error = said.exception().expect("it is done").expect("an error");
        assert!(error.to_string().contains("result()"), "{error}");
        assert_eq!(said.result().ok(), Some(&Err("no paper")));
        drop(said);
    });
    assert_eq!(test_loop.take_reports(), [""; 0], "it was looked at");
}

#[test]
fn a_coroutine_that_is_awaited_in_place_is_part_of_its_caller() {
    run(async {
        let (count, id) = hops(Awaitable::into_awaited(async {
            current_task().expect("this is a task").id()
        }))
        .await;
        assert_eq!((count, id.ok()), (0, Some(1)));
    });
}

#[test]
fn untyped_references_are_equal_if_they_are_of_one_task() {
    run(async {
        let (one, two) = (create_task(async {}), create_task(async {}));
        assert_eq!(one.as_task_ref(), one.as_task_ref());
        assert_ne!(one.as_task_ref(), two.as_task_ref());
        assert_eq!(one.as_task_ref().as_future_ref(), one.as_future_ref());
        assert_ne!(one.as_future_ref(), two.as_future_ref());
    });
}

#[test]
fn whatever_can_be_awaited_knows_its_loop_also_when_that_is_closed() {
    let (here, there) = (TestLoop::new(), TestLoop::new());
    let task = here.create_task(async { 1 }).expect("it is open");
    let promise = there.create_future::<u32>().expect("it is open");
    let (of_task, of_promise) = (task.as_future_ref(), promise.as_future_ref());
    assert!(of_task.event_loop().same_loop(&here));
    assert!(of_promise.event_loop().same_loop(&there));
    assert_eq!(here.run(task.into_future()).ok(), Some(1));
    here.close();
    assert!(of_task.event_loop().same_loop(&here));
}

#[test]
fn a_factory_sees_the_options_of_each_task() {
    let test_loop = TestLoop::new();
    let seen = Rc::new(Cell::new(0));
    let count = seen.clone();
    let factory = move |options: TaskBuilder| {
        count.set(count.get() + 1);
        options.name(format!("made-{}", count.get()))
    };
    test_loop
        .set_task_factory(Some(Rc::new(factory)))
        .expect("it is open");
    let names = test_loop.run(async {
        let task = create_task(async {});
        let me = current_task().expect("this is a task");
        (me.name(), task.name())
    });
    assert_eq!((&*names.0, &*names.1), ("made-1", "made-2"));
    test_loop.set_task_factory(None).expect("it is open");
    let name = test_loop.run(async { current_task().expect("this is a task").name() });
    assert_eq!(&*name, "Task-3");
    assert_eq!(seen.get(), 2);
}

#[test]
fn the_future_of_a_task_is_dropped_when_it_is_done_and_the_value_with_the_handle() {
    run(async {
        let log = Log::default();
        let guard = log.on_drop("future");
        let value = log.on_drop("value");
        let task = create_task(async move {
            let _guard = guard;
            bare_yield().await;
            value
        });
        bare_yield().await;
        assert_eq!(log.take(), "");
        bare_yield().await;
        assert_eq!(log.take(), "future");
        drop(task);
        assert_eq!(log.take(), "value");
    });
}
