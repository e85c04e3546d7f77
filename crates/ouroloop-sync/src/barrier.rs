//! `Barrier`: tasks wait for each other.
//!
//! It is made of a condition, as asyncio's is: how many iterations a task spends in it depends on who
//! holds that condition's lock.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use ouroloop_task::{Resource, ResourceState};

use crate::condition::Condition;
use crate::error::{BrokenBarrierError, NoPartiesError};
use crate::lock::LockGuard;
use crate::statistics::BarrierStatistics;

/// Blocks a number of tasks until all of them have come, again and again: asyncio's `Barrier`.
///
/// # Ordering
///
/// The last to come goes on without suspending, so its code runs first; the others follow in the
/// order in which they came.
///
/// # Differences from asyncio
///
/// It is bound to no loop: tasks of several loops of one thread may meet in it.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use ouroloop::{Barrier, create_task};
///
/// ouroloop::run(async {
///     let barrier = Rc::new(Barrier::new(2).unwrap());
///     let first = create_task({
///         let barrier = barrier.clone();
///         async move { barrier.wait().await }
///     });
///     ouroloop::bare_yield().await;
///     assert_eq!(barrier.wait().await, Ok(1));
///     assert_eq!(first.await.unwrap(), Ok(0));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct Barrier {
    condition: Condition,
    state: Rc<BarrierState>,
}

impl Barrier {
    /// A barrier for so many tasks.
    ///
    /// # Errors
    ///
    /// [`NoPartiesError`] for none.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::Barrier;
    ///
    /// assert_eq!(Barrier::new(3).unwrap().parties(), 3);
    /// assert!(Barrier::new(0).is_err());
    /// ```
    #[track_caller]
    pub fn new(parties: usize) -> Result<Barrier, NoPartiesError> {
        if parties == 0 {
            return Err(NoPartiesError);
        }
        Ok(Barrier {
            condition: Condition::new(),
            state: Rc::new(BarrierState {
                parties,
                phase: Cell::new(Phase::Filling),
                inside: Cell::new(0),
                created_at: Location::caller(),
            }),
        })
    }

    /// Waits until all have come; gives the number of this one among them, from 0.
    ///
    /// While those of the round before leave it, it waits for that first.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrierError`] if it is aborted, or reset while this waits.
    ///
    /// # Cancellation
    ///
    /// Who goes is not counted any more, so the others wait for somebody else. One that goes while
    /// the barrier lets them out is counted.
    ///
    /// # Panics
    ///
    /// If it has to wait and no loop is running in this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::Barrier;
    ///
    /// ouroloop::run(async {
    ///     assert_eq!(Barrier::new(1).unwrap().wait().await, Ok(0));
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub async fn wait(&self) -> Result<usize, BrokenBarrierError> {
        let state = &*self.state;
        let mut guard = self.condition.acquire().await;
        self.wait_while(&mut guard, Phase::is_emptying).await;
        if state.phase.get() == Phase::Broken {
            return Err(BrokenBarrierError);
        }
        let index = state.inside.get();
        // Dropped before the guard, so what it changes is changed under the lock.
        let _inside = Inside::enter(self);
        if index + 1 == state.parties {
            state.phase.set(Phase::Draining);
            self.condition.notify_unchecked();
            return Ok(index);
        }
        self.wait_while(&mut guard, |phase| phase == Phase::Filling)
            .await;
        match state.phase.get() {
            Phase::Broken | Phase::Resetting => Err(BrokenBarrierError),
            Phase::Draining | Phase::Filling => Ok(index),
        }
    }

