//! The workloads on this project's loop alone: what instructions are counted of.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use ouroloop_benches::{peers, program};

fn main() -> ExitCode {
    program::run(peers::OURS)
}
