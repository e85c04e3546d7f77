//! What the exception handler is told.
//!
//! asyncio passes a dictionary; here it is an [`ExceptionContext`] with the same things in it. A
//! panic travels as a [`PanicPayload`], which can be sent, cloned, looked at, and taken once to be
//! resumed.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::{Arc, Mutex, PoisonError};

/// Describes an error that nobody was there to receive: the `context` of asyncio's exception handler.
///
/// # Examples
///
/// ```
/// use ouroloop::ExceptionContext;
///
/// let context = ExceptionContext::new("connection lost while nobody was reading")
///     .with_exception(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
///     .with_source("<StreamWriter fd=7>");
/// assert_eq!(context.source(), Some("<StreamWriter fd=7>"));
/// assert!(context.to_string().contains("connection reset"));
/// ```
#[derive(Clone, Debug)]
pub struct ExceptionContext {
    message: String,
    exception: Option<Arc<dyn Error + Send + Sync>>,
    panic: Option<PanicPayload>,
    source: Option<String>,
    created_at: Option<&'static Location<'static>>,
}

impl ExceptionContext {
    /// Makes a report that consists of a message.
    pub fn new(message: impl Into<String>) -> ExceptionContext {
        ExceptionContext {
            message: message.into(),
            exception: None,
            panic: None,
            source: None,
            created_at: None,
        }
    }

    /// Adds the error that was raised.
    pub fn with_exception(self, exception: impl Error + Send + Sync + 'static) -> Self {
        self.with_shared_exception(Arc::new(exception))
    }

    /// Adds the error that was raised, if it is shared already.
    pub fn with_shared_exception(self, exception: Arc<dyn Error + Send + Sync>) -> Self {
        ExceptionContext {
            exception: Some(exception),
            ..self
        }
    }

    /// Adds the panic that was caught.
    pub fn with_panic(self, panic: PanicPayload) -> Self {
        ExceptionContext {
            panic: Some(panic),
            ..self
        }
    }

    /// Adds the description of the handle, task or stream that this happened in.
    pub fn with_source(self, source: impl Into<String>) -> Self {
        ExceptionContext {
            source: Some(source.into()),
            ..self
        }
    }

    /// Adds the line that made the handle or task.
    pub fn with_created_at(self, location: &'static Location<'static>) -> Self {
        ExceptionContext {
            created_at: Some(location),
            ..self
        }
    }

    /// Says what happened.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Gives the error that was raised, if it was one.
    pub fn exception(&self) -> Option<&Arc<dyn Error + Send + Sync>> {
        self.exception.as_ref()
    }

    /// Gives the panic that was caught, if it was one.
    pub fn panic(&self) -> Option<&PanicPayload> {
        self.panic.as_ref()
    }

    /// Gives the handle, task or stream that this happened in, in words.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Gives the line that made the handle or task.
    pub fn created_at(&self) -> Option<&'static Location<'static>> {
        self.created_at
    }
}

impl fmt::Display for ExceptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, " in {source}")?;
        }
        if let Some(location) = self.created_at {
            write!(f, " created at {location}")?;
        }
        if let Some(panic) = &self.panic {
            write!(f, ": panicked: {}", panic.message())?;
        }
        let mut cause = self
            .exception
            .as_ref()
            .map(|exception| exception.as_ref() as &dyn Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What a panic carried: in `TaskError::Panicked`, and in reports.
///
/// Clones share the one payload; the first to [`take`](Self::take) it has it. The message stays.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, create_task};
///
/// ouroloop::run(async {
///     let task = create_task(async { panic!("out of paper") });
///     match task.await {
///         Err(TaskError::Panicked(panic)) => assert_eq!(panic.message(), "out of paper"),
///         other => panic!("{other:?}"),
///     }
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct PanicPayload {
    message: Arc<str>,
    payload: Arc<Payload>,
}

struct Payload(Mutex<Option<Box<dyn Any + Send>>>);

impl Drop for Payload {
    fn drop(&mut self) {
        let payload = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let payload = payload.take();
        // Whoever has contained a panic is done with it, whatever its payload does when it is dropped.
        if let Err(next) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // This one may be of the same kind, and so without end.
            std::mem::forget(next);
        }
    }
}

impl PanicPayload {
    /// Wraps what [`catch_unwind`](std::panic::catch_unwind) returned.
    pub fn from_payload(payload: Box<dyn Any + Send>) -> PanicPayload {
        let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
            Arc::from(*text)
        } else if let Some(text) = payload.downcast_ref::<String>() {
            Arc::from(text.as_str())
        } else {
            Arc::from("(a payload that is not a string)")
        };
        PanicPayload {
            message,
            payload: Arc::new(Payload(Mutex::new(Some(payload)))),
        }
    }

    /// Gives the text of the panic, if it had one.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Takes the payload out; `None` if somebody has it already.
    pub fn take(&self) -> Option<Box<dyn Any + Send>> {
        let payload = &self.payload.0;
        payload
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Goes on unwinding with the payload, or with the message if the payload was taken.
    ///
    /// # Panics
    ///
    /// Always: that is its purpose.
    pub fn resume(&self) -> ! {
        let payload = self
            .take()
            .unwrap_or_else(|| Box::new(self.message.to_string()));
        panic::resume_unwind(payload)
    }
}

impl fmt::Debug for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PanicPayload").field(&self.message).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn caught(f: impl FnOnce() + panic::UnwindSafe) -> PanicPayload {
        PanicPayload::from_payload(panic::catch_unwind(f).unwrap_err())
    }

    #[test]
    fn the_message_of_a_panic_survives_its_payload() {
        let panic = caught(|| panic::resume_unwind(Box::new("static")));
        let copy = panic.clone();
        assert!(panic.take().is_some());
        assert!(copy.take().is_none());
        assert_eq!(copy.message(), "static");
    }

    #[test]
    fn a_payload_of_any_type_can_be_resumed() {
        let panic = caught(|| panic::resume_unwind(Box::new(17_u8)));
        assert_eq!(panic.message(), "(a payload that is not a string)");
        let again = panic::catch_unwind(|| panic.resume()).unwrap_err();
        assert_eq!(again.downcast_ref::<u8>(), Some(&17));
        let third = caught(|| panic.resume());
        assert_eq!(third.message(), panic.message());
    }

    #[test]
    fn a_report_shows_the_chain_of_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("could not greet")]
        struct Outer(#[source] io::Error);

        let context = ExceptionContext::new("task failed")
            .with_source("<Task 1>")
            .with_exception(Outer(io::Error::other("line is dead")));
        assert_eq!(
            context.to_string(),
            "task failed in <Task 1>: could not greet: line is dead"
        );
    }
}
