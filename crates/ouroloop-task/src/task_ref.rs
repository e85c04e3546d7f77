//! Untyped references to what can be awaited, and what is known of each task.

use std::panic::Location;
use std::rc::Rc;

use ouroloop_core::{Context, EventLoop, ExceptionContext, LoopRef};

use crate::error::{Cancelled, TaskError};
use crate::header::{CANCELLED, CellRef, TaskCellRef, UNREAD};
use crate::node::{CallbackOf, Node, OtherWake};
use crate::pool::Key;
use crate::task_cell::TaskInfo;

/// Something that somebody can wait for, whatever its value: a task, a promise, a gather.
///
/// [`AsFutureRef::as_future_ref`] makes one. Cloning it gives another reference to the same thing, and two
/// are equal if they refer to the same. It keeps the outcome alive, but nothing running: the loop does that.
///
/// # Examples
///
/// ```
/// use ouroloop::{AsFutureRef, FutureRef, create_future, create_task, sleep};
/// use std::time::Duration;
///
/// ouroloop::run(async {
///     let nap = create_task(sleep(Duration::from_secs(3600)));
///     let answer = create_future::<u32>();
///     let all: [FutureRef; 2] = [nap.as_future_ref(), answer.as_future_ref()];
///     answer.set_result(42).unwrap();
///     assert_eq!(all.iter().filter(|future| future.done()).count(), 1);
///     all.iter().for_each(|future| drop(future.cancel()));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct FutureRef(pub(crate) CellRef);

impl FutureRef {
    pub(crate) fn new(cell: CellRef) -> FutureRef {
        FutureRef(cell)
    }

    /// Asks for its cancellation; false if it is done already.
    ///
    /// A promise is cancelled at once; a gather passes the request on to all that it runs; for a task see
    /// [`Task`](crate::Task).
    pub fn cancel(&self) -> bool {
        self.request(&Cancelled::requested(None))
    }

    /// Asks for its cancellation with a message, which [`Cancelled::message`] shows to what is cancelled.
    pub fn cancel_with(&self, message: impl Into<std::sync::Arc<str>>) -> bool {
        self.request(&Cancelled::requested(Some(message.into())))
    }

    /// Asks for its cancellation on behalf of somebody: for those who build combinators.
    ///
    /// False if it is done already. [`Cancelled::by`] tells what is cancelled who asked.
    pub fn request(&self, cancelled: &Cancelled) -> bool {
        self.0.tasks().cancel(self.0.clone(), cancelled)
    }

    /// Tells whether it has its outcome: a value, an error, or a cancellation.
    pub fn done(&self) -> bool {
        self.0.done()
    }

