//! `run` and `Runner`: from a plain function into the loop, and out of it again in order.

use std::future::Future;
use std::time::Duration;

use ouroloop_combinators::cancel_all_tasks;
use ouroloop_core::{
    Clock, Context, EventLoop, ExceptionContext, LoopError, get_running_loop, set_event_loop,
    snapshot_context,
};
use ouroloop_executor::LoopExecutor;
use ouroloop_task::{LoopTasks, RunError, TaskBuilder, TaskError};

/// How long the end of a run waits for the jobs of the default executor.
const EXECUTOR_LIMIT: Duration = Duration::from_secs(300);

/// Runs `main` on a new loop until it is done, and then shuts down in order: asyncio's `run`.
///
/// All tasks that are left are cancelled, oldest first, and waited for; then the jobs of the loop's default
/// executor, for at most 300 seconds; then the loop is closed.
/// What they fail with meanwhile goes to the loop's exception handler. The loop is the thread's
/// [current one](crate::get_event_loop) meanwhile.
///
/// # Errors
///
/// - [`RunError::Loop`] if a loop is running in this thread already, none can be had, or it cannot go on;
/// - [`RunError::Task`] if `main` ended cancelled;
/// - [`RunError::Stopped`] if something stopped the loop first;
/// - [`RunError::Deadlock`] on virtual time, if nothing is left that could wake a task.
///
/// An `Err` of `main` itself is in the `Ok`: `run(...)??` takes both.
///
/// # Panics
///
/// A panic of `main` goes on unwinding here, after the shutdown.
///
/// # Examples
///
/// ```
/// use ouroloop::{RunError, run, sleep};
/// use std::time::Duration;
///
/// fn main() -> Result<(), RunError> {
///     let answer = run(async {
///         sleep(Duration::from_millis(1)).await;
///         42
///     })?;
///     assert_eq!(answer, 42);
///     Ok(())
/// }
/// ```
#[track_caller]
pub fn run<F>(main: F) -> Result<F::Output, RunError>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Runner::new().run_and_close(main)
}

/// Runs several functions one after the other on one loop, in one context: asyncio's `Runner`.
///
/// The loop is made by the first use. [`close`](Runner::close), or the drop of the runner, shuts
/// down as [`run`] does.
///
/// # Examples
///
/// ```
/// use ouroloop::{Runner, VirtualClock, sleep};
/// use std::time::Duration;
///
/// let mut runner = Runner::new().clock(VirtualClock::new());
/// let first = runner.run(async {
///     sleep(Duration::from_secs(3600)).await; // jumps: no time passes
///     1
/// })?;
/// let second = runner.run(async move { first + 1 })?;
/// runner.close()?;
/// assert_eq!(second, 2);
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Default)]
pub struct Runner {
    debug: Option<bool>,
    clock: Option<Clock>,
    loop_factory: Option<Box<dyn FnOnce() -> Result<EventLoop, LoopError>>>,
    has_run: bool,
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    Created,
    Open {
        event_loop: EventLoop,
        context: Context,
        /// The loop is to be the current one of its thread, since no factory made it.
        wants_to_be_current: bool,
        /// The runner made it that, and takes it back.
        is_current: bool,
    },
    Closed,
}

impl Runner {
    /// Makes a runner that has no loop yet.
    pub fn new() -> Runner {
        Runner::default()
    }

    /// Switches debug mode of the loop on or off; without this the environment decides: `OUROLOOP_DEBUG`, set
    /// to anything but nothing or `0`.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::Runner;
    ///
    /// let mut runner = Runner::new().debug(true);
    /// assert!(runner.event_loop()?.debug());
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    #[must_use]
    pub fn debug(mut self, debug: bool) -> Runner {
        self.debug = Some(debug);
        self
    }

    /// Sets the clock of the loop; real time without this. [`Runner`] has an example.
    #[must_use]
    pub fn clock(mut self, clock: impl Into<Clock>) -> Runner {
        self.clock = Some(clock.into());
        self
    }

    /// Makes the loop in another way: asyncio's `loop_factory`.
    ///
    /// It is then not made the current one of its thread, and the clock is up to `factory`.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{Clock, EventLoop, IoPoll, Runner};
    ///
    /// let strict = || {
    ///     let builder = EventLoop::builder().clock(Clock::virtual_time());
    ///     builder.io_poll(IoPoll::EveryIteration).build()
    /// };
    /// assert_eq!(Runner::new().loop_factory(strict).run(async { 42 })?, 42);
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[must_use]
    pub fn loop_factory(
        mut self,
        factory: impl FnOnce() -> Result<EventLoop, LoopError> + 'static,
    ) -> Runner {
        self.loop_factory = Some(Box::new(factory));
        self
    }

