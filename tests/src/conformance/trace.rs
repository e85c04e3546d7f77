//! The lines that a run leaves.

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use ouroloop::LoopRef;

/// What a run said, with the loop's time of each line.
pub struct Trace {
    event_loop: LoopRef,
    lines: RefCell<Vec<String>>,
    too_long: Cell<bool>,
}

/// A run that says more than this does not end.
const LINES_MAX: usize = 4000;

impl Trace {
    /// Nothing said yet.
    pub fn new(event_loop: LoopRef) -> Trace {
        Trace {
            event_loop,
            lines: RefCell::default(),
            too_long: Cell::new(false),
        }
    }

    /// Adds a line. One too many stops the loop.
    pub fn log(&self, who: &str, text: impl Display) {
        let mut lines = self.lines.borrow_mut();
        if lines.len() >= LINES_MAX {
            self.too_long.set(true);
            self.event_loop.stop();
            return;
        }
        let tick = self.event_loop.time().as_millis();
        lines.push(format!("{tick} {who} {text}"));
    }

    /// Whether there was a line too many.
    pub fn too_long(&self) -> bool {
        self.too_long.get()
    }

    /// The lines; the trace is empty afterwards.
    pub fn take(&self) -> Vec<String> {
        self.lines.take()
    }
}
