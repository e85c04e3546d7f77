//! Python's errors, as far as scenarios know them.

use std::fmt;

use ouroloop::{
    AwaitError, BrokenBarrierError, Cancelled, CancelledBy, ExceptionGroup, GetError, InvalidState,
    NoPartiesError, NotAcquired, PutError, QueueShutDown, ReleasedTooOften, TaskDoneTooOften,
    TaskError, TaskGroupError, TimeoutError, TimeoutStateError, WaitError,
};

/// An error that a scenario raises, by Python's name.
#[derive(Clone, Debug)]
pub enum Error {
    /// What is an instance of nothing more special.
    Builtin(&'static str),
    /// A cancellation. As a `Result` it exists only in callbacks; tasks unwind.
    Cancelled(Cancelled),
    /// The errors of a task group.
    Group(Vec<Error>),
    /// What no program can cause: it differs from every recorded trace.
    Unexpected(String),
}

impl Error {
    pub const ATTRIBUTE_ERROR: Error = Error::Builtin("AttributeError");
    pub const INVALID_STATE_ERROR: Error = Error::Builtin("InvalidStateError");
    pub const KEY_ERROR: Error = Error::Builtin("KeyError");
    pub const RUNTIME_ERROR: Error = Error::Builtin("RuntimeError");
    pub const TIMEOUT_ERROR: Error = Error::Builtin("TimeoutError");
    pub const TYPE_ERROR: Error = Error::Builtin("TypeError");
    pub const VALUE_ERROR: Error = Error::Builtin("ValueError");

    /// What `raise NAME` raises; `None` for a name that the language does not have.
    pub fn named(name: &str) -> Option<Error> {
        match name {
            "CancelledError" => Some(Error::Cancelled(Cancelled::new(CancelledBy::Itself))),
            // It cannot be made without its members.
            "ExceptionGroup" => Some(Error::TYPE_ERROR),
            name => NAMES
                .iter()
                .find(|known| **known == name)
                .map(|known| Error::Builtin(known)),
        }
    }