    /// Gives the loop, which is made now if it was not yet: asyncio's `Runner.get_loop`.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] after [`close`](Runner::close); else whatever kept the loop from being
    /// made: [`LoopError::TooManyLoops`], or what the factory gave.
    #[doc(alias = "get_loop")]
    pub fn event_loop(&mut self) -> Result<&EventLoop, LoopError> {
        self.open()?;
        self.make_current();
        Ok(self.open()?.0)
    }

    /// Runs `main` until it is done. Tasks that are left stay for the next run, or the close.
    ///
    /// # Errors
    ///
    /// Those of [`run`]; [`LoopError::Closed`] after [`close`](Runner::close), and
    /// [`TaskError::Panicked`] if `main` panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{Runner, create_task};
    ///
    /// let mut runner = Runner::new();
    /// let task = runner.run(async { create_task(async { "still there" }) })?;
    /// assert_eq!(runner.run(async { task.await })?.unwrap(), "still there");
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn run<F>(&mut self, main: F) -> Result<F::Output, RunError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // Refused before there is a loop that would have to be closed, ...
        if matches!(self.state, State::Created) && get_running_loop().is_ok() {
            return Err(LoopError::LoopInLoop.into());
        }
        // ... and before `main` becomes a task that would be left behind.
        self.open()?.0.check_runnable()?;
        self.has_run = true;
        self.make_current();
        let (event_loop, context) = self.open()?;
        let options = TaskBuilder::new()
            .context(context.clone())
            .log_destroyed(false);
        let task = event_loop.create_task_with(options, main)?;
        event_loop.run_until_complete(task)
    }

    /// Cancels what is left and waits for it, and closes the loop: asyncio's `Runner.close`. A second call does
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`RunError`] if the tasks that are left cannot be run to their end; the loop is closed all
    /// the same, and they are dropped.
    pub fn close(&mut self) -> Result<(), RunError> {
        let State::Open {
            event_loop,
            is_current,
            ..
        } = std::mem::replace(&mut self.state, State::Closed)
        else {
            return Ok(());
        };
        let (cancelled, joined) = if !self.has_run && can_only_close(&event_loop) {
            (Ok(()), Ok(()))
        } else {
            (
                cancel_all_tasks(&event_loop),
                join_default_executor(&event_loop),
            )
        };
        if is_current {
            set_event_loop(None);
        }
        event_loop.close()?;
        cancelled.and(joined)
    }

    #[track_caller]
    pub(crate) fn run_and_close<F>(mut self, main: F) -> Result<F::Output, RunError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let result = self.run(main);
        let closed = self.close();
        match result {
            Err(RunError::Task(TaskError::Panicked(payload))) => payload.resume(),
            Ok(value) => closed.map(|()| value),
            Err(error) => Err(error),
        }
    }

    fn open(&mut self) -> Result<(&EventLoop, &Context), LoopError> {
        if let State::Created = self.state {
            self.state = self.create()?;
        }
        match &self.state {
            State::Open {
                event_loop,
                context,
                ..
            } => Ok((event_loop, context)),
            State::Created | State::Closed => Err(LoopError::Closed),
        }
    }

    fn make_current(&mut self) {
        if let State::Open {
            event_loop,
            wants_to_be_current: true,
            is_current: is_current @ false,
            ..
        } = &mut self.state
        {
            set_event_loop(Some(event_loop));
            *is_current = true;
        }
    }

    fn create(&mut self) -> Result<State, LoopError> {
        let wants_to_be_current = self.loop_factory.is_none();
        let event_loop = match self.loop_factory.take() {
            Some(factory) => factory()?,
            None => match self.clock.take() {
                Some(clock) => EventLoop::builder().clock(clock).build()?,
                None => EventLoop::builder().build()?,
            },
        };
        if let Some(debug) = self.debug {
            event_loop.set_debug(debug);
        }
        Ok(State::Open {
            event_loop,
            context: snapshot_context().unwrap_or_default(),
            wants_to_be_current,
            is_current: false,
        })
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let event_loop = match &self.state {
            State::Open { event_loop, .. } => event_loop.downgrade(),
            State::Created | State::Closed => return,
        };
        if let Err(error) = self.close() {
            let context = ExceptionContext::new("the shutdown of a Runner failed");
            event_loop.default_exception_handler(&context.with_exception(error));
        }
    }
}

/// Nothing is left on a loop that could not run now anyway.
fn can_only_close(event_loop: &EventLoop) -> bool {
    let refused = matches!(event_loop.check_runnable(), Err(LoopError::LoopInLoop));
    refused && event_loop.all_tasks().is_empty()
}

/// Waits for the jobs of the default executor. Those that do not end in time are reported, and left alone.
fn join_default_executor(event_loop: &EventLoop) -> Result<(), RunError> {
    let joined = event_loop.shutdown_default_executor(EXECUTOR_LIMIT);
    if let Err(error) = event_loop.run_until_complete(joined)? {
        let context = ExceptionContext::new("the default executor outlives its loop");
        event_loop.call_exception_handler(context.with_exception(error));
    }
    Ok(())
}
