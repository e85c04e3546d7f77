//! The public behaviour of the primitives, one module a subject.
//!
//! All loops are on virtual time. "One hop" is one iteration of the loop.

mod support;

/// What allocates, and what does not.
mod allocation;
/// `Barrier`.
mod barrier;
/// `Condition`.
mod condition;
/// `Event`.
mod event;
/// All schedules of a few moves of a few tasks, some of which are cancelled or dropped.
mod explore;
/// `Lock`.
mod lock;
/// Primitives that tasks of two loops share.
mod loops;
/// `Queue` and its kin.
mod queue;
/// Wakers and destructors that call back into the primitive.
mod reentrant;
/// `Semaphore` and `BoundedSemaphore`.
mod semaphore;
/// What wait graphs say.
mod wait_graph;
