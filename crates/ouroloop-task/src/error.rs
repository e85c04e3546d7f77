//! What can come of a task or a promise other than its value.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ouroloop_core::{ExceptionContext, LoopError, PanicPayload};

use crate::wait_graph::WaitGraph;

/// A request to stop, as seen by what was cancelled: who asked, and with what message.
///
/// This is asyncio's `CancelledError`. It is not an [`Error`] that `?` could carry away by
/// accident: [`catch_cancelled`](crate::catch_cancelled) hands it out, and
/// [`Cancelled::raise`] raises it again.
///
/// # Examples
///
/// ```
/// use ouroloop::{CancelledBy, catch_cancelled, create_task};
/// use std::future::pending;
///
/// ouroloop::run(async {
///     let task = create_task(catch_cancelled(pending::<()>()));
///     ouroloop::bare_yield().await;
///     task.cancel_with("closing time");
///     let cancelled = task.await.unwrap().unwrap_err();
///     assert_eq!(cancelled.by(), CancelledBy::Task);
///     assert_eq!(cancelled.to_string(), "cancelled: closing time");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[doc(alias = "CancelledError")]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cancelled {
    by: CancelledBy,
    message: Option<Arc<str>>,
}

impl Cancelled {
    /// Makes a request by `by`, without a message: for those who build combinators.
    pub fn new(by: CancelledBy) -> Cancelled {
        Cancelled { by, message: None }
    }

    /// Gives the same request with a message: the `msg` of asyncio's `cancel(msg)`.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Arc<str>>) -> Cancelled {
        self.message = Some(message.into());
        self
    }

    /// What `cancel()` asks for.
    pub(crate) fn requested(message: Option<Arc<str>>) -> Cancelled {
        Cancelled {
            by: CancelledBy::Task,
            message,
        }
    }

    /// Tells who asked.
    pub fn by(&self) -> CancelledBy {
        self.by
    }

    /// Gives the message of the request, if it had one.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            CancelledBy::Group => "cancelled by its task group",
            CancelledBy::Itself => "cancelled by itself",
            CancelledBy::Shutdown => "cancelled by the loop's shutdown",
            CancelledBy::Task => "cancelled",
            CancelledBy::Timeout => "cancelled by a timeout",
        };
        match &self.message {
            Some(message) => write!(f, "{by}: {message}"),
            None => f.write_str(by),
        }
    }
}

/// Who asked for a cancellation: what [`Cancelled::by`] tells.
///
/// # Examples
///
/// ```
/// use ouroloop::{CancelledBy, VirtualClock, catch_cancelled, timeout};
/// use std::{future::pending, time::Duration};
///
/// let mut runner = ouroloop::Runner::new().clock(VirtualClock::new());
/// runner.run(async {
///     let late = async {
///         let cancelled = catch_cancelled(pending::<()>()).await.unwrap_err();
///         assert_eq!(cancelled.by(), CancelledBy::Timeout);
///         cancelled.raise().await
///     };
///     timeout(Duration::from_secs(1), late).await.unwrap_err();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CancelledBy {
    /// A task group that aborts.
    Group,
    /// The code itself, with [`raise_cancelled`](crate::raise_cancelled).
    Itself,
    /// The end of the run: what is left over is cancelled.
    Shutdown,
    /// Somebody called `cancel()`.
    Task,
    /// A deadline that passed.
    Timeout,
}

/// Why a task or a promise has no value.
///
/// Cheap to clone: all who wait for one thing get the same error. It converts into [`io::Error`], whose
/// kind is that of the stored error if that is an `io::Error`, and else `Other`.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, create_task};
///
/// ouroloop::run(async {
///     let task = create_task(async { [1, 2, 3].into_iter().sum::<u32>() / 0_u32.count_ones() });
///     match task.await {
///         Ok(mean) => println!("{mean}"),
///         Err(TaskError::Cancelled(why)) => println!("not wanted any more: {why}"),
///         Err(TaskError::Panicked(panic)) => assert_eq!(panic.message(), "attempt to divide by zero"),
///         Err(error) => println!("{error}"),
///     }
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[doc(alias = "InvalidStateError")]
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// Everybody who could have set the promise is gone. Keep a `Promise` alive until it is set.
    #[error(
        "the promise was dropped by everyone who could set it; keep one `Promise` until it is set"
    )]
    BrokenPromise,
    /// It was cancelled, and not because the awaiting task was: that one unwinds instead.
    #[error("{0}")]
    Cancelled(Cancelled),
    /// It ended with this error; all who wait get the same one.
    #[error(transparent)]
    Failed(Arc<dyn Error + Send + Sync>),
    /// It is still pending. Await it, or ask `done()` first.
    #[error("the result is not set yet; await it, or ask `done()` first")]
    InvalidState,
    /// Its loop was closed before it was done. Await it before the run ends.
    #[error("the event loop was closed before this was done; await it before the run ends")]
    LoopClosed,
    /// It panicked; [`PanicPayload::resume`] lets the panic go on.
    #[error("the task panicked: {}", .0.message())]
    Panicked(PanicPayload),
    /// The value was moved out by an earlier `.await` by value. Await `&task` to lend it.
    #[error("the result was taken by an earlier await; await a reference to share it")]
    ResultTaken,
    /// A task waits for itself, which would never end.
    #[error("a task cannot await itself; hand its handle to another task")]
    SelfAwait,
    /// It belongs to another loop than the one that runs here.
    #[error(
        "this belongs to a different event loop; await it there, or use `call_soon_threadsafe`"
    )]
    WrongLoop,
}

