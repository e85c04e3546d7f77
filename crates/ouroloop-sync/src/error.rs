//! The errors of the primitives. Each operation has the narrowest one; [`SyncError`] takes them all.

use std::error::Error;
use std::fmt;
use std::io;

/// The barrier was aborted, or reset while this task waited in it: asyncio's `BrokenBarrierError`.
///
/// Do what a failure of the common work asks for; `reset` makes an aborted barrier usable again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, thiserror::Error)]
#[error("the barrier is broken; reset it before waiting again")]
pub struct BrokenBarrierError;

/// A barrier for no tasks was asked for. It needs one at least.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, thiserror::Error)]
#[error("a barrier needs at least one party")]
pub struct NoPartiesError;

/// The lock is not held, or not by this guard: asyncio's `RuntimeError`. Acquire it first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, thiserror::Error)]
#[error("the lock is not held here; acquire it first, and release it once")]
pub struct NotAcquired;

/// A bounded semaphore was released more often than acquired: asyncio's `ValueError`. Release each
/// permit once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, thiserror::Error)]
#[error("the semaphore is released more often than acquired; release each permit once")]
pub struct ReleasedTooOften;

/// `task_done` was called more often than items were put: asyncio's `ValueError`. Call it once for
/// each item that was got.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, thiserror::Error)]
#[error("`task_done` is called more often than items were put; call it once for each")]
pub struct TaskDoneTooOften;

/// The queue was shut down: nothing can be put any more, and nothing is left to get.
///
/// Treat it as the end of the work. What was to be put comes back in `item`.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct QueueShutDown<T = ()> {
    /// What could not be put.
    pub item: T,
}

impl<T> QueueShutDown<T> {
    pub(crate) fn of(item: T) -> QueueShutDown<T> {
        QueueShutDown { item }
    }
}

impl<T> fmt::Debug for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueShutDown")
    }
}

impl<T> fmt::Display for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is shut down; stop putting and getting")
    }
}

impl<T> Error for QueueShutDown<T> {}

/// Why `put_nowait` did not put an item, which it gives back.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PutError<T> {
    /// There is no room now. Await `put`, or drop something.
    #[error("the queue is full; await `put` to wait for room")]
    QueueFull(T),
    /// The queue takes nothing more.
    #[error("the queue is shut down; stop putting")]
    QueueShutDown(T),
}

impl<T> PutError<T> {
    /// The item that was not put.
    pub fn into_item(self) -> T {
        match self {
            PutError::QueueFull(item) | PutError::QueueShutDown(item) => item,
        }
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutError::QueueFull(_) => "QueueFull",
            PutError::QueueShutDown(_) => "QueueShutDown",
        })
    }
}

/// Why `get_nowait` has no item.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// There is none now. Await `get`.
    #[error("the queue is empty; await `get` to wait for an item")]
    QueueEmpty,
    /// There is none, and none will come.
    #[error("the queue is shut down; stop getting")]
    QueueShutDown,
}

/// Whatever can go wrong with a primitive: for functions that use several and pass errors on by `?`.
///
/// # Examples
///
/// ```
/// use ouroloop::{Lock, Queue, SyncError};
///
/// fn misuse() -> Result<(), SyncError> {
///     Queue::new(0).put_nowait("one")?;
///     Lock::new().release()?;
///     Ok(())
/// }
/// assert!(matches!(misuse(), Err(SyncError::NotAcquired)));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// See [`BrokenBarrierError`].
    #[error("{}", BrokenBarrierError)]
    BrokenBarrier,
    /// See [`NoPartiesError`].
    #[error("{}", NoPartiesError)]
    NoParties,
    /// See [`NotAcquired`].
    #[error("{}", NotAcquired)]
    NotAcquired,
    /// See [`GetError::QueueEmpty`].
    #[error("{}", GetError::QueueEmpty)]
    QueueEmpty,
    /// See [`PutError::QueueFull`].
    #[error("{}", PutError::QueueFull(()))]
    QueueFull,
    /// See [`QueueShutDown`].
    #[error("{}", QueueShutDown::of(()))]
    QueueShutDown,
    /// See [`ReleasedTooOften`].
    #[error("{}", ReleasedTooOften)]
    ReleasedTooOften,
    /// See [`TaskDoneTooOften`].
    #[error("{}", TaskDoneTooOften)]
    TaskDoneTooOften,
}

impl From<BrokenBarrierError> for SyncError {
    fn from(_: BrokenBarrierError) -> SyncError {
        SyncError::BrokenBarrier
    }
}

impl From<NoPartiesError> for SyncError {
    fn from(_: NoPartiesError) -> SyncError {
        SyncError::NoParties
    }
}

impl From<NotAcquired> for SyncError {
    fn from(_: NotAcquired) -> SyncError {
        SyncError::NotAcquired
    }
}

impl From<ReleasedTooOften> for SyncError {
    fn from(_: ReleasedTooOften) -> SyncError {
        SyncError::ReleasedTooOften
    }
}

impl From<TaskDoneTooOften> for SyncError {
    fn from(_: TaskDoneTooOften) -> SyncError {
        SyncError::TaskDoneTooOften
    }
}

impl<T> From<QueueShutDown<T>> for SyncError {
    fn from(_: QueueShutDown<T>) -> SyncError {
        SyncError::QueueShutDown
    }
}

impl<T> From<PutError<T>> for SyncError {
    fn from(error: PutError<T>) -> SyncError {
        match error {
            PutError::QueueFull(_) => SyncError::QueueFull,
            PutError::QueueShutDown(_) => SyncError::QueueShutDown,
        }
    }
}

impl From<GetError> for SyncError {
    fn from(error: GetError) -> SyncError {
        match error {
            GetError::QueueEmpty => SyncError::QueueEmpty,
            GetError::QueueShutDown => SyncError::QueueShutDown,
        }
    }
}

impl From<SyncError> for io::Error {
    fn from(error: SyncError) -> io::Error {
        io::Error::other(error)
    }
}
