#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod awaitable;
mod blocks;
mod builder;
mod cancel;
mod catch;
mod deadline;
mod error;
mod event_loop;
mod header;
mod node;
mod one_thread;
mod pool;
mod process;
mod promise;
mod remote;
mod resource;
mod scope;
mod task;
mod task_cell;
mod task_ref;
mod tasks;
mod wait;
mod wait_graph;
mod wait_queue;
mod waker;

pub use awaitable::{Awaitable, Eventual, EventualValue, InPlace, IntoTask, ensure_future};
pub use builder::{FallibleBuilder, TaskBuilder, TaskFactory, create_task, eager_task_factory};
pub use catch::{Catch, Never, Raise, Scope, ScopeHandle, catch_cancelled, raise_cancelled};
pub use error::{Cancelled, CancelledBy, InvalidState, RunError, TaskError};
pub use event_loop::{LoopTasks, create_future, create_future_of};
pub use process::process_id;
pub use promise::{Delegate, Promise, PromiseFuture, PromiseLoan, PromiseValue};
pub use remote::RemotePromise;
pub use resource::{Resource, ResourceState};
pub use task::{
    Task, TaskLoan, TaskValue, all_tasks, current_task, current_task_id, current_task_key,
    task_id_of_key,
};
pub use task_ref::{AsFutureRef, CallbackId, FutureRef, TaskRef};
pub use wait::{BareYield, Waiter, WaiterKey, bare_yield};
pub use wait_graph::{
    CallGraph, TaskState, TaskWaits, WaitGraph, capture_call_graph, format_call_graph,
    print_call_graph,
};
pub use wait_queue::{Place, WaitQueue, WaitSource};