    /// Makes it as new: those who wait get [`BrokenBarrierError`].
    ///
    /// # Cancellation
    ///
    /// Until it has the lock inside, nothing is done.
    ///
    /// # Panics
    ///
    /// If it has to wait and no loop is running in this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::Barrier;
    ///
    /// ouroloop::run(async {
    ///     let barrier = Barrier::new(2).unwrap();
    ///     barrier.abort().await;
    ///     barrier.reset().await;
    ///     assert!(!barrier.broken());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub async fn reset(&self) {
        let _guard = self.condition.acquire().await;
        self.state.phase.set(match self.state.inside.get() {
            0 => Phase::Filling,
            _ => Phase::Resetting,
        });
        self.condition.notify_unchecked();
    }

    /// Breaks it: all who wait, and all who come, get [`BrokenBarrierError`] until it is reset.
    ///
    /// # Cancellation
    ///
    /// Until it has the lock inside, nothing is done.
    ///
    /// # Panics
    ///
    /// If it has to wait and no loop is running in this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{Barrier, BrokenBarrierError};
    ///
    /// ouroloop::run(async {
    ///     let barrier = Barrier::new(2).unwrap();
    ///     barrier.abort().await;
    ///     assert_eq!(barrier.wait().await, Err(BrokenBarrierError));
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub async fn abort(&self) {
        let _guard = self.condition.acquire().await;
        self.state.phase.set(Phase::Broken);
        self.condition.notify_unchecked();
    }

    /// How many tasks it takes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(ouroloop::Barrier::new(2).unwrap().parties(), 2);
    /// ```
    #[must_use]
    pub fn parties(&self) -> usize {
        self.state.parties
    }

    /// How many wait in it now.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(ouroloop::Barrier::new(2).unwrap().n_waiting(), 0);
    /// ```
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        self.state.waiting()
    }

    /// Whether it was aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!ouroloop::Barrier::new(2).unwrap().broken());
    /// ```
    #[must_use]
    pub fn broken(&self) -> bool {
        self.state.phase.get() == Phase::Broken
    }

    /// How it stands.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(ouroloop::Barrier::new(2).unwrap().statistics().tasks_inside, 0);
    /// ```
    #[must_use]
    pub fn statistics(&self) -> BarrierStatistics {
        BarrierStatistics {
            parties: self.parties(),
            tasks_inside: self.state.inside.get(),
            broken: self.broken(),
        }
    }

    async fn wait_while(&self, guard: &mut LockGuard<'_>, going: impl Fn(Phase) -> bool) {
        while going(self.state.phase.get()) {
            let waited = self.condition.wait_as(guard, self.state.clone()).await;
            debug_assert!(waited.is_ok(), "the guard is that of the condition");
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("phase", &self.state.phase.get())
            .field("waiting", &self.n_waiting())
            .field("parties", &self.parties())
            .finish()
    }
}

struct BarrierState {
    parties: usize,
    phase: Cell<Phase>,
    /// How many have come and not yet gone.
    inside: Cell<usize>,
    created_at: &'static Location<'static>,
}

impl BarrierState {
    fn waiting(&self) -> usize {
        match self.phase.get() {
            Phase::Filling => self.inside.get(),
            _ => 0,
        }
    }
}

impl Resource for BarrierState {
    fn state(&self) -> ResourceState {
        let detail = match self.phase.get() {
            Phase::Filling => format!("{} of {} came", self.inside.get(), self.parties),
            Phase::Draining | Phase::Resetting => format!("{} to leave it", self.inside.get()),
            Phase::Broken => "broken".to_owned(),
        };
        ResourceState::new("Barrier", self.created_at).detail(detail)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Tasks come.
    Filling,
    /// All have come, and leave.
    Draining,
    /// It was reset, and those who waited leave.
    Resetting,
    /// It was aborted.
    Broken,
}

impl Phase {
    fn is_emptying(self) -> bool {
        matches!(self, Phase::Draining | Phase::Resetting)
    }
}

/// A task that has come.
struct Inside<'a>(&'a Barrier);

impl<'a> Inside<'a> {
    fn enter(barrier: &'a Barrier) -> Inside<'a> {
        let inside = &barrier.state.inside;
        inside.set(inside.get() + 1);
        Inside(barrier)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let state = &*self.0.state;
        state.inside.set(state.inside.get() - 1);
        if state.inside.get() == 0 {
            if state.phase.get().is_emptying() {
                state.phase.set(Phase::Filling);
            }
            // Those who wait for the next round.
            self.0.condition.notify_unchecked();
        }
    }
}
