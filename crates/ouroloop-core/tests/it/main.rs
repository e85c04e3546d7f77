//! The public behaviour of the event loop, by subject.

mod support;

/// Callbacks: order, cancelling, panics.
mod callbacks;
