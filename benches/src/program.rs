//! The command line of both programs.

use std::io::{Write, stdout};
use std::process::ExitCode;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::client;
use crate::peer::Entry;

/// Does what the arguments say:
///
/// - `CORES PEER WORKLOAD COUNT [SIZE]`: one sample, as words on a line, or `none` where the peer has no such
///   workload. A server writes `port=N` instead, and serves until it is killed.
/// - `CORES client WORKLOAD COUNT PORT PROCESS`: what the servers are measured with.
///
/// `CORES` are the processors to run on, separated by commas.
pub fn run(peers: &[Entry]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u64>().ok());
    let [cores, who, workload, ..] = arguments.as_slice() else {
        return usage(peers);
    };
    let Some(count) = number(3) else {
        return usage(peers);
    };
    pin(cores.split(',').filter_map(|core| core.parse().ok()));
    let sample = if who == "client" {
        let (Some(port), Some(process)) = (number(4), number(5)) else {
            return usage(peers);
        };
        client::sample(workload, count, port as u16, process as u32)
    } else {
        let Some(peer) = peers.iter().find(|peer| peer.name == who) else {
            return usage(peers);
        };
        (peer.sample)(workload, count, number(4).unwrap_or(0))
    };
    match sample {
        Some(sample) => say(&sample.to_string()),
        None => say("none"),
    }
    ExitCode::SUCCESS
}

/// Writes a line that whoever started this process waits for.
pub fn say(line: &str) {
    let mut out = stdout().lock();
    // Nobody may be listening any more, which is no concern of a measurement.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Keeps this thread, and those that it starts, on these processors, as far as they are there.
pub fn pin(cores: impl IntoIterator<Item = usize>) {
    let mut set = CpuSet::new();
    for core in cores {
        let _ = set.set(core);
    }
    let _ = sched_setaffinity(Pid::from_raw(0), &set);
}

fn usage(peers: &[Entry]) -> ExitCode {
    let names: Vec<_> = peers.iter().map(|peer| peer.name).collect();
    eprintln!(
        "usage: CORES PEER WORKLOAD COUNT [SIZE]\npeers: {}\n`cargo xtask bench` calls this",
        names.join(", ")
    );
    ExitCode::FAILURE
}
