//! Nothing to gather, to wait for, or to complete.

use ouroloop::{Task, TaskError, as_completed, gather, task_group, wait};

use crate::support::{chain, run_reported};

#[test]
fn a_gather_of_nothing_is_done_at_once() {
    let (result, _) = run_reported(async {
        let none = Vec::<std::future::Ready<Result<u32, TaskError>>>::new();
        gather(none).await
    });
    assert_eq!(result.unwrap().unwrap(), [0; 0]);
}

#[test]
fn as_completed_of_nothing_has_no_items() {
    let (result, _) = run_reported(async {
        let mut results = as_completed(Vec::<std::future::Ready<u32>>::new());
        results.next().await.is_none()
    });
    assert!(result.unwrap());
}

#[test]
fn to_wait_for_nothing_is_an_error() {
    let (result, _) = run_reported(async {
        let error = wait(Vec::<Task<()>>::new()).await.unwrap_err();
        chain(&error)
    });
    assert_eq!(
        result.unwrap(),
        "the set of tasks is empty; check that before waiting for it"
    );
}

#[test]
fn a_group_without_tasks_gives_what_its_body_gives() {
    let (result, _) = run_reported(task_group(async |_| Ok::<_, TaskError>(1)));
    assert_eq!(result.unwrap().unwrap(), 1);
}
