//! Who waits for what: the graph on demand, in the error of a deadlock, and seen from one task.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ouroloop_core::get_running_loop;
use ouroloop_task::{
    AsFutureRef, LoopTasks, Resource, ResourceState, RunError, Scope, Task, TaskBuilder, TaskState,
    WaitGraph, Waiter, bare_yield, capture_call_graph, create_future, create_future_of,
    create_task, current_task, current_task_id, format_call_graph,
};
use ouroloop_testkit::TestLoop;

/// A thing that a task holds, and another waits for.
struct Thing {
    kind: &'static str,
    holder: u64,
    created_at: &'static Location<'static>,
}

impl Thing {
    #[track_caller]
    fn held_by(kind: &'static str, holder: u64) -> Rc<Thing> {
        Rc::new(Thing {
            kind,
            holder,
            created_at: Location::caller(),
        })
    }
}

impl Resource for Thing {
    fn state(&self) -> ResourceState {
        // No table may be borrowed when this is asked.
        let _ = current_task_id();
        ResourceState::new(self.kind, self.created_at)
            .detail("locked")
            .holders([self.holder])
    }
}

fn named<T: 'static>(name: &str, future: impl Future<Output = T> + 'static) -> Task<T> {
    TaskBuilder::new().name(name).create_task(future)
}

/// All of them in one task, polled with its own waker.
async fn join_all(mut parts: Vec<Pin<Box<dyn Future<Output = ()>>>>) {
    poll_fn(|cx| {
        parts.retain_mut(|part| part.as_mut().poll(cx).is_pending());
        match parts.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

/// What is said of each task that is left in a deadlock when its loop is closed.
const PENDING: &str = "Task was destroyed but it is pending!";

fn deadlock_of(test_loop: &TestLoop, main: impl Future<Output = ()> + 'static) -> Box<WaitGraph> {
    match test_loop.run_until_complete(main) {
        Err(RunError::Deadlock { graph, .. }) => graph,
        other => panic!("no deadlock: {other:?}"),
    }
}

#[test]
fn the_graph_tells_running_ready_and_waiting_tasks_apart() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let waiter = named("waiter", async { Waiter::new().await });
        bare_yield().await;
        let ready = named("ready", async {});
        let graph = get_running_loop().expect("it runs").wait_graph();
        let states: Vec<_> = graph.tasks().iter().map(|task| task.state).collect();
        assert_eq!(
            states,
            [TaskState::Running, TaskState::Waiting, TaskState::Ready]
        );
        assert_eq!(
            graph.task(waiter.id()).map(|task| &*task.name),
            Some("waiter")
        );
        assert!(graph.task(99).is_none());
        waiter.cancel();
        ready.await.expect("it has a value");
    });
}

#[test]
fn each_kind_of_wait_says_what_it_is() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let event_loop = get_running_loop().expect("it runs");
        let promise = Rc::new(create_future::<()>());
        let second = promise.clone();
        let (_also, line) = ((*promise).clone(), line!());
        let gate = Thing::held_by("Gate", 77);
        let stands_for = create_future_of::<()>(gate.clone());
        let inner = named("inner", async { Waiter::new().await });
        let inner_ref = inner.as_task_ref();
        let all = named("all", async move {
            let sleeping = Waiter::new();
            sleeping
                .fire_at(Duration::from_secs(5))
                .expect("the loop is open");
            join_all(vec![
                Box::pin(async move { drop((&*second).await) }),
                Box::pin(async move { drop(inner.await) }),
                Box::pin(sleeping),
                Box::pin(Waiter::on(gate)),
                Box::pin(async move { drop((&stands_for).await) }),
                Box::pin(Waiter::new()),
            ])
            .await;
        });
        bare_yield().await;
        let graph = event_loop.wait_graph();
        let waits = &graph.task(all.id()).expect("it waits").waits_for;
        let kinds: Vec<_> = waits.iter().map(|wait| wait.kind).collect();
        assert_eq!(
            kinds,
            ["Promise", "Task", "sleep", "Gate", "Gate", "Waiter"]
        );
        assert_eq!(waits[0].detail, "not set, 2 setters left");
        let place = waits[0].created_at.expect("promises know");
        assert_eq!((place.file(), place.line()), (file!(), line - 2));
        assert_eq!(waits[1].tasks, [inner_ref.id()]);
        assert_eq!(waits[2].detail, "5.000s left");
        assert_eq!(waits[3].holders, [77]);
        all.cancel();
        inner_ref.cancel();
    });
}

