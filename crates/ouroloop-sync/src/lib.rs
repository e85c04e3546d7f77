#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod barrier;
mod bounded;
mod condition;
mod error;
mod event;
mod held;
mod lock;
mod queue;
mod semaphore;
mod statistics;

pub use barrier::Barrier;
pub use bounded::BoundedSemaphore;
pub use condition::{Condition, Truth};
pub use error::{
    BrokenBarrierError, GetError, NoPartiesError, NotAcquired, PutError, QueueShutDown,
    ReleasedTooOften, SyncError, TaskDoneTooOften,
};
pub use event::Event;
pub use lock::{Lock, LockGuard};
pub use queue::{LifoQueue, PriorityQueue, Queue};
pub use semaphore::{Permit, Semaphore};
pub use statistics::{
    BarrierStatistics, ConditionStatistics, EventStatistics, LockStatistics, QueueStatistics,
    SemaphoreStatistics,
};
