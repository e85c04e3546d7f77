//! The end of a run: what is left over is cancelled, and waited for.

use ouroloop_core::LoopRef;
use ouroloop_task::{Cancelled, CancelledBy, Eventual, LoopTasks, RunError};

use crate::gather::gather_on;

/// Cancels all tasks of a loop, oldest first, and runs it until they are done: the last act of
/// asyncio's `run`.
///
/// `run` and `Runner` call it; so does who makes a loop by hand, before closing it. A task that one of
/// them makes in its clean-up is not cancelled: there is one pass.
///
/// # Errors
///
/// [`RunError::Loop`] if the loop is closed or a loop is running in this thread; [`RunError::Stopped`] if
/// something stops the loop meanwhile, and [`RunError::Deadlock`] if on virtual time a task refuses to
/// end. What the tasks fail with goes to the loop's exception handler, in the context of each.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::cancel_all_tasks;
/// use ouroloop::{LoopTasks, RunError, new_event_loop};
///
/// let event_loop = new_event_loop()?;
/// let task = event_loop.create_task(std::future::pending::<()>())?;
/// cancel_all_tasks(&event_loop)?;
/// assert!(task.cancelled());
/// event_loop.close()?;
/// # Ok::<(), RunError>(())
/// ```
pub fn cancel_all_tasks(event_loop: &LoopRef) -> Result<(), RunError> {
    event_loop.check_runnable()?;
    let tasks = event_loop.all_tasks();
    if tasks.is_empty() {
        return Ok(());
    }
    let request = Cancelled::new(CancelledBy::Shutdown);
    for task in &tasks {
        task.as_future_ref().request(&request);
    }
    let ends: Vec<Eventual<()>> = tasks
        .iter()
        .map(|task| Eventual::new(task.as_future_ref(), || Ok(())))
        .collect();
    let gathering = gather_on(event_loop, ends)?.return_results();
    // What each ended with is looked at below.
    let _ = event_loop.run_until_complete(gathering)?;
    for task in &tasks {
        task.report_exception("unhandled exception during run() shutdown");
    }
    Ok(())
}
