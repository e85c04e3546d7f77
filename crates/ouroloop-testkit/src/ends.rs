//! How tasks end: to make them panic, and to look at how they were cancelled.

use std::panic::resume_unwind;

use ouroloop_task::TaskError;

/// Panics without a word on the standard error stream: for panics that a test expects.
///
/// # Panics
///
/// Always, with `text` as the payload, and without a call of the panic hook.
///
/// # Examples
///
/// ```
/// use ouroloop::{create_task, run, testkit};
///
/// run(async {
///     let task = create_task(async { testkit::quiet_panic("boom") });
///     let error = task.await.map(|()| unreachable!("it has no value")).unwrap_err();
///     assert!(error.to_string().contains("boom"));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub fn quiet_panic(text: &'static str) -> ! {
    resume_unwind(Box::new(text))
}

/// The message of the cancellation that a task ended by: that of `cancel_with`, or none.
///
/// # Panics
///
/// If the task did not end as cancelled.
///
/// # Examples
///
/// ```
/// use ouroloop::{create_task, run, sleep, testkit::{cancel_message, ms}};
///
/// run(async {
///     let task = create_task(sleep(ms(1000)));
///     task.cancel_with("out of tea");
///     assert_eq!(cancel_message(task.await).as_deref(), Some("out of tea"));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn cancel_message<T>(ended: Result<T, TaskError>) -> Option<String> {
    match ended {
        Err(TaskError::Cancelled(cancelled)) => cancelled.message().map(str::to_owned),
        Err(error) => panic!("not a cancellation: {error}"),
        Ok(_) => panic!("not a cancellation but a value"),
    }
}
