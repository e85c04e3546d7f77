//! The standard error stream may be full or closed, and the loop goes on.

#![cfg(all(target_os = "linux", not(miri)))]

use std::env;
use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use ouroloop_core::{EventLoop, ExceptionContext};

const CHILD: &str = "OUROLOOP_TEST_STDERR_CHILD";
const NAME: &str = "stderr::what_cannot_be_written_is_lost_and_nothing_panics";

/// A warning from a destructor that runs while a panic unwinds: a second panic would end the process.
struct Warns(EventLoop);

impl Drop for Warns {
    fn drop(&mut self) {
        self.0.warn("unclosed");
    }
}

fn report_everything() {
    let event_loop = EventLoop::builder().build().unwrap();
    event_loop.warn("a warning");
    event_loop.call_exception_handler(ExceptionContext::new("a report"));
    let warns = Warns(event_loop.handle());
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _warns = warns;
        std::panic::resume_unwind(Box::new("a panic"));
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"a panic"));
    event_loop.close().unwrap();
}

#[test]
fn what_cannot_be_written_is_lost_and_nothing_panics() {
    if env::var_os(CHILD).is_some() {
        return report_everything();
    }
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = Command::new(env::current_exe().unwrap())
        // Else the harness would catch what `eprintln!` writes.
        .args(["--exact", NAME, "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .stderr(full)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}
