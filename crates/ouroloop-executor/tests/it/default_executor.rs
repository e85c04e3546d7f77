//! The pool that `None` means, from its first use to the end of its loop.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use ouroloop_core::{Clock, ContextVar, LoopError, new_event_loop};
use ouroloop_executor::{ExecutorError, LoopExecutor, run_in_executor, to_thread, wrap_future};
use ouroloop_task::{LoopTasks, TaskError, bare_yield, create_task};

use crate::support::{SOON, eventually, held, pool};

static USER: ContextVar<&str> = ContextVar::new("user");

fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn it_is_made_by_its_first_use_or_set() {
    ouroloop::run(async {
        let name = run_in_executor(None, thread_name).await.unwrap();
        assert!(name.starts_with("ouroloop_"), "{name}");
        let builder = ouroloop_executor::ThreadPoolExecutor::builder();
        let own = builder.thread_name_prefix("own").build().unwrap();
        let event_loop = ouroloop_core::get_running_loop().unwrap();
        event_loop.set_default_executor(&own).unwrap();
        assert_eq!(to_thread(thread_name).await.unwrap(), "own_0");
    })
    .unwrap();
}

#[test]
fn to_thread_carries_the_context_and_run_in_executor_does_not() {
    ouroloop::run(async {
        USER.set("ada");
        let in_thread = to_thread(|| {
            let before = USER.get();
            USER.set("bob");
            before
        });
        assert_eq!(in_thread.await.unwrap(), Some("ada"));
        assert_eq!(USER.get(), Some("ada"), "it was a copy");
        assert_eq!(run_in_executor(None, || USER.get()).await.unwrap(), None);
    })
    .unwrap();
}

#[test]
fn to_thread_does_not_see_what_other_jobs_of_its_thread_have_set() {
    ouroloop::run(async {
        let event_loop = ouroloop_core::get_running_loop().unwrap();
        event_loop.set_default_executor(&pool(1)).unwrap();
        to_thread(|| USER.set("from a to_thread")).await.unwrap();
        assert_eq!(to_thread(|| USER.get()).await.unwrap(), None);
        let polluted = run_in_executor(None, || _ = USER.set("from a job"));
        polluted.await.unwrap();
        assert_eq!(to_thread(|| USER.get()).await.unwrap(), None);
    })
    .unwrap();
}

#[test]
fn the_end_of_a_run_waits_for_its_jobs() {
    let done = Arc::new(Mutex::new(false));
    let flag = done.clone();
    let (release, hold) = held();
    let releaser = thread::spawn(move || release);
    ouroloop::run(async move {
        drop(run_in_executor(None, move || {
            hold();
            *flag.lock().unwrap() = true;
        }));
        drop(releaser.join());
    })
    .unwrap();
    assert!(*done.lock().unwrap());
}

#[test]
fn after_its_shutdown_it_is_refused() {
    ouroloop::run(async {
        to_thread(|| ()).await.unwrap();
        let event_loop = ouroloop_core::get_running_loop().unwrap();
        event_loop.shutdown_default_executor(None).await.unwrap();
        event_loop.shutdown_default_executor(None).await.unwrap();
        let refused = event_loop.run_in_executor(None, || ());
        assert!(matches!(refused, Err(ExecutorError::Shutdown)));
        for error in [
            run_in_executor(None, || ()).await.unwrap_err(),
            to_thread(|| ()).await.unwrap_err(),
        ] {
            let error = error.downcast_ref::<ExecutorError>();
            assert!(matches!(error, Some(ExecutorError::Shutdown)));
        }
        assert_eq!(run_in_executor(&pool(1), || 1).await.unwrap(), 1);
    })
    .unwrap();
}

fn a_shutdown_has_a_limit(clock: Clock) {
    let (release, hold) = held();
    let mut runner = ouroloop::Runner::new().clock(clock);
    runner
        .run(async move {
            let pool = pool(1);
            let event_loop = ouroloop_core::get_running_loop().unwrap();
            event_loop.set_default_executor(&pool).unwrap();
            let stuck = pool.submit_named("stuck", hold);
            eventually(|| stuck.running());
            let limit = Duration::from_millis(20);
            let error = event_loop
                .shutdown_default_executor(limit)
                .await
                .unwrap_err();
            assert!(error.to_string().contains("job \"stuck\""), "{error}");
            drop(release);
            wrap_future(&stuck).await.unwrap();
            event_loop.shutdown_default_executor(SOON).await.unwrap();
        })
        .unwrap();
    runner.close().unwrap();
}

#[test]
fn h14_its_shutdown_has_a_limit_that_names_the_job() {
    a_shutdown_has_a_limit(Clock::Monotonic);
}

#[test]
fn h14_the_limit_is_real_time_on_a_virtual_loop() {
    a_shutdown_has_a_limit(Clock::virtual_time());
}

#[test]
fn a_loop_on_virtual_time_waits_for_its_jobs_instead_of_calling_that_a_deadlock() {
    let mut runner = ouroloop::Runner::new().clock(Clock::virtual_time());
    let answer = runner.run(async {
        let (release, hold) = held();
        let job = run_in_executor(None, hold);
        create_task(async move { drop(release) });
        job.await.unwrap();
        // Nothing is left that could wake it: that is a deadlock again.
        assert_eq!(to_thread(|| 2).await.unwrap(), 2);
    });
    answer.unwrap();
    let stuck = runner.run(std::future::pending::<()>());
    assert!(matches!(
        stuck,
        Err(ouroloop_task::RunError::Deadlock { .. })
    ));
    runner.close().unwrap();
}

#[test]
fn a_closed_loop_takes_no_job_and_lets_those_run_that_it_had() {
    let event_loop = new_event_loop().unwrap();
    let (release, hold) = held();
    let done = Arc::new(Mutex::new(false));
    let flag = done.clone();
    let job = event_loop.run_in_executor(None, move || {
        hold();
        *flag.lock().unwrap() = true;
    });
    let job = job.unwrap();
    event_loop.close().unwrap();
    assert!(matches!(job.result(), Err(TaskError::LoopClosed)));
    let refused = event_loop.run_in_executor(None, || ());
    assert!(matches!(
        refused,
        Err(ExecutorError::Loop(LoopError::Closed))
    ));
    assert!(event_loop.set_default_executor(&pool(1)).is_err());
    drop(release);
    eventually(|| *done.lock().unwrap());
}

#[test]
fn a_wait_graph_names_the_job_and_its_place() {
    ouroloop::run(async {
        let (release, hold) = held();
        let pool = pool(1);
        let place = line!() + 1;
        let job = run_in_executor(&pool, hold);
        let task = create_task(job.into_future());
        bare_yield().await;
        let event_loop = ouroloop_core::get_running_loop().unwrap();
        let graph = event_loop.wait_graph().to_string();
        assert!(graph.contains("waits for executor job ("), "{graph}");
        assert!(
            graph.contains(&format!("default_executor.rs:{place}:")),
            "{graph}"
        );
        drop(release);
        task.await.unwrap().unwrap();
    })
    .unwrap();
}

#[test]
fn outside_of_a_loop_the_free_functions_say_where() {
    let panic = std::panic::catch_unwind(|| run_in_executor(None, || ())).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(
        text.starts_with("run_in_executor at ")
            && text.contains("default_executor.rs")
            && text.contains("no running event loop"),
        "{text}"
    );
}
