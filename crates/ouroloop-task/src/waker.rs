//! Wakers that are one word: which loop, which client of it, which task.
//!
//! Nothing is counted, so cloning and dropping one costs nothing, a task is freed without
//! atomics, and a waker may outlive its task, its loop and its thread. In the loop's own thread
//! a wake goes straight to the ready queue; in any other it goes through the loop's inbox.
//!
//! # Invariants
//!
//! The word is never dereferenced. A word whose task is gone, or whose numbers were taken again by
//! another task, can at worst cause a poll that finds nothing new.

use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use ouroloop_core::{ClientId, LoopId, post, running_loop_id};

use crate::pool::Key;
use crate::tasks::Tasks;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a waker of ouroloop-task is a word of 64 bits; this target has smaller pointers");

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop_nothing);

/// The waker of a task.
#[inline]
pub(crate) fn of(word: u64) -> Waker {
    let raw = RawWaker::new(ptr::without_provenance(word as usize), &VTABLE);
    // SAFETY: the contract of `RawWaker` asks that the four functions of the table be thread-safe
    // and agree on what the data is. They treat it as a number, which any thread may copy and
    // drop; `wake` reaches another thread's loop by `post` alone, which is `Sync` by its types.
    unsafe { Waker::from_raw(raw) }
}

/// Whether `waker` is the one with this word.
#[inline]
pub(crate) fn is(waker: &Waker, word: u64) -> bool {
    waker.data().addr() as u64 == word && ptr::eq(waker.vtable(), &VTABLE)
}

/// What the words of all tasks of a client have in common: 12 bits of loop and 8 of client, above the
/// 20 bits of generation and 24 of index that are the task's.
pub(crate) fn base(event_loop: LoopId, client: ClientId) -> u64 {
    u64::from(event_loop.index()) << 52 | u64::from(client.index()) << 44
}

/// The word of a task.
#[inline]
pub(crate) fn word(base: u64, root: Key) -> u64 {
    base | root.word() & Key::WAKER_MASK
}

fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

fn wake(data: *const ()) {
    let word = data.addr() as u64;
    if !Tasks::wake_current(word) {
        wake_other(word);
    }
}

/// Wakes a task that is not the one that is being polled in this thread.
fn wake_other(word: u64) {
    let event_loop = LoopId::from_index((word >> 52) as u16);
    if running_loop_id() == Some(event_loop) {
        return Tasks::wake_local(event_loop, word);
    }
    let client = ClientId::from_index((word >> 44 & 0xff) as u8);
    post(event_loop, client.word(word & Key::WAKER_MASK));
}

fn drop_nothing(_: *const ()) {}
