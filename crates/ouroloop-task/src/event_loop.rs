//! What asyncio has as methods of the loop but lives here, above it.

use std::cell::Cell;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;

use ouroloop_core::{LoopError, LoopRef};

use crate::awaitable::IntoTask;
use crate::builder::{TaskBuilder, TaskFactory};
use crate::error::RunError;
use crate::promise::{About, Delegate, Promise};
use crate::resource::Resource;
use crate::task::Task;
use crate::task_cell::Plainly;
use crate::task_ref::{AsFutureRef, TaskRef};
use crate::tasks::Tasks;
use crate::wait_graph::WaitGraph;

/// The methods of asyncio's loop that make tasks and promises, and run until one is done.
///
/// Imported, it adds them to every loop: to `EventLoop`, and to the `LoopRef` that it dereferences to. Programs
/// that begin with `run` need it for [`wait_graph`](LoopTasks::wait_graph) at most.
///
/// # Examples
///
/// ```
/// use ouroloop::{LoopTasks, new_event_loop};
///
/// let event_loop = new_event_loop()?;
/// let task = event_loop.create_task(async { 6 * 7 })?;
/// assert_eq!(event_loop.run_until_complete(task)?, 42);
/// event_loop.close()?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub trait LoopTasks {
    /// Schedules a task; the loop need not be running yet.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] once the loop is closed, [`LoopError::Io`] of kind `OutOfMemory` while it
    /// holds 16,777,215 tasks and scopes.
    ///
    /// # Ordering
    ///
    /// As for [`create_task`](crate::create_task).
    #[track_caller]
    fn create_task<F>(&self, future: F) -> Result<Task<F::Output>, LoopError>
    where
        F: Future + 'static,
        F::Output: 'static;

    /// Schedules a task with options.
    ///
    /// # Errors
    ///
    /// As for [`create_task`](LoopTasks::create_task).
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{LoopTasks, TaskBuilder, new_event_loop};
    ///
    /// let event_loop = new_event_loop()?;
    /// let options = TaskBuilder::new().name("poller");
    /// let task = event_loop.create_task_with(options, async {})?;
    /// assert_eq!(&*task.name(), "poller");
    /// event_loop.run_until_complete(task)?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    fn create_task_with<F>(
        &self,
        options: TaskBuilder,
        future: F,
    ) -> Result<Task<F::Output>, LoopError>
    where
        F: Future + 'static,
        F::Output: 'static;

    /// Makes a promise of this loop.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] once the loop is closed.
    #[track_caller]
    fn create_future<T: 'static>(&self) -> Result<Promise<T>, LoopError>;

    /// Makes a promise whose `cancel()` asks others instead: see [`Delegate`].
    ///
    /// # Errors
    ///
    /// As for [`create_future`](LoopTasks::create_future).
    #[track_caller]
    fn create_delegating_future<T: 'static>(
        &self,
        delegate: Rc<dyn Delegate>,
    ) -> Result<Promise<T>, LoopError>;

    /// Runs the loop until `awaitable` is done, and gives its result.
    ///
    /// The loop finishes the iteration in which it learns of that, so what was queued before still
    /// runs. If it is stopped earlier, the task stays as it is and a later run goes on with it.
    ///
    /// # Errors
    ///
    /// [`RunError::Stopped`] if `stop()` was called first, [`RunError::Loop`] if the loop cannot
    /// run (it is closed, or a loop is running in this thread) or cannot go on, [`RunError::Deadlock`] on
    /// virtual time when nothing is left that could wake a task, and [`RunError::Task`] if it ended without
    /// a value.
    ///
    /// # Differences from asyncio
    ///
    /// A panic of the future is an error here, [`TaskError::Panicked`](crate::TaskError::Panicked); the
    /// [`resume`](ouroloop_core::PanicPayload::resume) of its payload lets it go on. When something else ends the run, the stop that
    /// was queued for it does not end the next one.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{LoopTasks, RunError, new_event_loop};
    ///
    /// let event_loop = new_event_loop()?;
    /// assert_eq!(event_loop.run_until_complete(async { 6 * 7 })?, 42);
    ///
    /// let stopper = event_loop.downgrade();
    /// event_loop.call_soon(move || stopper.stop())?;
    /// let stopped = event_loop.run_until_complete(std::future::pending::<()>());
    /// assert!(matches!(stopped, Err(RunError::Stopped)));
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    fn run_until_complete<A: IntoTask<Output: 'static>>(
        &self,
        awaitable: A,
    ) -> Result<A::Output, RunError>;

    /// Gives the tasks of this loop that are not done, oldest first; none once it is closed.
    fn all_tasks(&self) -> Vec<TaskRef>;

    /// Gives who waits for what at this moment, for when a program hangs: see [`WaitGraph`], which has an
    /// example.
    fn wait_graph(&self) -> WaitGraph;

    /// Installs what sees the options of each task before it is made; `None` removes it.
    ///
    /// [`eager_task_factory`](crate::eager_task_factory) has an example.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] once the loop is closed.
    fn set_task_factory(&self, factory: Option<TaskFactory>) -> Result<(), LoopError>;
}

