//! The setter of a promise that may cross threads.

use std::any::Any;
use std::error::Error;
use std::marker::PhantomData;

use ouroloop_core::{LoopError, RemoteHandle};

use crate::error::TaskError;
use crate::promise::Promise;
use crate::tasks::Tasks;

/// Sets a promise of a loop from any thread, and always wakes that loop.
///
/// [`Promise::remote`] makes one. It counts as a setter: dropped without setting, those who wait
/// get [`TaskError::BrokenPromise`]. Setting a promise that was cancelled meanwhile does nothing.
///
/// # Ordering
///
/// The promise is set in the next iteration of its loop, and those who wait for it resume in the
/// one after.
///
/// # Differences from asyncio
///
/// `loop.call_soon_threadsafe(future.set_result, value)` in one; a plain [`Promise`] cannot be sent to another
/// thread at all, so the call that asyncio's users forget cannot be forgotten.
///
/// # Examples
///
/// ```
/// use ouroloop::create_future;
///
/// let answer = ouroloop::run(async {
///     let promise = create_future();
///     let remote = promise.remote();
///     std::thread::spawn(move || remote.set_result(42));
///     promise.await
/// })??;
/// assert_eq!(answer, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RemotePromise<T> {
    event_loop: RemoteHandle,
    key: Option<usize>,
    sets: PhantomData<fn(T)>,
}

impl<T: 'static> Promise<T> {
    /// Makes the setter that may cross to other threads.
    ///
    /// It can be made on a closed loop, too; setting then gives [`LoopError::Closed`].
    #[must_use = "dropped without setting, it may break the promise for those who wait; send it to the thread that sets it"]
    pub fn remote(&self) -> RemotePromise<T> {
        let tasks = self.tasks();
        let setter: Box<dyn Any> = Box::new(self.clone());
        // A closed loop keeps nothing, and refuses to set it.
        let key = (!tasks.is_closed()).then(|| tasks.remotes.borrow_mut().insert(setter));
        RemotePromise {
            event_loop: tasks.event_loop.remote(),
            key,
            sets: PhantomData,
        }
    }
}

impl<T: Send + 'static> RemotePromise<T> {
    /// Sets the value, in the next iteration of the promise's loop, which this wakes.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] if the loop is closed; nobody waits any more.
    pub fn set_result(mut self, value: T) -> Result<(), LoopError> {
        self.settle(move |promise: Promise<T>| {
            // One that was cancelled meanwhile has nobody left to tell.
            let _ = promise.set_result(value);
        })
    }

    /// Sets an error instead of a value, in the next iteration of the promise's loop, which this wakes.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] if the loop is closed; nobody waits any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::create_future;
    ///
    /// ouroloop::run(async {
    ///     let promise = create_future::<u32>();
    ///     let remote = promise.remote();
    ///     std::thread::spawn(move || remote.set_exception("out of paper"));
    ///     assert_eq!(promise.await.unwrap_err().to_string(), "out of paper");
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn set_exception(
        mut self,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Result<(), LoopError> {
        let error = TaskError::failed(error);
        self.settle(move |promise: Promise<T>| {
            let _ = promise.set_error(error);
        })
    }
}

impl<T> RemotePromise<T> {
    /// Takes the promise out of the table of its loop, in the thread of that loop.
    fn settle<P: 'static>(
        &mut self,
        with: impl FnOnce(P) + Send + 'static,
    ) -> Result<(), LoopError> {
        let key = self.key.take().ok_or(LoopError::Closed)?;
        self.event_loop.call_soon_threadsafe(move || {
            let promise = Tasks::running()
                .and_then(|tasks| tasks.remotes.borrow_mut().try_remove(key))
                .and_then(|promise| promise.downcast::<P>().ok());
            if let Some(promise) = promise {
                with(*promise);
            }
        })
    }
}

impl<T> Drop for RemotePromise<T> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else {
            return;
        };
        // If the loop is closed, the promise went with it.
        let _ = self.event_loop.call_soon_threadsafe(move || {
            let promise =
                Tasks::running().and_then(|tasks| tasks.remotes.borrow_mut().try_remove(key));
            drop(promise);
        });
    }
}
