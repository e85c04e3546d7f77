//! The tasks of one loop: its client, which owns them, steps them and wakes them.
//!
//! # State
//!
//! A task is *scheduled* while its word is in the ready queue, *running* while it is polled, and
//! else it waits. It is scheduled at most once at a time: a wake-up while it runs is remembered
//! (`WOKEN`) and honoured when it suspends, which is the place in the queue that asyncio's bare
//! `yield` gives it. A finished task has no record here, so its stale wake-ups find nothing.
//!
//! # Invariants
//!
//! - No table is borrowed while a user's code runs: a poll, a drop, a wake of a foreign waker.
//! - `current` is the innermost scope that is being polled, and `current_root` the root of its task.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Poll, Waker};

use ouroloop_core::{
    Client, ClientId, ExceptionContext, LoopError, LoopId, LoopRef, PanicPayload, running_loop_id,
    swap_context, with_running,
};

use crate::arena::{Arena, GENERATION_MASK, Key, NIL};
use crate::builder::TaskFactory;
use crate::cancel::AskStack;
use crate::error::TaskError;
use crate::header::{Awaited, Header};
use crate::node::{DoneCallback, Node, Wake};
use crate::scope::{ASKED, CANCEL_PENDING, RUNNING, SCHEDULED, STARTED, ScopeRecord, WOKEN};
use crate::task_cell::TaskObject;
use crate::task_ref::{FutureRef, TaskInfo};
use crate::waker;

pub(crate) struct Tasks {
    pub(crate) event_loop: LoopRef,
    client: Cell<Option<ClientId>>,
    pub(crate) scopes: RefCell<Arena<ScopeRecord>>,
    pub(crate) nodes: RefCell<Arena<Node>>,
    current: Cell<Key>,
    current_root: Cell<Key>,
    /// How many steps there were, and which of them is under way.
    steps: Cell<u32>,
    current_step: Cell<u32>,
    /// The last step in which a cancellation was delivered.
    pub(crate) delivered_in: Cell<u32>,
    last_id: Cell<u64>,
    /// Which of its thread this is, so that its tasks have names of their own there.
    number: u64,
    /// The promises that other threads may set.
    pub(crate) remotes: RefCell<Arena<Box<dyn Any>>>,
    pub(crate) factory: RefCell<Option<TaskFactory>>,
    pub(crate) ask_stack: Cell<Option<Box<AskStack>>>,
    /// Closures that await their drop: see [`Tasks::bury`].
    graveyard: RefCell<Vec<DoneCallback>>,
    digging: Cell<bool>,
    closed: Cell<bool>,
}

thread_local! {
    /// How many loops of this thread had tasks.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
    /// The loops of this thread that have tasks; nearly always one.
    static REGISTRY: RefCell<Vec<Rc<Tasks>>> = const { RefCell::new(Vec::new()) };
}

/// A name of a task has its number below this bit, and that of its loop above.
const KEY_SHIFT: u32 = 40;

/// What a word of this client asks for.
const STEP: u64 = 0;
const FIRE: u64 = 1 << 54;
const EXPIRE: u64 = 2 << 54;
const KIND: u64 = 3 << 54;

impl Tasks {
    /// The tasks of a loop.
    pub(crate) fn of(event_loop: &LoopRef) -> Result<Rc<Tasks>, LoopError> {
        // Before the look by id: another loop may have got the id of a closed one.
        if event_loop.is_closed() {
            return Err(LoopError::Closed);
        }
        let id = event_loop.id();
        if let Some(found) = REGISTRY.with_borrow(|all| find(all, id)) {
            return Ok(found);
        }
        let tasks = Rc::new(Tasks {
            event_loop: event_loop.clone(),
            client: Cell::new(None),
            scopes: RefCell::new(Arena::new()),
            nodes: RefCell::new(Arena::new()),
            current: Cell::new(Key::NONE),
            current_root: Cell::new(Key::NONE),
            steps: Cell::new(0),
            current_step: Cell::new(0),
            delivered_in: Cell::new(0),
            last_id: Cell::new(0),
            number: NUMBER.replace(NUMBER.get() + 1),
            remotes: RefCell::new(Arena::new()),
            factory: RefCell::new(None),
            ask_stack: Cell::new(None),
            graveyard: RefCell::new(Vec::new()),
            digging: Cell::new(false),
            closed: Cell::new(false),
        });
        let client = event_loop.register_client(tasks.clone());
        tasks.client.set(Some(client));
        REGISTRY.with_borrow_mut(|all| all.push(tasks.clone()));
        Ok(tasks)
    }

