#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod bridge;
pub mod concurrent;
mod coroutine;
mod error;
mod event_loop;
mod job;
mod log;
#[cfg(all(test, loom))]
mod loom;
mod loop_thread;
mod pool;
mod queue;
mod sync;

pub use bridge::{ExecutorFuture, ExecutorValue};
pub use coroutine::run_coroutine_threadsafe;
pub use error::ExecutorError;
pub use event_loop::{IntoExecutor, LoopExecutor, run_in_executor, to_thread, wrap_future};
pub use job::JobInfo;
pub use loop_thread::LoopThread;
pub use pool::{ExecutorMap, ThreadPoolBuilder, ThreadPoolExecutor};
