//! What the combinators are called in a wait graph, and where it says that they were made.

use std::rc::Rc;
use std::time::Duration;

use ouroloop_combinators::{as_completed, gather, shield, task_group, timeout, wait, wait_for};
use ouroloop_core::get_running_loop;
use ouroloop_task::{
    LoopTasks, ResourceState, Task, TaskBuilder, TaskError, Waiter, all_tasks, bare_yield,
    catch_cancelled,
};

use crate::support::run;

/// What a task that runs `future` waits for, once it waits.
async fn waits_of(future: impl Future<Output = ()> + 'static) -> Vec<ResourceState> {
    let task = TaskBuilder::new().name("waiting").create_task(future);
    bare_yield().await;
    bare_yield().await;
    let graph = get_running_loop().expect("it runs").wait_graph();
    let waits = graph.task(task.id()).expect("it waits").waits_for.clone();
    task.cancel();
    bare_yield().await;
    waits
}

fn never() -> Task<()> {
    TaskBuilder::new().name("never").create_task(Waiter::new())
}

fn cancel_the_rest() {
    for task in all_tasks().iter().filter(|task| &*task.name() == "never") {
        task.cancel();
    }
}

#[track_caller]
fn check(waits: &[ResourceState], kind: &str, detail: &str, line: u32) {
    assert_eq!(waits.len(), 1, "{waits:?}");
    assert_eq!((waits[0].kind, &*waits[0].detail), (kind, detail));
    let place = waits[0].created_at.expect("it is known");
    assert_eq!((place.file(), place.line()), (file!(), line));
}

#[test]
fn each_combinator_says_what_it_waits_for_and_where_it_was_made() {
    run(async {
        let (one, two) = (never(), never());
        let ids = [one.id(), two.id()];
        let waits = waits_of(async move { drop(gather([one, two]).values().await) }).await;
        check(&waits, "gather", "0 of 2 done", line!() - 1);
        assert_eq!(waits[0].tasks, ids);

        let task = Rc::new(never());
        let id = task.id();
        let (it, waits_line) = (task.clone(), line!() + 1);
        let waits = waits_of(async move { drop(wait([it]).await) }).await;
        check(&waits, "wait", "0 of 1 done", waits_line);
        assert_eq!(waits[0].tasks, [id]);

        let it = task.clone();
        let waits = waits_of(async move { drop(shield(&*it).await) }).await;
        check(&waits, "shield", "", line!() - 1);
        assert_eq!(waits[0].tasks, [id]);

        let waits = waits_of(async { drop(as_completed([never()]).next().await) }).await;
        check(&waits, "as_completed", "0 of 1 done", line!() - 1);
        assert_eq!(waits[0].tasks.len(), 1);

        let waits = waits_of(async {
            let body = async |tg: ouroloop_combinators::TaskGroup| {
                tg.create_task(Waiter::new()).expect("the group is open");
                Ok::<_, TaskError>(())
            };
            let line = line!() + 1;
            let group = task_group(body);
            assert_eq!(line, line!() - 1);
            drop(group.await);
        })
        .await;
        assert_eq!(waits[0].kind, "TaskGroup");
        assert_eq!(waits[0].tasks.len(), 1);

        let hour = Duration::from_secs(3600);
        let waits = waits_of(async move {
            let _ = timeout(hour, Waiter::new()).await;
        })
        .await;
        assert_eq!(waits.len(), 1, "the deadline is no wait: {waits:?}");
        cancel_the_rest();
    });
}

#[test]
fn wait_for_without_time_says_that_it_waits_for_the_end_of_what_it_cancelled() {
    run(async {
        let stubborn = TaskBuilder::new().create_task(async {
            let _ = catch_cancelled(Waiter::new()).await;
            let _ = catch_cancelled(Waiter::new()).await;
        });
        let (id, stubborn_ref) = (stubborn.id(), stubborn.as_task_ref());
        bare_yield().await;
        let waits = waits_of(async move { drop(wait_for(stubborn, Duration::ZERO).await) }).await;
        check(&waits, "wait_for", "0 of 1 done", line!() - 1);
        assert_eq!(waits[0].tasks, [id]);
        stubborn_ref.cancel();
    });
}

#[test]
fn a_gather_of_gathers_leads_to_its_tasks() {
    run(async {
        let (one, two) = (never(), never());
        let ids = [one.id(), two.id()];
        let waits = waits_of(async move {
            let inner = gather([one, two]).values();
            drop(wait([inner]).await);
        })
        .await;
        assert_eq!(waits[0].kind, "wait");
        assert_eq!(waits[0].tasks, ids);
        cancel_the_rest();
    });
}
