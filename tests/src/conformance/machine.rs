//! The interpreter's state, and the statements that never suspend.
//!
//! Callbacks hold these statements as well as functions do; `calls` has the others.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use ouroloop::lowlevel::Eventual;
use ouroloop::{
    AsFutureRef, CallbackId, ExceptionContext, IntoTask, LoopError, LoopRef, LoopTasks, TaskRef,
    create_task, current_task, gather, shield,
};

use super::error::Error;
use super::primitives::Primitive;
use super::program::{
    Action, Awaitable, Block, Made, Moment, Name, Plain, Program, Statement, Ticks, Use,
};
use super::trace::Trace;
use super::value::{Outcome, Value};
use super::vars::{Variable, Vars};
use super::waitable::Waitable;

/// One run of one program.
pub struct Machine {
    pub(super) program: Rc<Program>,
    pub(super) vars: Vars,
    event_loop: LoopRef,
    trace: Rc<Trace>,
    /// How often each function was called.
    calls: RefCell<HashMap<Name, u64>>,
    /// What each label was last registered as.
    callbacks: RefCell<HashMap<Name, CallbackId>>,
}

impl Machine {
    /// A machine that has done nothing yet.
    pub fn new(program: Rc<Program>, event_loop: LoopRef, trace: Rc<Trace>) -> Rc<Machine> {
        Rc::new(Machine {
            program,
            vars: Vars::default(),
            event_loop,
            trace,
            calls: RefCell::default(),
            callbacks: RefCell::default(),
        })
    }

    /// Adds a line to the trace.
    pub fn log(&self, who: &str, text: impl Display) {
        self.trace.log(who, text);
    }

    /// The number of a new call of a function.
    pub fn count_call(&self, function: &Name) -> u64 {
        let mut calls = self.calls.borrow_mut();
        let count = calls.entry(function.clone()).or_default();
        *count += 1;
        *count - 1
    }

    /// Whether a statement can run: if not, the trace says which variable is missing.
    pub fn can_run(&self, who: &str, statement: &Statement) -> bool {
        let missing = self.vars.first_missing(&statement.needs);
        if let Some(missing) = missing {
            let operation = &statement.operation;
            self.log(who, format_args!("{operation} {missing} undefined"));
        }
        missing.is_none()
    }

    /// Runs a statement that never suspends.
    ///
    /// # Errors
    ///
    /// Whatever it raises; in a task a cancellation has to be raised as such.
    pub fn run_plain(self: &Rc<Self>, who: &str, plain: &Plain) -> Result<(), Error> {
        let vars = &self.vars;
        match plain {
            Plain::Log(text) => self.log(who, format_args!("log {text}")),
            Plain::Raise(error) => return Err(named(error)),
            Plain::Spawn { var, function } => {
                let task = create_task(self.call(function));
                task.expect_errors();
                vars.set_waitable(var, Waitable::Task(task));
            }
            Plain::Cancel(var) => self.cancel(who, var)?,
            Plain::CancelSelf => {
                let answer = this_task()?.cancel();
                self.log(who, format_args!("cancel_self {answer}"));
            }
            Plain::Cancelling => {
                let count = this_task()?.cancelling();
                self.log(who, format_args!("cancelling {count}"));
            }
            Plain::Uncancel => {
                let count = this_task()?.uncancel();
                self.log(who, format_args!("uncancel {count}"));
            }
            Plain::State(var) => {
                let state = vars.future(var)?.state();
                self.log(who, format_args!("state {var} {state}"));
            }
            Plain::Future(var) => {
                let promise = self.event_loop.create_future().map_err(unexpected)?;
                vars.set_waitable(var, Waitable::Promise(promise));
            }
            Plain::SetResult { var, value } => vars.future(var)?.set_result(value.clone())?,
            Plain::SetException { var, error } => vars.future(var)?.set_exception(named(error))?,
            Plain::OnDone { var, label, body } => self.on_done(var, label, body.as_ref())?,
            Plain::OffDone { var, label } => {
                let future = vars.future(var)?.as_future_ref();
                let callback = self.callbacks.borrow().get(label).copied();
                let removed = callback.map_or(0, |id| future.remove_done_callback(id));
                self.log(who, format_args!("off_done {label} {removed}"));
            }
            Plain::Schedule { var, at, body } => {
                let handle = self.schedule(at, self.callback(var, body));
                vars.set(var, handle.map_err(unexpected)?);
            }
            Plain::CancelHandle(var) => {
                self.cancel_variable(var)?;
                self.log(who, format_args!("cancel_handle {var}"));
            }
            Plain::Make { var, what } => vars.set(var, Variable::Primitive(make(what)?)),
            Plain::Use { var, how } => self.use_primitive(who, var, how)?,
            Plain::TgSpawn {
                group,
                var,
                function,
            } => {
                let task = vars.group(group)?.create_task(self.call(function))?;
                vars.set_waitable(var, Waitable::Child(task));
            }
            Plain::Reschedule { var, when } => {
                vars.timeout(var)?.reschedule(when.map(duration))?;
            }
            Plain::Expired(var) => {
                let expired = vars.timeout(var)?.expired();
                self.log(who, format_args!("expired {var} {expired}"));
            }
            Plain::GatherStart {
                var,
                awaitables,
                return_exceptions,
            } => {
                let gather = gather(self.eventuals(awaitables)?);
                let waitable = match return_exceptions {
                    true => Waitable::GatherAll(gather.return_exceptions()),
                    false => Waitable::Gather(gather.start()),
                };
                vars.set_waitable(var, waitable);
            }
            Plain::ShieldStart { var, awaitable } => self.start_shield(var, awaitable)?,
        }
        Ok(())
    }

