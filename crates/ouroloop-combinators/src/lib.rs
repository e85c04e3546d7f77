#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod as_completed;
mod caller;
mod error;
mod gather;
mod group;
mod shield;
mod shutdown;
mod sleep;
mod timeout;
mod wait;
mod wait_for;
mod watched;

pub use as_completed::{AsCompleted, as_completed};
pub use error::{AwaitError, ExceptionGroup, TimeoutError, WaitError};
pub use gather::{
    Gather, GatherAll, GatherMode, Gathering, GatheringAll, Plain, ReturnExceptions, ReturnResults,
    Values, gather,
};
pub use group::{ChildOutput, TaskGroup, TaskGroupError, TaskGroupRun, task_group};
pub use shield::{Shield, shield};
pub use shutdown::cancel_all_tasks;
pub use sleep::{Sleep, sleep};
pub use timeout::{
    Timeout, TimeoutStateError, timeout, timeout_at, timeout_scope, timeout_scope_at,
};
pub use wait::{
    ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, ResultTask, ReturnWhen, Wait, wait,
};
pub use wait_for::wait_for;

#[doc(hidden)]
pub mod __private {
    pub use crate::gather::tuple::{
        FallibleTuple, GatherOutput, GatherTuple, PlainTuple, TupleMode, gather_tuple,
    };
}
