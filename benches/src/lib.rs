//! The workloads by which Ouroloop is measured, and the event loops beside which it is.
//!
//! One process takes one sample: `PROGRAM PEER WORKLOAD COUNT`. What is sampled, how often, and what becomes
//! of the figures is the business of `cargo xtask bench`, which calls the two programs of this package:
//! `peers` has all loops in it and `ours` this project's alone, so that counting its instructions needs no peer.
//!
//! A workload is one generic function over [`Peer`], so every loop does the same work, and no trait object
//! comes between. Only the servers are written once for each peer, since each has streams of its own.

#![forbid(unsafe_code)]

pub mod client;
pub mod meter;
pub mod peer;
pub mod peers;
pub mod program;
pub mod scale;
pub mod workloads;

pub use meter::{Meter, Sample};
pub use peer::{Entry, Peer};
