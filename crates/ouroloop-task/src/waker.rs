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

use crate::arena::{GENERATION_MASK, Key};
use crate::tasks::Tasks;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a waker of ouroloop-task is a word of 64 bits; this target has smaller pointers");

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop_nothing);

/// The waker of a task.
pub(crate) fn of(event_loop: LoopId, client: ClientId, root: Key) -> Waker {
    let raw = RawWaker::new(word(event_loop, client, root), &VTABLE);
    // SAFETY: the contract of `RawWaker` asks that the four functions of the table be thread-safe
    // and agree on what the data is. They treat it as a number, which any thread may copy and
    // drop; `wake` reaches another thread's loop by `post` alone, which is `Sync` by its types.
    unsafe { Waker::from_raw(raw) }
}

/// Whether `waker` is the one of this task.
#[inline]
pub(crate) fn is(waker: &Waker, event_loop: LoopId, client: ClientId, root: Key) -> bool {
    waker.data() == word(event_loop, client, root) && ptr::eq(waker.vtable(), &VTABLE)
}

/// 12 bits of loop, 8 of client, 20 of generation, 24 of index.
#[inline]
fn word(event_loop: LoopId, client: ClientId, root: Key) -> *const () {
    let bits = u64::from(event_loop.index()) << 52
        | u64::from(client.index()) << 44
        | u64::from(root.generation & GENERATION_MASK) << 24
        | u64::from(root.index);
    ptr::without_provenance(bits as usize)
}

fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

fn wake(data: *const ()) {
    let bits = data.addr() as u64;
    let event_loop = LoopId::from_index((bits >> 52) as u16);
    if running_loop_id() == Some(event_loop) {
        return Tasks::wake_local(event_loop, bits);
    }
    let client = ClientId::from_index((bits >> 44 & 0xff) as u8);
    post(event_loop, client.word(bits & 0xfff_ffff_ffff));
}

fn drop_nothing(_: *const ()) {}