    /// The tasks of the loop that runs in this thread.
    #[inline]
    pub(crate) fn running() -> Option<Rc<Tasks>> {
        let id = running_loop_id()?;
        // A waker may be called from the destructor of another thread-local.
        let found = REGISTRY
            .try_with(|all| all.try_borrow().ok().and_then(|all| find(&all, id)))
            .ok()?;
        found.or_else(|| with_running(|running| Tasks::of(running?).ok()))
    }

    pub(crate) fn next_id(&self) -> u64 {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        id
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    fn client(&self) -> ClientId {
        self.client
            .get()
            .expect("the client is registered when the tasks are made")
    }

    fn word(&self, kind: u64, key: Key) -> ouroloop_core::ClientWord {
        self.client()
            .word(kind | u64::from(key.generation & GENERATION_MASK) << 24 | u64::from(key.index))
    }

    fn scope_of(&self, payload: u64) -> Key {
        resolve(&self.scopes.borrow(), payload)
    }

    /// The word that fires a wait when its turn comes.
    pub(crate) fn fire_word(&self, node: Key) -> ouroloop_core::ClientWord {
        self.word(FIRE, node)
    }

    /// The word that lets the deadline of a scope pass.
    pub(crate) fn expire_word(&self, scope: Key) -> ouroloop_core::ClientWord {
        self.word(EXPIRE, scope)
    }

    /// Wakes a task of the loop `id`, which runs in this thread.
    pub(crate) fn wake_local(id: LoopId, word: u64) {
        // A waker may be called from the destructor of another thread-local.
        let _ = REGISTRY.try_with(|all| {
            if let Some(tasks) = all
                .borrow()
                .iter()
                .find(|tasks| tasks.event_loop.id() == id)
            {
                tasks.posted(word);
            }
        });
    }

    // -- who is being polled --------------------------------------------------

    /// The innermost scope that is being polled, if a task of this loop is.
    #[inline]
    pub(crate) fn current(&self) -> Key {
        self.current.get()
    }

    /// The root scope of the task that is being polled.
    #[inline]
    pub(crate) fn current_root(&self) -> Key {
        self.current_root.get()
    }

    #[inline]
    pub(crate) fn current_step(&self) -> u32 {
        self.current_step.get()
    }

    #[inline]
    pub(crate) fn set_current(&self, scope: Key) -> Key {
        self.current.replace(scope)
    }

    pub(crate) fn current_cell(&self) -> Option<Rc<dyn TaskObject>> {
        self.cell_of(self.current_root.get())
    }

    /// The name of a task of this loop, which no other of this thread has.
    pub(crate) fn key_of(&self, id: u64) -> u64 {
        self.number << KEY_SHIFT | id
    }

    /// The number of the task of this name, if it is one of this loop.
    pub(crate) fn id_of(&self, key: u64) -> Option<u64> {
        (key >> KEY_SHIFT == self.number).then(|| Tasks::id_of_any(key))
    }

    /// The number of the task of this name in its loop, whichever that is.
    pub(crate) fn id_of_any(key: u64) -> u64 {
        key & ((1 << KEY_SHIFT) - 1)
    }

    pub(crate) fn current_id(&self) -> Option<u64> {
        let scopes = self.scopes.borrow();
        let cell = scopes.get(self.current_root.get())?.cell.as_ref()?;
        Some(cell.info().id)
    }

    pub(crate) fn cell_of(&self, root: Key) -> Option<Rc<dyn TaskObject>> {
        self.scopes.borrow().get(root)?.cell.clone()
    }

    /// All tasks that are not done, oldest first.
    pub(crate) fn all(&self) -> Vec<Rc<dyn TaskObject>> {
        let mut all: Vec<_> = self
            .scopes
            .borrow()
            .iter()
            .filter_map(|(_, record)| record.cell.clone())
            .collect();
        all.sort_by_key(|cell| cell.info().id);
        all
    }

    /// Whom to tell when polled with `waker`: the task itself if the waker is its own.
    #[inline]
    pub(crate) fn wake_for(&self, waker: &Waker) -> Wake {
        let root = self.current_root.get();
        if self.is_own_waker(waker) {
            Wake::Task(root)
        } else {
            Wake::Waker(waker.clone())
        }
    }

    /// Whether `waker` is that of the task that is being polled.
    #[inline]
    pub(crate) fn is_own_waker(&self, waker: &Waker) -> bool {
        let root = self.current_root.get();
        !root.is_none() && waker::is(waker, self.event_loop.id(), self.client(), root)
    }

    // -- waking ----------------------------------------------------------------

    /// Puts a task into the ready queue, unless it is there.
    #[inline]
    pub(crate) fn wake(&self, root: Key) {
        let mut scopes = self.scopes.borrow_mut();
        // A waker of another loop that had the same numbers may name a scope that is no root.
        let Some(record) = scopes.get_mut(root).filter(|record| record.cell.is_some()) else {
            return;
        };
        if record.flags & (SCHEDULED | RUNNING) == 0 {
            record.flags |= SCHEDULED;
            drop(scopes);
            self.event_loop.schedule(self.word(STEP, root));
        } else if record.has(RUNNING) {
            record.flags |= WOKEN;
        }
    }

    /// Tells whom a wait tells.
    pub(crate) fn tell(&self, wake: Wake, about: Option<&Rc<dyn Awaited>>) {
        match wake {
            Wake::Nobody => {}
            Wake::Task(root) => self.wake(root),
            // Those behind it are to be told even if it panics.
            Wake::Waker(waker) => self.contain("Exception in a waker", || waker.wake()),
            Wake::Callback(callback) => {
                let run = callback.run;
                if self.event_loop.is_closed() {
                    // Nobody is left to be told.
                    self.graveyard.borrow_mut().push(run);
                    return self.dig();
                }
                let about = FutureRef::new(about.expect("callbacks have a target").clone());
                let told = self.event_loop.call_created_at(
                    callback.context,
                    move || run(&about),
                    callback.created_at,
                );
                debug_assert!(told.is_ok(), "the loop is open");
            }
        }
    }

    /// Tells all who wait for something that it is done, in the order in which they asked.
    #[inline]
    pub(crate) fn fire_all(&self, done: &Rc<dyn Awaited>) {
        let header = done.header();
        debug_assert!(header.done());
        while header.first.get() != NIL {
            let mut nodes = self.nodes.borrow_mut();
            let index = header.first.get();
            nodes.unlink(header, index);
            let node = nodes.at_mut(index);
            node.fired = true;
            if let Wake::Task(root) = node.wake {
                drop(nodes);
                self.wake(root);
                continue;
            }
            let wake = std::mem::replace(&mut node.wake, Wake::Nobody);
            if let Wake::Callback(_) = wake {
                let key = nodes.key_at(index);
                nodes.remove(key);
            }
            drop(nodes);
            self.tell(wake, Some(done));
        }
    }

    /// Fires a wait that is its own promise; false if it is done or gone.
    pub(crate) fn fire_own(&self, key: Key) -> bool {
        let mut nodes = self.nodes.borrow_mut();
        let Some(node) = nodes.get_mut(key) else {
            return false;
        };
        if node.fired {
            return false;
        }
        node.fired = true;
        if let Wake::Task(root) = node.wake {
            drop(nodes);
            self.wake(root);
            return true;
        }
        let wake = std::mem::replace(&mut node.wake, Wake::Nobody);
        drop(nodes);
        self.tell(wake, None);
        true
    }

    /// Drops the callbacks of a thing that was never done.
    ///
    /// One may own the last handle of the next such thing, and so on: a queue instead of
    /// recursion keeps the stack flat.
    #[inline]
    pub(crate) fn bury(&self, header: &Header) {
        if header.first.get() != NIL {
            self.bury_callbacks(header);
        }
    }

    #[cold]
    fn bury_callbacks(&self, header: &Header) {
        loop {
            let mut nodes = self.nodes.borrow_mut();
            let index = header.first.get();
            if index == NIL {
                break;
            }
            nodes.unlink(header, index);
            let Some(callback) = nodes.at_mut(index).take_callback() else {
                // An await keeps its target alive, so only callbacks are left behind.
                continue;
            };
            let key = nodes.key_at(index);
            nodes.remove(key);
            drop(nodes);
            self.graveyard.borrow_mut().push(callback);
        }
        self.dig();
    }

    /// Drops what is in the graveyard, also what gets there meanwhile.
    fn dig(&self) {
        if self.digging.replace(true) {
            return;
        }
        loop {
            let Some(next) = self.graveyard.borrow_mut().pop() else {
                break;
            };
            self.contain("Exception while dropping a callback", move || drop(next));
        }
        self.digging.set(false);
    }

    // -- stepping ----------------------------------------------------------------

    /// Adds a task; its first step is put into the ready queue unless it starts at once.
    pub(crate) fn add(&self, cell: &Rc<dyn TaskObject>) -> Result<Key, LoopError> {
        if self.closed.get() || self.event_loop.is_closed() {
            return Err(LoopError::Closed);
        }
        let mut scopes = self.scopes.borrow_mut();
        let mut record = ScopeRecord::new();
        record.cell = Some(cell.clone());
        let root = scopes.try_insert(record).ok_or_else(too_many_tasks)?;
        cell.info().root.set(root);
        Ok(root)
    }

    /// One step of a task: polls it, and sees what came of it.
    pub(crate) fn step(&self, root: Key) {
        let mut scopes = self.scopes.borrow_mut();
        let Some(record) = scopes.get_mut(root) else {
            return;
        };
        if record.has(CANCEL_PENDING) {
            drop(scopes);
            return self.step_with_cancellation(root);
        }
        let step = self.next_step();
        let cell = record.begin_step(step);
        drop(scopes);
        self.poll(root, cell, step);
    }

    fn next_step(&self) -> u32 {
        let step = self.steps.get().wrapping_add(1);
        self.steps.set(step);
        step
    }

    /// A step that has a cancellation to deliver first.
    #[cold]
    fn step_with_cancellation(&self, root: Key) {
        // Still scheduled: what this wakes must not queue the task once more.
        self.deliver(root);
        let step = self.next_step();
        let (started, cell, mark) = {
            let mut scopes = self.scopes.borrow_mut();
            let record = scopes.at_mut(root.index);
            let started = record.has(STARTED);
            (started, record.begin_step(step), record.take_mark())
        };
        match mark {
            Some(mark) => {
                if !started && self.event_loop.debug() {
                    self.event_loop.warn(&format!(
                        "{} created at {} was {} before its first step: its coroutine never ran",
                        cell.info().describe(),
                        cell.info().created_at,
                        mark.cancelled
                    ));
                }
                self.finish(root, &cell, Some(TaskError::Cancelled(mark.cancelled)));
            }
            None => self.poll(root, cell, step),
        }
    }

    fn poll(&self, root: Key, cell: Rc<dyn TaskObject>, step: u32) {
        let waker = waker::of(self.event_loop.id(), self.client(), root);
        let outer_step = self.current_step.replace(step);
        let polled = self.inside(root, cell.info(), || {
            catch_unwind(AssertUnwindSafe(|| cell.poll(&waker)))
        });
        self.current_step.set(outer_step);

        let mut scopes = self.scopes.borrow_mut();
        let record = scopes.at_mut(root.index);
        let mark = record.take_mark();
        let error = match (polled, mark) {
            // It closed its loop itself, which left it to end here.
            (Ok(Poll::Pending), None) if self.closed.get() => Some(TaskError::LoopClosed),
            (Ok(Poll::Pending), None) => {
                drop(scopes);
                return self.suspend(root);
            }
            (Ok(Poll::Ready(())), None) => match record.take_must_cancel() {
                None => None,
                // An error wins over a cancellation that was not delivered; a value does not.
                Some(undelivered) => {
                    drop(scopes);
                    let error = TaskError::Cancelled(undelivered);
                    let error = Some(error).filter(|_| !cell.ended_in_error());
                    return self.finish(root, &cell, error);
                }
            },
            (Ok(_), Some(mark)) => Some(TaskError::Cancelled(mark.cancelled)),
            (Err(payload), _) => Some(TaskError::Panicked(PanicPayload::from_payload(payload))),
        };
        drop(scopes);
        self.finish(root, &cell, error);
    }

    /// Runs what belongs to a task as that task: as the current one, and in its context.
    ///
    /// `run` does not panic. The task before is another one only for an eager first step within it.
    #[inline]
    fn inside<R>(&self, root: Key, info: &TaskInfo, run: impl FnOnce() -> R) -> R {
        let scope = self.current.replace(root);
        let outer = self.current_root.replace(root);
        let context = swap_context(info.context.take());
        let result = run();
        info.context.set(swap_context(context));
        self.current_root.set(outer);
        self.current.set(scope);
        result
    }

    fn suspend(&self, root: Key) {
        let mut scopes = self.scopes.borrow_mut();
        let record = scopes.at_mut(root.index);
        let flags = record.flags & !RUNNING;
        let woken = flags & WOKEN != 0;
        record.flags = if woken {
            flags & !WOKEN | SCHEDULED
        } else {
            flags
        };
        drop(scopes);
        if woken {
            self.event_loop.schedule(self.word(STEP, root));
        }
        if flags & ASKED != 0 {
            self.redirect_what_was_missed(root);
        }
        if flags & CANCEL_PENDING != 0 {
            self.pass_on(root);
        }
    }

    /// Ends a task with `error`, or with the value that its poll has stored.
    fn finish(&self, root: Key, cell: &Rc<dyn TaskObject>, error: Option<TaskError>) {
        if cell.is_busy() {
            // The loop is being closed by the task itself, whose poll or end goes on after this.
            return;
        }
        let dropped = match error {
            None => cell.end(None),
            // Its destructors run as a `finally` does.
            error => self.inside(root, cell.info(), || cell.end(error)),
        };
        let record = {
            let mut scopes = self.scopes.borrow_mut();
            scopes.close(&mut self.nodes.borrow_mut(), root)
        };
        if let Some(record) = &record {
            cell.info().last_count.set(record.count);
        }
        drop(record);
        if let Err(payload) = dropped {
            let report = ExceptionContext::new("Exception while dropping a task's future")
                .with_panic(payload);
            self.report(report, cell.info());
        }
        if cell.header().first.get() != NIL {
            self.fire_all(&cell.clone().into_awaited());
        }
    }

    // -- reports ----------------------------------------------------------------

    /// Runs what belongs to a user, and reports its panic.
    pub(crate) fn contain(&self, message: &str, run: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            let context =
                ExceptionContext::new(message).with_panic(PanicPayload::from_payload(payload));
            self.event_loop.call_exception_handler(context);
        }
    }

