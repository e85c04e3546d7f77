//! The primitives of what crosses threads: the standard library's, or loom's when it is modelled.

#[cfg(loom)]
pub(crate) use loom::{
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence},
    },
    thread,
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence},
    },
    thread,
};

use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Locks, whatever happened under the lock before: nothing here runs user code under one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the condition; without a limit if there is none.
pub(crate) fn wait<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    limit: Option<Duration>,
) -> MutexGuard<'a, T> {
    match limit {
        None => condition
            .wait(guard)
            .unwrap_or_else(PoisonError::into_inner),
        Some(limit) => {
            condition
                .wait_timeout(guard, limit)
                .unwrap_or_else(PoisonError::into_inner)
                .0
        }
    }
}

/// Looks for a short time whether something has come; false if not.
///
/// Waking a thread that sleeps costs as much as looking for so long. On a machine that is busy this gives way to
/// others, and ends early.
pub(crate) fn spin_until(limit: Duration, came: impl Fn() -> bool) -> bool {
    if came() {
        return true;
    }
    let begun = Instant::now();
    (0..8).for_each(|_| std::hint::spin_loop());
    while !came() {
        if begun.elapsed() >= limit {
            return false;
        }
        std::thread::yield_now();
    }
    true
}