#[test]
fn a_deadlock_names_the_tasks_the_things_and_the_cycle() {
    let test_loop = TestLoop::new();
    let graph = deadlock_of(&test_loop, async {
        let ids = Rc::new(RefCell::new((0, 0)));
        let make = |name: &str, kind: &'static str, of_other: fn(&(u64, u64)) -> u64| {
            let ids = ids.clone();
            named(name, async move {
                let holder = of_other(&ids.borrow());
                Waiter::on(Thing::held_by(kind, holder)).await;
            })
        };
        let ann = make("ann", "North", |ids| ids.1);
        let ben = make("ben", "South", |ids| ids.0);
        *ids.borrow_mut() = (ann.id(), ben.id());
        ann.await.expect("never");
    });
    let names: Vec<_> = graph.tasks().iter().map(|task| &*task.name).collect();
    assert_eq!(names, ["Task-1", "ann", "ben"]);
    assert_eq!(graph.cycles(), [vec![2, 3]]);
    let text = graph.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("task \"ann\" created at "), "{text}");
    assert!(
        lines[1].starts_with("    waits for North (locked) created at "),
        "{text}"
    );
    assert!(lines[1].ends_with(", held by \"ben\""), "{text}");
    assert_eq!(lines[5], "    waits for task \"ann\"");
    let cycle = r#""ann" -> North -> "ben" -> South -> "ann""#;
    assert_eq!(lines[6], format!("cycle, each waits for the next: {cycle}"));
    assert_eq!(format!("{graph:?}"), text, "what a failing `main` shows");
    let dot = graph.to_dot();
    assert!(dot.starts_with("digraph wait_graph {"), "{dot}");
    assert!(dot.contains("t1 -> t2;"), "{dot}");
    for edge in ["t2 -> r0", "r0 -> t3", "t3 -> r1", "r1 -> t2"] {
        assert!(dot.contains(&format!("{edge} [color=red];")), "{dot}");
    }
    let nodes = dot.lines().filter(|line| line.contains("label="));
    let red: Vec<_> = nodes.map(|line| line.contains("color=red")).collect();
    assert_eq!(red, [false, true, true, true, true], "all but main: {dot}");
    test_loop.close();
    assert_eq!(test_loop.take_reports(), [PENDING; 2]);
}

#[test]
fn a_thing_whose_holder_is_done_says_so() {
    let test_loop = TestLoop::new();
    let graph = deadlock_of(&test_loop, async {
        let gone = named("gone", async {});
        let id = gone.id();
        gone.await.expect("it has a value");
        let gate = Thing::held_by("Gate", id);
        let other = named("other", Waiter::on(gate.clone()));
        Waiter::on(gate).await;
        drop(other);
    });
    let text = graph.to_string();
    assert!(text.contains("held by task 2, which is done"), "{text}");
    let dot = graph.to_dot();
    assert_eq!(
        dot.matches("shape=ellipse").count(),
        1,
        "one thing, drawn once: {dot}"
    );
    test_loop.close();
    assert_eq!(test_loop.take_reports(), [PENDING]);
}

#[test]
fn a_promise_that_only_its_own_callback_would_set_is_reported() {
    let test_loop = TestLoop::new();
    let graph = deadlock_of(&test_loop, async {
        let promise = create_future::<u32>();
        let future = promise.future();
        future.add_done_callback(move |_| {
            let _ = promise.set_result(42);
        });
        let _ = future.await;
    });
    let text = graph.to_string();
    assert!(
        text.contains("waits for Promise (not set, 1 setter left) created at "),
        "{text}"
    );
    assert!(graph.cycles().is_empty(), "nobody knows where a setter is");
}

#[test]
fn a_long_graph_is_cut_short_unless_all_is_asked_for() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let tasks: Vec<_> = (0..80).map(|_| named("one", Waiter::new())).collect();
        bare_yield().await;
        let graph = get_running_loop().expect("it runs").wait_graph();
        let text = graph.to_string();
        assert!(
            text.ends_with("... and 31 more tasks; `{:#}` writes all"),
            "{text}"
        );
        assert_eq!(format!("{graph:#}").lines().count(), 2 * 81);
        for task in tasks {
            task.cancel();
        }
    });
}

#[test]
fn the_call_graph_shows_who_awaits_a_task() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let inner = Rc::new(named("inner", Waiter::new()));
        let outer = |name: &str| {
            let inner = inner.clone();
            named(name, async move { drop((&*inner).await) })
        };
        let (left, right) = (outer("left"), outer("right"));
        let top = named("top", async move {
            join_all(vec![
                Box::pin(async move { drop(left.await) }),
                Box::pin(async move { drop(right.await) }),
            ])
            .await;
        });
        bare_yield().await;
        let graph = capture_call_graph(&inner).expect("it is not done");
        let seen: Vec<_> = graph
            .tasks()
            .map(|(depth, task)| (depth, &*task.name))
            .collect();
        assert_eq!(seen, [(0, "inner"), (1, "left"), (1, "right"), (2, "top")]);
        let text = format_call_graph(&inner);
        assert!(
            text.contains("\n        * task \"top\" (see above)"),
            "{text}"
        );
        assert_eq!(text.matches("+ awaited by:").count(), 3, "{text}");
        inner.cancel();
        top.await.expect("it ends");
        assert_eq!(format_call_graph(&inner), "* task \"inner\" is done");
    });
}