    /// Tells whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        self.0.has(CANCELLED)
    }

    /// Gives the error that it ended with, a cancellation included; `None` if it is pending or has a
    /// value.
    ///
    /// Asking counts as having looked at the error. The errors of a task whose values are `Result`s are
    /// values: see [`ended_in_error`](Self::ended_in_error).
    ///
    /// # Differences from asyncio
    ///
    /// A pending one gives `None`, and a cancelled one its cancellation, where asyncio raises
    /// InvalidStateError and CancelledError.
    pub fn exception(&self) -> Option<TaskError> {
        self.0.clear(UNREAD);
        self.0.awaited().error()
    }

    /// Tells whether it ended in an error that is not a cancellation: a panic, an error that was set, or
    /// a value that its maker said is one.
    ///
    /// `wait` stops at these for `FIRST_EXCEPTION`.
    pub fn ended_in_error(&self) -> bool {
        self.done() && !self.cancelled() && self.0.awaited().ended_in_error()
    }

    /// Says that its error, if it has one, needs no report as never retrieved.
    pub fn mark_retrieved(&self) {
        self.0.clear(UNREAD);
    }

    /// Calls `callback` through the loop once this is done.
    ///
    /// The callback runs in the context that is current now. A panic in it goes to the loop's
    /// exception handler. If the loop is closed before, the callback is dropped uncalled.
    ///
    /// # Ordering
    ///
    /// In the iteration after the end, among the callbacks and awaits of this thing in the order in
    /// which they asked. If it is done already, the callback is queued now.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{AsFutureRef, bare_yield, create_future};
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// ouroloop::run(async {
    ///     let promise = create_future();
    ///     let called = Rc::new(Cell::new(false));
    ///     promise.as_future_ref().add_done_callback({
    ///         let called = called.clone();
    ///         move |future| called.set(future.done())
    ///     });
    ///     promise.set_result(42).unwrap();
    ///     assert!(!called.get(), "never inside of `set_result`");
    ///     bare_yield().await;
    ///     assert!(called.get());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn add_done_callback(&self, callback: impl FnOnce(&FutureRef) + 'static) -> CallbackId {
        self.add_done_callback_in(ouroloop_core::snapshot_context(), callback)
    }

    /// Calls `callback` once this is done, as [`add_done_callback`](Self::add_done_callback) does, in the
    /// context given: asyncio's `context` argument.
    ///
    /// `None` is the empty context.
    #[track_caller]
    pub fn add_done_callback_in(
        &self,
        context: Option<Context>,
        callback: impl FnOnce(&FutureRef) + 'static,
    ) -> CallbackId {
        let (cell, tasks) = (&self.0, self.0.tasks());
        let callback = OtherWake::Callback(Box::new(CallbackOf {
            run: callback,
            context,
            created_at: Location::caller(),
        }));
        if cell.done() || tasks.event_loop.is_closed() {
            tasks.tell(callback, Some(cell));
            return CallbackId {
                node: Key::NONE,
                owner: 0,
            };
        }
        let (key, node) = tasks.nodes.insert();
        node.begin_own();
        node.tell_other(callback);
        tasks.nodes.link(&cell.told, key.index(), node);
        CallbackId {
            node: key,
            owner: self.address(),
        }
    }

    /// Removes a callback that was not queued yet, and gives how many were removed: 0 or 1.
    ///
    /// # Differences from asyncio
    ///
    /// asyncio removes all that are equal to the one given. Here each registration has its own
    /// name.
    pub fn remove_done_callback(&self, id: CallbackId) -> usize {
        let nodes = &self.0.tasks().nodes;
        let is_it = |node: &&Node| id.owner == self.address() && !node.fired();
        let Some(node) = nodes.get(id.node).filter(is_it) else {
            return 0;
        };
        nodes.unlink(&self.0.told, node);
        nodes.end(id.node, node);
        1
    }

    /// Tells whether this is a reference to the very same thing: Python's `is`.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{AsFutureRef, create_task};
    ///
    /// ouroloop::run(async {
    ///     let (one, two) = (create_task(async {}), create_task(async {}));
    ///     let done = one.as_future_ref();
    ///     assert!(done.is(&one) && !done.is(&two));
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn is(&self, other: &impl AsFutureRef) -> bool {
        *self == other.as_future_ref()
    }

    /// Gives the loop that it belongs to: asyncio's `get_loop`.
    #[doc(alias = "get_loop")]
    pub fn event_loop(&self) -> EventLoop {
        self.0.tasks().event_loop.handle()
    }

    /// Gives the key of the task, if it is one, for [`ResourceState::tasks`](crate::ResourceState::tasks).
    pub fn task_key(&self) -> Option<u64> {
        let id = self.task_id()?;
        Some(self.0.tasks().key_of(id))
    }

    /// The error with which an await of it in `event_loop` ends at once, if it does: it is pending, and
    /// of another loop or of one that is closed. For those who build combinators.
    pub fn misuse_on(&self, event_loop: &LoopRef) -> Option<TaskError> {
        let tasks = self.0.tasks();
        if self.0.done() {
            return None;
        }
        if tasks.is_closed() {
            return Some(TaskError::LoopClosed);
        }
        let same = tasks.event_loop.same_loop(event_loop);
        (!same).then_some(TaskError::WrongLoop)
    }

    fn address(&self) -> usize {
        self.0.address()
    }

    /// Gives the number of the task, if it is one: [`TaskRef::id`].
    pub fn task_id(&self) -> Option<u64> {
        self.0.task().map(|info| info.id)
    }

    /// Gives the name of the task, if it is one: [`TaskRef::name`].
    #[doc(alias = "get_name")]
    pub fn task_name(&self) -> Option<Rc<str>> {
        self.0.task().map(TaskInfo::name)
    }
}

