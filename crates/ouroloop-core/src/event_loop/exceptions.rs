//! The exception handler, and debug mode.

use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

use super::LoopRef;
use crate::clock::duration_to_ns;
use crate::{ExceptionContext, PanicPayload, to_stderr_if_untraced};

/// What [`LoopRef::set_exception_handler`] takes: it is called with the loop and a description of what
/// happened.
pub type ExceptionHandler = Rc<dyn Fn(&LoopRef, &ExceptionContext)>;

/// Reports of errors that nobody was there to receive.
impl LoopRef {
    /// Sets who is told of errors that nobody was there to receive; `None` is the default handler, which logs
    /// them. asyncio's `set_exception_handler`.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{bare_yield, create_task, get_running_loop};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// ouroloop::run(async {
    ///     let event_loop = get_running_loop().unwrap();
    ///     let reports = Rc::new(RefCell::new(Vec::new()));
    ///     let keep = reports.clone();
    ///     event_loop.set_exception_handler(Some(Rc::new(move |_event_loop, context| {
    ///         keep.borrow_mut().push(context.panic().unwrap().message().to_string());
    ///     })));
    ///     drop(create_task(async { panic!("out of ideas") }));
    ///     bare_yield().await;
    ///     assert_eq!(*reports.borrow(), ["out of ideas"]);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn set_exception_handler(&self, handler: Option<ExceptionHandler>) {
        let before = self.inner().exception_handler.replace(handler);
        drop(before);
    }

    /// Gives who is told of them, if somebody was set. asyncio's `get_exception_handler`.
    #[doc(alias = "get_exception_handler")]
    pub fn exception_handler(&self) -> Option<ExceptionHandler> {
        self.inner().exception_handler.borrow().clone()
    }

    /// Reports an error: to the handler that was set, else to the default one. asyncio's
    /// `call_exception_handler`.
    ///
    /// A handler that panics is reported in turn to the default one, together with what it was given.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{ExceptionContext, get_running_loop};
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// ouroloop::run(async {
    ///     let event_loop = get_running_loop().unwrap();
    ///     let reports = Rc::new(Cell::new(0));
    ///     let count = reports.clone();
    ///     event_loop.set_exception_handler(Some(Rc::new(move |_, _| count.set(count.get() + 1))));
    ///     event_loop.call_exception_handler(ExceptionContext::new("the printer is on fire"));
    ///     assert_eq!(reports.get(), 1);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn call_exception_handler(&self, context: ExceptionContext) {
        let Some(handler) = self.exception_handler() else {
            self.default_exception_handler(&context);
            return;
        };
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| handler(self, &context)));
        if let Err(payload) = outcome {
            self.default_exception_handler(
                &ExceptionContext::new("Unhandled error in exception handler")
                    .with_panic(PanicPayload::from_payload(payload)),
            );
            self.default_exception_handler(&context);
        }
    }

    /// Logs an error. Without a `tracing` subscriber it goes to the standard error stream.
    pub fn default_exception_handler(&self, context: &ExceptionContext) {
        if !to_stderr_if_untraced(&context.to_string()) {
            tracing::error!(target: "ouroloop::core", loop_id = self.id().index(), "{context}");
        }
    }

    /// Logs what is no error yet, and may well become one: a slow callback, something that was not
    /// closed. Without a `tracing` subscriber it goes to the standard error stream.
    ///
    /// # Examples
    ///
    /// ```
    /// let event_loop = ouroloop::new_event_loop()?;
    /// event_loop.warn("unclosed pool of connections: call close()");
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn warn(&self, message: &str) {
        if !to_stderr_if_untraced(message) {
            tracing::warn!(target: "ouroloop::core", loop_id = self.id().index(), "{message}");
        }
    }

    /// Calls what may panic and must not unwind any further: its panic is reported to the exception handler with `message`.
    ///
    /// For those who build on the loop, where a user's code runs in the middle of something: a destructor, a waker.
    ///
    /// # Examples
    ///
    /// ```
    /// let event_loop = ouroloop::new_event_loop()?;
    /// event_loop.contain("Exception while closing the door", || panic!("it sticks"));
    /// event_loop.close()?; // the report is on the standard error stream
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn contain(&self, message: &str, f: impl FnOnce()) {
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(f)) {
            let panic = PanicPayload::from_payload(payload);
            self.call_exception_handler(ExceptionContext::new(message).with_panic(panic));
        }
    }
}

/// Debug mode.
impl LoopRef {
    /// Switches debug mode on or off, at any time; it takes effect with the next callback.
    ///
    /// In debug mode the loop warns of callbacks, and steps of tasks, that hold it up for
    /// [`slow_callback_duration`](Self::slow_callback_duration) or longer, and the crates above it
    /// look more closely: at coroutines that never ran, at tasks that wait for each other in a
    /// circle, at streams that nobody closed. Where a handle, a task or a promise was made is known
    /// without it.
    ///
    /// A new loop is in debug mode if it was built so, or if the environment variable
    /// `OUROLOOP_DEBUG` is set to anything but nothing or `0`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use std::time::Duration;
    ///
    /// let event_loop = ouroloop::new_event_loop()?;
    /// event_loop.set_debug(true);
    /// event_loop.set_slow_callback_duration(Duration::from_millis(1));
    /// // Executing <Handle created at src/main.rs:8:12> took 0.002 seconds: ...
    /// event_loop.call_soon(|| thread::sleep(Duration::from_millis(2)))?;
    /// event_loop.run_once()?;
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn set_debug(&self, debug: bool) {
        self.inner().debug.set(debug);
        self.update_watched();
    }

    /// Tells whether debug mode is on: asyncio's `get_debug`.
    #[doc(alias = "get_debug")]
    pub fn debug(&self) -> bool {
        self.inner().debug.get()
    }

    /// Sets how long a callback may take before debug mode warns of it.
    pub fn set_slow_callback_duration(&self, duration: Duration) {
        self.inner().slow_callback_ns.set(duration_to_ns(duration));
    }

    /// Gives how long a callback may take before debug mode warns of it: 100 ms, unless it was set.
    pub fn slow_callback_duration(&self) -> Duration {
        Duration::from_nanos(self.inner().slow_callback_ns.get())
    }

    pub(super) fn update_watched(&self) {
        let inner = self.inner();
        inner.watched.set(
            inner.debug.get()
                || inner.batch_order.borrow().is_some()
                || inner.entry_observer.borrow().is_some(),
        );
    }

    pub(super) fn warn_if_slow(&self, begun_ns: u64, what: &str) {
        let took_ns = self.time_ns().saturating_sub(begun_ns);
        if took_ns >= self.inner().slow_callback_ns.get() {
            let seconds = Duration::from_nanos(took_ns).as_secs_f64();
            self.warn(&format!(
                "Executing {what} took {seconds:.3} seconds: nothing else ran meanwhile; \
                 await, or move what blocks to a thread"
            ));
        }
    }
}