#[test]
fn the_graph_of_a_closed_loop_is_empty() {
    let test_loop = TestLoop::new();
    test_loop.close();
    assert_eq!(test_loop.wait_graph().to_string(), "no tasks");
}

/// Two tasks each of which waits for a thing of the other, as `wait` makes each of them wait.
fn knot_of_two(world: &TestLoop, wait: impl AsyncFn(Rc<Thing>) + Clone + 'static) -> WaitGraph {
    world.run(async move {
        let keys = Rc::new(RefCell::new((0, 0)));
        let make = |name: &str, of_other: fn(&(u64, u64)) -> u64| {
            let (keys, wait) = (keys.clone(), wait.clone());
            named(name, async move {
                let holder = of_other(&keys.borrow());
                wait(Thing::held_by("Thing", holder)).await;
            })
        };
        let (ann, ben) = (make("ann", |keys| keys.1), make("ben", |keys| keys.0));
        let key = |task: &Task<()>| task.as_future_ref().task_key().expect("it is a task");
        *keys.borrow_mut() = (key(&ann), key(&ben));
        bare_yield().await;
        let graph = get_running_loop().expect("it runs").wait_graph();
        ann.cancel();
        ben.cancel();
        graph
    })
}

#[test]
fn what_a_deadline_or_another_branch_may_end_is_no_cycle() {
    let world = TestLoop::new();
    let graph = knot_of_two(&world, async |thing| Waiter::on(thing).await);
    assert_eq!(graph.cycles().len(), 1, "nothing else can end it: {graph}");
    let graph = knot_of_two(&world, async |thing| {
        let scope = Scope::new();
        scope.handle().set_deadline(Some(Duration::from_secs(3600)));
        let _ = scope.catch(Waiter::on(thing)).await;
    });
    assert!(graph.cycles().is_empty(), "the deadline ends it: {graph}");
    let graph = knot_of_two(&world, async |thing| {
        join_all(vec![Box::pin(Waiter::on(thing)), Box::pin(Waiter::new())]).await;
    });
    assert!(
        graph.cycles().is_empty(),
        "the other branch may go on: {graph}"
    );
}

#[test]
fn a_holder_of_another_loop_is_not_taken_for_a_task_of_this_one() {
    let (here, there) = (TestLoop::new(), TestLoop::new());
    let key = there.run(async {
        let task = current_task().expect("this is one");
        task.as_future_ref().task_key().expect("it is a task")
    });
    let graph = here.run(async move {
        let task = create_task(async move { Waiter::on(Thing::held_by("Gate", key)).await });
        bare_yield().await;
        let graph = get_running_loop().expect("it runs").wait_graph();
        task.cancel();
        graph
    });
    assert!(graph.cycles().is_empty());
    assert!(graph.tasks()[1].waits_for[0].holders.is_empty());
    let text = graph.to_string();
    assert!(
        text.contains("Gate (locked, by a task of another loop)"),
        "{text}"
    );
}

#[test]
fn a_graph_with_many_cycles_is_written_in_no_time() {
    // More tasks than a text shows, in any case.
    const CYCLES: usize = if cfg!(miri) { 25 } else { 2_000 };
    let world = TestLoop::new();
    let begun = std::time::Instant::now();
    world.run(async {
        let mut all = Vec::new();
        for _ in 0..CYCLES {
            let keys = Rc::new(RefCell::new((0, 0)));
            let make = |of_other: fn(&(u64, u64)) -> u64| {
                let keys = keys.clone();
                create_task(async move {
                    let holder = of_other(&keys.borrow());
                    Waiter::on(Thing::held_by("Thing", holder)).await;
                })
            };
            let (one, two) = (make(|keys| keys.1), make(|keys| keys.0));
            let key = |task: &Task<()>| task.as_future_ref().task_key().expect("it is one");
            *keys.borrow_mut() = (key(&one), key(&two));
            all.extend([one, two]);
        }
        bare_yield().await;
        let graph = get_running_loop().expect("it runs").wait_graph();
        assert_eq!(graph.cycles().len(), CYCLES);
        assert_eq!(graph.to_string().matches("\ntask ").count(), 49);
        assert_eq!(graph.to_dot().matches("shape=box").count(), 2 * CYCLES + 1);
        for task in all {
            task.cancel();
        }
    });
    // A look at each cycle for each task took a minute. Miri's clock counts instructions.
    assert!(
        cfg!(miri) || begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}
