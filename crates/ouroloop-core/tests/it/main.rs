//! The public behaviour of the event loop, one module a subject.
//!
//! What does not depend on the clock or the selector is tested on each kind of loop.

mod support;

/// `call_soon`: order, cancelling, contexts.
mod callbacks;
/// Words for registered clients.
mod clients;
/// The exception handler, panics, debug mode, the log.
mod exceptions;
/// The order of one iteration.
mod iteration;
/// Making, running, stopping, closing; the running and the current loop.
mod lifecycle;
/// `add_reader` and `add_writer`.
mod readers;
/// `IoSource`.
mod sources;
/// What is said where nobody can be told.
mod stderr;
/// The public steps.
mod steps;
/// What comes from other threads.
mod threads;
/// `call_later` and `call_at`, on either clock.
mod timers;
/// Time that jumps.
mod virtual_time;