impl PartialEq for FutureRef {
    fn eq(&self, other: &FutureRef) -> bool {
        self.0.is(&other.0)
    }
}

impl Eq for FutureRef {}

impl std::hash::Hash for FutureRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.address().hash(state);
    }
}

impl std::fmt::Debug for FutureRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match (self.done(), self.0.awaited().error()) {
            (false, _) => "pending".to_owned(),
            (true, Some(error)) => format!("error: {error}"),
            (true, None) => "finished".to_owned(),
        };
        match self.0.task() {
            Some(info) => {
                write!(
                    f,
                    "<{} created at {}, {state}>",
                    info.describe(),
                    info.created_at
                )
            }
            None => {
                let what = self.0.awaited().state();
                match what.created_at {
                    Some(place) => write!(f, "<{} created at {place}, {state}>", what.kind),
                    None => write!(f, "<{}, {state}>", what.kind),
                }
            }
        }
    }
}

/// The name of a registered done-callback, by which
/// [`remove_done_callback`](FutureRef::remove_done_callback) finds it.
///
/// # Examples
///
/// ```
/// use ouroloop::{CallbackId, bare_yield, create_future};
///
/// ouroloop::run(async {
///     let promise = create_future();
///     let id: CallbackId = promise.add_done_callback(|_| unreachable!());
///     assert_eq!(promise.remove_done_callback(id), 1);
///     assert_eq!(promise.remove_done_callback(id), 0);
///     promise.set_result(()).unwrap();
///     bare_yield().await;
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CallbackId {
    node: Key,
    /// A node that is alive has an owner that is, so its address is its own.
    owner: usize,
}

/// A task, whatever its value: what [`current_task`](crate::current_task) and
/// [`all_tasks`](crate::all_tasks) give out, and what [`Task`](crate::Task) dereferences to.
///
/// It can be cloned and compared, cancelled and asked, but not awaited: that is what the `Task` is for.
///
/// # Examples
///
/// ```
/// use ouroloop::{all_tasks, create_task, current_task, sleep};
/// use std::time::Duration;
///
/// ouroloop::run(async {
///     create_task(sleep(Duration::from_secs(3600))).set_name("nap");
///     let this = current_task().unwrap();
///     for task in all_tasks().into_iter().filter(|task| *task != this) {
///         assert_eq!(&*task.name(), "nap");
///         task.cancel();
///     }
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct TaskRef(pub(crate) TaskCellRef);

