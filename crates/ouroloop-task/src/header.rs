//! What every thing that can be awaited has, and the counted pointer to it.
//!
//! A task, a promise and a gather are one allocation each, a *cell*, that begins with a [`Header`]:
//! its loop, its state, who is told of its end, and the functions for the rest of it, whose type is
//! known to them alone. So a reference to one is a single word whatever it is, and a step of a task
//! is one indirect call.
//!
//! # Invariants
//!
//! - A [`CellRef`] points at the header of a live cell and counts in `refs`; the cell is dropped, and
//!   its memory given back, when the last one goes.
//! - `vtable` is that of the cell's type. `IS_TASK` is set in those of tasks, which begin with a
//!   [`TaskHead`](crate::task_cell::TaskHead), and never in others.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::Waker;

use ouroloop_core::PanicPayload;

use crate::blocks::Kind;
use crate::cancel::Frame;
use crate::error::{Cancelled, TaskError};
use crate::node::Ends;
use crate::pool::prefetch;
use crate::resource::ResourceState;
use crate::task_cell::{TaskHead, TaskInfo};
use crate::task_ref::FutureRef;
use crate::tasks::Tasks;

/// The part of a promise or a task that knows nothing of its value.
///
/// # Invariants
///
/// - `told` is the list of those to tell, in the order in which they asked; it is empty
///   from the moment that `DONE` is set and the list was fired.
/// - `CANCELLED` implies `ENDED_CANCELLED`, and that implies `DONE`.
pub(crate) struct Header {
    vtable: &'static Vtable,
    /// Dropped after the rest of the cell, by [`end_cell`].
    tasks: ManuallyDrop<Rc<Tasks>>,
    refs: Cell<u32>,
    pub(crate) told: Ends,
    flags: Cell<u32>,
}

/// The outcome is there.
pub(crate) const DONE: u32 = 1;
/// The outcome is a cancellation: what `cancelled()` answers.
pub(crate) const CANCELLED: u32 = 1 << 1;
/// Who awaits it sees a cancellation: also a gather that stores one as its error.
pub(crate) const ENDED_CANCELLED: u32 = 1 << 2;
/// The outcome is an error that nobody has looked at.
pub(crate) const UNREAD: u32 = 1 << 3;
/// A request to cancel is being passed on: a circle of awaits refuses here.
pub(crate) const ASKING: u32 = 1 << 4;
/// It is a task.
const IS_TASK: u32 = 1 << 5;
/// Of a task: its future is being polled, or dropped by its end.
pub(crate) const BUSY: u32 = 1 << 6;
/// Of a task: its value is being looked at, and must stay where it is.
pub(crate) const READING: u32 = 1 << 7;
/// Of a task: a loop that is closed while it is pending does not report it.
pub(crate) const UNREPORTED: u32 = 1 << 8;
/// Of a task: its future is in the stage.
pub(crate) const FUTURE: u32 = 1 << 9;
/// Of a task: its outcome is in the stage.
pub(crate) const OUTCOME: u32 = 1 << 10;
/// Of a task: its maker has said how to know an error among its values.
pub(crate) const EXPECTS_ERRORS: u32 = 1 << 11;

impl Header {
    #[inline]
    pub(crate) fn tasks(&self) -> &Rc<Tasks> {
        &self.tasks
    }

    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        self.flags.get()
    }

    #[inline]
    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags.get() & flag != 0
    }

    #[inline]
    pub(crate) fn set(&self, flags: u32) {
        self.flags.set(self.flags.get() | flags);
    }

    #[inline]
    pub(crate) fn clear(&self, flags: u32) {
        self.flags.set(self.flags.get() & !flags);
    }

    #[inline]
    pub(crate) fn done(&self) -> bool {
        self.has(DONE)
    }

    /// Sets the flags that go with an outcome.
    #[inline]
    pub(crate) fn finish(&self, error: Option<&TaskError>, unread: bool) {
        debug_assert!(!self.done());
        let cancelled = match error {
            Some(TaskError::Cancelled(_)) => CANCELLED | ENDED_CANCELLED,
            _ => 0,
        };
        self.set(DONE | cancelled | if unread { UNREAD } else { 0 });
    }
}

/// A thing is being asked, but if that panics.
pub(crate) struct Asking<'a>(&'a Header);

