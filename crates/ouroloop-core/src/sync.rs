//! The primitives of what threads wake a loop by: the standard library's, or loom's when that is modelled.

#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicU8, atomic::Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicU8, atomic::Ordering};
