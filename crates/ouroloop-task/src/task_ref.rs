//! Untyped references to what can be awaited, and what is known of each task.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;

use ouroloop_core::{Context, EventLoop};

use crate::arena::Key;
use crate::error::{Cancelled, TaskError};
use crate::header::{Awaited, CANCELLED, UNREAD};
use crate::node::{Callback, Node, Target, Wake};
use crate::task_cell::TaskObject;

/// What is known of a task beside its future.
pub(crate) struct TaskInfo {
    pub(crate) id: u64,
    pub(crate) name: RefCell<Option<Rc<str>>>,
    pub(crate) root: Cell<Key>,
    pub(crate) created_at: &'static Location<'static>,
    pub(crate) context: Cell<Option<Context>>,
    /// The requests to cancel that were left when it ended.
    pub(crate) last_count: Cell<u32>,
    /// Whether the loop's close reports it if it is still pending then.
    pub(crate) log_destroyed: Cell<bool>,
}

impl TaskInfo {
    pub(crate) fn new(
        id: u64,
        name: Option<Rc<str>>,
        context: Option<Context>,
        created_at: &'static Location<'static>,
    ) -> TaskInfo {
        TaskInfo {
            id,
            name: RefCell::new(name),
            root: Cell::new(Key::NONE),
            created_at,
            context: Cell::new(context),
            last_count: Cell::new(0),
            log_destroyed: Cell::new(true),
        }
    }

    pub(crate) fn name(&self) -> Rc<str> {
        self.name
            .borrow_mut()
            .get_or_insert_with(|| format!("Task-{}", self.id).into())
            .clone()
    }

    pub(crate) fn describe(&self) -> String {
        format!("task {:?}", self.name())
    }
}

/// Something that somebody can wait for, whatever its value: a task, a promise, a gather.
///
/// Cloning it gives another reference to the same thing, and two are equal if they refer to the
/// same. It keeps the outcome alive, but nothing running: the loop does that.
///
/// # Examples
///
/// ```
/// use ouroloop_core::new_event_loop;
/// use ouroloop_task::{AsFutureRef, LoopTasks};
///
/// let event_loop = new_event_loop()?;
/// let promise = event_loop.create_future::<u32>()?;
/// let future = promise.as_future_ref();
/// assert!(!future.done());
/// promise.set_result(42)?;
/// assert!(future.done() && !future.cancelled());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FutureRef(pub(crate) Rc<dyn Awaited>);

impl FutureRef {
    pub(crate) fn new(awaited: Rc<dyn Awaited>) -> FutureRef {
        FutureRef(awaited)
    }

    /// Asks for its cancellation; false if it is done already.
    ///
    /// See [`Task`](crate::Task) for what then happens to one. A promise is
    /// cancelled at once.
    pub fn cancel(&self) -> bool {
        self.request(&Cancelled::requested(None))
    }

    /// The same, with a message that the first who is cancelled by it sees.
    pub fn cancel_with(&self, message: impl Into<std::sync::Arc<str>>) -> bool {
        self.request(&Cancelled::requested(Some(message.into())))
    }

    /// The same, on behalf of somebody: for those who build combinators.
    pub fn request(&self, cancelled: &Cancelled) -> bool {
        self.0.header().tasks.cancel(self.0.clone(), cancelled)
    }

    /// Whether it has its outcome.
    pub fn done(&self) -> bool {
        self.0.header().done()
    }

    /// Whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        self.0.header().has(CANCELLED)
    }

    /// The error that it ended with, a cancellation included; `None` if it is pending or has a
    /// value. Asking counts as having read the error.
    ///
    /// The errors of a task whose values are `Result`s are values: see
    /// [`ended_in_error`](Self::ended_in_error).
    pub fn exception(&self) -> Option<TaskError> {
        self.0.header().clear(UNREAD);
        self.0.error()
    }

    /// Whether it ended in an error that is not a cancellation: a panic, an error that was set, or
    /// a value that its maker said is one. `wait` stops at these for `FIRST_EXCEPTION`.
    pub fn ended_in_error(&self) -> bool {
        self.done() && !self.cancelled() && self.0.ended_in_error()
    }

    /// Says that its error, if it has one, needs no report.
    pub fn mark_retrieved(&self) {
        self.0.header().clear(UNREAD);
    }

    /// Calls `callback` through the loop once this is done: in the iteration after, and after all
    /// callbacks and awaits that came before, also if it is done already.
    ///
    /// The callback runs in the context that is current now. A panic in it goes to the loop's
    /// exception handler.
    pub fn add_done_callback(&self, callback: impl FnOnce(&FutureRef) + 'static) -> CallbackId {
        self.add_done_callback_in(ouroloop_core::snapshot_context(), callback)
    }

    /// The same in a context that is given.
    pub fn add_done_callback_in(
        &self,
        context: Option<Context>,
        callback: impl FnOnce(&FutureRef) + 'static,
    ) -> CallbackId {
        let header = self.0.header();
        let callback = Callback {
            run: Box::new(callback),
            context,
        };
        if header.done() {
            header.tasks.tell(Wake::Callback(callback), Some(&self.0));
            return CallbackId {
                node: Key::NONE,
                owner: 0,
            };
        }
        let mut nodes = header.tasks.nodes.borrow_mut();
        let key = nodes.insert(Node::new(Target::Itself, Wake::Callback(callback)));
        nodes.link(header, key.index);
        CallbackId {
            node: key,
            owner: self.address(),
        }
    }

    /// Removes a callback that was not queued yet; how many were removed.
    ///
    /// asyncio removes all that are equal to the one given. Here each registration has its own
    /// name, so the answer is 0 or 1.
    pub fn remove_done_callback(&self, id: CallbackId) -> usize {
        let header = self.0.header();
        let mut nodes = header.tasks.nodes.borrow_mut();
        if id.owner != self.address() || nodes.get(id.node).is_none() {
            return 0;
        }
        nodes.unlink(header, id.node.index);
        let removed = nodes.remove(id.node);
        drop(nodes);
        drop(removed);
        1
    }

    /// The loop that it belongs to: asyncio's `get_loop`.
    #[doc(alias = "get_loop")]
    pub fn event_loop(&self) -> EventLoop {
        self.0.header().tasks.event_loop.handle()
    }

    fn address(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }

    /// The number of the task, if it is one: [`TaskRef::id`].
    pub fn task_id(&self) -> Option<u64> {
        self.0.task().map(|info| info.id)
    }

    /// The name, if it is a task.
    pub fn task_name(&self) -> Option<Rc<str>> {
        self.0.task().map(TaskInfo::name)
    }
}

