//! Functions, their blocks, and the statements that decide where a function goes on.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use ouroloop::{catch_cancelled, task_group, timeout_scope};

use super::error::Error;
use super::machine::{Machine, duration};
use super::program::{Action, Block, Control, Name, Program, Statement, Ticks};
use super::value::{Outcome, Value};
use super::vars::Variable;

/// A coroutine: it does nothing before it is first polled.
pub type Call = Pin<Box<dyn Future<Output = Outcome>>>;

impl Machine {
    /// Calls a function of the program.
    pub fn call(self: &Rc<Self>, function: &Name) -> Call {
        let machine = self.clone();
        let function = function.clone();
        Box::pin(async move {
            let serial = machine.count_call(&function);
            let program = machine.program.clone();
            let instance = Instance {
                who: format!("{function}#{serial}").into(),
                machine,
            };
            instance.run(&program, &function).await
        })
    }
}

/// A call under way.
pub struct Instance {
    pub(super) machine: Rc<Machine>,
    who: Name,
}

/// Where a function goes on.
enum Flow {
    Next,
    Return(Value),
}

type Step<'a> = Pin<Box<dyn Future<Output = Result<Flow, Error>> + 'a>>;

impl Instance {
    async fn run(&self, program: &Program, function: &Name) -> Outcome {
        self.log("start");
        let Some(body) = program.functions.get(function) else {
            self.log("raise KeyError");
            return Err(Error::KEY_ERROR);
        };
        let value = match catching(self.block(body, None)).await {
            Ok(Flow::Return(value)) => value,
            Ok(Flow::Next) => Value::None,
            Err(error) => {
                self.log(format_args!("raise {error}"));
                return raise(error).await;
            }
        };
        self.log(format_args!("return {value}"));
        Ok(value)
    }

    /// Runs statements one after the other; `caught` is what `reraise` raises.
    fn block<'a>(&'a self, block: &'a Block, caught: Option<&'a Error>) -> Step<'a> {
        Box::pin(async move {
            for statement in block.iter() {
                match self.statement(statement, caught).await {
                    Ok(Flow::Next) => {}
                    Ok(flow) => return Ok(flow),
                    Err(error) => return raise(error).await,
                }
            }
            Ok(Flow::Next)
        })
    }

    async fn statement(
        &self,
        statement: &Statement,
        caught: Option<&Error>,
    ) -> Result<Flow, Error> {
        if !self.machine.can_run(&self.who, statement) {
            return Ok(Flow::Next);
        }
        match &statement.action {
            Action::Plain(plain) => self.machine.run_plain(&self.who, plain)?,
            Action::Suspending(suspending) => self.suspending(suspending).await?,
            Action::Control(control) => return self.control(control, caught).await,
        }
        Ok(Flow::Next)
    }

    async fn control(&self, control: &Control, caught: Option<&Error>) -> Result<Flow, Error> {
        match control {
            Control::Return(value) => Ok(Flow::Return(value.clone())),
            // Python's answer to `raise None`.
            Control::Reraise => Err(caught.cloned().unwrap_or(Error::TYPE_ERROR)),
            Control::Repeat { count, body } => {
                for _ in 0..*count {
                    let flow = self.block(body, caught).await?;
                    if let Flow::Return(_) = flow {
                        return Ok(flow);
                    }
                }
                Ok(Flow::Next)
            }
            Control::Try {
                body,
                handlers,
                last,
            } => self.try_(body, handlers, last).await,
            Control::Timeout { var, ticks, body } => self.timeout(var, *ticks, body, caught).await,
            Control::TaskGroup { var, body } => self.task_group(var, body, caught).await,
            Control::With { var, body } => self.with(var, body, caught).await,
        }
    }

    async fn try_(
        &self,
        body: &Block,
        handlers: &[(Name, Block)],
        last: &Block,
    ) -> Result<Flow, Error> {
        let handled = async {
            let error = match catching(self.block(body, None)).await {
                Ok(flow) => return Ok(flow),
                Err(error) => error,
            };
            match handlers.iter().find(|(name, _)| error.is_a(name)) {
                Some((_, handler)) => {
                    self.log(format_args!("except {error}"));
                    self.block(handler, Some(&error)).await
                }
                None => raise(error).await,
            }
        };
        if last.is_empty() {
            return handled.await;
        }
        let flow = catching(handled).await;
        self.log("finally");
        self.block(last, None).await?;
        flow
    }

    async fn timeout(
        &self,
        var: &Name,
        ticks: Option<Ticks>,
        body: &Block,
        caught: Option<&Error>,
    ) -> Result<Flow, Error> {
        timeout_scope(ticks.map(duration), async |timeout| {
            self.machine.vars.set(var, Variable::Timeout(timeout));
            self.block(body, caught).await
        })
        .await?
    }

    async fn task_group(
        &self,
        var: &Name,
        body: &Block,
        caught: Option<&Error>,
    ) -> Result<Flow, Error> {
        let flow = task_group(async |group| {
            self.machine.vars.set(var, Variable::Group(group));
            self.block(body, caught).await
        });
        Ok(flow.await?)
    }

    async fn with(&self, var: &Name, body: &Block, caught: Option<&Error>) -> Result<Flow, Error> {
        let primitive = self.machine.vars.primitive(var, Error::TYPE_ERROR)?;
        primitive.enter().await?;
        self.log(format_args!("entered {var}"));
        let flow = catching(self.block(body, caught)).await;
        // An error of the release takes the place of the body's.
        primitive.exit()?;
        flow
    }

    /// Adds a line to the trace.
    pub(super) fn log(&self, text: impl Display) {
        self.machine.log(&self.who, text);
    }
}

/// Python's bare `except`: errors and cancellations alike.
async fn catching<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match catch_cancelled(future).await {
        Ok(result) => result,
        Err(cancelled) => Err(Error::Cancelled(cancelled)),
    }
}

/// Raises an error as a task does: a cancellation unwinds.
async fn raise<T>(error: Error) -> Result<T, Error> {
    match error {
        Error::Cancelled(cancelled) => cancelled.raise().await,
        error => Err(error),
    }
}
