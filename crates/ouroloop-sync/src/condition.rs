//! `Condition`: waiting, with a lock, for what others change under that lock.
//!
//! The one primitive that needs more than a guard: a waiter that is cancelled has to get the lock
//! back before it unwinds, which takes awaits.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use ouroloop_task::{Place, Resource, ResourceState, WaitQueue, WaitSource, catch_cancelled};

use crate::error::NotAcquired;
use crate::lock::{Lock, LockGuard};
use crate::statistics::ConditionStatistics;

/// Lets tasks that hold a lock wait until another one notifies them: asyncio's `Condition`.
///
/// What asyncio allows only while the lock is held takes the lock's guard here.
///
/// # Ordering
///
/// [`notify`](Condition::notify) chooses those who have waited longest. Each then queues for the
/// lock, so it goes on when the one who notified has released it.
///
/// # Differences from asyncio
///
/// It is bound to no loop: tasks of several loops of one thread may share it.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use ouroloop::{Condition, create_task};
///
/// ouroloop::run(async {
///     let (condition, ready) = (Rc::new(Condition::new()), Rc::new(Cell::new(false)));
///     let waiter = create_task({
///         let (condition, ready) = (condition.clone(), ready.clone());
///         async move {
///             let mut guard = condition.acquire().await;
///             condition.wait_for(&mut guard, || ready.get()).await
///         }
///     });
///     let guard = condition.acquire().await;
///     ready.set(true);
///     condition.notify(&guard, 1).unwrap();
///     drop(guard);
///     assert_eq!(waiter.await.unwrap(), Ok(true));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct Condition {
    lock: Rc<Lock>,
    state: Rc<ConditionState>,
}

impl Condition {
    /// A condition with a lock of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!ouroloop::Condition::new().locked());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new() -> Condition {
        Condition::with_lock(Rc::new(Lock::new()))
    }

    /// A condition with a lock that others may use too: several conditions can share one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use ouroloop::{Condition, Lock};
    ///
    /// ouroloop::run(async {
    ///     let lock = Rc::new(Lock::new());
    ///     let (not_empty, not_full) = (Condition::with_lock(lock.clone()), Condition::with_lock(lock));
    ///     let guard = not_empty.acquire().await;
    ///     assert!(not_full.locked());
    ///     not_full.notify_all(&guard).unwrap();
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_lock(lock: Rc<Lock>) -> Condition {
        Condition {
            lock,
            state: Rc::new(ConditionState {
                waiters: WaitQueue::new(),
                created_at: Location::caller(),
            }),
        }
    }

    /// Waits until the lock is free, then takes it: see [`Lock::acquire`].
    ///
    /// # Cancellation
    ///
    /// As with the lock: it is never left held by somebody who went.
    ///
    /// # Panics
    ///
    /// If it has to wait and no loop is running in this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// ouroloop::run(async {
    ///     let condition = ouroloop::Condition::new();
    ///     let _guard = condition.acquire().await;
    ///     assert!(condition.locked());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub async fn acquire(&self) -> LockGuard<'_> {
        self.lock.acquire().await
    }

    /// Releases the lock, whoever holds it: see [`Lock::release`].
    ///
    /// # Errors
    ///
    /// [`NotAcquired`] if nobody holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(ouroloop::Condition::new().release().is_err());
    /// ```
    pub fn release(&self) -> Result<(), NotAcquired> {
        self.lock.release()
    }

    /// Whether the lock is held.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!ouroloop::Condition::new().locked());
    /// ```
    #[must_use]
    pub fn locked(&self) -> bool {
        self.lock.locked()
    }

    /// The lock.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!ouroloop::Condition::new().lock().locked());
    /// ```
    #[must_use]
    pub fn lock(&self) -> &Rc<Lock> {
        &self.lock
    }

    /// Releases the lock, waits to be notified, and takes the lock again.
    ///
    /// It may return although what was waited for is not so: check it, and wait again, or use
    /// [`wait_for`](Condition::wait_for).
    ///
    /// # Errors
    ///
    /// [`NotAcquired`] if the guard does not hold this lock.
    ///
    /// # Cancellation
    ///
    /// The lock is taken again before the cancellation goes on, however often it is repeated
    /// meanwhile, so the code around still holds it. Whoever goes notifies the next in its place.
    ///
    /// What is dropped without a cancellation (the loser of a `select!`) cannot wait for the lock:
    /// then the guard holds nothing any more. A notification passes on in this case too.
    ///
    /// # Ordering
    ///
    /// A notified task queues for the lock in the iteration after `notify`.
    ///
    /// # Panics
    ///
    /// If no loop is running in this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use ouroloop::{Condition, timeout};
    ///
    /// ouroloop::run(async {
    ///     let condition = Condition::new();
    ///     let mut guard = condition.acquire().await;
    ///     let waiting = condition.wait(&mut guard);
    ///     assert!(timeout(Duration::from_millis(1), waiting).await.is_err());
    ///     assert!(condition.locked());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub async fn wait(&self, guard: &mut LockGuard<'_>) -> Result<(), NotAcquired> {
        self.wait_as(guard, self.state.clone()).await
    }

    /// Waits until `predicate` gives something true, and returns that.
    ///
    /// It is called with the lock held: at once, and after each notification.
    ///
    /// # Errors
    ///
    /// [`NotAcquired`] if the guard does not hold this lock and it has to wait.
    ///
    /// # Cancellation
    ///
    /// As with [`wait`](Condition::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::Condition;
    ///
    /// ouroloop::run(async {
    ///     let condition = Condition::new();
    ///     let mut guard = condition.acquire().await;
    ///     let found = condition.wait_for(&mut guard, || Some("it")).await;
    ///     assert_eq!(found, Ok(Some("it")));
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub async fn wait_for<T: Truth>(
        &self,
        guard: &mut LockGuard<'_>,
        mut predicate: impl FnMut() -> T,
    ) -> Result<T, NotAcquired> {
        loop {
            let value = predicate();
            if value.is_true() {
                return Ok(value);
            }
            self.wait(guard).await?;
        }
    }

    /// Wakes up to `count` of those who wait.
    ///
    /// # Errors
    ///
    /// [`NotAcquired`] if the guard does not hold this lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::Condition;
    ///
    /// ouroloop::run(async {
    ///     let condition = Condition::new();
    ///     let guard = condition.acquire().await;
    ///     condition.notify(&guard, 1).unwrap();
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn notify(&self, guard: &LockGuard<'_>, count: usize) -> Result<(), NotAcquired> {
        if !self.lock.is_held_by(guard) {
            return Err(NotAcquired);
        }
        self.state.notify(count);
        Ok(())
    }

    /// Wakes all who wait.
    ///
    /// # Errors
    ///
    /// [`NotAcquired`] if the guard does not hold this lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::Condition;
    ///
    /// ouroloop::run(async {
    ///     let condition = Condition::new();
    ///     let guard = condition.acquire().await;
    ///     condition.notify_all(&guard).unwrap();
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn notify_all(&self, guard: &LockGuard<'_>) -> Result<(), NotAcquired> {
        self.notify(guard, usize::MAX)
    }

    /// How it stands.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(ouroloop::Condition::new().statistics().tasks_waiting, 0);
    /// ```
    #[must_use]
    pub fn statistics(&self) -> ConditionStatistics {
        ConditionStatistics {
            tasks_waiting: self.state.waiters.len(),
            lock: self.lock.statistics(),
        }
    }

    /// `wait`, in the name of `resource`.
    pub(crate) async fn wait_as(
        &self,
        guard: &mut LockGuard<'_>,
        resource: Rc<dyn Resource>,
    ) -> Result<(), NotAcquired> {
        if !self.lock.is_held_by(guard) {
            return Err(NotAcquired);
        }
        let owed = Owed {
            state: &self.state,
            notified: Cell::new(false),
        };
        // Before the release: who is woken by it may run at once, and notify.
        let place = Place::new(&owed, resource);
        guard.release();
        let waited = catch_cancelled(async {
            place.await;
            owed.notified.set(true);
        });
        let mut cancelled = waited.await.err();
        let again = loop {
            match catch_cancelled(self.lock.acquire()).await {
                Ok(again) => break again,
                Err(latest) => cancelled = Some(latest),
            }
        };
        guard.replace(again);
        owed.notified.set(false);
        if let Some(cancelled) = cancelled {
            // It may have been notified: somebody else has to hear of it.
            self.state.notify(1);
            cancelled.raise().await;
        }
        Ok(())
    }

    /// `notify`, where the lock may not be held.
    pub(crate) fn notify_unchecked(&self) {
        self.state.notify(usize::MAX);
    }
}

