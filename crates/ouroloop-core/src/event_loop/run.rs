//! Running: `run_forever`, `run_once`, `stop`, and being the thread's running loop.

use std::fmt;

use super::LoopRef;
use super::batch::Batch;
use crate::{Context, LoopError, running, swap_context};

impl LoopRef {
    /// Runs until [`stop`](Self::stop) is called: iteration after iteration, sleeping when there is
    /// nothing to do. asyncio's `run_forever`.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`]; [`LoopError::AlreadyRunning`] and [`LoopError::LoopInLoop`] if this or
    /// another loop runs in this thread, which leaves that one untouched; [`LoopError::Forked`] in the child of
    /// the process that made the loop; [`LoopError::Io`] if the selector fails; [`LoopError::Deadlock`] on virtual
    /// time when nothing can ever become ready. After the last two the loop can be run again.
    ///
    /// # Examples
    ///
    /// ```
    /// let event_loop = ouroloop::new_event_loop()?;
    /// let stopper = event_loop.downgrade();
    /// event_loop.call_soon(move || stopper.stop())?;
    /// event_loop.run_forever()?;
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn run_forever(&self) -> Result<(), LoopError> {
        if self.is_running() {
            return Err(self.check_open().err().unwrap_or(LoopError::AlreadyRunning));
        }
        let _step = self.step()?;
        let _run = Run::begin(self);
        self.run_turns(&Batch::none(), false)
    }

    /// Runs one iteration, which may sleep until something is ready.
    ///
    /// Inside of [`enter`](Self::enter) as well as alone. A pending [`stop`](Self::stop) only keeps
    /// it from sleeping, and is over afterwards.
    ///
    /// # Errors
    ///
    /// As for [`run_forever`](Self::run_forever).
    ///
    /// # Examples
    ///
    /// ```
    /// let event_loop = ouroloop::new_event_loop()?;
    /// let again = event_loop.downgrade();
    /// event_loop.call_soon(move || drop(again.call_soon(|| {})))?;
    /// event_loop.run_once()?;
    /// assert_eq!(event_loop.statistics().ready, 1); // for the next iteration
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn run_once(&self) -> Result<(), LoopError> {
        let _step = self.step()?;
        let _run = Run::begin(self);
        self.run_turns(&Batch::none(), true)
    }

    /// Lets the loop return from `run_forever` at the end of the iteration: asyncio's `loop.stop`.
    ///
    /// # Ordering
    ///
    /// The batch is completed; what it schedules waits for the next run. Called while the loop is
    /// not running, the next run consists of one iteration that does not sleep.
    pub fn stop(&self) {
        self.inner().stopping.set(true);
    }

    /// Makes this the running loop of the thread, as `run_forever` does, until the guard is
    /// dropped: for a foreign loop that drives this one by its steps.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`], [`LoopError::AlreadyRunning`], [`LoopError::LoopInLoop`],
    /// [`LoopError::Forked`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{get_running_loop, new_event_loop};
    ///
    /// let event_loop = new_event_loop()?;
    /// let entered = event_loop.enter()?;
    /// assert!(get_running_loop()?.same_loop(&event_loop));
    /// drop(entered);
    /// assert!(get_running_loop().is_err());
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn enter(&self) -> Result<Entered, LoopError> {
        self.enter_slot(true)
    }

    /// Tells whether [`stop`](Self::stop) was called, and the run that it ends is not over.
    ///
    /// A foreign loop looks at this after each batch, and drops its [`Entered`] when it is so.
    pub fn is_stopping(&self) -> bool {
        self.inner().stopping.get()
    }

    /// Asks whether the loop could run here and now, as [`run_forever`](Self::run_forever) does first: for those
    /// who have something to prepare before a run.
    ///
    /// # Errors
    ///
    /// Those of [`enter`](Self::enter).
    pub fn check_runnable(&self) -> Result<(), LoopError> {
        self.check_open()?;
        if self.is_running() {
            return Err(LoopError::AlreadyRunning);
        }
        self.check_process()?;
        running::check_free()
    }

    fn enter_slot(&self, is_run: bool) -> Result<Entered, LoopError> {
        self.check_runnable()?;
        running::enter(self)?;
        self.inner().running.set(true);
        self.inner().remote.set_running(true);
        Ok(Entered {
            event_loop: self.clone(),
            is_run,
        })
    }

    /// Begins a step: the loop is entered if it is not, and no other step is under way.
    pub(super) fn step(&self) -> Result<Step, LoopError> {
        self.check_open()?;
        if self.inner().stepping.get() {
            return Err(LoopError::AlreadyRunning);
        }
        let entered = if self.is_running() {
            None
        } else {
            Some(self.enter_slot(false)?)
        };
        self.inner().stepping.set(true);
        Ok(Step {
            event_loop: self.clone(),
            context: swap_context(None),
            _entered: entered,
        })
    }
}

/// The guard of [`LoopRef::enter`], which has an example: while it lives, its loop is the running loop of the
/// thread.
///
/// When it is dropped the run is over, and with it a [`stop`](LoopRef::stop) that was called.
#[must_use = "the loop is the thread's running one only while this lives"]
pub struct Entered {
    event_loop: LoopRef,
    /// Of `enter`: a run, however long. Else only a step that needs the slot.
    is_run: bool,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if self.is_run {
            self.event_loop.inner().stopping.set(false);
        }
        self.event_loop.inner().running.set(false);
        self.event_loop.inner().remote.set_running(false);
        running::leave();
        self.event_loop.close_if_abandoned();
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entered")
            .field(&self.event_loop.id())
            .finish()
    }
}

/// A step under way. The caller's context is put aside, and comes back at its end.
pub(super) struct Step {
    event_loop: LoopRef,
    context: Option<Context>,
    // Dropped after `Step::drop` has run.
    _entered: Option<Entered>,
}

impl Drop for Step {
    fn drop(&mut self) {
        self.event_loop.inner().stepping.set(false);
        drop(swap_context(self.context.take()));
        self.event_loop.close_if_abandoned();
    }
}

/// A run under way: the stop flag is over when it ends, however it ends.
struct Run<'a>(&'a LoopRef);

impl<'a> Run<'a> {
    fn begin(event_loop: &'a LoopRef) -> Run<'a> {
        event_loop.poll_next_time();
        Run(event_loop)
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.0.inner().stopping.set(false);
    }
}