    /// Reports something of a task that is not running, in the context of that task.
    pub(crate) fn report(&self, report: ExceptionContext, info: &TaskInfo) {
        let report = match report.source() {
            Some(_) => report,
            None => report.with_source(info.describe()),
        };
        let report = report.with_created_at(info.created_at);
        let outer = swap_context(info.context.take());
        self.event_loop.call_exception_handler(report);
        info.context.set(swap_context(outer));
    }
}

impl Client for Tasks {
    #[inline]
    fn run(&self, payload: u64) {
        match payload & KIND {
            STEP => self.step(self.scope_of(payload)),
            FIRE => {
                let wait = resolve(&self.nodes.borrow(), payload);
                self.fire_own(wait);
            }
            _ => self.expire(self.scope_of(payload)),
        }
    }

    fn posted(&self, payload: u64) {
        self.wake(self.scope_of(payload));
    }

    fn describe(&self, payload: u64) -> String {
        if payload & KIND != STEP {
            return "a timer of a waiting task".to_owned();
        }
        match self.cell_of(self.scope_of(payload)) {
            Some(cell) => {
                let info = cell.info();
                format!("{} created at {}", info.describe(), info.created_at)
            }
            None => "a task that is done".to_owned(),
        }
    }

    fn close(&self) {
        self.closed.set(true);
        self.factory.take();
        // One by one, since the drop of one future may end another's last handle.
        for cell in self.all() {
            let info = cell.info();
            if info.log_destroyed.get() && !cell.is_busy() {
                let report = ExceptionContext::new("Task was destroyed but it is pending!")
                    .with_exception(TaskError::LoopClosed);
                let ran = |record: &ScopeRecord| record.has(STARTED);
                let report = match self.scopes.borrow().get(info.root.get()).is_some_and(ran) {
                    true => report,
                    false => report.with_source(format!("{} (it never ran)", info.describe())),
                };
                self.report(report, info);
            }
            self.finish(info.root.get(), &cell, Some(TaskError::LoopClosed));
        }
        let remotes = self.remotes.replace(Arena::new());
        drop(remotes);
        // A promise may be held by its own callback, which nobody will ever call.
        let callbacks: Vec<_> = self
            .nodes
            .borrow_mut()
            .values_mut()
            .filter_map(Node::take_callback)
            .collect();
        self.graveyard.borrow_mut().extend(callbacks);
        self.dig();
        let me = REGISTRY
            .try_with(|all| {
                let mut all = all.borrow_mut();
                let place = all
                    .iter()
                    .position(|tasks| std::ptr::eq(Rc::as_ptr(tasks), self))?;
                Some(all.swap_remove(place))
            })
            .ok();
        drop(me);
    }
}

fn too_many_tasks() -> LoopError {
    LoopError::Io(io::Error::new(
        io::ErrorKind::OutOfMemory,
        "a loop holds at most 16,777,216 tasks and scopes; wait for some of them",
    ))
}

/// What a word names: 24 bits of index, and above them 20 of generation.
fn resolve<T>(arena: &Arena<T>, payload: u64) -> Key {
    let index = (payload & 0xff_ffff) as u32;
    arena.resolve(index, (payload >> 24) as u32 & GENERATION_MASK)
}

fn find(all: &[Rc<Tasks>], id: LoopId) -> Option<Rc<Tasks>> {
    all.iter()
        .find(|tasks| tasks.event_loop.id() == id)
        .cloned()
}
