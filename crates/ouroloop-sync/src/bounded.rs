//! `BoundedSemaphore`: a semaphore that finds out when it is released too often.

use std::fmt;

use crate::error::ReleasedTooOften;
use crate::semaphore::{Permit, Semaphore};
use crate::statistics::SemaphoreStatistics;

/// A [`Semaphore`] that never has more permits than it was made with: asyncio's `BoundedSemaphore`.
///
/// # Differences from asyncio
///
/// A permit that was released by hand is not released again when it is dropped, where the end of
/// asyncio's `async with` raises `ValueError`, or lets one more in than the bound.
///
/// # Examples
///
/// ```
/// use ouroloop::{BoundedSemaphore, ReleasedTooOften};
///
/// ouroloop::run(async {
///     let semaphore = BoundedSemaphore::new(1);
///     semaphore.acquire().await.forget();
///     assert_eq!(semaphore.release(), Ok(()));
///     assert_eq!(semaphore.release(), Err(ReleasedTooOften));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct BoundedSemaphore {
    semaphore: Semaphore,
}

impl BoundedSemaphore {
    /// A semaphore with this many permits at most, all of them free.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!ouroloop::BoundedSemaphore::new(2).locked());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(value: usize) -> BoundedSemaphore {
        BoundedSemaphore {
            semaphore: Semaphore::of("BoundedSemaphore", value, value),
        }
    }

    /// Waits until there is a permit, then takes it: see [`Semaphore::acquire`].
    ///
    /// # Cancellation
    ///
    /// A permit that was handed to a waiter which goes before it resumed passes to the next one.
    ///
    /// # Panics
    ///
    /// If it has to wait and no loop is running in this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// ouroloop::run(async {
    ///     let semaphore = ouroloop::BoundedSemaphore::new(1);
    ///     let _permit = semaphore.acquire().await;
    ///     assert!(semaphore.locked());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub async fn acquire(&self) -> Permit<'_> {
        self.semaphore.acquire().await
    }

    /// Gives a permit back that was kept with [`Permit::forget`].
    ///
    /// If none was, this is the release of one that is held still: of those that are out, the first
    /// which is dropped or forgotten after this changes nothing then. So there are never more permits
    /// than the semaphore was made with, free and held together.
    ///
    /// # Errors
    ///
    /// [`ReleasedTooOften`] if all permits are free already.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(ouroloop::BoundedSemaphore::new(1).release().is_err());
    /// ```
    pub fn release(&self) -> Result<(), ReleasedTooOften> {
        self.semaphore.try_release()
    }

    /// Whether acquiring would have to wait: see [`Semaphore::locked`].
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(ouroloop::BoundedSemaphore::new(0).locked());
    /// ```
    #[must_use]
    pub fn locked(&self) -> bool {
        self.semaphore.locked()
    }

    /// How it stands.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(ouroloop::BoundedSemaphore::new(3).statistics().value, 3);
    /// ```
    #[must_use]
    pub fn statistics(&self) -> SemaphoreStatistics {
        self.semaphore.statistics()
    }
}

/// With one permit, as in asyncio.
impl Default for BoundedSemaphore {
    #[track_caller]
    fn default() -> BoundedSemaphore {
        BoundedSemaphore::new(1)
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.semaphore.debug("BoundedSemaphore", f)
    }
}
