//! What combinators, bindings and tools are made of. Programs need none of it.
//!
//! Trio's `lowlevel` is the model: everything here is public and documented, and kept out of the way.
//! The functions of the crate's front page are made of these, so an outsider could have written
//! them. Most of it is what those functions return, for a struct that has to name a type.
//!
//! | for | there is |
//! | --- | --- |
//! | combinators: waiting | [`Waiter`], [`WaiterKey`], [`WaitQueue`], [`Place`], [`WaitSource`], [`Eventual`], [`Awaitable`], [`Delegate`] |
//! | combinators: cancelling a part of a task | [`Scope`], [`ScopeHandle`] |
//! | being named in reports of deadlocks | [`Resource`], [`ResourceState`], [`create_future_of`] |
//! | a loop that was made by hand | [`cancel_all_tasks`] before its close |
//! | layers above the loop, without an allocation a turn | [`Client`], [`Turns`], [`ClientWord`], [`post`], [`LoopAddress`], [`IoSource`] |
//! | driving the loop from another one | [`Entered`], and the steps of [`LoopRef`](crate::LoopRef) |
//! | the running loop, and the current context, at the least cost | [`with_running`], [`running_loop_id`], [`snapshot_context`], [`swap_context`], [`has_context`] |
//! | knowing a fork, at the least cost | [`process_id`] |
//! | warning where there is no loop at hand | [`to_stderr_if_untraced`] |
//! | tools and tests | [`ScriptedSelector`], [`Selector`], [`ReadyEntry`], [`Lateness`] |
//! | naming what is awaited | [`TaskValue`], [`TaskLoan`], [`PromiseValue`], [`PromiseLoan`], [`Sleep`], [`TaskGroupRun`], [`Catch`], [`Raise`], [`BareYield`] |
//! | what `gather!` gives, the ways to read a gather, the outputs of a group's children, tasks that give `Result`s | [`GatherAll`], [`GatherMode`], [`ChildOutput`], [`ResultTask`] |

pub use ouroloop_combinators::{
    ChildOutput, GatherAll, GatherMode, GatheringAll, Plain, ResultTask, ReturnExceptions,
    ReturnResults, Sleep, TaskGroupRun, Values, cancel_all_tasks,
};
pub use ouroloop_core::{
    BatchOrder, Client, ClientId, ClientWord, Entered, EntryObserver, Interest, IoSource, Lateness,
    LoopAddress, LoopId, ReadyEntry, ScriptedSelector, Selector, SelectorCall, SelectorEvent,
    SelectorWaker, TimerKey, Token, Turns, has_context, post, running_loop_id, snapshot_context,
    swap_context, to_stderr_if_untraced, with_running,
};
pub use ouroloop_task::{
    Awaitable, BareYield, Catch, Delegate, Eventual, EventualValue, FallibleBuilder, InPlace,
    Never, Place, PromiseLoan, PromiseValue, Raise, Resource, ResourceState, Scope, ScopeHandle,
    TaskLoan, TaskValue, WaitQueue, WaitSource, Waiter, WaiterKey, create_future_of,
    current_task_key, process_id, task_id_of_key,
};
