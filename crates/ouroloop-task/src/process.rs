//! Which process this is, for those who ask at each call: what was made before a fork is the parent's.
//!
//! Asking the system costs as much as all the rest of such a call. So the answer is kept, and the child of a fork
//! forgets it, before anything else runs there.

#[cfg(all(unix, not(miri)))]
use std::ffi::c_int;
#[cfg(all(unix, not(miri)))]
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Gives the id of this process, as [`std::process::id`] does, for a few nanoseconds.
///
/// For those who keep threads, or hand out what other threads complete: compare with the id at the time of making, and
/// refuse in the child of a fork what only the parent has the threads for. A child that was made by a bare `clone` system
/// call, past the C library, is not told from its parent.
///
/// # Examples
///
/// ```
/// assert_eq!(ouroloop::lowlevel::process_id(), std::process::id());
/// ```
#[inline]
pub fn process_id() -> u32 {
    #[cfg(all(unix, not(miri)))]
    match PROCESS.load(Ordering::Relaxed) {
        0 => ask(),
        id => id,
    }
    #[cfg(not(all(unix, not(miri))))]
    std::process::id()
}

/// The answer; zero if it is not known.
#[cfg(all(unix, not(miri)))]
static PROCESS: AtomicU32 = AtomicU32::new(0);

#[cfg(all(unix, not(miri)))]
unsafe extern "C" {
    fn pthread_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
    ) -> c_int;
}

#[cfg(all(unix, not(miri)))]
#[cold]
fn ask() -> u32 {
    /// Set after the registration: who sees it may keep the answer.
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    let id = std::process::id();
    if !REGISTERED.load(Ordering::Acquire) {
        // SAFETY: the handler lives as long as the process, and only stores to an atomic, which is allowed in the child
        // of a process with threads. To be registered twice, by two threads at once, does it no harm.
        let refused = unsafe { pthread_atfork(None, None, Some(forget)) };
        if refused != 0 {
            return id;
        }
        REGISTERED.store(true, Ordering::Release);
    }
    PROCESS.store(id, Ordering::Relaxed);
    id
}

#[cfg(all(unix, not(miri)))]
extern "C" fn forget() {
    PROCESS.store(0, Ordering::Relaxed);
}
