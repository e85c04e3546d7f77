//! `Lock`: one at a time, first come, first served.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use ouroloop_task::{
    Place, Resource, ResourceState, WaitQueue, WaitSource, current_task_key, task_id_of_key,
};

use crate::error::NotAcquired;
use crate::held::Held;
use crate::statistics::LockStatistics;

/// A mutual exclusion lock for tasks: asyncio's `Lock`.
///
/// It guards no data of its own: it keeps two tasks from interleaving their awaits. Between two
/// awaits no other task runs anyway, so what needs no await needs no lock.
///
/// # Ordering
///
/// Waiters are served first come, first served. Releasing chooses the first of them, which resumes in
/// the next iteration; until then the lock is not held, but whoever comes queues behind it.
///
/// # Differences from asyncio
///
/// - It is bound to no loop. Tasks of several loops of one thread may share it; each is woken on its
///   own loop.
/// - [`acquire`](Lock::acquire) gives a guard, which stands for `async with`.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use ouroloop::{Lock, bare_yield, gather};
///
/// async fn visit(lock: Rc<Lock>, inside: Rc<std::cell::Cell<u32>>) {
///     let _guard = lock.acquire().await;
///     inside.set(inside.get() + 1);
///     bare_yield().await;
///     assert_eq!(inside.replace(0), 1);
/// }
///
/// ouroloop::run(async {
///     let (lock, inside) = (Rc::new(Lock::new()), Rc::default());
///     gather([visit(lock.clone(), inside), visit(lock.clone(), Rc::default())]).values().await.unwrap();
///     assert!(!lock.locked());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct Lock {
    state: Rc<LockState>,
}

impl Lock {
    /// A lock that nobody holds.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!ouroloop::Lock::new().locked());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new() -> Lock {
        Lock {
            state: Rc::new(LockState {
                locked: Cell::new(false),
                acquisition: Cell::new(0),
                owner: Cell::new(NOBODY),
                forgotten: Cell::new(false),
                waiters: WaitQueue::new(),
                created_at: Location::caller(),
            }),
        }
    }

    /// Waits until the lock is free, then takes it.
    ///
    /// The guard releases it on drop. When the lock is free and nobody waits, this returns without
    /// giving the loop a turn.
    ///
    /// # Cancellation
    ///
    /// Dropped while waiting: the place in the queue is given up. Dropped after the lock was handed
    /// to this waiter but before it resumed: the lock passes to the next one, as in asyncio. In
    /// neither case is it left held.
    ///
    /// # Ordering
    ///
    /// First come, first served. The winner resumes in the next iteration of the loop, never inside
    /// of the release.
    ///
    /// # Panics
    ///
    /// If it has to wait and no loop is running in this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::Lock;
    ///
    /// ouroloop::run(async {
    ///     let lock = Lock::new();
    ///     {
    ///         let _guard = lock.acquire().await;
    ///         assert!(lock.locked());
    ///     }
    ///     assert!(!lock.locked());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub async fn acquire(&self) -> LockGuard<'_> {
        if self.state.locked.get() || self.state.waiters.has_live() {
            Place::new(&*self.state, self.state.clone()).await;
        }
        LockGuard {
            acquisition: self.state.take(),
            lock: Held::Borrowed(&self.state),
        }
    }

    /// Releases the lock, whoever holds it: for code that acquires in one place and releases in
    /// another, with [`LockGuard::forget`] in between.
    ///
    /// A guard that this takes the lock from does nothing on drop.
    ///
    /// # Errors
    ///
    /// [`NotAcquired`] if nobody holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{Lock, NotAcquired};
    ///
    /// ouroloop::run(async {
    ///     let lock = Lock::new();
    ///     lock.acquire().await.forget();
    ///     assert_eq!(lock.release(), Ok(()));
    ///     assert_eq!(lock.release(), Err(NotAcquired));
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn release(&self) -> Result<(), NotAcquired> {
        self.adopt().map(drop)
    }

    /// A guard for a lock that is held without one: the counterpart of [`LockGuard::forget`].
    ///
    /// As in asyncio a lock is held, and not held by somebody in particular, so this does not ask
    /// who acquired it. If its guard was forgotten, the task that adopts it is its owner from now on.
    ///
    /// # Errors
    ///
    /// [`NotAcquired`] if nobody holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::Lock;
    ///
    /// ouroloop::run(async {
    ///     let lock = Lock::new();
    ///     lock.acquire().await.forget();
    ///     drop(lock.adopt());
    ///     assert!(!lock.locked());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn adopt(&self) -> Result<LockGuard<'_>, NotAcquired> {
        if !self.locked() {
            return Err(NotAcquired);
        }
        if self.state.forgotten.replace(false) {
            self.state.owner.set(current_task_key().unwrap_or(NOBODY));
        }
        Ok(LockGuard {
            lock: Held::Borrowed(&self.state),
            acquisition: self.state.acquisition.get(),
        })
    }

    /// Whether it is held.
    ///
    /// Between a release and the moment when the next waiter resumes it is not.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!ouroloop::Lock::new().locked());
    /// ```
    #[must_use]
    pub fn locked(&self) -> bool {
        self.state.locked.get()
    }

    /// How it stands.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{Lock, current_task};
    ///
    /// ouroloop::run(async {
    ///     let lock = Lock::new();
    ///     let _guard = lock.acquire().await;
    ///     assert_eq!(lock.statistics().owner, current_task().map(|task| task.id()));
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[must_use]
    pub fn statistics(&self) -> LockStatistics {
        LockStatistics {
            locked: self.locked(),
            owner: self.state.owner().map(task_id_of_key),
            tasks_waiting: self.state.waiters.len(),
        }
    }

    /// Whether this guard holds this lock now.
    pub(crate) fn is_held_by(&self, guard: &LockGuard<'_>) -> bool {
        std::ptr::eq(&*guard.lock, &*self.state) && guard.holds()
    }
}

