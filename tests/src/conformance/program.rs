//! Scenario programs: the statements of the language.

use std::collections::HashMap;
use std::rc::Rc;

use ouroloop::ReturnWhen;

use super::value::Value;

/// The name of a variable, a function or a label.
pub type Name = Rc<str>;

/// A part of a program that runs in order. Callbacks keep a clone.
pub type Block = Rc<[Statement]>;

/// A program: its functions by name, `main` among them.
#[derive(Debug)]
pub struct Program {
    pub(super) functions: HashMap<Name, Block>,
}

/// An operation with its arguments.
#[derive(Debug)]
pub struct Statement {
    /// The operation, as the trace names it.
    pub operation: Name,
    /// The variables that have to exist; if one does not, the statement only logs that.
    pub needs: Vec<Name>,
    /// What to do.
    pub action: Action,
}

/// What a statement does.
#[derive(Debug)]
pub enum Action {
    /// Never suspends, so callbacks may hold it.
    Plain(Plain),
    /// Awaits something.
    Suspending(Suspending),
    /// Decides where its function goes on.
    Control(Control),
}

/// What is awaited: a variable or a new coroutine.
#[derive(Debug)]
pub enum Awaitable {
    /// `["var", NAME]`
    Variable(Name),
    /// `["coro", FUNC]`
    Coroutine(Name),
}

/// Milliseconds of the virtual clock.
pub type Ticks = i64;

/// The statements that never suspend.
#[derive(Debug)]
pub enum Plain {
    Log(Name),
    Raise(Name),
    Spawn {
        var: Name,
        function: Name,
    },
    Cancel(Name),
    CancelSelf,
    Cancelling,
    Uncancel,
    State(Name),
    Future(Name),
    SetResult {
        var: Name,
        value: Value,
    },
    SetException {
        var: Name,
        error: Name,
    },
    OnDone {
        var: Name,
        label: Name,
        body: Option<Block>,
    },
    OffDone {
        var: Name,
        label: Name,
    },
    Schedule {
        var: Name,
        at: Moment,
        body: Block,
    },
    CancelHandle(Name),
    Make {
        var: Name,
        what: Made,
    },
    Use {
        var: Name,
        how: Use,
    },
    TgSpawn {
        group: Name,
        var: Name,
        function: Name,
    },
    Reschedule {
        var: Name,
        when: Option<Ticks>,
    },
    Expired(Name),
    GatherStart {
        var: Name,
        awaitables: Vec<Awaitable>,
        return_exceptions: bool,
    },
    ShieldStart {
        var: Name,
        awaitable: Awaitable,
    },
}

/// What is made.
#[derive(Debug)]
pub enum Made {
    Lock,
    Event,
    Condition,
    Semaphore { value: i64, bounded: bool },
    Barrier { parties: i64 },
    Queue { kind: Name, maxsize: i64 },
}

/// What is done with a primitive without awaiting anything.
#[derive(Debug)]
pub enum Use {
    Release,
    Locked,
    Set,
    Clear,
    /// `notify`; without a number `notify_all`.
    Notify(Option<i64>),
    PutNowait(Value),
    GetNowait,
    TaskDone,
    Qsize,
    Shutdown {
        immediate: bool,
    },
}

/// When a callback is to run.
#[derive(Debug)]
pub enum Moment {
    /// `call_soon`
    Soon,
    /// `call_later`
    Later(Ticks),
    /// `call_at`
    At(Ticks),
}

/// The statements that await something.
#[derive(Debug)]
pub enum Suspending {
    Sleep(Ticks),
    Call(Name),
    Await(Name),
    Gather {
        awaitables: Vec<Awaitable>,
        return_exceptions: bool,
    },
    Wait {
        vars: Vec<Name>,
        timeout: Option<Ticks>,
        return_when: ReturnWhen,
    },
    AsCompleted {
        vars: Vec<Name>,
        timeout: Option<Ticks>,
    },
    Shield(Awaitable),
    WaitFor {
        awaitable: Awaitable,
        timeout: Option<Ticks>,
    },
    Primitive {
        var: Name,
        how: Waiting,
    },
}

/// What is awaited of a primitive.
#[derive(Debug)]
pub enum Waiting {
    Acquire,
    /// `event_wait`, `cond_wait` or `barrier_wait`.
    Wait(Waited),
    Abort,
    Reset,
    Put(Value),
    Get,
    Join,
}

/// How a `wait()` is said to be over.
#[derive(Clone, Copy, Debug)]
pub enum Waited {
    Event,
    Notified,
    Barrier,
}

/// The statements that decide where their function goes on.
#[derive(Debug)]
pub enum Control {
    Return(Value),
    Reraise,
    Repeat {
        count: u64,
        body: Block,
    },
    Try {
        body: Block,
        /// What each catches, by name, and what it does.
        handlers: Vec<(Name, Block)>,
        last: Block,
    },
    Timeout {
        var: Name,
        ticks: Option<Ticks>,
        body: Block,
    },
    TaskGroup {
        var: Name,
        body: Block,
    },
    With {
        var: Name,
        body: Block,
    },
}
