//! The workloads on this project's loop and on all peers.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use ouroloop_benches::{peers, program};

fn main() -> ExitCode {
    program::run(peers::ALL)
}