impl Default for Lock {
    #[track_caller]
    fn default() -> Lock {
        Lock::new()
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("locked", &self.locked())
            .field("waiters", &self.state.waiters.len())
            .finish()
    }
}

/// Holds a [`Lock`] and releases it on drop.
///
/// # Examples
///
/// ```
/// use std::cell::RefCell;
/// use ouroloop::{Lock, LockGuard};
///
/// thread_local! {
///     static HELD: RefCell<Option<LockGuard<'static>>> = const { RefCell::new(None) };
/// }
///
/// ouroloop::run(async {
///     let lock = Lock::new();
///     let guard = lock.acquire().await.into_owned();
///     HELD.set(Some(guard));
///     assert!(lock.locked());
///     HELD.take();
///     assert!(!lock.locked());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "the lock is released as soon as its guard is dropped"]
pub struct LockGuard<'a> {
    lock: Held<'a, LockState>,
    /// Which acquisition it stands for; another one's is not its to release.
    acquisition: u64,
}

impl LockGuard<'_> {
    /// The same guard, for a place that outlives the borrow of the lock.
    ///
    /// Statistics and wait graphs go on naming the task that acquired the lock, whichever task the
    /// guard moves into.
    pub fn into_owned(mut self) -> LockGuard<'static> {
        LockGuard {
            lock: self.lock.to_owned(),
            acquisition: self.disarm(),
        }
    }

    /// Lets the lock be held on without a guard, until [`Lock::release`].
    ///
    /// Wait graphs name no holder then, since who will release it is not known.
    pub fn forget(mut self) {
        if self.holds() {
            self.lock.forgotten.set(true);
        }
        self.disarm();
    }

    pub(crate) fn release(&mut self) {
        if self.holds() {
            self.lock.release();
        }
        self.disarm();
    }

    /// Stands for what `other`, a guard of the same lock, stood for.
    pub(crate) fn replace(&mut self, mut other: LockGuard<'_>) {
        self.release();
        self.acquisition = other.disarm();
    }

    fn holds(&self) -> bool {
        self.lock.locked.get() && self.lock.acquisition.get() == self.acquisition
    }

    fn disarm(&mut self) -> u64 {
        std::mem::take(&mut self.acquisition)
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

impl fmt::Debug for LockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").finish_non_exhaustive()
    }
}

/// What a lock and its guards share.
struct LockState {
    locked: Cell<bool>,
    /// Counts the acquisitions, from 1.
    acquisition: Cell<u64>,
    /// The task that acquired it.
    owner: Cell<u64>,
    /// Whether it is held without a guard.
    forgotten: Cell<bool>,
    waiters: WaitQueue,
    created_at: &'static Location<'static>,
}

impl LockState {
    fn take(&self) -> u64 {
        debug_assert!(!self.locked.get(), "whoever is chosen finds it free");
        self.locked.set(true);
        self.owner.set(current_task_key().unwrap_or(NOBODY));
        let acquisition = self.acquisition.get() + 1;
        self.acquisition.set(acquisition);
        acquisition
    }

    fn release(&self) {
        self.locked.set(false);
        self.owner.set(NOBODY);
        self.forgotten.set(false);
        self.waiters.choose_first();
    }

    fn owner(&self) -> Option<u64> {
        Some(self.owner.get()).filter(|owner| *owner != NOBODY)
    }
}

impl WaitSource for LockState {
    fn queue(&self) -> &WaitQueue {
        &self.waiters
    }

    fn give_back(&self, _chosen: bool) {
        if !self.locked.get() {
            self.waiters.choose_first();
        }
    }
}

impl Resource for LockState {
    fn state(&self) -> ResourceState {
        let detail = match (self.locked.get(), self.forgotten.get()) {
            (false, _) => "unlocked",
            (true, false) => "locked",
            (true, true) => "locked, its guard was forgotten",
        };
        ResourceState::new("Lock", self.created_at)
            .detail(detail)
            .holders(self.owner().filter(|_| !self.forgotten.get()))
    }
}

/// No task has this id.
const NOBODY: u64 = 0;
