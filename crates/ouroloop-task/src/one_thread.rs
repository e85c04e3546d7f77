//! What stays in the thread of its loop, and what the compiler says to those who send it away.
//!
//! A type that holds an `Rc` is not `Send`, and the compiler says so: in terms of that `Rc`, which is
//! of no use to a user. So the types that users have in hand are `Send` under a condition that
//! nothing meets, and that condition has words of its own.
//!
//! # Safety
//!
//! The traits here have no implementation and cannot be named outside of this crate, so that the
//! condition is never met: nothing is `Send` or `Sync` by these `impl`s.

use crate::promise::{Promise, PromiseFuture};
use crate::task::Task;
use crate::task_ref::{FutureRef, TaskRef};

/// The lifetime makes a condition that is plainly false one that the compiler looks at late.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` belongs to the thread of its loop",
    label = "another thread would set this, or wait for it",
    note = "call `promise.remote()` in the loop's thread and give the other thread the `RemotePromise` that it returns: `remote.set_result(..)` wakes the loop"
)]
pub trait SetByRemotePromise<'a> {}

#[diagnostic::on_unimplemented(
    message = "a `{Self}` belongs to the thread of its loop",
    label = "another thread would use this task",
    note = "call `get_running_loop()?.remote()` in the loop's thread and give the other thread that `RemoteHandle`: `remote.call_soon_threadsafe(..)` runs a function in the loop",
    note = "to hand a result to a task from another thread, give the thread `promise.remote()`"
)]
pub trait UsedByCallSoonThreadsafe<'a> {}

macro_rules! in_one_thread {
    ($($name:ident $(<$value:ident>)?: $condition:ident,)*) => {$(
        // SAFETY: the condition is never met, so this promises nothing.
        unsafe impl$(<$value>)? Send for $name$(<$value>)? where for<'a> Self: $condition<'a> {}

        // SAFETY: as above.
        unsafe impl$(<$value>)? Sync for $name$(<$value>)? where for<'a> Self: $condition<'a> {}
    )*};
}

in_one_thread! {
    FutureRef: UsedByCallSoonThreadsafe,
    Promise<T>: SetByRemotePromise,
    PromiseFuture<T>: SetByRemotePromise,
    Task<T>: UsedByCallSoonThreadsafe,
    TaskRef: UsedByCallSoonThreadsafe,
}
