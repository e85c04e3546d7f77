//! What is given something of another loop of the same thread says so, and does not wait for it.

use std::future::IntoFuture;
use std::rc::Rc;

use ouroloop_combinators::{
    AwaitError, FIRST_COMPLETED, WaitError, as_completed, gather, shield, wait, wait_for,
};
use ouroloop_core::{EventLoop, VirtualClock};
use ouroloop_task::{AsFutureRef, LoopTasks, Promise, RunError, Task, TaskError, create_task};

use crate::support::run;

/// A task and a promise of a loop that does not run.
fn elsewhere() -> (EventLoop, Task<Result<u32, TaskError>>, Promise<u32>) {
    let other = EventLoop::builder()
        .clock(VirtualClock::new())
        .build()
        .expect("a loop can be made");
    let promise = other.create_future().expect("it is open");
    let task = other
        .create_task(promise.future().into_future())
        .expect("it is open");
    (other, task, promise)
}

fn wrong<T>(ended: Result<T, TaskError>) -> bool {
    matches!(ended, Err(TaskError::WrongLoop))
}

#[test]
fn each_combinator_ends_with_an_error() {
    let (other, task, promise) = elsewhere();
    let (task, future) = (Rc::new(task), promise.future());
    let theirs = task.clone();
    run(async move {
        let ours = create_task(async { Ok::<u32, TaskError>(1) });
        assert!(wrong(gather([future.clone()]).values().await));
        let both = ouroloop_combinators::gather!(&*theirs, ours).await;
        assert!(wrong(both));
        let nested = gather([gather([future.clone()]).values()]).values().await;
        assert!(wrong(nested));
        let mut results = as_completed([future.clone()]);
        let first = results.next().await.expect("there is one");
        assert!(matches!(first, Err(AwaitError::Task(TaskError::WrongLoop))));
        let shielded = shield(&future).await;
        assert!(matches!(shielded, Err(TaskError::WrongLoop)));
        let waited = wait_for(&future, std::time::Duration::from_secs(1)).await;
        assert!(matches!(
            waited,
            Err(AwaitError::Task(TaskError::WrongLoop))
        ));
        let waited = wait([&*theirs]).return_when(FIRST_COMPLETED).await;
        assert!(matches!(waited, Err(WaitError::WrongLoop)));
        let ours = create_task(async {});
        let (ours, theirs_too) = (ours.as_future_ref(), theirs.as_future_ref());
        let waited = wait([&ours, &theirs_too])
            .return_when(FIRST_COMPLETED)
            .await;
        assert_eq!(waited, Err(WaitError::WrongLoop), "one of them is enough");
        assert!(!theirs.done() && !future.done(), "theirs goes on");
    });
    promise.set_result(7).expect("it is pending");
    let task = Rc::into_inner(task).expect("nobody else has it");
    assert!(matches!(other.run_until_complete(task), Ok(Ok(7))));
    other.close().expect("it does not run");
}

#[test]
fn what_is_done_elsewhere_is_waited_for_as_any_other_and_what_was_closed_there_is_not() {
    let (other, task, promise) = elsewhere();
    promise.set_result(7).expect("it is pending");
    let done = promise.future();
    let never = other.create_future::<()>().expect("it is open");
    let closed = never.future().as_future_ref();
    other.close().expect("it does not run");
    run(async move {
        let (done, pending) = wait([done]).await.expect("it is done");
        assert_eq!((done.len(), pending.len()), (1, 0));
        let mut results = as_completed(done);
        assert!(matches!(results.next().await, Some(Ok(7))));
        assert_eq!(wait([closed]).await, Err(WaitError::LoopClosed));
    });
    assert!(matches!(task.result(), Err(TaskError::LoopClosed)));
    drop(never);
}

#[test]
fn a_loop_does_not_run_for_what_another_one_has_to_do() {
    let (other, task, promise) = elsewhere();
    let here = EventLoop::builder().build().expect("a loop can be made");
    let ended = here.run_until_complete(&promise);
    assert!(matches!(ended, Err(RunError::Task(TaskError::WrongLoop))));
    other.close().expect("it does not run");
    let ended = here.run_until_complete(promise.future());
    assert!(matches!(ended, Err(RunError::Task(TaskError::LoopClosed))));
    let task = task.as_future_ref();
    assert!(task.done() && task.misuse_on(&here).is_none());
    here.close().expect("it does not run");
}
