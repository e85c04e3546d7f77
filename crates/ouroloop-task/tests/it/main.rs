//! The public behaviour of promises, tasks and cancellation scopes, one module a subject.
//!
//! All loops are on virtual time. "One hop" is one iteration of the loop.

mod support;

/// Requests to cancel: every case that was observed of asyncio, to the iteration.
mod cancel;
/// Chains of a great length, on a small stack.
mod chains;
/// Contexts of tasks and of callbacks.
mod context;
/// Destructors that panic, or come very late.
mod destructors;
/// Handles that are dropped.
mod detach;
/// Tasks that begin within `create_task`.
mod eager;
/// What the allocator sees.
mod memory;
/// The order in which callbacks and tasks have their turns.
mod order;
/// Panics at each place where code of others is called.
mod panic;
mod places;
/// `Promise`, `PromiseFuture`, `RemotePromise`.
mod promise;
/// What the exception handler is told.
mod reports;
/// `run_until_complete`.
mod run;
/// `catch_cancelled`, `raise_cancelled`, `Scope`.
mod scopes;
mod soundness;
/// `Task`, `TaskRef`, `TaskBuilder`, `Eventual`.
mod task;
/// Wake-ups from other threads.
mod threads;
/// Who waits for what.
mod wait_graph;
/// Wakers that call back into what calls them.
mod wakers;