    fn use_primitive(&self, who: &str, var: &Name, how: &Use) -> Result<(), Error> {
        let primitive = self.vars.primitive(var, Error::ATTRIBUTE_ERROR)?;
        let queue = || primitive.as_queue();
        match how {
            Use::Release => {
                primitive.release()?;
                self.log(who, format_args!("release {var}"));
            }
            Use::Locked => {
                let locked = primitive.locked()?;
                self.log(who, format_args!("locked {var} {locked}"));
            }
            Use::Set => primitive.set_event(true)?,
            Use::Clear => primitive.set_event(false)?,
            Use::Notify(count) => primitive.notify(*count)?,
            Use::PutNowait(value) => {
                queue()?.put_nowait(value.clone())?;
                self.log(who, format_args!("put_nowait {var} {value}"));
            }
            Use::GetNowait => {
                let value = queue()?.get_nowait()?;
                self.log(who, format_args!("get_nowait {var} {value}"));
            }
            Use::TaskDone => queue()?.task_done()?,
            Use::Qsize => {
                let size = queue()?.qsize();
                self.log(who, format_args!("qsize {var} {size}"));
            }
            Use::Shutdown { immediate } => queue()?.shutdown(*immediate),
        }
        Ok(())
    }

    fn schedule(
        &self,
        at: &Moment,
        callback: impl FnOnce() + 'static,
    ) -> Result<Variable, LoopError> {
        let event_loop = &self.event_loop;
        Ok(match at {
            Moment::Soon => Variable::Handle(event_loop.call_soon(callback)?),
            Moment::Later(ticks) => {
                Variable::Timer(event_loop.call_later(duration(*ticks), callback)?)
            }
            Moment::At(when) => Variable::Timer(event_loop.call_at(duration(*when), callback)?),
        })
    }

    /// Runs the statements of a callback.
    fn run_callback(self: &Rc<Self>, label: &Name, body: &Block) {
        let run = |statement: &Statement| match &statement.action {
            _ if !self.can_run(label, statement) => Ok(()),
            Action::Plain(plain) => self.run_plain(label, plain),
            // Python finds no method for it.
            _ => Err(Error::ATTRIBUTE_ERROR),
        };
        if let Err(error) = body.iter().try_for_each(run) {
            let context = ExceptionContext::new("Exception in callback").with_exception(error);
            self.event_loop.call_exception_handler(context);
        }
    }

