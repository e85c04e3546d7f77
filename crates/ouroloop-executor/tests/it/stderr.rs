//! Errors of threads reach a user who has no subscriber to `tracing`.

use std::env;
use std::process::Command;

use ouroloop_executor::concurrent;

const CHILD: &str = "OUROLOOP_TEST_STDERR_CHILD";
const NAME: &str = "stderr::a_callback_that_panics_is_on_stderr_without_a_subscriber";

#[test]
fn a_callback_that_panics_is_on_stderr_without_a_subscriber() {
    if env::var_os(CHILD).is_some() {
        let promise = concurrent::Promise::new();
        let future = promise.future();
        future.add_done_callback(|_| std::panic::resume_unwind(Box::new("a panic")));
        promise.set_result(1).unwrap();
        return;
    }
    let child = Command::new(env::current_exe().unwrap())
        // Else the harness would catch what `eprintln!` writes.
        .args(["--exact", NAME, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(child.status.success(), "{said}");
    let line = said
        .lines()
        .find(|line| line.starts_with("exception calling callback for "));
    assert!(line.is_some(), "{said}");
}
