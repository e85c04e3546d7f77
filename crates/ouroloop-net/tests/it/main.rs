//! Streams, servers and look-ups, one module a subject.

mod support;

/// What reading and writing allocate.
mod allocation;
/// `close`, `write_eof`, `abort`, dropping, and what the peer's end does (H9).
mod closing;
/// `open_connection`.
mod connecting;
/// A connection does not keep the loop for itself (H21).
mod fairness;
/// Events that are not true, and wakers that call back (H9, H10).
mod faults;
/// Limits of every size, and back-pressure (H26).
mod limits;
/// `getaddrinfo` (H18).
mod lookups;
/// What is left after the loop: `LoopClosed`, and no descriptors.
mod loop_closed;
/// Random reads beside a model (H26).
mod model;
/// Readiness that comes and goes (H2).
mod readiness;
/// The read methods, by asyncio's rules.
mod reads;
/// `Server` (H24), and accepting without descriptors.
mod servers;
/// What is said on the standard error stream, where nobody listens to `tracing`.
mod stderr;
/// The traits of futures-io.
mod traits;
/// `write`, `drain` and the water marks.
mod writes;
