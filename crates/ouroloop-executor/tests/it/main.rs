//! The public behaviour of the executors, one module a subject.

mod support;

/// What is cancelled, from either side.
mod cancel;
/// The futures that cross threads, in plain threads.
mod concurrent;
/// The loop's default executor, and its end.
mod default_executor;
/// How many iterations each operation takes.
mod hops;
/// A loop in a thread.
mod loop_threads;
/// Panics and hostile destructors.
mod panics;
/// The pool by itself.
mod pool;
/// Shutdowns in every state.
mod shutdown;
/// What is said on the standard error stream, where nobody listens to `tracing`.
mod stderr;
/// Each job exactly once, under load.
mod stress;
/// Coroutines from other threads.
mod threadsafe;