impl Default for Condition {
    #[track_caller]
    fn default() -> Condition {
        Condition::new()
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("locked", &self.locked())
            .field("waiters", &self.state.waiters.len())
            .finish()
    }
}

/// What [`Condition::wait_for`] may wait for: Python's truth of a value.
///
/// # Examples
///
/// ```
/// use ouroloop::Truth;
///
/// assert!(true.is_true() && Some(0).is_true());
/// assert!(!None::<u32>.is_true());
/// ```
pub trait Truth {
    /// Whether this ends the wait.
    fn is_true(&self) -> bool;
}

impl Truth for bool {
    fn is_true(&self) -> bool {
        *self
    }
}

impl<T> Truth for Option<T> {
    fn is_true(&self) -> bool {
        self.is_some()
    }
}

struct ConditionState {
    waiters: WaitQueue,
    created_at: &'static Location<'static>,
}

impl ConditionState {
    fn notify(&self, count: usize) {
        if count == usize::MAX {
            return self.waiters.choose_all();
        }
        for _ in 0..count {
            if !self.waiters.choose_next() {
                break;
            }
        }
    }
}

impl Resource for ConditionState {
    fn state(&self) -> ResourceState {
        ResourceState::new("Condition", self.created_at).detail("not notified")
    }
}

/// A wait under way: if it is dropped after it was notified, somebody else is owed that.
struct Owed<'a> {
    state: &'a ConditionState,
    notified: Cell<bool>,
}

impl WaitSource for Owed<'_> {
    fn queue(&self) -> &WaitQueue {
        &self.state.waiters
    }

    fn give_back(&self, chosen: bool) {
        self.notified.set(chosen);
    }
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        if self.notified.get() {
            self.state.notify(1);
        }
    }
}
