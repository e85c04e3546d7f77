//! The errors of the combinators.

use std::error::Error;
use std::fmt;
use std::io;

use ouroloop_task::TaskError;

/// The time was up: asyncio's `TimeoutError`. Allow more of it, or treat the work as failed.
///
/// It converts into an [`io::Error`] of the kind `TimedOut`.
///
/// # Examples
///
/// ```
/// use ouroloop::{Runner, VirtualClock, sleep, timeout};
/// use std::{io, time::Duration};
///
/// async fn slow() -> io::Result<()> {
///     timeout(Duration::from_secs(1), sleep(Duration::from_secs(2))).await?;
///     Ok(())
/// }
///
/// let error = Runner::new().clock(VirtualClock::new()).run(slow())?.unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, thiserror::Error)]
#[error("timed out; allow more time, or treat the work as failed")]
pub struct TimeoutError;

impl From<TimeoutError> for io::Error {
    fn from(error: TimeoutError) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, error)
    }
}

/// Why something that was awaited with a time limit gave no value: the error of `wait_for` and
/// `as_completed`.
///
/// # Examples
///
/// ```
/// use ouroloop::{AwaitError, TaskError, create_task, raise_cancelled, wait_for};
/// use std::time::Duration;
///
/// ouroloop::run(async {
///     let task = create_task(async { raise_cancelled().await; });
///     match wait_for(task, Duration::from_secs(1)).await {
///         Err(AwaitError::Task(TaskError::Cancelled(_))) => {}
///         other => panic!("{other:?}"),
///     }
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwaitError {
    /// It ended without a value.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The time was up first.
    #[error(transparent)]
    Timeout(#[from] TimeoutError),
}

impl From<AwaitError> for io::Error {
    fn from(error: AwaitError) -> io::Error {
        match error {
            AwaitError::Task(error) => error.into(),
            AwaitError::Timeout(error) => error.into(),
        }
    }
}

/// Stands in a gather or a shield for an error that is a value of a task, and stays there.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("what was awaited gave an error; await it to have that error")]
pub(crate) struct ErrorIsValue;

/// Why `wait` cannot wait.
///
/// # Examples
///
/// ```
/// use ouroloop::{Task, WaitError, wait};
///
/// ouroloop::run(async {
///     let nothing: [Task<()>; 0] = [];
///     assert_eq!(wait(nothing).await.unwrap_err(), WaitError::EmptySet);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[doc(alias = "ValueError")]
#[doc(alias = "EmptySetError")]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// There is nothing to wait for: asyncio's ValueError. Check that the collection is not empty first.
    #[error("the set of tasks is empty; check that before waiting for it")]
    EmptySet,
    /// One that is pending belongs to a loop that was closed. Wait for it before the run ends.
    #[error(
        "the event loop of one of them was closed before it was done; wait for it before the run ends"
    )]
    LoopClosed,
    /// One that is pending belongs to a different loop. Wait for it there.
    #[error(
        "one of them belongs to a different event loop; wait for it there, or use `call_soon_threadsafe`"
    )]
    WrongLoop,
}

/// What failed in a [`TaskGroup`](crate::TaskGroup), in the order in which it failed; the error of
/// the group's body comes last. Python's `ExceptionGroup`.
///
/// One of nothing is what a group ends with that was cancelled before its body had a value: see
/// [`unless_cancelled`](crate::TaskGroupRun::unless_cancelled).
///
/// # Examples
///
/// ```
/// use ouroloop::task_group;
/// use std::{io, num::ParseIntError};
///
/// let group = ouroloop::run(async {
///     task_group(async |tg| {
///         tg.create_task(async { "x".parse::<u32>() }).unwrap();
///         tg.create_task(async { Err::<(), _>(io::Error::other("out of paper")) }).unwrap();
///         Ok::<_, io::Error>(())
///     })
///     .await
///     .unwrap_err()
/// })?;
/// assert_eq!(group.exceptions().len(), 2);
/// assert_eq!(group.downcast::<ParseIntError>().count(), 1);
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[doc(alias = "BaseExceptionGroup")]
#[derive(Clone, Debug)]
pub struct ExceptionGroup {
    exceptions: Vec<TaskError>,
}

impl ExceptionGroup {
    /// Makes a group of these errors.
    pub fn new(exceptions: Vec<TaskError>) -> ExceptionGroup {
        ExceptionGroup { exceptions }
    }

    /// Gives the errors.
    pub fn exceptions(&self) -> &[TaskError] {
        &self.exceptions
    }

    /// Gives the errors that are an `E`: Python's `except* E`.
    pub fn downcast<E: Error + 'static>(&self) -> impl Iterator<Item = &E> {
        self.exceptions
            .iter()
            .filter_map(TaskError::downcast_ref::<E>)
    }
}

impl fmt::Display for ExceptionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exceptions.is_empty() {
            return f.write_str(
                "a task group was cancelled before its body had a value: say `unless_cancelled()` if that is no error",
            );
        }
        f.write_str("unhandled errors in a task group: ")?;
        for (place, error) in self.exceptions.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl Error for ExceptionGroup {}

impl From<ExceptionGroup> for io::Error {
    fn from(error: ExceptionGroup) -> io::Error {
        io::Error::other(error)
    }
}