impl TaskRef {
    /// Asks for the task's cancellation; false if it is done already.
    ///
    /// # Cancellation
    ///
    /// What the task waits for is asked first; if nothing accepts, the request is delivered at the task's
    /// next step. Either way the task unwinds, in a later iteration, to its nearest
    /// [`catch_cancelled`](crate::catch_cancelled), which may swallow the request. So true
    /// means that the request was made, not that the task ends cancelled. Each call
    /// counts: see [`cancelling`](TaskRef::cancelling).
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{bare_yield, create_task, sleep};
    /// use std::time::Duration;
    ///
    /// ouroloop::run(async {
    ///     let task = create_task(sleep(Duration::from_secs(3600)));
    ///     bare_yield().await;
    ///     assert!(task.cancel());
    ///     assert!(!task.done(), "it ends at its next step");
    ///     assert!(task.await.unwrap_err().is_cancelled());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.as_future_ref().cancel()
    }

    /// Asks for the task's cancellation with a message, which [`Cancelled::message`] shows to the task and to
    /// those who await it.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{TaskError, create_task, sleep};
    /// use std::time::Duration;
    ///
    /// ouroloop::run(async {
    ///     let task = create_task(sleep(Duration::from_secs(3600)));
    ///     task.cancel_with("closing time");
    ///     match task.await {
    ///         Err(TaskError::Cancelled(why)) => assert_eq!(why.message(), Some("closing time")),
    ///         other => panic!("{other:?}"),
    ///     }
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn cancel_with(&self, message: impl Into<std::sync::Arc<str>>) -> bool {
        self.as_future_ref().cancel_with(message)
    }

    /// Counts the requests to cancel that the task has had, less those that were taken back.
    ///
    /// Asked by the task itself, it counts those that concern the code that asks: of the task as a
    /// whole, and of the timeouts and groups around the call, but not of those in other branches
    /// of a `join!`.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{catch_cancelled, create_task, current_task};
    /// use std::future::pending;
    ///
    /// ouroloop::run(async {
    ///     let task = create_task(async {
    ///         let this = current_task().unwrap();
    ///         catch_cancelled(pending::<()>()).await.unwrap_err();
    ///         assert_eq!(this.cancelling(), 1); // caught, but it still counts
    ///         assert_eq!(this.uncancel(), 0);
    ///     });
    ///     ouroloop::bare_yield().await;
    ///     task.cancel();
    ///     task.await.unwrap();
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn cancelling(&self) -> u32 {
        let info = self.0.info();
        match self.0.done() {
            true => info.last_count(),
            false => self.tasks().cancelling(info.root.get()),
        }
    }

    /// Takes one request to cancel back, and gives the number left.
    ///
    /// At none left, a request that was not delivered yet is forgotten; what was delivered stays so. Code
    /// that swallows a cancellation for good calls this, so that a timeout or group around it knows;
    /// [`cancelling`](TaskRef::cancelling) has an example.
    pub fn uncancel(&self) -> u32 {
        let info = self.0.info();
        if self.0.done() {
            let left = info.last_count().saturating_sub(1);
            info.set_last_count(left);
            return left;
        }
        self.tasks().uncancel(info.root.get())
    }

    /// Delivers a request to cancel once more that was caught and still counts; false if nothing counts.
    ///
    /// For those who build groups, which let an error win over a cancellation. The next await that suspends is
    /// hit, and the counts stay as they are.
    pub fn redeliver(&self) -> bool {
        let root = self.0.info().root.get();
        !self.done() && self.tasks().redeliver(root, &Cancelled::requested(None))
    }

    /// Tells whether the task is done: it has a value, an error, or was cancelled.
    pub fn done(&self) -> bool {
        self.0.done()
    }

    /// Tells whether the task ended cancelled.
    pub fn cancelled(&self) -> bool {
        self.0.has(CANCELLED)
    }

    /// Gives the number of the task: 1 for the first of its loop, and never used again there.
    pub fn id(&self) -> u64 {
        self.0.info().id
    }

    /// Gives its name; `Task-N` by its number unless it was given one. asyncio's `get_name`.
    #[doc(alias = "get_name")]
    pub fn name(&self) -> Rc<str> {
        self.0.info().name()
    }

    /// Gives it another name.
    pub fn set_name(&self, name: impl Into<Rc<str>>) {
        self.0.info().set_name(name.into());
    }

    /// Gives the place where it was made: the caller of `create_task`.
    pub fn created_at(&self) -> &'static Location<'static> {
        self.0.info().created_at
    }

    /// Gives the context that it runs in, as it is between two of its steps: asyncio's `get_context`.
    ///
    /// `None` if nothing was ever set in it, and while it runs.
    #[doc(alias = "get_context")]
    pub fn context(&self) -> Option<Context> {
        let cell = &self.0.info().context;
        let context = cell.take();
        cell.set(context.clone());
        context
    }

    /// Calls `callback` through the loop once the task is done: see
    /// [`FutureRef::add_done_callback`] for when.
    #[track_caller]
    pub fn add_done_callback(&self, callback: impl FnOnce(&FutureRef) + 'static) -> CallbackId {
        self.as_future_ref().add_done_callback(callback)
    }

    /// Gives the task as something to wait for, among others that are no tasks.
    pub fn as_future_ref(&self) -> FutureRef {
        FutureRef(CellRef::clone(&self.0))
    }

    /// Reports the error that the task ended with to the loop's exception handler, which is called in the
    /// context of the task: for those who run tasks that nobody awaits.
    ///
    /// Nothing happens if it has no error, or was cancelled. It counts as having looked at the error. An `Err`
    /// is an error if the task was told so, and is told of without its text.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{create_task, get_running_loop, bare_yield};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// ouroloop::run(async {
    ///     let reports = Rc::new(RefCell::new(Vec::new()));
    ///     let keep = reports.clone();
    ///     get_running_loop().unwrap().set_exception_handler(Some(Rc::new(move |_, report| {
    ///         keep.borrow_mut().push(report.message().to_owned());
    ///     })));
    ///     let task = create_task(async { panic!("out of paper") });
    ///     bare_yield().await;
    ///     task.report_exception("the printer failed");
    ///     drop(task); // reported, and not once more
    ///     assert_eq!(*reports.borrow(), ["the printer failed"]);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn report_exception(&self, message: impl Into<String>) {
        let future = self.as_future_ref();
        if !future.ended_in_error() {
            return;
        }
        let report = ExceptionContext::new(message);
        let report = match future.exception() {
            Some(error) => error.describe_in(report),
            None => report,
        };
        self.tasks().report(report, self.0.info());
    }

    pub(crate) fn tasks(&self) -> &crate::tasks::Tasks {
        self.0.tasks()
    }
}

