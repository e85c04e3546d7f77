//! What a loop tells its exception handler.

use std::cell::RefCell;
use std::rc::Rc;

use ouroloop_core::{ExceptionContext, LoopRef};

/// What was reported to the exception handler of a loop, in order.
///
/// A clone refers to the same reports.
///
/// # Examples
///
/// ```
/// use ouroloop::{new_event_loop, testkit::{Reports, quiet_panic, run_iterations}};
///
/// let event_loop = new_event_loop()?;
/// let reports = Reports::of(&event_loop);
/// event_loop.call_soon(|| quiet_panic("no tea"))?;
/// run_iterations(&event_loop, 1);
/// let report = &reports.take()[0];
/// assert_eq!(report.message(), "Exception in callback");
/// assert_eq!(report.panic().unwrap().message(), "no tea");
/// event_loop.close()?;
/// # Ok::<(), ouroloop::LoopError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reports(Rc<RefCell<Vec<ExceptionContext>>>);

impl Reports {
    /// Collects the reports of a loop from now on, in place of the handler that it had.
    pub fn of(event_loop: &LoopRef) -> Reports {
        let reports = Rc::new(RefCell::new(Vec::new()));
        let sink = reports.clone();
        event_loop.set_exception_handler(Some(Rc::new(move |_, context: &ExceptionContext| {
            sink.borrow_mut().push(context.clone());
        })));
        Reports(reports)
    }

    /// The reports so far; none are left then.
    pub fn take(&self) -> Vec<ExceptionContext> {
        self.0.take()
    }
}