impl TaskError {
    /// Tells whether this is a cancellation.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, TaskError::Cancelled(_))
    }

    /// Makes an error of any other, as `set_exception` stores it.
    ///
    /// One that is a `TaskError` already, because `?` passed it on, stays what it is.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> TaskError {
        match error.into().downcast::<TaskError>() {
            Ok(error) => *error,
            Err(error) => TaskError::Failed(Arc::from(error)),
        }
    }

    /// Adds what is known of the error to a report of it.
    pub(crate) fn describe_in(self, context: ExceptionContext) -> ExceptionContext {
        match self {
            TaskError::Failed(error) => context.with_shared_exception(error),
            TaskError::Panicked(payload) => context.with_panic(payload),
            other => context.with_exception(other),
        }
    }

    /// Gives the stored error if it is an `E`: the `except E` of Python.
    ///
    /// `None` also for what is no stored error, as a cancellation or a panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::TaskError;
    /// use std::num::ParseIntError;
    ///
    /// let error = TaskError::failed("x".parse::<u32>().unwrap_err());
    /// assert!(error.downcast_ref::<ParseIntError>().is_some());
    /// assert!(error.downcast_ref::<std::io::Error>().is_none());
    /// ```
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            TaskError::Failed(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl From<TaskError> for io::Error {
    fn from(error: TaskError) -> io::Error {
        let kind = error
            .downcast_ref::<io::Error>()
            .map_or(io::ErrorKind::Other, io::Error::kind);
        io::Error::new(kind, error)
    }
}

/// The error of setting a promise that is done already: asyncio's `InvalidStateError`.
///
/// Ask `done()` first, or ignore this if the first answer is the one that counts.
///
/// # Examples
///
/// ```
/// use ouroloop::{InvalidState, create_future};
///
/// ouroloop::run(async {
///     let promise = create_future();
///     promise.set_result("first").unwrap();
///     assert_eq!(promise.set_result("second"), Err(InvalidState));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[doc(alias = "InvalidStateError")]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the promise is done already; ask `done()` first")]
pub struct InvalidState;

/// Why a run came to no result.
///
/// # Examples
///
/// ```
/// use ouroloop::{RunError, raise_cancelled, run};
///
/// match run(async { raise_cancelled().await; }) {
///     Err(RunError::Task(error)) => assert!(error.is_cancelled()),
///     other => panic!("{other:?}"),
/// }
///
/// // On virtual time, a program that can never go on is told so.
/// let clock = ouroloop::VirtualClock::new();
/// let stuck = ouroloop::Runner::new().clock(clock).run(std::future::pending::<()>());
/// assert!(matches!(stuck, Err(RunError::Deadlock { .. })));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// On virtual time: every task waits, and nothing is left that could wake one. The graph says
    /// who waits for what; end what it shows, or keep a timer or another thread that goes on.
    #[error(
        "deadlock at {now:?} of virtual time: every task waits, and nothing is left to wake one\n{graph}"
    )]
    Deadlock {
        /// The loop's time.
        now: Duration,
        /// Who waits for what.
        graph: Box<WaitGraph>,
    },
    /// The loop could not run, or could not go on.
    #[error(transparent)]
    Loop(#[from] LoopError),
    /// `stop()` was called before the future was done. Run again to let it go on.
    #[error("the event loop was stopped before the future was done; run it again to go on")]
    Stopped,
    /// The future ended without a value.
    #[error(transparent)]
    Task(#[from] TaskError),
}

/// A `main` that returns the error shows it by this, so a deadlock is its report.
impl fmt::Debug for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Deadlock { .. } => fmt::Display::fmt(self, f),
            RunError::Loop(error) => f.debug_tuple("Loop").field(error).finish(),
            RunError::Stopped => f.write_str("Stopped"),
            RunError::Task(error) => f.debug_tuple("Task").field(error).finish(),
        }
    }
}

impl From<RunError> for io::Error {
    fn from(error: RunError) -> io::Error {
        match error {
            RunError::Task(error) => error.into(),
            error => io::Error::other(error),
        }
    }
}