impl PartialEq for TaskRef {
    fn eq(&self, other: &TaskRef) -> bool {
        self.0.is(&other.0)
    }
}

impl Eq for TaskRef {}

impl std::fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_future_ref().fmt(f)
    }
}

/// What has a [`FutureRef`]: a task, a promise, a gather, or a reference to one.
///
/// The functions that take several things of one kind or of many, as `wait` does, take these.
///
/// # Examples
///
/// ```
/// use ouroloop::{AsFutureRef, create_future, create_task};
///
/// fn pending(what: &[&dyn AsFutureRef]) -> usize {
///     what.iter().filter(|it| !it.as_future_ref().done()).count()
/// }
///
/// ouroloop::run(async {
///     let (task, promise) = (create_task(async {}), create_future::<u32>());
///     assert_eq!(pending(&[&task, &promise]), 2);
///     task.await.unwrap();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a task nor a promise",
    note = "a coroutine has no handle yet: make one with `create_task(...)`, and pass the task or `&task`"
)]
pub trait AsFutureRef {
    /// Gives a reference to it that does not know its type.
    fn as_future_ref(&self) -> FutureRef;
}

impl AsFutureRef for FutureRef {
    fn as_future_ref(&self) -> FutureRef {
        self.clone()
    }
}

impl AsFutureRef for TaskRef {
    fn as_future_ref(&self) -> FutureRef {
        TaskRef::as_future_ref(self)
    }
}

impl<T: AsFutureRef + ?Sized> AsFutureRef for &T {
    fn as_future_ref(&self) -> FutureRef {
        (**self).as_future_ref()
    }
}

impl<T: AsFutureRef + ?Sized> AsFutureRef for Rc<T> {
    fn as_future_ref(&self) -> FutureRef {
        (**self).as_future_ref()
    }
}
