#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod ends;
mod explore;
mod iterations;
mod log;
mod logged;
mod random;
mod reports;
mod sequencer;
mod stream;
mod test_loop;
mod time;
mod waking;

pub use ends::{cancel_message, quiet_panic};
pub use explore::{
    Actor, Exploration, Explored, Failure, History, Reason, Run, Step, Verdict, explore, note,
    replay, seed,
};
pub use iterations::{hops, iteration, run_iterations};
pub use log::{Log, OnDrop, on_drop};
pub use logged::{LogLine, logged};
pub use ouroloop_core::{
    Interest, ScriptedSelector, Selector, SelectorCall, SelectorEvent, SelectorWaker, Token,
    VirtualClock,
};
pub use random::Random;
pub use reports::Reports;
pub use sequencer::{Sequencer, Turn};
pub use stream::{
    Faults, MemoryReader, MemoryStream, MemoryStreams, MemoryWriter, check_buffered_reader,
    check_two_way_stream, memory_stream_pair,
};
pub use test_loop::TestLoop;
pub use time::{advance, ms, running_loop, virtual_clock, wait_all_tasks_blocked};
pub use waking::{PolledInline, WakeCount, poll_once};
