//! How tasks are made: `create_task`, its options, and the task factory.

use std::error::Error;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;

use ouroloop_core::{Context, LoopError, snapshot_context};

use crate::event_loop::running_tasks;
use crate::header::Header;
use crate::task::Task;
use crate::task_cell::{Conclude, Fallibly, Plainly, TaskCell, TaskObject};
use crate::task_ref::TaskInfo;
use crate::tasks::Tasks;

/// Schedules `future` as a task of the running loop.
///
/// # Ordering
///
/// Its first step is queued: it runs in the next iteration, after what was scheduled before.
///
/// # Differences from asyncio
///
/// A future's `Err` is a value like any other, so a task that nobody awaits loses it without a
/// word. [`TaskBuilder::fallible`] makes a task whose `Err` is an error: it is reported if nobody
/// ever looks at it. A panic is always reported.
///
/// # Panics
///
/// If no loop is running in this thread; [`LoopTasks::create_task`](crate::LoopTasks::create_task)
/// gives an error instead.
///
/// # Examples
///
/// ```
/// use ouroloop_core::new_event_loop;
/// use ouroloop_task::{create_task, LoopTasks};
///
/// let event_loop = new_event_loop()?;
/// let answer = event_loop.run_until_complete(async {
///     create_task(async { "from a task" }).await
/// })??;
/// assert_eq!(answer, "from a task");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn create_task<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    TaskBuilder::new().create_task(future)
}

/// The options of a task: its name, its context, whether it starts at once, and whether its
/// `Err` is an error.
///
/// # Examples
///
/// ```
/// use ouroloop_core::new_event_loop;
/// use ouroloop_task::{LoopTasks, TaskBuilder};
///
/// let event_loop = new_event_loop()?;
/// event_loop.run_until_complete(async {
///     let task = TaskBuilder::new().name("poller").eager_start(true).create_task(async { 7 });
///     assert!(task.done(), "it never had to wait");
///     assert_eq!(&*task.name(), "poller");
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TaskBuilder {
    name: Option<Rc<str>>,
    context: Option<Context>,
    eager_start: Option<bool>,
    log_destroyed: Option<bool>,
}

/// What [`LoopTasks::set_task_factory`](crate::LoopTasks::set_task_factory) installs: it sees the options of each task before it is
/// made, and may change them.
pub type TaskFactory = Rc<dyn Fn(TaskBuilder) -> TaskBuilder>;

/// asyncio's `eager_task_factory`: tasks that do not say otherwise take their first step at once.
pub fn eager_task_factory() -> TaskFactory {
    Rc::new(|mut builder| {
        builder.eager_start.get_or_insert(true);
        builder
    })
}

impl TaskBuilder {
    /// The options that `create_task` uses.
    pub fn new() -> TaskBuilder {
        TaskBuilder::default()
    }

    /// Its name, instead of `Task-N`.
    #[must_use]
    pub fn name(mut self, name: impl Into<Rc<str>>) -> TaskBuilder {
        self.name = Some(name.into());
        self
    }

    /// The context to run in, shared with whoever has it, instead of a copy of the current one.
    #[must_use]
    pub fn context(mut self, context: Context) -> TaskBuilder {
        self.context = Some(context);
        self
    }

    /// Whether the first step is taken now, within `create_task`, as far as the loop is running.
    /// A task that never has to wait is then done when `create_task` returns.
    #[must_use]
    pub fn eager_start(mut self, eager: bool) -> TaskBuilder {
        self.eager_start = Some(eager);
        self
    }

    /// Whether the loop reports the task if it is closed while the task is pending; true unless
    /// told otherwise.
    #[must_use]
    pub fn log_destroyed(mut self, log: bool) -> TaskBuilder {
        self.log_destroyed = Some(log);
        self
    }

    /// The same options for a task whose `Err` is its error: the task's value is then that of
    /// `Ok`, all who wait share the error as [`TaskError::Failed`](crate::TaskError::Failed), it wins over a
    /// cancellation that was not delivered, and it is reported if nobody ever looks at it.
    pub fn fallible(self) -> FallibleBuilder {
        FallibleBuilder(self)
    }

    /// Makes the task in the running loop.
    ///
    /// # Panics
    ///
    /// If no loop is running in this thread.
    #[track_caller]
    pub fn create_task<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match self.make::<F, Plainly>(&running_tasks(), future, Location::caller()) {
            Ok(task) => task,
            Err(error) => panic!("create_task: {error}"),
        }
    }

    pub(crate) fn make<F, C>(
        mut self,
        tasks: &Rc<Tasks>,
        future: F,
        created_at: &'static Location<'static>,
    ) -> Result<Task<C::Value>, LoopError>
    where
        F: Future + 'static,
        C: Conclude<F::Output> + 'static,
    {
        if tasks.is_closed() {
            return Err(LoopError::Closed);
        }
        let factory = tasks.factory.borrow().clone();
        if let Some(factory) = factory {
            self = factory(self);
        }
        let info = TaskInfo::new(
            tasks.next_id(),
            self.name,
            self.context.or_else(snapshot_context),
            created_at,
        );
        info.log_destroyed.set(self.log_destroyed.unwrap_or(true));
        let cell = Rc::new(TaskCell::<F, C>::new(
            future,
            Header::new(tasks.clone()),
            info,
        ));
        let object: Rc<dyn TaskObject> = cell.clone();
        let root = tasks.add(&object)?;
        drop(object);
        let eager = self.eager_start.unwrap_or(false)
            && ouroloop_core::running_loop_id() == Some(tasks.event_loop.id());
        if eager {
            tasks.step(root);
        } else {
            tasks.wake(root);
        }
        Ok(Task::new(cell))
    }
}

/// The options of a task that can fail: see [`TaskBuilder::fallible`].
#[derive(Clone, Debug, Default)]
pub struct FallibleBuilder(TaskBuilder);

impl FallibleBuilder {
    /// Makes the task in the running loop.
    ///
    /// # Panics
    ///
    /// If no loop is running in this thread.
    #[track_caller]
    pub fn create_task<F, T, E>(self, future: F) -> Task<T>
    where
        F: Future<Output = Result<T, E>> + 'static,
        T: 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        match self
            .0
            .make::<F, Fallibly>(&running_tasks(), future, Location::caller())
        {
            Ok(task) => task,
            Err(error) => panic!("create_task: {error}"),
        }
    }
}
