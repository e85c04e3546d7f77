//! What stays in the thread of its loop, in the words of the compiler's error.
//!
//! An `Rc` that is sent to a thread is refused by its full name, so the name says what to send.

use std::marker::PhantomData;
use std::ops::Deref;

/// A value that other threads reach through an `R`.
pub(crate) struct OtherThreadsUse<R, T> {
    value: T,
    instead: PhantomData<fn() -> R>,
}

impl<R, T> OtherThreadsUse<R, T> {
    pub(crate) fn new(value: T) -> OtherThreadsUse<R, T> {
        OtherThreadsUse {
            value,
            instead: PhantomData,
        }
    }
}

impl<R, T> Deref for OtherThreadsUse<R, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}