impl LoopTasks for LoopRef {
    #[track_caller]
    fn create_task<F>(&self, future: F) -> Result<Task<F::Output>, LoopError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.create_task_with(TaskBuilder::new(), future)
    }

    #[track_caller]
    fn create_task_with<F>(
        &self,
        options: TaskBuilder,
        future: F,
    ) -> Result<Task<F::Output>, LoopError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        options.make::<F, Plainly>(Tasks::of(self)?, future, Location::caller())
    }

    #[track_caller]
    fn create_future<T: 'static>(&self) -> Result<Promise<T>, LoopError> {
        let tasks = Tasks::of(self)?;
        Ok(Promise::in_tasks(tasks, About::Itself, Location::caller()))
    }

    #[track_caller]
    fn create_delegating_future<T: 'static>(
        &self,
        delegate: Rc<dyn Delegate>,
    ) -> Result<Promise<T>, LoopError> {
        let (tasks, about) = (Tasks::of(self)?, About::Delegate(delegate));
        Ok(Promise::in_tasks(tasks, about, Location::caller()))
    }

    #[track_caller]
    fn run_until_complete<A: IntoTask<Output: 'static>>(
        &self,
        awaitable: A,
    ) -> Result<A::Output, RunError> {
        // Before a task is made of it: a run that is refused leaves nothing behind.
        self.check_runnable()?;
        let eventual = awaitable.into_own_task_on(self)?;
        let future = eventual.as_future_ref();
        // A stop that was queued when something else ended the run must not end the next one.
        let waiting = Rc::new(Cell::new(true));
        let stopper = future.add_done_callback_in(None, {
            let (event_loop, waiting) = (self.clone(), waiting.clone());
            move |_| {
                if waiting.get() {
                    event_loop.stop();
                }
            }
        });
        let ran = self.run_forever();
        waiting.set(false);
        future.remove_done_callback(stopper);
        ran.map_err(|error| match error {
            LoopError::Deadlock { now, .. } => RunError::Deadlock {
                now,
                graph: Box::new(self.wait_graph()),
            },
            error => error.into(),
        })?;
        if !future.done() {
            return Err(RunError::Stopped);
        }
        Ok(eventual.take()?)
    }

    fn all_tasks(&self) -> Vec<TaskRef> {
        match Tasks::of(self) {
            Ok(tasks) => tasks.all().into_iter().map(TaskRef).collect(),
            Err(_) => Vec::new(),
        }
    }

    fn wait_graph(&self) -> WaitGraph {
        match Tasks::of(self) {
            Ok(tasks) => WaitGraph::of(&tasks),
            Err(_) => WaitGraph::default(),
        }
    }

    fn set_task_factory(&self, factory: Option<TaskFactory>) -> Result<(), LoopError> {
        Tasks::of(self)?.set_factory(factory);
        Ok(())
    }
}

/// Makes a promise of the running loop: asyncio's `loop.create_future()`.
///
/// # Panics
///
/// If no loop is running in this thread; [`LoopTasks::create_future`] gives an error instead.
///
/// # Examples
///
/// ```
/// use ouroloop::{create_future, get_running_loop};
/// use std::time::Duration;
///
/// ouroloop::run(async {
///     let promise = create_future();
///     let setter = promise.clone();
///     let event_loop = get_running_loop().unwrap();
///     event_loop
///         .call_later(Duration::from_millis(1), move || drop(setter.set_result("ding")))
///         .unwrap();
///     assert_eq!((&promise).await.unwrap(), &"ding");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[doc(alias = "Future")]
#[track_caller]
pub fn create_future<T: 'static>() -> Promise<T> {
    let tasks = running_tasks("create_future", ", or use `create_future()` of the loop");
    Promise::in_tasks(tasks, About::Itself, Location::caller())
}

/// Makes a promise of the running loop that stands for `resource`, which a wait graph names instead.
///
/// For those who build combinators.
///
/// # Panics
///
/// If no loop is running in this thread.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::{Resource, ResourceState, create_future_of};
/// use ouroloop::{LoopTasks, bare_yield, create_task, get_running_loop};
/// use std::rc::Rc;
///
/// struct Printer;
///
/// impl Resource for Printer {
///     fn state(&self) -> ResourceState {
///         ResourceState::new("Printer", None).detail("out of paper")
///     }
/// }
///
/// ouroloop::run(async {
///     let page = create_future_of::<()>(Rc::new(Printer));
///     let reader = create_task(page.future().into_future());
///     bare_yield().await;
///     let graph = get_running_loop().unwrap().wait_graph();
///     assert!(graph.to_string().contains("waits for Printer (out of paper)"), "{graph}");
///     reader.cancel();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn create_future_of<T: 'static>(resource: Rc<dyn Resource>) -> Promise<T> {
    let about = About::Resource(resource);
    let tasks = running_tasks("create_future_of", "");
    Promise::in_tasks(tasks, about, Location::caller())
}

/// The tasks of the running loop, for who begins to wait for something by a function that the user may not know.
#[track_caller]
#[inline]
pub(crate) fn running_tasks_to_wait(resource: &dyn Resource) -> Rc<Tasks> {
    #[track_caller]
    #[cold]
    fn no_loop(resource: &dyn Resource) -> ! {
        let kind = resource.state().kind;
        panic!(
            "waiting for {kind}: no running event loop; await it in a task of a loop, as in `ouroloop::run(async {{ .. }})`"
        )
    }
    match Tasks::running() {
        Some(tasks) => tasks,
        None => no_loop(resource),
    }
}

/// The tasks of the running loop, for those functions that need one; `or` says what else there is.
#[track_caller]
#[inline]
pub(crate) fn running_tasks(function: &str, or: &str) -> Rc<Tasks> {
    #[track_caller]
    #[cold]
    #[inline(never)]
    fn no_loop(function: &str, or: &str) -> ! {
        panic!("{function}: no running event loop: call it from a task or a callback of a loop{or}")
    }
    match Tasks::running() {
        Some(tasks) => tasks,
        None => no_loop(function, or),
    }
}
