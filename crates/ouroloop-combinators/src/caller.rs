//! Who called a function of this crate, for the words of its panic.
//!
//! A future is polled far from the line that made it, so that line is kept.

use std::panic::Location;

use ouroloop_core::{EventLoop, get_running_loop, running_loop_id};
use ouroloop_task::{TaskRef, current_task};

/// A call of a public function.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) function: &'static str,
    pub(crate) place: &'static Location<'static>,
}

impl Caller {
    #[track_caller]
    pub(crate) fn of(function: &'static str) -> Caller {
        Caller {
            function,
            place: Location::caller(),
        }
    }

    /// The task that awaits what the function gave.
    pub(crate) fn task(self) -> TaskRef {
        self.check_running();
        match current_task() {
            Some(task) => task,
            None => self.panic_outside_of_a_task(),
        }
    }

    #[cold]
    pub(crate) fn panic_outside_of_a_task(self) -> ! {
        panic!(
            "{} at {}: polled outside of a task; await it in one, which `create_task` makes",
            self.function, self.place
        )
    }

    pub(crate) fn check_running(self) {
        if running_loop_id().is_none() {
            self.panic_without_loop();
        }
    }

    pub(crate) fn running_loop(self) -> EventLoop {
        match get_running_loop() {
            Ok(event_loop) => event_loop,
            Err(_) => self.panic_without_loop(),
        }
    }

    #[cold]
    fn panic_without_loop(self) -> ! {
        panic!(
            "{} at {}: no running event loop; await it in a task of a loop, as in `ouroloop::run(async {{ .. }})`",
            self.function, self.place
        );
    }
}

/// The loop that runs the caller of a function that needs one at once.
#[track_caller]
pub(crate) fn running_loop(function: &str) -> EventLoop {
    match get_running_loop() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("{function}: {error}"),
    }
}
