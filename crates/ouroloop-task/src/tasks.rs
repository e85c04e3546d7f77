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
//! - Nothing is borrowed, and every list is whole, while a user's code runs: a poll, a drop, a wake of a
//!   foreign waker.
//! - `current` is the innermost scope that is being polled, and `current_root` the root of its task.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::task::Waker;

use ouroloop_core::{
    Client, ClientId, ClientWord, Context, ExceptionContext, LoopError, LoopId, LoopRef,
    PanicPayload, RemoteHandle, Turns, running_loop_id, swap_context, with_running,
};
use slab::Slab;

use crate::blocks::Blocks;
use crate::builder::TaskFactory;
use crate::cancel::AskStack;
use crate::error::TaskError;
use crate::header::{BUSY, CellRef, Polled, TaskCellRef, UNREPORTED};
use crate::node::{DoneCallback, Node, OtherWake};
use crate::pool::{Key, NIL, Pool};
use crate::remote::Remote;
use crate::scope::{
    ASKED, CANCEL_PENDING, MARKED, MUST_CANCEL, ROOT, RUNNING, SCHEDULED, STARTED, ScopeRecord,
    WOKEN,
};
use crate::task_cell::TaskInfo;
use crate::task_ref::FutureRef;
use crate::waker;

pub(crate) struct Tasks {
    pub(crate) event_loop: LoopRef,
    id: LoopId,
    client: Cell<ClientId>,
    /// What the words of its wakers have in common.
    waker_base: Cell<u64>,
    /// The word of the task that is being polled, or zero; and whether it has woken itself.
    current_word: Cell<u64>,
    woke_itself: Cell<bool>,
    pub(crate) scopes: Pool<ScopeRecord>,
    pub(crate) nodes: Pool<Node>,
    pub(crate) blocks: Blocks,
    current: Cell<Key>,
    current_root: Cell<Key>,
    /// How many steps there were, and which of them is under way, or was last.
    steps: Cell<u32>,
    current_step: Cell<u32>,
    last_id: Cell<u64>,
    /// Which of its thread this is, so that its tasks have names of their own there.
    number: u64,
    /// The promises that other threads may set.
    remotes: RefCell<Slab<Remote>>,
    /// Held while there are such: a loop on virtual time then waits for them instead of calling that a deadlock.
    reachable: Cell<Option<RemoteHandle>>,
    factory: RefCell<Option<TaskFactory>>,
    has_factory: Cell<bool>,
    pub(crate) ask_stack: Cell<Option<Box<AskStack>>>,
    /// Callbacks that await their drop. One may own what others were added to, and so on: a queue instead of recursion
    /// keeps the stack flat.
    graveyard: RefCell<Vec<DoneCallback>>,
    digging: Cell<bool>,
    closed: Cell<bool>,
}

thread_local! {
    /// How many loops of this thread had tasks.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
    /// The loops of this thread that have tasks; nearly always one.
    static REGISTRY: RefCell<Vec<Rc<Tasks>>> = const { RefCell::new(Vec::new()) };
    /// The one of them that was asked for last, or null. It needs no destructor, so that a look at it is one
    /// load; it is a counted pointer, which is given back when the loop is closed.
    static LAST: Cell<*const Tasks> = const { Cell::new(ptr::null()) };
}

/// A name of a task has its number below this bit, and that of its loop above.
const KEY_SHIFT: u32 = 40;

/// What a word of this client asks for.
const STEP: u64 = 0;
const FIRE: u64 = 1 << 54;
const EXPIRE: u64 = 2 << 54;
const SETTLE: u64 = 3 << 54;
const KIND: u64 = 3 << 54;

