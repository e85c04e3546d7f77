//! The public behaviour of the combinators, one module a subject.
//!
//! All loops are on virtual time. "One hop" is one iteration of the loop.

mod support;

/// `as_completed`.
mod as_completed;
/// The combinators inside of `join!`, `select!` and `FuturesUnordered`.
mod foreign;
/// `gather`, as a function and as a macro.
mod gather;
/// `task_group`.
mod group;
/// How many iterations each operation takes.
mod hops;
/// What is given something of another loop.
mod other_loops;
/// Random trees of combinators, with random requests to cancel.
mod random;
/// `shield`.
mod shield;
/// `cancel_all_tasks`.
mod shutdown;
/// `sleep`.
mod sleep;
/// `timeout` and its kin.
mod timeout;
/// `wait`.
mod wait;
/// `wait_for`.
mod wait_for;
/// What a wait graph names.
mod wait_graph;
