//! How tasks are made: `create_task`, its options, and the task factory.

use std::error::Error;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;

use ouroloop_core::{Context, LoopError, running_loop_id, snapshot_context};

use crate::event_loop::running_tasks;
use crate::header::{TaskCellRef, UNREPORTED};
use crate::task::Task;
use crate::task_cell::{Conclude, Fallibly, Plainly, TaskCell};
use crate::tasks::{Tasks, too_many_tasks};

/// Schedules `future` as a task of the running loop: asyncio's `create_task`.
///
/// The task runs in a copy of the current context, and goes on when the handle is dropped.
/// [`TaskBuilder`] gives it a name or other options.
///
/// # Ordering
///
/// Its first step is queued: it runs in the next iteration, after what was scheduled before.
///
/// # Panics
///
/// If no loop is running in this thread, or it holds 16,777,215 tasks and scopes;
/// [`LoopTasks::create_task`](crate::LoopTasks::create_task) gives an error instead.
///
/// # Differences from asyncio
///
/// The loop keeps the task alive, so it needs no reference to go on. A future's `Err` is a value like any
/// other, so a task that nobody awaits loses it without a word. [`TaskBuilder::fallible`] makes a task whose
/// `Err` is an error: it is reported if nobody ever looks at it. A panic is always reported.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, create_task};
///
/// #[ouroloop::main]
/// async fn main() -> Result<(), TaskError> {
///     let task = create_task(async { "from a task" });
///     println!("scheduled, not run yet");
///     assert_eq!(task.await?, "from a task");
///     Ok(())
/// }
/// ```
///
/// A task outlives the function that made it, so the future must own what it uses:
///
/// ```compile_fail
/// # ouroloop::run(async {
/// let text = String::from("short-lived");
/// let task = ouroloop::create_task(async { text.len() }); // `async move` takes it along
/// # });
/// ```
#[doc(alias = "ensure_future")]
#[track_caller]
pub fn create_task<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let tasks = running_tasks("create_task", OR_ON_THE_LOOP);
    match make_plain(tasks, future, Location::caller()) {
        Ok(task) => task,
        Err(error) => panic!("create_task: {error}"),
    }
}

const OR_ON_THE_LOOP: &str = ", or use `create_task(..)` of the loop";

/// The options of a task: its name, its context, whether it starts at once, and whether its
/// `Err` is an error. asyncio's keyword arguments of `create_task`.
///
/// # Examples
///
/// ```
/// use ouroloop::TaskBuilder;
///
/// ouroloop::run(async {
///     let task = TaskBuilder::new().name("poller").eager_start(true).create_task(async { 7 });
///     assert!(task.done(), "it never had to wait");
///     assert_eq!(&*task.name(), "poller");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TaskBuilder {
    name: Option<Rc<str>>,
    context: Option<Context>,
    eager_start: Option<bool>,
    log_destroyed: Option<bool>,
    created_at: Option<&'static Location<'static>>,
}

/// What [`LoopTasks::set_task_factory`](crate::LoopTasks::set_task_factory) installs: it sees the options of each task before it is
/// made, and may change them.
///
/// # Differences from asyncio
///
/// asyncio's factory makes the task itself.
pub type TaskFactory = Rc<dyn Fn(TaskBuilder) -> TaskBuilder>;

/// Makes a factory of tasks that take their first step at once, if they do not say otherwise: asyncio's
/// `eager_task_factory`.
///
/// # Examples
///
/// ```
/// use ouroloop::{LoopTasks, create_task, eager_task_factory, get_running_loop};
///
/// ouroloop::run(async {
///     get_running_loop().unwrap().set_task_factory(Some(eager_task_factory())).unwrap();
///     assert!(create_task(async {}).done());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub fn eager_task_factory() -> TaskFactory {
    Rc::new(|mut builder| {
        builder.eager_start.get_or_insert(true);
        builder
    })
}

impl TaskBuilder {
    /// Gives the options that `create_task` uses.
    pub fn new() -> TaskBuilder {
        TaskBuilder::default()
    }

    /// Sets its name, instead of `Task-N`.
    #[must_use]
    pub fn name(mut self, name: impl Into<Rc<str>>) -> TaskBuilder {
        self.name = Some(name.into());
        self
    }

    /// Sets the context to run in, shared with whoever has it, instead of a copy of the current one.
    #[must_use]
    pub fn context(mut self, context: Context) -> TaskBuilder {
        self.context = Some(context);
        self
    }

    /// Sets whether the first step is taken now, within `create_task`, if the loop is running in this thread.
    ///
    /// A task that never has to wait is then done when `create_task` returns.
    #[must_use]
    pub fn eager_start(mut self, eager: bool) -> TaskBuilder {
        self.eager_start = Some(eager);
        self
    }

    /// Sets whether the loop's exception handler hears of the task if the loop is closed while the task is
    /// pending; true unless told otherwise.
    #[must_use]
    pub fn log_destroyed(mut self, log: bool) -> TaskBuilder {
        self.log_destroyed = Some(log);
        self
    }

    /// Sets the place where it was made, instead of the caller of `create_task`: for those who make tasks in the name of
    /// others.
    #[must_use]
    pub fn created_at(mut self, place: &'static Location<'static>) -> TaskBuilder {
        self.created_at = Some(place);
        self
    }