impl Tasks {
    /// The tasks of a loop.
    pub(crate) fn of(event_loop: &LoopRef) -> Result<Rc<Tasks>, LoopError> {
        // Before the look by id: another loop may have got the id of a closed one.
        if event_loop.is_closed() {
            return Err(LoopError::Closed);
        }
        let id = event_loop.id();
        // The registry is gone in the destructors of other thread-locals: loops end with their thread.
        let found = REGISTRY.try_with(|all| find(&all.borrow(), id));
        if let Some(found) = found.map_err(|_| LoopError::Closed)? {
            return Ok(found);
        }
        let tasks = Rc::new(Tasks {
            event_loop: event_loop.clone(),
            id,
            client: Cell::new(ClientId::from_index(0)),
            waker_base: Cell::new(0),
            current_word: Cell::new(0),
            woke_itself: Cell::new(false),
            scopes: Pool::new(),
            nodes: Pool::new(),
            blocks: Blocks::new(),
            current: Cell::new(Key::NONE),
            current_root: Cell::new(Key::NONE),
            steps: Cell::new(0),
            current_step: Cell::new(0),
            last_id: Cell::new(0),
            number: NUMBER.replace(NUMBER.get() + 1),
            remotes: RefCell::new(Slab::new()),
            reachable: Cell::new(None),
            factory: RefCell::new(None),
            has_factory: Cell::new(false),
            ask_stack: Cell::new(None),
            graveyard: RefCell::new(Vec::new()),
            digging: Cell::new(false),
            closed: Cell::new(false),
        });
        let client = event_loop.register_client(tasks.clone());
        tasks.client.set(client);
        tasks.waker_base.set(waker::base(id, client));
        REGISTRY
            .try_with(|all| all.borrow_mut().push(tasks.clone()))
            .map_err(|_| LoopError::Closed)?;
        Ok(tasks)
    }

    /// The tasks of the loop that runs in this thread.
    #[inline]
    pub(crate) fn running() -> Option<Rc<Tasks>> {
        let id = running_loop_id()?;
        if with_last(id, |_| ()).is_none() {
            return Tasks::find_running(id);
        }
        let last = LAST.get();
        // SAFETY: `LAST` holds a count of this `Rc`, and this takes another one.
        unsafe { Rc::increment_strong_count(last) };
        // SAFETY: the count was taken just now.
        Some(unsafe { Rc::from_raw(last) })
    }

    #[cold]
    fn find_running(id: LoopId) -> Option<Rc<Tasks>> {
        // A waker may be called from the destructor of another thread-local.
        let found = REGISTRY
            .try_with(|all| all.try_borrow().ok().and_then(|all| find(&all, id)))
            .ok()?;
        let found = found.or_else(|| with_running(|running| Tasks::of(running?).ok()))?;
        set_last(Rc::into_raw(found.clone()));
        Some(found)
    }

    pub(crate) fn next_id(&self) -> u64 {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        id
    }