impl<'a> Asking<'a> {
    pub(crate) fn begin(header: &'a Header) -> Asking<'a> {
        header.set(ASKING);
        Asking(header)
    }

    /// It is being asked until `end_cancel` is called.
    pub(crate) fn go_on(self) {
        std::mem::forget(self);
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.clear(ASKING);
    }
}

/// How a request to cancel begins at one thing.
pub(crate) enum Begun {
    /// It was cancelled there and then.
    Accepted,
    /// It asks others first: they were added to the frames, and `end_cancel` is called after them.
    Asking,
    /// It is done, or is being asked already.
    Refused,
}

/// What a task can wait for: a task, or a promise.
///
/// `begin_cancel` and `end_cancel` are called from one loop over an explicit stack, so that a
/// chain of any length is cancelled without recursion; of a user's code they run what a delegate says alone.
pub(crate) trait Awaited {
    fn begin_cancel(&self, request: &Cancelled, frames: &mut Vec<Frame>) -> Begun;

    /// Hears whether any of those that it asked accepted; answers for itself.
    fn end_cancel(&self, request: &Cancelled, accepted: bool) -> bool;

    /// The error that it ended with. A cancellation is one.
    fn error(&self) -> Option<TaskError>;

    /// Whether its outcome counts as an error that is not its cancellation.
    fn ended_in_error(&self) -> bool;

    /// What it is, for the wait graph; a task says it by [`CellRef::task`].
    fn state(&self) -> ResourceState {
        ResourceState::new("Task", None)
    }

    /// What else has to end before it does, as far as that is known.
    fn depends_on(&self) -> Vec<FutureRef> {
        Vec::new()
    }
}

/// What can be put into a cell.
///
/// # Safety
///
/// The type is `repr(C)` and begins with a [`Header`]; if `TASK` is there, with a [`TaskHead`], and
/// then the functions in it fit the type.
pub(crate) unsafe trait InCell: Awaited + 'static {
    const TASK: Option<TaskVtable>;
}

/// The functions of a cell. Each takes the header of a live cell of its type.
pub(crate) struct Vtable {
    awaited: fn(NonNull<Header>) -> NonNull<dyn Awaited>,
    /// Drops the cell, and gives its memory back.
    end: unsafe fn(NonNull<Header>),
    task: Option<TaskVtable>,
}

/// What came of a poll of a task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    Pending,
    /// There is a value that cannot count as an error.
    Value,
    /// There is an output.
    Output,
    Panicked,
}

/// The functions of the cell of a task, whose value is a `T`, and where in the cell things are.
#[derive(Clone, Copy)]
pub(crate) struct TaskVtable {
    /// Polls the future. An output is kept.
    pub(crate) poll: unsafe fn(NonNull<Header>, &Waker) -> Polled,
    /// Ends the task with an error, or with the output that was kept. The future, or a value that an
    /// error replaces, is dropped here; its panic is handed back.
    pub(crate) end: unsafe fn(NonNull<Header>, Option<TaskError>) -> Result<(), PanicPayload>,
    /// Where the `Result<T, TaskError>` is, while the cell has `OUTCOME`.
    pub(crate) outcome: usize,
}

struct VtableOf<C>(C);

impl<C: InCell> VtableOf<C> {
    const VTABLE: &'static Vtable = &Vtable {
        awaited: awaited::<C>,
        end: end_cell::<C>,
        task: C::TASK,
    };
}

fn awaited<C: InCell>(header: NonNull<Header>) -> NonNull<dyn Awaited> {
    header.cast::<C>()
}

/// # Safety
///
/// The header is that of a live cell of this type, and the caller has the only pointer to it.
unsafe fn end_cell<C: InCell>(header: NonNull<Header>) {
    // SAFETY: the cell is live, by the caller's word.
    let tasks = unsafe { &header.as_ref().tasks };
    // Its memory goes back even if a destructor panics.
    let _memory = Memory {
        block: header.cast::<C>(),
        // SAFETY: read once: `ManuallyDrop` keeps the drop of the cell from dropping it.
        tasks: unsafe { ManuallyDrop::into_inner(std::ptr::read(tasks)) },
    };
    // SAFETY: the cell is live, of this type, and nobody else refers to it, by the caller's word.
    unsafe { header.cast::<C>().drop_in_place() };
}

/// A counted pointer to a cell.
pub(crate) struct CellRef(NonNull<Header>);

