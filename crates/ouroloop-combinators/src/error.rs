//! The errors of the combinators.

use std::error::Error;
use std::fmt;
use std::io;

use ouroloop_task::TaskError;

/// The time was up. Allow more of it, or treat the work as failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, thiserror::Error)]
#[error("timed out; allow more time, or treat the work as failed")]
pub struct TimeoutError;

impl From<TimeoutError> for io::Error {
    fn from(error: TimeoutError) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, error)
    }
}

/// Why something that was awaited with a time limit gave no value.
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

/// `wait` was given nothing to wait for. Check that the collection is not empty first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, thiserror::Error)]
#[error("the set of tasks is empty; check that before waiting for it")]
pub struct EmptySetError;

/// What failed in a [`TaskGroup`](crate::TaskGroup), in the order in which it failed; the error of
/// the group's body comes last.
///
/// # Examples
///
/// ```
/// use ouroloop_combinators::ExceptionGroup;
/// use ouroloop_task::TaskError;
///
/// let group = ExceptionGroup::new(vec![TaskError::failed("first"), TaskError::failed("second")]);
/// assert_eq!(group.to_string(), "unhandled errors in a task group: first; second");
/// assert_eq!(group.exceptions().len(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct ExceptionGroup {
    exceptions: Vec<TaskError>,
}

impl ExceptionGroup {
    /// A group of these errors.
    pub fn new(exceptions: Vec<TaskError>) -> ExceptionGroup {
        ExceptionGroup { exceptions }
    }

    /// The errors.
    pub fn exceptions(&self) -> &[TaskError] {
        &self.exceptions
    }

    /// The errors that are an `E`: Python's `except* E`.
    pub fn downcast<E: Error + 'static>(&self) -> impl Iterator<Item = &E> {
        self.exceptions
            .iter()
            .filter_map(TaskError::downcast_ref::<E>)
    }
}

impl fmt::Display for ExceptionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
