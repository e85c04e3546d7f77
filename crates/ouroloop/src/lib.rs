#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate self as ouroloop;

mod runner;

#[doc(hidden)]
pub mod __private;
pub mod lowlevel;

pub use ouroloop_combinators::{
    ALL_COMPLETED, AsCompleted, AwaitError, ExceptionGroup, FIRST_COMPLETED, FIRST_EXCEPTION,
    Gather, Gathering, ReturnWhen, Shield, TaskGroup, TaskGroupError, Timeout, TimeoutError,
    TimeoutStateError, Wait, WaitError, as_completed, gather, shield, sleep, task_group, timeout,
    timeout_at, timeout_scope, timeout_scope_at, wait, wait_for,
};
pub use ouroloop_core::{
    Builder, Clock, Context, ContextToken, ContextVar, EventLoop, ExceptionContext,
    ExceptionHandler, Handle, IoPoll, LoopError, LoopRef, PanicPayload, RemoteHandle, Statistics,
    TimerHandle, VirtualClock, copy_context, get_event_loop, get_running_loop, new_event_loop,
    set_event_loop,
};
pub use ouroloop_executor::*;
pub use ouroloop_macros::{main, test};
pub use ouroloop_net::*;
pub use ouroloop_sync::*;
pub use ouroloop_task::{
    AsFutureRef, CallGraph, CallbackId, Cancelled, CancelledBy, FutureRef, IntoTask, InvalidState,
    LoopTasks, Promise, PromiseFuture, RemotePromise, RunError, Task, TaskBuilder, TaskError,
    TaskFactory, TaskRef, TaskState, TaskWaits, WaitGraph, all_tasks, bare_yield,
    capture_call_graph, catch_cancelled, create_future, create_task, current_task, current_task_id,
    eager_task_factory, ensure_future, format_call_graph, print_call_graph, raise_cancelled,
};
#[cfg(feature = "testkit")]
pub use ouroloop_testkit as testkit;
pub use runner::{Runner, run};
