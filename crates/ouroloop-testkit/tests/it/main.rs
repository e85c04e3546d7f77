//! The test kit, tested from the outside and through the facade, as its users have it.

#![forbid(unsafe_code)]

/// The options of the attribute `test`.
mod attribute;
/// Rules of streams, kept by those in memory and by those of the network.
mod conformance;
/// The examples, as programs.
mod examples;
/// What counts as a failure, and that it comes again.
mod explore;
/// Memory streams and what goes wrong with them.
mod memory_streams;
/// The runtime's own primitives under many schedules.
mod primitives;
/// Exact interleavings.
mod sequencer;
/// Loops that forgive no report, and what is said of them.
mod test_loop;
/// Virtual time, moved by hand.
mod time;
/// Polling by hand, and wakers that count or poll.
mod waking;