impl CellRef {
    /// Makes a cell to which there are `refs` pointers; this is one of them.
    ///
    /// # Safety
    ///
    /// `fill` initializes all of the cell but the header, and does not panic.
    #[inline]
    pub(crate) unsafe fn new<C: InCell>(
        tasks: Rc<Tasks>,
        refs: u32,
        fill: impl FnOnce(NonNull<C>),
    ) -> CellRef {
        let block = tasks.blocks.allocate(const { Kind::of::<C>() }).cast::<C>();
        let flags = if C::TASK.is_some() {
            IS_TASK | FUTURE
        } else {
            0
        };
        fill(block);
        let header = Header {
            vtable: VtableOf::<C>::VTABLE,
            tasks: ManuallyDrop::new(tasks),
            refs: Cell::new(refs),
            told: Ends::new(),
            flags: Cell::new(flags),
        };
        // SAFETY: the block fits the type, which begins with a header, and nobody else has it.
        unsafe { block.cast().write(header) };
        CellRef(block.cast())
    }

    /// The rest of the cell.
    ///
    /// # Safety
    ///
    /// It is a `C`.
    #[inline]
    pub(crate) unsafe fn cell<C: InCell>(&self) -> &C {
        // SAFETY: live, as long as `self` counts, and of this type by the caller's word; only shared
        // references to cells are made, but by `get_mut`, which this borrow excludes.
        unsafe { self.0.cast::<C>().as_ref() }
    }

    /// The rest of the cell, to change it, if this is the only pointer to it.
    ///
    /// # Safety
    ///
    /// It is a `C`.
    #[inline]
    pub(crate) unsafe fn get_mut<C: InCell>(&mut self) -> Option<&mut C> {
        if self.refs.get() != 1 {
            return None;
        }
        // SAFETY: live and of this type; the only pointer is borrowed exclusively.
        Some(unsafe { self.0.cast::<C>().as_mut() })
    }

    /// What can be asked of any.
    pub(crate) fn awaited(&self) -> &dyn Awaited {
        let awaited = (self.vtable.awaited)(self.0);
        // SAFETY: as for `cell`.
        unsafe { awaited.as_ref() }
    }

    /// What is known of it if it is a task.
    #[inline]
    pub(crate) fn task(&self) -> Option<&TaskInfo> {
        if !self.has(IS_TASK) {
            return None;
        }
        // SAFETY: the cell of a task begins with a `TaskHead`, and is live as long as `self` counts.
        Some(&unsafe { self.0.cast::<TaskHead>().as_ref() }.info)
    }

    /// # Safety
    ///
    /// It is a task.
    #[inline]
    unsafe fn task_vtable(&self) -> &'static TaskVtable {
        debug_assert!(self.has(IS_TASK));
        // SAFETY: the tables of tasks have it, and it is one by the caller's word.
        unsafe { self.vtable.task.as_ref().unwrap_unchecked() }
    }

    /// Where the outcome of a task is.
    ///
    /// # Safety
    ///
    /// Its value is a `T`. There is something while the cell has `OUTCOME`.
    #[inline]
    unsafe fn outcome_place<T>(&self) -> NonNull<Result<T, TaskError>> {
        // SAFETY: what has such a value is a task.
        let offset = unsafe { self.task_vtable() }.outcome;
        // SAFETY: within the cell, by the word of the table that is its own.
        unsafe { self.0.byte_add(offset) }.cast()
    }

    /// Lends the outcome of a task, if it is done.
    ///
    /// # Safety
    ///
    /// Its value is a `T`, and `take_outcome` is not called while the loan lives, unless within a look that
    /// set `READING`.
    #[inline]
    pub(crate) unsafe fn outcome<T>(&self) -> Result<&T, TaskError> {
        if !self.done() {
            return Err(TaskError::InvalidState);
        }
        self.clear(UNREAD);
        if !self.has(OUTCOME) {
            return Err(TaskError::ResultTaken);
        }
        // SAFETY: the value is a `T`, by the caller's word.
        let place = unsafe { self.outcome_place::<T>() };
        // SAFETY: it is there, since `OUTCOME` is set. It stays until it is taken, which the caller
        // excludes, or the cell goes, which `self` keeps.
        unsafe { place.as_ref() }.as_ref().map_err(TaskError::clone)
    }

    /// Moves the value of a task out, if it is done with one. An error stays, for others to see.
    ///
    /// # Safety
    ///
    /// It is a `T`, and nothing that `outcome` lent is alive, but within a look that set `READING`.
    #[inline]
    pub(crate) unsafe fn take_outcome<T>(&self) -> Result<T, TaskError> {
        if !self.done() {
            return Err(TaskError::InvalidState);
        }
        self.clear(UNREAD);
        if !self.has(OUTCOME) || self.has(READING) {
            return Err(TaskError::ResultTaken);
        }
        // SAFETY: the value is a `T`, by the caller's word.
        let place = unsafe { self.outcome_place::<T>() };
        // SAFETY: it is there, since `OUTCOME` is set, and nobody changes it here.
        if let Err(error) = unsafe { place.as_ref() } {
            return Err(error.clone());
        }
        self.clear(OUTCOME);
        // SAFETY: it is there, no loan of it lives, and without `OUTCOME` nobody regards it as there any more.
        unsafe { place.read() }
    }

    /// The same cell?
    #[inline]
    pub(crate) fn is(&self, other: &CellRef) -> bool {
        self.0 == other.0
    }

    /// Has its first lines loaded into the cache: header, info, and what comes behind.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(self.0.as_ptr(), 2 * size_of::<TaskHead>());
    }

    /// A number that no other live cell has.
    pub(crate) fn address(&self) -> usize {
        self.0.addr().get()
    }
}

