//! Which loop runs in this thread, and which one the thread regards as its own.
//!
//! Two slots, as in asyncio. The *running* loop is there while a loop runs, and nobody sets it by
//! hand. The *current* loop is a convenience that `set_event_loop` sets; it is never made behind
//! the caller's back, as asyncio has it since 3.14.

use std::cell::{Cell, RefCell};

use crate::{EventLoop, LoopError, LoopId, LoopRef};

thread_local! {
    /// The id of the running loop plus one. Needs no destructor, so a look at it is one load.
    static RUNNING_ID: Cell<u16> = const { Cell::new(0) };
    static RUNNING: RefCell<Option<LoopRef>> = const { RefCell::new(None) };
    static CURRENT: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
}

/// Gives the loop that runs in this thread: asyncio's `get_running_loop`.
///
/// # Errors
///
/// [`LoopError::NotRunning`] outside of callbacks and tasks; [`LoopError::Forked`] in the child
/// of a fork that happened inside one.
///
/// # Examples
///
/// ```
/// use ouroloop::{LoopError, get_running_loop};
///
/// assert!(matches!(get_running_loop(), Err(LoopError::NotRunning)));
/// ouroloop::run(async {
///     let event_loop = get_running_loop().unwrap();
///     println!("{:?} since the loop was made", event_loop.time());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub fn get_running_loop() -> Result<EventLoop, LoopError> {
    let running = with_running(|running| running.cloned()).ok_or(LoopError::NotRunning)?;
    running.check_process()?;
    Ok(running.handle())
}

/// Gives the id of the loop that runs in this thread; the cheapest way to ask whether one does.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::running_loop_id;
///
/// assert!(running_loop_id().is_none());
/// ouroloop::run(async { assert!(running_loop_id().is_some()) })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[inline]
pub fn running_loop_id() -> Option<LoopId> {
    match RUNNING_ID.get() {
        0 => None,
        id => Some(LoopId::from_index(id - 1)),
    }
}

/// Calls `f` with the loop that runs in this thread, if one does: [`get_running_loop`] without a counted
/// handle.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::with_running;
///
/// let ready = || with_running(|running| running.map(|running| running.statistics().ready));
/// assert_eq!(ready(), None);
/// ouroloop::run(async move { assert_eq!(ready(), Some(0)) })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[inline]
pub fn with_running<R>(f: impl FnOnce(Option<&LoopRef>) -> R) -> R {
    // A clone, and no borrow: `f` may leave the loop, or enter another one.
    let running = RUNNING
        .try_with(|slot| slot.borrow().clone())
        .ok()
        .flatten();
    f(running.as_ref())
}

/// Sets the loop that [`get_event_loop`] returns in this thread when none runs: asyncio's `set_event_loop`.
///
/// The thread then holds a handle of the loop, which keeps it from being closed as unused.
///
/// # Examples
///
/// ```
/// use ouroloop::{get_event_loop, new_event_loop, set_event_loop};
///
/// let event_loop = new_event_loop()?;
/// set_event_loop(Some(&event_loop));
/// assert!(get_event_loop()?.same_loop(&event_loop));
/// set_event_loop(None);
/// assert!(get_event_loop().is_err());
/// event_loop.close()?;
/// # Ok::<(), ouroloop::LoopError>(())
/// ```
pub fn set_event_loop(event_loop: Option<&EventLoop>) {
    let before = CURRENT.try_with(|slot| slot.replace(event_loop.cloned()));
    // Its drop may close a loop, and with it run anything: not inside of `try_with`.
    drop(before);
}

/// Gives the loop that runs in this thread, else the one that [`set_event_loop`] has set: asyncio's
/// `get_event_loop`.
///
/// None is made behind the caller's back, as in asyncio since 3.14. [`set_event_loop`] has an example.
///
/// # Errors
///
/// [`LoopError::NoCurrentLoop`] if there is neither, and [`LoopError::Forked`] as for
/// [`get_running_loop`].
pub fn get_event_loop() -> Result<EventLoop, LoopError> {
    match get_running_loop() {
        Err(LoopError::NotRunning) => CURRENT
            .try_with(|slot| slot.borrow().clone())
            .ok()
            .flatten()
            .ok_or(LoopError::NoCurrentLoop),
        other => other,
    }
}

/// Whether a loop may be put into the thread's slot.
///
/// The child of a fork that happened inside of a loop inherits the slot, but not the loop: there it
/// is free, as in asyncio.
pub(crate) fn check_free() -> Result<(), LoopError> {
    let taken = with_running(|running| running.map(|running| running.check_process().is_ok()));
    match taken {
        Some(true) => Err(LoopError::LoopInLoop),
        Some(false) => {
            leave();
            Ok(())
        }
        None => Ok(()),
    }
}

/// Puts a loop into the thread's slot.
pub(crate) fn enter(event_loop: &LoopRef) -> Result<(), LoopError> {
    check_free()?;
    // In a thread that is being torn down there is no slot any more, and nothing may run.
    RUNNING
        .try_with(|slot| *slot.borrow_mut() = Some(event_loop.clone()))
        .map_err(|_| LoopError::NotRunning)?;
    RUNNING_ID.set(event_loop.id().index() + 1);
    Ok(())
}

/// Empties the thread's slot.
pub(crate) fn leave() {
    RUNNING_ID.set(0);
    let before = RUNNING.try_with(|slot| slot.borrow_mut().take());
    drop(before);
}