    /// Whether `except NAME` catches this.
    pub fn is_a(&self, name: &str) -> bool {
        match (self, name) {
            (_, "BaseException") => true,
            (Error::Cancelled(_), name) => name == "CancelledError",
            (Error::Group(errors), "Exception" | "ExceptionGroup") => {
                errors.iter().all(|error| error.is_a("Exception"))
            }
            (Error::Group(_), _) => false,
            (Error::Builtin("BaseException"), _) => false,
            (_, "Exception") => true,
            (Error::Builtin("TimeoutError"), "OSError") => true,
            (Error::Builtin("BrokenBarrierError"), "RuntimeError") => true,
            (Error::Builtin(own), name) => *own == name,
            (Error::Unexpected(_), _) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Builtin(name) => f.write_str(name),
            Error::Cancelled(_) => f.write_str("CancelledError"),
            Error::Group(errors) => {
                f.write_str("ExceptionGroup[")?;
                for (place, error) in errors.iter().enumerate() {
                    let separator = if place == 0 { "" } else { "," };
                    write!(f, "{separator}{error}")?;
                }
                f.write_str("]")
            }
            Error::Unexpected(what) => write!(f, "unexpected({what})"),
        }
    }
}

impl std::error::Error for Error {}

impl From<TaskError> for Error {
    fn from(error: TaskError) -> Error {
        match error {
            TaskError::Cancelled(cancelled) => Error::Cancelled(cancelled),
            TaskError::InvalidState => Error::INVALID_STATE_ERROR,
            TaskError::SelfAwait | TaskError::WrongLoop => Error::RUNTIME_ERROR,
            error => match error.downcast_ref::<Error>() {
                Some(own) => own.clone(),
                None => Error::Unexpected(error.to_string()),
            },
        }
    }
}

impl From<AwaitError> for Error {
    fn from(error: AwaitError) -> Error {
        match error {
            AwaitError::Task(error) => error.into(),
            AwaitError::Timeout(error) => error.into(),
            error => Error::Unexpected(error.to_string()),
        }
    }
}

impl From<ExceptionGroup> for Error {
    fn from(group: ExceptionGroup) -> Error {
        Error::Group(
            group
                .exceptions()
                .iter()
                .cloned()
                .map(Error::from)
                .collect(),
        )
    }
}

impl From<WaitError> for Error {
    fn from(error: WaitError) -> Error {
        match error {
            WaitError::EmptySet => Error::VALUE_ERROR,
            error => Error::Unexpected(error.to_string()),
        }
    }
}

impl From<InvalidState> for Error {
    fn from(_: InvalidState) -> Error {
        Error::INVALID_STATE_ERROR
    }
}

impl From<TaskGroupError> for Error {
    fn from(_: TaskGroupError) -> Error {
        Error::RUNTIME_ERROR
    }
}

impl From<TimeoutError> for Error {
    fn from(_: TimeoutError) -> Error {
        Error::TIMEOUT_ERROR
    }
}

impl From<TimeoutStateError> for Error {
    fn from(_: TimeoutStateError) -> Error {
        Error::RUNTIME_ERROR
    }
}

impl From<NotAcquired> for Error {
    fn from(_: NotAcquired) -> Error {
        Error::RUNTIME_ERROR
    }
}

impl From<ReleasedTooOften> for Error {
    fn from(_: ReleasedTooOften) -> Error {
        Error::VALUE_ERROR
    }
}

impl From<NoPartiesError> for Error {
    fn from(_: NoPartiesError) -> Error {
        Error::VALUE_ERROR
    }
}

impl From<BrokenBarrierError> for Error {
    fn from(_: BrokenBarrierError) -> Error {
        Error::Builtin("BrokenBarrierError")
    }
}

impl From<TaskDoneTooOften> for Error {
    fn from(_: TaskDoneTooOften) -> Error {
        Error::VALUE_ERROR
    }
}

impl<T> From<QueueShutDown<T>> for Error {
    fn from(_: QueueShutDown<T>) -> Error {
        Error::Builtin("QueueShutDown")
    }
}

impl<T> From<PutError<T>> for Error {
    fn from(error: PutError<T>) -> Error {
        match error {
            PutError::QueueFull(_) => Error::Builtin("QueueFull"),
            PutError::QueueShutDown(_) => Error::Builtin("QueueShutDown"),
            _ => Error::Unexpected("of put_nowait".to_owned()),
        }
    }
}

impl From<GetError> for Error {
    fn from(error: GetError) -> Error {
        match error {
            GetError::QueueEmpty => Error::Builtin("QueueEmpty"),
            GetError::QueueShutDown => Error::Builtin("QueueShutDown"),
            error => Error::Unexpected(error.to_string()),
        }
    }
}

const NAMES: [&str; 12] = [
    "BaseException",
    "BrokenBarrierError",
    "Exception",
    "InvalidStateError",
    "KeyError",
    "OSError",
    "QueueEmpty",
    "QueueFull",
    "QueueShutDown",
    "RuntimeError",
    "TimeoutError",
    "ValueError",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Error {
        Error::named(name).unwrap()
    }

    #[test]
    fn handlers_catch_what_python_lets_them_catch() {
        for (raised, caught) in [
            ("TimeoutError", "OSError"),
            ("BrokenBarrierError", "RuntimeError"),
            ("KeyError", "Exception"),
            ("CancelledError", "BaseException"),
            ("CancelledError", "CancelledError"),
        ] {
            assert!(named(raised).is_a(caught), "{caught} catches {raised}");
        }
        for (raised, missed) in [
            ("OSError", "TimeoutError"),
            ("CancelledError", "Exception"),
            ("BaseException", "Exception"),
            ("ValueError", "KeyError"),
        ] {
            assert!(!named(raised).is_a(missed), "{missed} misses {raised}");
        }
    }

    #[test]
    fn a_group_is_an_exception_if_all_its_members_are() {
        let plain = Error::Group(vec![Error::KEY_ERROR, Error::VALUE_ERROR]);
        assert!(plain.is_a("Exception") && plain.is_a("ExceptionGroup"));
        let base = Error::Group(vec![plain.clone(), named("BaseException")]);
        assert!(!base.is_a("Exception") && base.is_a("BaseException"));
        assert_eq!(
            base.to_string(),
            "ExceptionGroup[ExceptionGroup[KeyError,ValueError],BaseException]"
        );
    }

    #[test]
    fn a_stored_error_comes_back_as_itself() {
        let stored = TaskError::failed(Error::KEY_ERROR);
        assert_eq!(Error::from(stored).to_string(), "KeyError");
    }
}
