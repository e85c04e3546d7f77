#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod explore;
mod random;
mod sequencer;
mod stream;
mod time;

pub use explore::{
    Actor, Exploration, Explored, Failure, History, Reason, Run, Step, Verdict, explore, note,
    replay, seed,
};
pub use ouroloop_core::{
    Interest, ScriptedSelector, Selector, SelectorCall, SelectorEvent, SelectorWaker, Token,
    VirtualClock,
};
pub use random::Random;
pub use sequencer::{Sequencer, Turn};
pub use stream::{
    Faults, MemoryReader, MemoryStream, MemoryStreams, MemoryWriter, check_buffered_reader,
    check_two_way_stream, memory_stream_pair,
};
pub use time::{advance, virtual_clock, wait_all_tasks_blocked};
