//! Futures that cross threads: Python's `concurrent.futures`.
//!
//! A [`Future`] here is the result of something that another thread does: a job of a
//! [`ThreadPoolExecutor`](crate::ThreadPoolExecutor), a coroutine of a loop in another thread
//! ([`run_coroutine_threadsafe`](crate::run_coroutine_threadsafe)), or whatever holds a [`Promise`]. It is
//! `Send`, and a plain thread may block on it. To await it in a loop, wrap it:
//! [`wrap_future`](crate::wrap_future).
//!
//! # Differences from asyncio
//!
//! The value is moved out by the first who asks for it, so it need not be `Clone`.

pub(crate) mod cell;
mod future;
mod promise;
mod wait;

pub use future::Future;
pub use promise::Promise;
pub use wait::{AsCompleted, ReturnWhen, as_completed, wait};