    /// Gives the same options for a task whose `Err` is its error.
    ///
    /// The task's value is then that of `Ok`, all who wait share the error as
    /// [`TaskError::Failed`](crate::TaskError::Failed), it wins over a cancellation that was not delivered, and
    /// it goes to the loop's exception handler if nobody ever looks at it.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::TaskBuilder;
    /// use std::io;
    ///
    /// ouroloop::run(async {
    ///     let fails = async { Err::<u32, _>(io::Error::from(io::ErrorKind::NotFound)) };
    ///     let task = TaskBuilder::new().fallible().create_task(fails);
    ///     let error = task.await.unwrap_err();
    ///     assert!(error.downcast_ref::<io::Error>().is_some());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn fallible(self) -> FallibleBuilder {
        FallibleBuilder(self)
    }

    /// Makes the task in the running loop.
    ///
    /// # Ordering
    ///
    /// Its first step is queued, or taken now: see [`eager_start`](TaskBuilder::eager_start).
    ///
    /// # Panics
    ///
    /// If no loop is running in this thread, or it holds 16,777,215 tasks and scopes;
    /// [`LoopTasks::create_task_with`](crate::LoopTasks::create_task_with) gives an error instead.
    #[track_caller]
    pub fn create_task<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let tasks = running_tasks("create_task", OR_ON_THE_LOOP);
        match self.make::<F, Plainly>(tasks, future, Location::caller()) {
            Ok(task) => task,
            Err(error) => panic!("create_task: {error}"),
        }
    }

    pub(crate) fn make<F, C>(
        mut self,
        tasks: Rc<Tasks>,
        future: F,
        created_at: &'static Location<'static>,
    ) -> Result<Task<C::Value>, LoopError>
    where
        F: Future + 'static,
        C: Conclude<F::Output> + 'static,
    {
        if let Some(factory) = tasks.factory() {
            self = factory(self);
        }
        let context = self.context.or_else(snapshot_context);
        let created_at = self.created_at.unwrap_or(created_at);
        let eager = self.eager_start == Some(true) && running_loop_id() == Some(tasks.id());
        let cell = make_cell::<F, C>(tasks, future, context, created_at, !eager)?;
        if let Some(name) = self.name {
            cell.info().set_name(name);
        }
        if self.log_destroyed == Some(false) {
            cell.set(UNREPORTED);
        }
        if eager {
            let (tasks, root) = (cell.tasks(), cell.info().root.get());
            tasks.nested(|| tasks.step(root));
        }
        // SAFETY: the value of such a task is what `C` concludes, and this is its first handle.
        Ok(unsafe { Task::new(cell.into_cell()) })
    }
}

/// Makes a task as it is without options.
#[inline]
fn make_plain<F>(
    tasks: Rc<Tasks>,
    future: F,
    created_at: &'static Location<'static>,
) -> Result<Task<F::Output>, LoopError>
where
    F: Future + 'static,
{
    if tasks.has_factory() {
        return TaskBuilder::new().make::<F, Plainly>(tasks, future, created_at);
    }
    let cell = make_cell::<F, Plainly>(tasks, future, snapshot_context(), created_at, true)?;
    // SAFETY: the value of such a task is the output of its future, and this is its first handle.
    Ok(unsafe { Task::new(cell.into_cell()) })
}

/// Makes a task, and puts its first step into the ready queue unless it is to start at once.
#[inline]
fn make_cell<F, C>(
    tasks: Rc<Tasks>,
    future: F,
    context: Option<Context>,
    created_at: &'static Location<'static>,
    scheduled: bool,
) -> Result<TaskCellRef, LoopError>
where
    F: Future + 'static,
    C: Conclude<F::Output> + 'static,
{
    if tasks.event_loop.is_closed() {
        return Err(LoopError::Closed);
    }
    let Some((root, record)) = tasks.scopes.try_insert() else {
        return Err(too_many_tasks());
    };
    if scheduled {
        tasks.schedule_step(root);
    }
    record.begin_root(scheduled);
    let cell = TaskCell::<F, C>::make(&tasks, root, future, context, created_at);
    // SAFETY: two pointers were counted, and this is the second.
    let other = unsafe { cell.counted_ref() };
    record.set_cell(other);
    Ok(cell)
}

/// The options of a task that can fail: what [`TaskBuilder::fallible`] gives.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::FallibleBuilder;
/// use ouroloop::TaskBuilder;
///
/// ouroloop::run(async {
///     let checked: FallibleBuilder = TaskBuilder::new().name("checked").fallible();
///     let task = checked.create_task(async { "42".parse::<u32>() });
///     assert_eq!(task.await.unwrap(), 42);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "no task is made before `create_task` is called"]
#[derive(Clone, Debug, Default)]
pub struct FallibleBuilder(TaskBuilder);

impl FallibleBuilder {
    /// Makes the task in the running loop.
    ///
    /// # Panics
    ///
    /// If no loop is running in this thread, or it holds 16,777,215 tasks and scopes.
    #[track_caller]
    pub fn create_task<F, T, E>(self, future: F) -> Task<T>
    where
        F: Future<Output = Result<T, E>> + 'static,
        T: 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let tasks = running_tasks("create_task", OR_ON_THE_LOOP);
        match self
            .0
            .make::<F, Fallibly>(tasks, future, Location::caller())
        {
            Ok(task) => task,
            Err(error) => panic!("create_task: {error}"),
        }
    }
}
