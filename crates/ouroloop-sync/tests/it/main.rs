//! The public behaviour of the primitives, one module a subject.
//!
//! All loops are on virtual time. "One hop" is one iteration of the loop.

mod support;

/// `Barrier`.
mod barrier;
/// `Condition`.
mod condition;
/// `Event`.
mod event;
/// `Lock`.
mod lock;
/// `Semaphore` and `BoundedSemaphore`.
mod semaphore;
