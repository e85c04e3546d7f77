#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod client;
mod clock;
mod context;
mod error;
mod event_loop;
mod handle;
mod id;
mod inbox;
mod io;
mod local;
mod log;
mod ready;
mod remote;
mod report;
mod running;
mod selector;
mod sync;
mod timers;

pub use client::{Client, Turns};
pub use clock::{Clock, Lateness, VirtualClock};
pub use context::{
    Context, ContextToken, ContextVar, copy_context, has_context, snapshot_context, swap_context,
};
pub use error::LoopError;
pub use event_loop::{
    BatchOrder, Builder, Entered, EntryObserver, EventLoop, ExceptionHandler, IoPoll, LoopRef,
    ReadyEntry, Statistics, new_event_loop,
};
pub use handle::{Handle, TimerHandle};
pub use id::{ClientId, ClientWord, LoopId};
pub use io::IoSource;
pub use log::to_stderr_if_untraced;
pub use ouroloop_timer::TimerKey;
pub use remote::{LoopAddress, RemoteHandle, post};
pub use report::{ExceptionContext, PanicPayload};
pub use running::{
    get_event_loop, get_running_loop, running_loop_id, set_event_loop, with_running,
};
pub use selector::{
    Interest, ScriptedSelector, Selector, SelectorCall, SelectorEvent, SelectorWaker, Token,
};
