//! `Semaphore`: so many at a time, first come, first served.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use ouroloop_task::{Place, Resource, ResourceState, WaitQueue, WaitSource, current_task_key};

use crate::error::ReleasedTooOften;
use crate::held::Held;
use crate::statistics::SemaphoreStatistics;

/// A counter of permits that tasks acquire and release: asyncio's `Semaphore`.
///
/// # Ordering
///
/// First come, first served. A release hands its permit straight to the first waiter, which resumes
/// in the next iteration; whoever comes meanwhile queues behind it.
///
/// # Differences from asyncio
///
/// - It is bound to no loop: tasks of several loops of one thread may share it.
/// - [`acquire`](Semaphore::acquire) gives a permit, which stands for `async with`.
///
/// # Examples
///
/// ```
/// use ouroloop::Semaphore;
///
/// ouroloop::run(async {
///     let semaphore = Semaphore::new(2);
///     let one = semaphore.acquire().await;
///     let two = semaphore.acquire().await;
///     assert!(semaphore.locked());
///     drop((one, two));
///     assert_eq!(semaphore.statistics().value, 2);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct Semaphore {
    state: Rc<SemaphoreState>,
}

impl Semaphore {
    /// A semaphore with this many permits.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(ouroloop::Semaphore::new(0).locked());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(value: usize) -> Semaphore {
        Semaphore::of("Semaphore", value, usize::MAX)
    }

    #[track_caller]
    pub(crate) fn of(kind: &'static str, value: usize, bound: usize) -> Semaphore {
        Semaphore {
            state: Rc::new(SemaphoreState {
                kind,
                value: Cell::new(value),
                bound,
                waiters: WaitQueue::new(),
                forgotten: Cell::new(0),
                holders: RefCell::new(Vec::with_capacity(value.clamp(1, HOLDERS_MAX))),
                created_at: Location::caller(),
            }),
        }
    }

    /// Waits until there is a permit, then takes it.
    ///
    /// With a free permit and nobody waiting, this returns without giving the loop a turn. The permit
    /// is released on drop.
    ///
    /// # Cancellation
    ///
    /// Dropped while waiting: the place in the queue is given up. Dropped after a permit was handed
    /// to this waiter but before it resumed: the permit passes to the next one.
    ///
    /// # Ordering
    ///
    /// First come, first served; the winner resumes in the next iteration.
    ///
    /// # Panics
    ///
    /// If it has to wait and no loop is running in this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::Semaphore;
    ///
    /// ouroloop::run(async {
    ///     let semaphore = Semaphore::new(1);
    ///     let _permit = semaphore.acquire().await;
    ///     assert!(semaphore.locked());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub async fn acquire(&self) -> Permit<'_> {
        let state = &*self.state;
        if self.locked() {
            Place::new(state, self.state.clone()).await;
            let permit = self.permit();
            state.serve();
            return permit;
        }
        state.value.set(state.value.get() - 1);
        self.permit()
    }

    /// Adds a permit, and hands it to the first who waits: also one that was not acquired before.
    ///
    /// No [`Permit`] that is held is touched by this: it is released on drop nevertheless.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = ouroloop::Semaphore::new(0);
    /// semaphore.release();
    /// assert!(!semaphore.locked());
    /// ```
    pub fn release(&self) {
        let released = self.try_release();
        debug_assert!(released.is_ok(), "it counts as far as a usize does");
    }

    pub(crate) fn try_release(&self) -> Result<(), ReleasedTooOften> {
        let state = &*self.state;
        if state.value.get() >= state.bound {
            return Err(ReleasedTooOften);
        }
        state.forgotten.set(state.forgotten.get() - 1);
        state.add();
        Ok(())
    }

    /// Whether acquiring would have to wait: there is no permit, or others wait for theirs.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!ouroloop::Semaphore::new(1).locked());
    /// ```
    #[must_use]
    pub fn locked(&self) -> bool {
        self.state.value.get() == 0 || self.state.waiters.has_live()
    }

    /// How it stands.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(ouroloop::Semaphore::new(3).statistics().value, 3);
    /// ```
    #[must_use]
    pub fn statistics(&self) -> SemaphoreStatistics {
        SemaphoreStatistics {
            value: self.state.value.get(),
            tasks_waiting: self.state.waiters.len(),
        }
    }

    fn permit(&self) -> Permit<'_> {
        let holder = current_task_key();
        self.state.remember(holder);
        Permit {
            semaphore: Held::Borrowed(&self.state),
            holder,
            held: true,
        }
    }

    pub(crate) fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("value", &self.state.value.get())
            .field("waiters", &self.state.waiters.len())
            .finish()
    }
}

