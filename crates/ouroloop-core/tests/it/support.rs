//! What the tests share: a log that callbacks write, and loops of either kind.

use std::cell::RefCell;
use std::rc::Rc;

use ouroloop_core::{EventLoop, VirtualClock};

/// A log that callbacks write to.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn say(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    /// A callback that writes `line`.
    pub fn line(&self, line: &'static str) -> impl Fn() + use<> + 'static {
        let log = self.clone();
        move || log.say(line)
    }

    /// Everything so far, separated by spaces; the log is empty then.
    pub fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

/// A loop on virtual time, with its clock.
pub fn virtual_loop() -> (EventLoop, VirtualClock) {
    let clock = VirtualClock::new();
    let event_loop = EventLoop::builder()
        .clock(clock.clone())
        .build()
        .expect("a loop can be made");
    (event_loop, clock)
}