/// A counted pointer to the cell of a task.
#[derive(Clone)]
pub(crate) struct TaskCellRef(CellRef);

impl TaskCellRef {
    /// # Safety
    ///
    /// It is a task.
    #[inline]
    pub(crate) unsafe fn new(cell: CellRef) -> TaskCellRef {
        debug_assert!(cell.has(IS_TASK));
        TaskCellRef(cell)
    }

    /// The other one of the two pointers that were counted when the cell was made.
    ///
    /// # Safety
    ///
    /// It is called at most once less often than `refs` was.
    #[inline]
    pub(crate) unsafe fn counted_ref(&self) -> TaskCellRef {
        TaskCellRef(CellRef(self.0.0))
    }

    #[inline]
    pub(crate) fn into_cell(self) -> CellRef {
        self.0
    }

    /// What is known of the task.
    #[inline]
    pub(crate) fn info(&self) -> &TaskInfo {
        // SAFETY: the cell of a task begins with a `TaskHead`, and is live as long as `self` counts.
        &unsafe { self.0.0.cast::<TaskHead>().as_ref() }.info
    }

    #[inline]
    fn vtable(&self) -> &'static TaskVtable {
        // SAFETY: it is a task.
        unsafe { self.0.task_vtable() }
    }

    /// [`TaskVtable::poll`].
    #[inline]
    pub(crate) fn poll(&self, waker: &Waker) -> Polled {
        // SAFETY: the cell is live, and the function is that of its type.
        unsafe { (self.vtable().poll)(self.0.0, waker) }
    }

    /// [`TaskVtable::end`].
    #[inline]
    pub(crate) fn end(&self, error: Option<TaskError>) -> Result<(), PanicPayload> {
        // SAFETY: the cell is live, and the function is that of its type.
        unsafe { (self.vtable().end)(self.0.0, error) }
    }
}

impl Deref for TaskCellRef {
    type Target = CellRef;

    #[inline]
    fn deref(&self) -> &CellRef {
        &self.0
    }
}

impl Deref for CellRef {
    type Target = Header;

    #[inline]
    fn deref(&self) -> &Header {
        // SAFETY: the cell is live as long as `self` counts, and its header is only referred to by
        // shared references, but in `get_mut` and the last drop, which have the only pointer.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for CellRef {
    #[inline]
    fn clone(&self) -> CellRef {
        match self.refs.get().checked_add(1) {
            Some(refs) => self.refs.set(refs),
            // Four billion handles can only be had by forgetting them; the count must not lie.
            None => std::process::abort(),
        }
        CellRef(self.0)
    }
}

impl Drop for CellRef {
    #[inline]
    fn drop(&mut self) {
        let refs = self.refs.get() - 1;
        if refs != 0 {
            return self.refs.set(refs);
        }
        // SAFETY: live, of the type of the function, and `self` was the last pointer; while the cell
        // is dropped nothing makes another.
        unsafe { (self.vtable.end)(self.0) };
    }
}

/// The memory of a cell that has been dropped.
struct Memory<C: InCell> {
    block: NonNull<C>,
    tasks: Rc<Tasks>,
}

impl<C: InCell> Drop for Memory<C> {
    #[inline]
    fn drop(&mut self) {
        let kind = const { Kind::of::<C>() };
        // SAFETY: `CellRef::new` allocated it as this kind, and the cell in it is gone.
        unsafe { self.tasks.blocks.free(self.block.cast(), kind) };
    }
}