/// With one permit, as in asyncio.
impl Default for Semaphore {
    #[track_caller]
    fn default() -> Semaphore {
        Semaphore::new(1)
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.debug("Semaphore", f)
    }
}

/// A permit of a [`Semaphore`] or a [`BoundedSemaphore`](crate::BoundedSemaphore), released on drop.
///
/// # Examples
///
/// ```
/// use ouroloop::{Permit, Semaphore};
///
/// ouroloop::run(async {
///     let semaphore = Semaphore::new(3);
///     let mut permits: Vec<Permit<'static>> = Vec::new();
///     permits.push(semaphore.acquire().await.into_owned());
///     semaphore.acquire().await.forget(); // held until somebody calls `release`
///     permits.clear();
///     assert_eq!(semaphore.statistics().value, 2);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "a permit is released as soon as it is dropped"]
pub struct Permit<'a> {
    semaphore: Held<'a, SemaphoreState>,
    holder: Option<u64>,
    held: bool,
}

impl Permit<'_> {
    /// The same permit, for a place that outlives the borrow of the semaphore.
    ///
    /// Wait graphs go on naming the task that acquired it, whichever task it moves into.
    pub fn into_owned(mut self) -> Permit<'static> {
        Permit {
            semaphore: self.semaphore.to_owned(),
            holder: self.holder,
            held: std::mem::take(&mut self.held),
        }
    }

    /// Keeps the permit taken without this, until `release`.
    ///
    /// Wait graphs name no holder for it then, since who will release it is not known.
    pub fn forget(mut self) {
        if std::mem::take(&mut self.held) {
            self.semaphore.forget_holder(self.holder);
            let forgotten = &self.semaphore.forgotten;
            forgotten.set(forgotten.get() + 1);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.held {
            self.semaphore.forget_holder(self.holder);
            self.semaphore.put_back();
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// What a semaphore and its permits share.
struct SemaphoreState {
    kind: &'static str,
    value: Cell<usize>,
    /// What the value must not pass.
    bound: usize,
    waiters: WaitQueue,
    /// Permits that were forgotten, less those that were released by hand. Below zero in a bounded
    /// semaphore: so many of those that are out were released already.
    forgotten: Cell<isize>,
    /// The tasks that hold permits, for wait graphs: as many as fit without allocating.
    holders: RefCell<Vec<u64>>,
    created_at: &'static Location<'static>,
}

impl SemaphoreState {
    /// Adds a permit, and hands it on.
    fn add(&self) {
        // As many as a usize counts are as good as one more.
        self.value.set(self.value.get().saturating_add(1));
        self.choose_next();
    }

    /// Takes back a permit that was out, unless a bounded semaphore had it released by hand before.
    fn put_back(&self) {
        let forgotten = self.forgotten.get();
        if forgotten < 0 && self.is_bounded() {
            self.forgotten.set(forgotten + 1);
            return;
        }
        self.add();
    }

    fn is_bounded(&self) -> bool {
        self.bound != usize::MAX
    }

    /// Hands a free permit to the first who waits.
    fn choose_next(&self) -> bool {
        // Taken before the waker is called, which may look at the value.
        self.value.set(self.value.get() - 1);
        let chosen = self.waiters.choose_next();
        if !chosen {
            self.value.set(self.value.get() + 1);
        }
        chosen
    }

    /// Hands on as many permits as there are.
    fn serve(&self) {
        while self.value.get() > 0 && self.choose_next() {}
    }

    fn remember(&self, holder: Option<u64>) {
        let mut holders = self.holders.borrow_mut();
        if let Some(holder) = holder {
            if holders.len() < holders.capacity() {
                holders.push(holder);
            }
        }
    }

    /// One that was not remembered is not there to be forgotten.
    fn forget_holder(&self, holder: Option<u64>) {
        let mut holders = self.holders.borrow_mut();
        if let Some(place) = holders.iter().rposition(|id| Some(*id) == holder) {
            holders.remove(place);
        }
    }
}

impl WaitSource for SemaphoreState {
    fn queue(&self) -> &WaitQueue {
        &self.waiters
    }

    fn give_back(&self, chosen: bool) {
        if chosen {
            self.put_back();
        }
        self.serve();
    }
}

impl Resource for SemaphoreState {
    fn state(&self) -> ResourceState {
        let mut holders = self.holders.borrow().clone();
        holders.sort_unstable();
        holders.dedup();
        ResourceState::new(self.kind, self.created_at)
            .detail(format!("{} free", self.value.get()))
            .holders(holders)
    }
}

/// How many holders a semaphore remembers.
const HOLDERS_MAX: usize = 64;
