//! The setting side, for those who produce results themselves.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use ouroloop_task::{InvalidState, TaskError};

use super::Future;
use super::cell::{Cell, Erased, Shared};
use crate::job::JobInfo;

/// Sets the result of a [`Future`]: what an executor of one's own holds, and the thread-safe sibling of
/// [`ouroloop_task::Promise`].
///
/// Dropped without setting, those who wait get [`TaskError::BrokenPromise`] at once, instead of waiting
/// for ever.
///
/// # Examples
///
/// Another pool (rayon's, for example) behind a future that a loop can await:
///
/// ```
/// use std::thread;
/// use ouroloop::{concurrent, wrap_future};
///
/// fn elsewhere<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> concurrent::Future<T> {
///     let promise = concurrent::Promise::new();
///     let future = promise.future();
///     thread::spawn(move || {
///         if promise.set_running_or_notify_cancel() == Ok(true) {
///             let _ = promise.set_result(f());
///         }
///     });
///     future
/// }
///
/// ouroloop::run(async {
///     assert_eq!(wrap_future(&elsewhere(|| 42)).await.unwrap(), 42);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct Promise<T: Send + 'static> {
    plain: Arc<Plain<T>>,
}

/// A cell and nothing else.
struct Plain<T: 'static>(Cell<T>);

impl<T: Send + 'static> Promise<T> {
    /// A promise that is pending.
    #[allow(
        clippy::new_without_default,
        reason = "one without a future is of no use"
    )]
    pub fn new() -> Promise<T> {
        Promise {
            plain: Arc::new(Plain(Cell::new(None))),
        }
    }

    /// The waiting side.
    pub fn future(&self) -> Future<T> {
        Future::of(self.plain.clone())
    }

    /// Says that somebody begins to work on it: from now on it cannot be cancelled. False if it was cancelled
    /// already, and there is nothing to do.
    ///
    /// # Errors
    ///
    /// [`InvalidState`] if this was called before, or there is a result.
    pub fn set_running_or_notify_cancel(&self) -> Result<bool, InvalidState> {
        self.plain.0.start()
    }

    /// Sets the value, wakes those who wait, and calls the callbacks, here.
    ///
    /// # Errors
    ///
    /// [`InvalidState`] if it has a result, or was cancelled; the value is dropped.
    pub fn set_result(&self, value: T) -> Result<(), InvalidState> {
        self.set(Ok(value))
    }

    /// Sets an error instead of a value.
    ///
    /// # Errors
    ///
    /// [`InvalidState`] if it has a result, or was cancelled.
    pub fn set_exception(
        &self,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Result<(), InvalidState> {
        self.set(Err(TaskError::failed(error)))
    }

    pub(crate) fn set(&self, outcome: Result<T, TaskError>) -> Result<(), InvalidState> {
        self.plain.0.finish(outcome, || self.future())
    }
}

impl<T: Send + 'static> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.plain.0.done() {
            // One that was cancelled in the meantime needs no error.
            let _ = self.set(Err(TaskError::BrokenPromise));
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Promise").field(&self.future()).finish()
    }
}

impl<T: Send + 'static> Shared<T> for Plain<T> {
    fn cell(&self) -> &Cell<T> {
        &self.0
    }

    fn erase(self: Arc<Self>) -> Arc<dyn Erased> {
        self
    }
}

impl<T: Send + 'static> Erased for Plain<T> {
    fn cancel(self: Arc<Self>) -> bool {
        self.0.cancel(|| Future::of(self.clone()))
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }

    fn running(&self) -> bool {
        self.0.running()
    }

    fn error(&self) -> Option<TaskError> {
        self.0.error()
    }

    fn info(&self) -> Option<&JobInfo> {
        None
    }
}