    #[inline]
    pub(crate) fn id(&self) -> LoopId {
        self.id
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    #[inline]
    pub(crate) fn has_factory(&self) -> bool {
        self.has_factory.get()
    }

    pub(crate) fn set_factory(&self, factory: Option<TaskFactory>) {
        self.has_factory.set(factory.is_some());
        let before = self.factory.replace(factory);
        // Anybody's code.
        drop(before);
    }

    /// What has a say in how tasks are made. It is called with nothing borrowed.
    #[inline]
    pub(crate) fn factory(&self) -> Option<TaskFactory> {
        self.factory.borrow().clone()
    }

    #[inline]
    fn word(&self, kind: u64, key: Key) -> ClientWord {
        self.client.get().word(kind | key.word())
    }

    /// The word that fires a wait when its turn comes.
    pub(crate) fn fire_word(&self, node: Key) -> ClientWord {
        self.word(FIRE, node)
    }

    /// The word that lets the deadline of a scope pass.
    pub(crate) fn expire_word(&self, scope: Key) -> ClientWord {
        self.word(EXPIRE, scope)
    }

    /// The word at whose turn a promise is set that is at this place in the table of those that other threads set.
    pub(crate) fn settle_word(&self, place: usize) -> ClientWord {
        self.client.get().word(SETTLE | place as u64)
    }

    /// Keeps a promise that another thread may set; its place in the table.
    pub(crate) fn add_remote(&self, entry: Remote) -> usize {
        let handle = self.reachable.take();
        let handle = handle.unwrap_or_else(|| self.event_loop.remote());
        self.reachable.set(Some(handle));
        self.remotes.borrow_mut().insert(entry)
    }

    fn settle(&self, place: usize) {
        let mut remotes = self.remotes.borrow_mut();
        // Words can be forged.
        if remotes.get(place).is_none_or(|entry| !entry.is_over()) {
            return;
        }
        let entry = remotes.remove(place);
        // On real time nobody asks who could wake the loop.
        if remotes.is_empty() && self.event_loop.virtual_clock().is_some() {
            self.reachable.set(None);
        }
        drop(remotes);
        entry.settle();
    }

    /// Wakes the task that is being polled in this thread; false if that is not the one.
    #[inline]
    pub(crate) fn wake_current(word: u64) -> bool {
        // SAFETY: as for `with_last`; nothing is called here.
        match unsafe { LAST.get().as_ref() } {
            Some(tasks) if tasks.current_word.get() == word => {
                tasks.woke_itself.set(true);
                true
            }
            _ => false,
        }
    }

    /// Wakes a task of the loop `id`, which runs in this thread.
    #[inline]
    pub(crate) fn wake_local(id: LoopId, word: u64) {
        if with_last(id, |tasks| tasks.posted(word)).is_none() {
            Tasks::find_and_wake(id, word);
        }
    }

    #[cold]
    fn find_and_wake(id: LoopId, word: u64) {
        // A waker may be called from the destructor of another thread-local.
        let _ = REGISTRY.try_with(|all| {
            if let Some(tasks) = find(&all.borrow(), id) {
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
        match self.current_root.get().is_none() {
            true => 0,
            false => self.current_step.get(),
        }
    }

    #[inline]
    pub(crate) fn set_current(&self, scope: Key) -> Key {
        self.current.replace(scope)
    }

    pub(crate) fn current_cell(&self) -> Option<TaskCellRef> {
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
        let record = self.scopes.get(self.current_root.get())?;
        // SAFETY: a root that is current does not end here, where nothing is called.
        Some(unsafe { record.lent_cell() }.info().id)
    }

    pub(crate) fn cell_of(&self, root: Key) -> Option<TaskCellRef> {
        self.scopes.get(root)?.cell()
    }

    /// All tasks that are not done, oldest first.
    pub(crate) fn all(&self) -> Vec<TaskCellRef> {
        let mut all: Vec<_> = self
            .scopes
            .keys()
            .filter_map(|root| self.cell_of(root))
            .collect();
        all.sort_by_key(|cell| cell.info().id);
        all
    }

    /// Whether `waker` is that of the task that is being polled.
    #[inline]
    pub(crate) fn is_own_waker(&self, waker: &Waker) -> bool {
        let root = self.current_root.get();
        !root.is_none() && waker::is(waker, waker::word(self.waker_base.get(), root))
    }

    // -- waking ----------------------------------------------------------------

    /// Puts the word of a task that is marked as `SCHEDULED` into the ready queue.
    #[inline]
    pub(crate) fn schedule_step(&self, root: Key) {
        self.event_loop.schedule(self.word(STEP, root));
    }

    /// Puts a task into the ready queue, unless it is there.
    #[inline]
    pub(crate) fn wake(&self, root: Key) {
        // A waker of another loop that had the same numbers may name a scope that is no root.
        let Some(record) = self.scopes.get(root) else {
            return;
        };
        let flags = record.flags();
        if flags & (SCHEDULED | RUNNING | ROOT) == ROOT {
            record.set_flags(flags | SCHEDULED);
            self.schedule_step(root);
        } else if flags & RUNNING != 0 {
            record.set_flags(flags | WOKEN);
        }
    }

    /// Tells somebody that is no task.
    #[cold]
    pub(crate) fn tell(&self, whom: OtherWake, about: Option<&CellRef>) {
        match whom {
            // Those behind it are to be told even if it panics.
            OtherWake::Waker(waker) => self
                .event_loop
                .contain("Exception in a waker", || waker.wake()),
            OtherWake::Callback(callback) => {
                if self.event_loop.is_closed() {
                    // Nobody is left to be told.
                    self.graveyard.borrow_mut().push(callback);
                    return self.dig();
                }
                let about = about.expect("callbacks have a target").clone();
                callback.schedule(&self.event_loop, FutureRef::new(about));
            }
        }
    }

    /// Tells all who wait for something that it is done, in the order in which they asked.
    #[inline]
    pub(crate) fn fire_all(&self, done: &CellRef) {
        debug_assert!(done.done());
        loop {
            let index = done.told.first.get();
            if index == NIL {
                return;
            }
            let node = self.nodes.at(index);
            self.nodes.unlink(&done.told, node);
            let root = node.fire();
            if !root.is_none() {
                self.wake(root);
            } else if let Some(whom) = node.take_other_wake() {
                if let OtherWake::Callback(_) = whom {
                    self.nodes.end(self.nodes.key_at(index), node);
                }
                self.tell(whom, Some(done));
            }
        }
    }

    /// Fires a wait that is its own promise; false if it is done or gone.
    #[inline]
    pub(crate) fn fire_own(&self, key: Key) -> bool {
        match self.nodes.get(key) {
            Some(node) if node.can_be_fired() => {
                self.fire(node);
                true
            }
            _ => false,
        }
    }

    /// The same for its timer.
    #[inline]
    fn fire_by_timer(&self, key: Key) {
        if let Some(node) = self.nodes.get(key) {
            if node.can_be_fired() && !node.take_stale() {
                self.fire(node);
            }
        }
    }

    /// Tells whom a wait tells that is its own promise.
    #[inline]
    pub(crate) fn fire(&self, node: &Node) {
        let root = node.fire();
        if !root.is_none() {
            self.wake(root);
        } else if let Some(whom) = node.take_other_wake() {
            self.tell(whom, None);
        }
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
            self.event_loop
                .contain("Exception while dropping a callback", move || drop(next));
        }
        self.digging.set(false);
    }

    // -- stepping ----------------------------------------------------------------

    /// One step of a task: polls it, and sees what came of it.
    #[inline(always)]
    pub(crate) fn step(&self, root: Key) {
        let Some(record) = self.scopes.get(root) else {
            return;
        };
        match record.flags() & (ROOT | CANCEL_PENDING) {
            ROOT => self.poll(root, record),
            0 => {}
            _ => self.step_with_cancellation(root, record),
        }
    }

    #[inline]
    fn next_step(&self) -> u32 {
        let step = self.steps.get().wrapping_add(1);
        self.steps.set(step);
        step
    }

    /// A step that has a cancellation to deliver first.
    #[cold]
    fn step_with_cancellation(&self, root: Key, record: &ScopeRecord) {
        // Still scheduled: what this wakes must not queue the task once more.
        self.deliver(root);
        let started = record.has(STARTED);
        let Some(mark) = record.take_mark() else {
            return self.poll(root, record);
        };
        record.begin_step(self.next_step());
        let cell = record.cell().expect("it is a root");
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

    /// The record is that of the root.
    #[inline(always)]
    fn poll(&self, root: Key, record: &ScopeRecord) {
        let step = self.next_step();
        record.begin_step(step);
        let word = waker::word(self.waker_base.get(), root);
        self.current_step.set(step);
        self.current_word.set(word);
        self.woke_itself.set(false);
        let mut panic = None;
        // The drop of this waker does nothing.
        let waker = ManuallyDrop::new(waker::of(word));
        let polled = {
            // SAFETY: only `finish` and `finish_with_value` end a root. They are called for this one after its
            // poll, and refuse during it, since it is `BUSY`; before and after that, in `inside`, only the
            // drop of a context that somebody left is a user's code, which cannot close a loop that is
            // stepping.
            let cell = unsafe { record.lent_cell() };
            self.inside(root, cell.info(), || {
                catch_unwind(AssertUnwindSafe(|| cell.poll(&waker))).unwrap_or_else(|payload| {
                    panic = Some(payload);
                    Polled::Panicked
                })
            })
        };
        self.current_word.set(0);
        let odd = record.has(MARKED | MUST_CANCEL | ASKED | CANCEL_PENDING) || self.closed.get();
        match polled {
            Polled::Pending if !odd => self.suspend(root, record),
            Polled::Value if !odd => self.finish_with_value(root, record),
            _ => self.end_step(root, record, polled, panic),
        }
    }

    /// What came of a step in which something special happened.
    #[cold]
    fn end_step(
        &self,
        root: Key,
        record: &ScopeRecord,
        polled: Polled,
        panic: Option<Box<dyn Any + Send>>,
    ) {
        let cell = record.cell().expect("it is a root");
        let mark = record.take_mark();
        let error = match (panic, mark) {
            (Some(payload), _) => Some(TaskError::Panicked(PanicPayload::from_payload(payload))),
            (None, Some(mark)) => Some(TaskError::Cancelled(mark.cancelled)),
            (None, None) if polled == Polled::Pending => {
                if !self.closed.get() {
                    self.suspend(root, record);
                    return self.suspend_while_asked(root, record.flags());
                }
                // It closed its loop itself, which left it to end here.
                Some(TaskError::LoopClosed)
            }
            // An error wins over a cancellation that was not delivered; a value does not.
            (None, None) => record
                .take_must_cancel()
                .map(|request| TaskError::Cancelled(request.cancelled))
                .filter(|_| !cell.awaited().ended_in_error()),
        };
        self.finish(root, &cell, error);
    }

    /// Runs what belongs to a task as that task: as the current one, and in its context.
    ///
    /// `run` does not panic.
    #[inline(always)]
    fn inside<R>(&self, root: Key, info: &TaskInfo, run: impl FnOnce() -> R) -> R {
        self.current.set(root);
        self.current_root.set(root);
        if let Some(left) = info.enter_context() {
            self.drop_context(left);
        }
        let result = run();
        info.leave_context();
        self.current_root.set(Key::NONE);
        self.current.set(Key::NONE);
        result
    }

    #[cold]
    fn drop_context(&self, left: Context) {
        self.event_loop
            .contain("Exception while dropping a context", || drop(left));
    }

    /// Runs what another task than the current one is to do at once, within the poll of that one.
    #[cold]
    pub(crate) fn nested(&self, run: impl FnOnce()) {
        let _outer = PutAside {
            tasks: self,
            current: self.current.get(),
            current_root: self.current_root.get(),
            current_step: self.current_step.get(),
            // Who wakes the current task meanwhile finds no word, and so leaves that with its record.
            current_word: self.current_word.replace(0),
            woke_itself: self.woke_itself.get(),
            context: swap_context(None),
        };
        run();
    }

    #[inline(always)]
    fn suspend(&self, root: Key, record: &ScopeRecord) {
        let flags = record.flags() & !RUNNING;
        if flags & WOKEN != 0 || self.woke_itself.get() {
            record.set_flags(flags & !WOKEN | SCHEDULED);
            self.schedule_step(root);
        } else {
            record.set_flags(flags);
        }
    }

    fn suspend_while_asked(&self, root: Key, flags: u32) {
        if flags & ASKED != 0 {
            self.redirect_what_was_missed(root);
        }
        if flags & CANCEL_PENDING != 0 {
            self.pass_on(root);
        }
    }

    /// Ends a task with the value that its poll has stored, and that cannot count as an error.
    #[inline(always)]
    fn finish_with_value(&self, root: Key, record: &ScopeRecord) {
        let Some(cell) = record.take_cell() else {
            return;
        };
        cell.finish(None, false);
        if record.count.get() != 0 {
            cell.info().set_last_count(record.count.get());
        }
        self.scopes.close(&self.nodes, root, record);
        if cell.told.first.get() != NIL {
            self.fire_all(&cell);
        }
    }

    /// Ends a task with `error`, or with the value that its poll has stored.
    fn finish(&self, root: Key, cell: &TaskCellRef, error: Option<TaskError>) {
        if cell.has(BUSY) {
            // The loop is being closed by the task itself, whose poll or end goes on after this.
            return;
        }
        // Its destructors are no part of a step.
        self.current_step.set(0);
        let dropped = match error {
            None => cell.end(None),
            // Its destructors run as a `finally` does.
            error => self.inside(root, cell.info(), || cell.end(error)),
        };
        if let Some(record) = self.scopes.get(root) {
            if record.count.get() != 0 {
                cell.info().set_last_count(record.count.get());
            }
            self.scopes.close(&self.nodes, root, record);
        }
        if let Err(payload) = dropped {
            let report = ExceptionContext::new("Exception while dropping a task's future")
                .with_panic(payload);
            self.report(report, cell.info());
        }
        self.fire_all(cell);
    }

    /// The turn of a word.
    #[inline(always)]
    fn take_turn(&self, payload: u64) {
        if payload & KIND == STEP {
            return self.step(Key::from_step_word(payload));
        }
        self.take_other_turn(payload);
    }

    fn take_other_turn(&self, payload: u64) {
        let key = Key::from_word(payload);
        match payload & KIND {
            FIRE => self.fire_by_timer(key),
            EXPIRE => self.expire(key),
            _ => self.settle((payload & !KIND) as usize),
        }
    }

    /// Has loaded what the next turns need.
    #[inline]
    fn look_ahead(&self, turns: &Turns<'_>) {
        if let Some(payload) = turns.peek(FAR_AHEAD - 1) {
            self.prefetch_far(payload);
        }
        if let Some(payload) = turns.peek(NEAR_AHEAD - 1) {
            self.prefetch_near(payload);
        }
    }

    /// What is found by the word alone.
    #[inline]
    fn prefetch_far(&self, payload: u64) {
        let index = Key::from_word(payload).index();
        match payload & KIND {
            STEP => drop(self.scopes.prefetch(index)),
            FIRE => drop(self.nodes.prefetch(index)),
            _ => {}
        }
    }

    /// What that points at.
    #[inline]
    fn prefetch_near(&self, payload: u64) {
        let index = Key::from_word(payload).index();
        match payload & KIND {
            STEP => {
                if let Some(record) = self.scopes.get_at(index) {
                    record.prefetch_cell();
                    self.nodes.prefetch(record.first_wait.get());
                }
            }
            FIRE => {
                if let Some(node) = self.nodes.get_at(index) {
                    self.scopes.prefetch(node.told_task().index());
                }
            }
            _ => {}
        }
    }

    // -- reports ----------------------------------------------------------------

    /// Reports something of a task that is not running, in the context of that task.
    pub(crate) fn report(&self, report: ExceptionContext, info: &TaskInfo) {
        let report = match report.source() {
            Some(_) => report,
            None => report.with_source(info.describe()),
        };
        let report = report.with_created_at(info.created_at);
        // It may be the report of one task while another one runs.
        let outer = swap_context(None);
        drop(info.enter_context());
        self.event_loop.call_exception_handler(report);
        info.leave_context();
        drop(swap_context(outer));
    }
}

/// The task that is being polled, while another one has its turn within that poll; it comes back also if that panics.
struct PutAside<'a> {
    tasks: &'a Tasks,
    current: Key,
    current_root: Key,
    current_step: u32,
    current_word: u64,
    woke_itself: bool,
    context: Option<Context>,
}

impl Drop for PutAside<'_> {
    fn drop(&mut self) {
        let tasks = self.tasks;
        if let Some(left) = swap_context(self.context.take()) {
            tasks.drop_context(left);
        }
        tasks.woke_itself.set(self.woke_itself);
        tasks.current_word.set(self.current_word);
        tasks.current_step.set(self.current_step);
        tasks.current_root.set(self.current_root);
        tasks.current.set(self.current);
    }
}

/// From how many tasks on not all of them are in the nearest caches.
const PREFETCH_MIN: usize = 2048;

/// How many entries ahead of its turn what a word needs is loaded from memory, which takes about as long as a few turns:
/// first what is found by the word alone, then what that points at.
const FAR_AHEAD: usize = 8;
const NEAR_AHEAD: usize = 4;

impl Client for Tasks {
    fn run(&self, payload: u64) {
        if self.current_root.get().is_none() {
            self.take_turn(payload);
        } else {
            // The loop is entered, and an eager task that no step of it runs has it take one.
            self.nested(|| self.take_turn(payload));
        }
    }

    fn run_all(&self, turns: &mut Turns<'_>) {
        if !self.current_root.get().is_none() {
            return turns.for_each(|payload| self.run(payload));
        }
        if self.scopes.len() >= PREFETCH_MIN {
            while let Some(payload) = turns.next() {
                self.look_ahead(turns);
                self.run(payload);
            }
            return;
        }
        for payload in turns {
            self.take_turn(payload);
        }
    }

    fn posted(&self, payload: u64) {
        self.wake(self.scopes.resolve(payload));
    }

    fn describe(&self, payload: u64) -> String {
        match payload & KIND {
            STEP => {}
            SETTLE => return "a promise that another thread sets".to_owned(),
            _ => return "a timer of a waiting task".to_owned(),
        }
        match self.cell_of(Key::from_word(payload)) {
            Some(cell) => {
                let info = cell.info();
                format!("{} created at {}", info.describe(), info.created_at)
            }
            None => "a task that is done".to_owned(),
        }
    }

    fn close(&self) {
        self.closed.set(true);
        self.event_loop
            .contain("Exception while dropping a task factory", || {
                self.set_factory(None);
            });
        // One by one, since the drop of one future may end another's last handle.
        for cell in self.all() {
            self.event_loop
                .contain("Exception while dropping a task", move || {
                    self.end_unfinished(&cell);
                    drop(cell);
                });
        }
        let mut remotes = self.remotes.take();
        for remote in remotes.drain() {
            self.event_loop
                .contain("Exception while dropping a promise", || drop(remote));
        }
        self.reachable.set(None);
        // A promise may be held by its own callback, which nobody will ever call.
        let callbacks: Vec<_> = self
            .nodes
            .keys()
            .filter_map(|key| self.nodes.get(key)?.take_callback())
            .collect();
        self.graveyard.borrow_mut().extend(callbacks);
        self.dig();
        self.tell_foreign_waits();
        self.blocks.close();
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
        if ptr::eq(LAST.get(), self) {
            set_last(ptr::null());
        }
    }
}

/// The end of the loop.
impl Tasks {
    /// Ends a task that is not done, as the loop is closed.
    fn end_unfinished(&self, cell: &TaskCellRef) {
        let info = cell.info();
        if !cell.has(UNREPORTED | BUSY) {
            let report = ExceptionContext::new("Task was destroyed but it is pending!")
                .with_exception(TaskError::LoopClosed);
            let ran = |record: &ScopeRecord| record.has(STARTED);
            let report = match self.scopes.get(info.root.get()).is_some_and(ran) {
                true => report,
                false => report.with_source(format!("{} (it never ran)", info.describe())),
            };
            self.report(report, info);
        }
        let root = info.root.get();
        self.nested(|| self.finish(root, cell, Some(TaskError::LoopClosed)));
    }

    /// Has those look again who wait by wakers of their own, in another executor, for what nobody sets any more.
    fn tell_foreign_waits(&self) {
        for key in self.nodes.keys() {
            let node = self.nodes.get(key).filter(|node| !node.is_own());
            if let Some(OtherWake::Waker(waker)) = node.and_then(Node::take_other_wake) {
                self.event_loop
                    .contain("Exception in a waker", || waker.wake());
            }
        }
    }
}

/// Looks at the tasks of the loop `id`, if they are those that were asked for last. `look` runs no
/// user's code, and so does not close that loop.
#[inline]
fn with_last<R>(id: LoopId, look: impl FnOnce(&Tasks) -> R) -> Option<R> {
    // SAFETY: null, or the counted pointer of `LAST`, which is given back by `set_last` alone: that is
    // not called before `look` has returned.
    let tasks = unsafe { LAST.get().as_ref() }?;
    (tasks.id == id).then(|| look(tasks))
}

/// Keeps a counted pointer, or null, and gives back the one before.
fn set_last(tasks: *const Tasks) {
    let before = LAST.replace(tasks);
    if !before.is_null() {
        // SAFETY: it came from `Rc::into_raw`, and its count is given back once, since it is not
        // in its place any more.
        drop(unsafe { Rc::from_raw(before) });
    }
}

#[cold]
pub(crate) fn too_many_tasks() -> LoopError {
    LoopError::Io(io::Error::new(
        io::ErrorKind::OutOfMemory,
        "a loop holds at most 16,777,215 tasks and scopes; wait for some of them",
    ))
}

fn find(all: &[Rc<Tasks>], id: LoopId) -> Option<Rc<Tasks>> {
    all.iter().find(|tasks| tasks.id == id).cloned()
}
