//! The setter of a promise that may cross threads.
//!
//! The loop keeps a slot in a table, and shares it with the setter. Whoever sets it puts the outcome into the slot and
//! schedules the word of the table's entry, once; at that word's turn the loop takes the outcome out, and sets the promise.

use std::cell::UnsafeCell;
use std::error::Error;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ouroloop_core::{ClientWord, LoopAddress, LoopError};

use crate::error::TaskError;
use crate::promise::Promise;

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
pub struct RemotePromise<T: 'static> {
    event_loop: LoopAddress,
    /// Where the outcome goes; nothing if the loop was closed, or once there is one.
    slot: Option<Arc<Slot<T>>>,
    word: ClientWord,
}

struct Slot<T: 'static> {
    outcome: Mutex<Outcome<T>>,
    /// The loop's alone, whose [`Remote`] takes it out before it lets go of the slot.
    promise: UnsafeCell<Option<Promise<T>>>,
}

// SAFETY: what stays in the thread of the loop is in a place that only `Remote` looks into, which does not leave it, and
// that is empty once `Remote` is gone.
unsafe impl<T: Send> Send for Slot<T> {}

// SAFETY: as above.
unsafe impl<T: Send> Sync for Slot<T> {}

enum Outcome<T> {
    /// The setter is there.
    Pending,
    Set(Result<T, TaskError>),
    /// The setter is gone, and so is the outcome, if there was one.
    Gone,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Outcome<T>> {
        // Nothing under this lock can panic.
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot whatever its type.
trait SetRemotely {
    fn is_over(&self) -> bool;

    /// Takes the promise out and gives it up, set if `with_outcome` and if there is one.
    ///
    /// # Safety
    ///
    /// By the slot's `Remote` alone.
    unsafe fn settle(&self, with_outcome: bool);
}

impl<T> SetRemotely for Slot<T> {
    fn is_over(&self) -> bool {
        !matches!(*self.lock(), Outcome::Pending)
    }

    unsafe fn settle(&self, with_outcome: bool) {
        // SAFETY: there is one `Remote`, in one thread, and moving a value calls nothing.
        let promise = unsafe { (*self.promise.get()).take() };
        let (Some(promise), true) = (promise, with_outcome) else {
            return;
        };
        let outcome = mem::replace(&mut *self.lock(), Outcome::Gone);
        // One that was cancelled meanwhile has nobody left to tell.
        let _ = match outcome {
            Outcome::Set(Ok(value)) => promise.set_result(value),
            Outcome::Set(Err(error)) => promise.set_error(error),
            Outcome::Pending | Outcome::Gone => Ok(()),
        };
    }
}

/// A promise in the table of its loop, with what another thread may have set.
pub(crate) struct Remote(Arc<dyn SetRemotely>);

impl Remote {
    /// Whether the setter was used, or is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// Sets the promise; or gives up the right to, if nothing was set.
    pub(crate) fn settle(self) {
        // SAFETY: its own slot.
        unsafe { self.0.settle(true) };
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // SAFETY: its own slot.
        unsafe { self.0.settle(false) };
    }
}

impl<T: 'static> Promise<T> {
    /// Makes the setter that may cross to other threads.
    ///
    /// It can be made on a closed loop, too; setting then gives [`LoopError::Closed`].
    #[must_use = "dropped without setting, it may break the promise for those who wait; send it to the thread that sets it"]
    pub fn remote(&self) -> RemotePromise<T> {
        let tasks = self.tasks();
        // A closed loop keeps nothing, and refuses to set it.
        let slot = (!tasks.is_closed()).then(|| {
            Arc::new(Slot {
                outcome: Mutex::new(Outcome::Pending),
                promise: UnsafeCell::new(Some(self.clone())),
            })
        });
        let place = slot
            .as_ref()
            .map(|slot| tasks.add_remote(Remote(slot.clone())));
        RemotePromise {
            event_loop: tasks.event_loop.address(),
            slot,
            word: tasks.settle_word(place.unwrap_or_default()),
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
        self.settle(Outcome::Set(Ok(value)))
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
        self.settle(Outcome::Set(Err(TaskError::failed(error))))
    }
}

impl<T: 'static> RemotePromise<T> {
    fn settle(&mut self, outcome: Outcome<T>) -> Result<(), LoopError> {
        let slot = self.slot.take().ok_or(LoopError::Closed)?;
        *slot.lock() = outcome;
        // If the loop is closed, the promise went with it.
        self.event_loop.schedule(self.word)
    }
}

impl<T> Drop for RemotePromise<T> {
    fn drop(&mut self) {
        let _ = self.settle(Outcome::Gone);
    }
}

impl<T> fmt::Debug for RemotePromise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemotePromise").finish_non_exhaustive()
    }
}
