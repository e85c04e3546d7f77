//! A process that forks (H15): the pools of the parent refuse in the child, and new ones run. Here and not beside the pools, since
//! a fork takes unsafe code.
//!
//! A binary of its own, so that no other test has threads meanwhile.

#![cfg(all(unix, not(miri)))]

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ouroloop::{ExecutorError, ThreadPoolExecutor, to_thread};

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

#[test]
fn h15_in_the_child_a_pool_of_the_parent_refuses_and_a_new_one_runs() {
    let pool = ThreadPoolExecutor::new();
    pool.submit(|| ()).result(None).unwrap();
    assert!(holds_in_a_child(|| {
        let limit = Duration::from_secs(10);
        let error = pool.submit(|| ()).exception(limit).unwrap().unwrap();
        assert!(matches!(
            error.downcast_ref(),
            Some(ExecutorError::Forked { .. })
        ));
        let own = ThreadPoolExecutor::new();
        assert_eq!(own.submit(|| 1).result(limit).unwrap(), 1);
        assert_eq!(
            ouroloop::run(async { to_thread(|| 2).await.unwrap() }).unwrap(),
            2
        );
    }));
    assert_eq!(pool.submit(|| 3).result(None).unwrap(), 3);
}