    fn callback(self: &Rc<Self>, label: &Name, body: &Block) -> impl FnOnce() + 'static {
        let machine = self.clone();
        let (label, body) = (label.clone(), body.clone());
        move || {
            machine.log(&label, "call");
            machine.run_callback(&label, &body);
        }
    }

    fn on_done(
        self: &Rc<Self>,
        var: &Name,
        label: &Name,
        body: Option<&Block>,
    ) -> Result<(), Error> {
        let waitable = self.vars.future(var)?;
        let machine = self.clone();
        // The variable keeps it; a callback that did so too would keep itself.
        let weak = Rc::downgrade(&waitable);
        let (var, said_by, body) = (var.clone(), label.clone(), body.cloned());
        let id = waitable.as_future_ref().add_done_callback(move |_| {
            let Some(waitable) = weak.upgrade() else {
                return;
            };
            machine.log(&said_by, format_args!("done {var} {}", waitable.state()));
            if let Some(body) = body {
                machine.run_callback(&said_by, &body);
            }
        });
        self.callbacks.borrow_mut().insert(label.clone(), id);
        Ok(())
    }

    fn cancel(&self, who: &str, var: &Name) -> Result<(), Error> {
        let answer = self.cancel_variable(var)?;
        self.log(who, format_args!("cancel {var} {answer}"));
        Ok(())
    }

    fn cancel_variable(&self, var: &Name) -> Result<Value, Error> {
        match self.vars.get(var)? {
            Variable::Waitable(waitable) => return Ok(Value::Bool(waitable.cancel())),
            Variable::Handle(handle) => handle.cancel(),
            Variable::Timer(handle) => handle.cancel(),
            _ => return Err(Error::ATTRIBUTE_ERROR),
        }
        Ok(Value::None)
    }

    fn start_shield(self: &Rc<Self>, var: &Name, awaitable: &Awaitable) -> Result<(), Error> {
        let shield = shield(self.eventual(awaitable)?);
        if let Awaitable::Variable(inner) = awaitable {
            let inner = self.vars.future(inner)?;
            if inner.as_future_ref() == shield.as_future_ref() {
                // What is done is its own shield.
                self.vars.set(var, Variable::Waitable(inner));
                return Ok(());
            }
        }
        self.vars.set_waitable(var, Waitable::Shield(shield));
        Ok(())
    }

    /// What runs beside its caller: a coroutine becomes a task here.
    pub fn eventual(self: &Rc<Self>, awaitable: &Awaitable) -> Result<Eventual<Outcome>, Error> {
        match awaitable {
            Awaitable::Coroutine(function) => {
                let eventual = self.call(function).into_task();
                eventual.expect_errors();
                Ok(eventual)
            }
            Awaitable::Variable(var) => Ok(self.vars.waitable(var, Error::TYPE_ERROR)?.eventual()),
        }
    }

    /// The same of several, in order.
    pub fn eventuals(
        self: &Rc<Self>,
        awaitables: &[Awaitable],
    ) -> Result<Vec<Eventual<Outcome>>, Error> {
        awaitables.iter().map(|it| self.eventual(it)).collect()
    }
}

/// A number of ticks; there is no time before the beginning.
pub fn duration(ticks: Ticks) -> Duration {
    Duration::from_millis(ticks.try_into().unwrap_or(0))
}

fn make(what: &Made) -> Result<Primitive, Error> {
    match what {
        Made::Lock => Ok(Primitive::lock()),
        Made::Event => Ok(Primitive::event()),
        Made::Condition => Ok(Primitive::condition()),
        Made::Semaphore { value, bounded } => Primitive::semaphore(*value, *bounded),
        Made::Barrier { parties } => Primitive::barrier(*parties),
        Made::Queue { kind, maxsize } => Primitive::queue(kind, *maxsize),
    }
}

/// `None` has no `cancel`, in Python's words.
fn this_task() -> Result<TaskRef, Error> {
    current_task().ok_or(Error::ATTRIBUTE_ERROR)
}

fn named(name: &Name) -> Error {
    Error::named(name).unwrap_or_else(|| unexpected(name))
}

fn unexpected(what: impl Display) -> Error {
    Error::Unexpected(what.to_string())
}