impl PartialEq for FutureRef {
    fn eq(&self, other: &FutureRef) -> bool {
        std::ptr::addr_eq(Rc::as_ptr(&self.0), Rc::as_ptr(&other.0))
    }
}

impl Eq for FutureRef {}

impl std::hash::Hash for FutureRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.0).cast::<()>().hash(state);
    }
}

impl std::fmt::Debug for FutureRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match (self.done(), self.0.error()) {
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
            None => write!(f, "<promise, {state}>"),
        }
    }
}

/// The name of a registered done-callback.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CallbackId {
    node: Key,
    /// A node that is alive has an owner that is, so its address is its own.
    owner: usize,
}

/// A task, whatever its value.
///
/// [`current_task`](crate::current_task) and [`all_tasks`](crate::all_tasks) give it out.
#[derive(Clone)]
pub struct TaskRef(pub(crate) Rc<dyn TaskObject>);

impl TaskRef {
    /// Asks for its cancellation; false if it is done already. See [`Task`](crate::Task).
    pub fn cancel(&self) -> bool {
        self.as_future_ref().cancel()
    }

    /// The same, with a message.
    pub fn cancel_with(&self, message: impl Into<std::sync::Arc<str>>) -> bool {
        self.as_future_ref().cancel_with(message)
    }

    /// How many requests to cancel it has had, less those that were taken back.
    ///
    /// Asked by the task itself, it counts those that concern the code that asks: of the task as a
    /// whole, and of the timeouts and groups around the call, but not of those in other branches
    /// of a `join!`.
    pub fn cancelling(&self) -> u32 {
        let info = self.0.info();
        match self.0.header().done() {
            true => info.last_count.get(),
            false => self.tasks().cancelling(info.root.get()),
        }
    }

    /// Takes one request back and gives the number left; at none, a request that was not delivered
    /// yet is forgotten. What was delivered stays so.
    pub fn uncancel(&self) -> u32 {
        let info = self.0.info();
        if self.0.header().done() {
            let left = info.last_count.get().saturating_sub(1);
            info.last_count.set(left);
            return left;
        }
        self.tasks().uncancel(info.root.get())
    }

    /// Delivers a request to cancel once more that was caught and still counts: for those who build
    /// groups, which let an error win over a cancellation.
    ///
    /// The next await that suspends is hit, and the counts stay as they are. False if nothing
    /// counts.
    pub fn redeliver(&self) -> bool {
        let root = self.0.info().root.get();
        !self.done() && self.tasks().redeliver(root, &Cancelled::requested(None))
    }

    /// Whether it is done.
    pub fn done(&self) -> bool {
        self.0.header().done()
    }

    /// Whether it ended cancelled.
    pub fn cancelled(&self) -> bool {
        self.0.header().has(CANCELLED)
    }

    /// The number of the task: 1 for the first of its loop, and never used again there.
    pub fn id(&self) -> u64 {
        self.0.info().id
    }

    /// Its name; `Task-N` by its number unless it was given one.
    pub fn name(&self) -> Rc<str> {
        self.0.info().name()
    }

    /// Gives it another name.
    pub fn set_name(&self, name: impl Into<Rc<str>>) {
        *self.0.info().name.borrow_mut() = Some(name.into());
    }

    /// Where it was made: the caller of `create_task`.
    pub fn created_at(&self) -> &'static Location<'static> {
        self.0.info().created_at
    }

    /// The context that it runs in, as it is between two of its steps; `None` if nothing was
    /// ever set in it, and while it runs.
    pub fn context(&self) -> Option<Context> {
        let cell = &self.0.info().context;
        let context = cell.take();
        cell.set(context.clone());
        context
    }

    /// Calls `callback` through the loop once the task is done: see
    /// [`FutureRef::add_done_callback`].
    pub fn add_done_callback(&self, callback: impl FnOnce(&FutureRef) + 'static) -> CallbackId {
        self.as_future_ref().add_done_callback(callback)
    }

    /// The task as something to wait for.
    pub fn as_future_ref(&self) -> FutureRef {
        FutureRef(self.0.clone().into_awaited())
    }

    pub(crate) fn tasks(&self) -> &crate::tasks::Tasks {
        &self.0.header().tasks
    }
}

impl PartialEq for TaskRef {
    fn eq(&self, other: &TaskRef) -> bool {
        std::ptr::addr_eq(Rc::as_ptr(&self.0), Rc::as_ptr(&other.0))
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a task nor a promise",
    note = "a coroutine has no handle yet: make one with `create_task(...)`, and pass the task or `&task`"
)]
pub trait AsFutureRef {
    /// A reference to it, without its type.
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
