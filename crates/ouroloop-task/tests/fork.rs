//! A process that forks: the child has none of its parent's loops, and takes no events from them.
//!
//! A binary of its own, so that no other test has threads or descriptors meanwhile.

#![cfg(all(unix, not(miri)))]

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ouroloop_core::{LoopError, get_running_loop, new_event_loop};
use ouroloop_task::{LoopTasks, bare_yield};

unsafe extern "C" {
    safe fn fork() -> c_int;
    safe fn _exit(status: c_int) -> !;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
}

/// Whether `check` ends without a panic in a child of this process.
fn holds_in_a_child(check: impl FnOnce()) -> bool {
    let child = fork();
    if child == 0 {
        let outcome = catch_unwind(AssertUnwindSafe(check));
        // Without destructors: they are the parent's.
        _exit(c_int::from(outcome.is_err()));
    }
    let mut status = -1;
    // SAFETY: the pointer is to a variable that lives to the end of the call.
    let waited = unsafe { waitpid(child, &mut status, 0) };
    waited == child && status == 0
}

fn is_forked<T>(result: &Result<T, LoopError>) -> bool {
    matches!(result, Err(LoopError::Forked { .. }))
}

// One test: a child has only the thread that forked, and another test may hold a lock meanwhile.
#[test]
fn in_the_child_the_loops_of_the_parent_refuse_and_a_new_one_runs() {
    let event_loop = new_event_loop().expect("a loop can be made");
    let in_child = event_loop.downgrade();
    let woken = Arc::new(AtomicBool::new(false));
    let (wake, seen) = (woken.clone(), woken.clone());
    event_loop
        .remote()
        .call_soon_threadsafe(move || wake.store(true, Relaxed))
        .expect("it is open");
    assert!(holds_in_a_child(move || {
        assert!(is_forked(&in_child.run_forever()));
        assert!(is_forked(&in_child.enter()));
        let own = new_event_loop().expect("a loop can be made");
        let value = own.run_until_complete(async {
            bare_yield().await;
            7
        });
        assert_eq!(value.ok(), Some(7));
        own.close().expect("it does not run");
        assert!(!seen.load(Relaxed), "the wake-up is not the child's");
    }));
    // What woke the parent is still there for it.
    event_loop.run_once().expect("it is the parent's");
    assert!(woken.load(Relaxed), "the wake-up is the parent's");
    let value = event_loop.run_until_complete(async {
        bare_yield().await;
        holds_in_a_child(|| {
            assert!(is_forked(&get_running_loop()));
            let own = new_event_loop().expect("a loop can be made");
            let value = own.run_until_complete(async {
                bare_yield().await;
                8
            });
            assert_eq!(value.ok(), Some(8), "the child's own loop runs");
        })
    });
    assert_eq!(value.ok(), Some(true), "and the parent has lost nothing");
    event_loop.close().expect("it does not run");
}
