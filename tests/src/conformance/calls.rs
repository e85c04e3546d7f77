//! Functions, and the statements that may suspend.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use futures_util::StreamExt;
use ouroloop::{
    AsFutureRef, as_completed, catch_cancelled, gather, shield, sleep, task_group, timeout_scope,
    wait, wait_for,
};

use super::error::Error;
use super::machine::{Machine, duration};
use super::program::{Action, Awaitable, Block, Name, Program, Statement, Suspending, Ticks};
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
struct Instance {
    machine: Rc<Machine>,
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
        let value = match self.catching(self.block(body, None)).await {
            Ok(Flow::Return(value)) => value,
            Ok(Flow::Next) => Value::None,
            Err(error) => {
                self.log(&format!("raise {error}"));
                return raise(error).await;
            }
        };
        self.log(&format!("return {value}"));
        Ok(value)
    }

    /// Runs statements one after the other; `caught` is what `reraise` raises.
    fn block<'a>(&'a self, block: &'a Block, caught: Option<&'a Error>) -> Step<'a> {
        Box::pin(async move {
            for statement in block.iter() {
                let flow = match self.statement(statement, caught).await {
                    Ok(flow) => flow,
                    Err(error) => return raise(error).await,
                };
                if let Flow::Return(_) = flow {
                    return Ok(flow);
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
            Action::Plain(plain) => {
                self.machine.run_plain(&self.who, plain)?;
                Ok(Flow::Next)
            }
            Action::Suspending(suspending) => self.suspending(suspending, caught).await,
            Action::Unsupported => Err(Error::Unexpected(statement.operation.to_string())),
        }
    }

    async fn suspending(
        &self,
        statement: &Suspending,
        caught: Option<&Error>,
    ) -> Result<Flow, Error> {
        match statement {
            Suspending::Return(value) => return Ok(Flow::Return(value.clone())),
            // Python's answer to `raise None`.
            Suspending::Reraise => return Err(caught.cloned().unwrap_or(Error::TYPE_ERROR)),
            Suspending::Try {
                body,
                handlers,
                last,
            } => return self.try_(body, handlers, last).await,
            Suspending::Timeout { var, ticks, body } => {
                return self.timeout(var, *ticks, body, caught).await;
            }
            Suspending::TaskGroup { var, body } => {
                return self.task_group(var, body, caught).await;
            }
            Suspending::Repeat { count, body } => {
                for _ in 0..*count {
                    let flow = self.block(body, caught).await?;
                    if let Flow::Return(_) = flow {
                        return Ok(flow);
                    }
                }
            }
            Suspending::Sleep(ticks) => sleep(duration(*ticks)).await,
            Suspending::Call(function) => {
                let value = self.machine.call(function).await?;
                self.log(&format!("called {function} {value}"));
            }
            Suspending::Await(var) => {
                let waitable = self.machine.vars.waitable(var, Error::TYPE_ERROR)?;
                let value = waitable.wait().await??;
                self.log(&format!("awaited {var} {value}"));
            }
            Suspending::Gather {
                awaitables,
                return_exceptions,
            } => self.gather(awaitables, *return_exceptions).await?,
            Suspending::Wait {
                vars,
                timeout,
                return_when,
            } => {
                let waiting = wait(self.futures(vars)?)
                    .timeout(timeout.map(duration))
                    .return_when(*return_when);
                let (done, pending) = waiting.await?;
                let names_in = |futures: &[_]| {
                    // A name may stand for something else by now.
                    Value::names(vars.iter().filter(|var| match self.machine.future(var) {
                        Ok(now) => futures.contains(&now.as_future_ref()),
                        Err(_) => false,
                    }))
                };
                let (done, pending) = (names_in(&done), names_in(&pending));
                self.log(&format!("waited done={done} pending={pending}"));
            }
            Suspending::AsCompleted { vars, timeout } => {
                self.as_completed(vars, *timeout).await?;
            }
            Suspending::Shield(awaitable) => {
                let value = shield(self.machine.eventual(awaitable)?).await??;
                self.log(&format!("shielded {value}"));
            }
            Suspending::WaitFor { awaitable, timeout } => {
                let limit = timeout.map(duration);
                let value = match awaitable {
                    Awaitable::Coroutine(function) => {
                        wait_for(self.machine.call(function), limit).await??
                    }
                    Awaitable::Variable(_) => {
                        wait_for(self.machine.eventual(awaitable)?, limit).await??
                    }
                };
                self.log(&format!("waited_for {value}"));
            }
        }
        Ok(Flow::Next)
    }

    async fn try_(
        &self,
        body: &Block,
        handlers: &[(Name, Block)],
        last: &Block,
    ) -> Result<Flow, Error> {
        let handled = async {
            let error = match self.catching(self.block(body, None)).await {
                Ok(flow) => return Ok(flow),
                Err(error) => error,
            };
            match handlers.iter().find(|(name, _)| error.is_a(name)) {
                Some((_, handler)) => {
                    self.log(&format!("except {error}"));
                    self.block(handler, Some(&error)).await
                }
                None => raise(error).await,
            }
        };
        if last.is_empty() {
            return handled.await;
        }
        let flow = self.catching(handled).await;
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

    async fn gather(&self, awaitables: &[Awaitable], return_exceptions: bool) -> Result<(), Error> {
        let gather = gather(self.machine.eventuals(awaitables)?);
        let values = match return_exceptions {
            true => {
                let outcomes = gather.return_exceptions().await?;
                outcomes.into_iter().map(Value::of_outcome).collect()
            }
            false => gather.await?,
        };
        self.log(&format!("gathered {}", Value::List(values)));
        Ok(())
    }

    async fn as_completed(&self, vars: &[Name], timeout: Option<Ticks>) -> Result<(), Error> {
        let futures = vars
            .iter()
            .map(|var| Ok(self.machine.future(var)?.eventual()));
        let futures: Vec<_> = futures.collect::<Result<_, Error>>()?;
        let mut completed = as_completed(futures).timeout(timeout.map(duration));
        while let Some(item) = completed.next().await {
            let value = match item.unwrap_or_else(|error| Err(error.into())) {
                Err(error) if !error.is_a("Exception") => return Err(error),
                outcome => Value::of_outcome(outcome),
            };
            self.log(&format!("completed {value}"));
        }
        Ok(())
    }

    fn futures(&self, vars: &[Name]) -> Result<Vec<ouroloop::FutureRef>, Error> {
        let futures = vars
            .iter()
            .map(|var| Ok(self.machine.future(var)?.as_future_ref()));
        futures.collect()
    }

    /// Python's bare `except`: errors and cancellations alike.
    async fn catching<T>(
        &self,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match catch_cancelled(future).await {
            Ok(result) => result,
            Err(cancelled) => Err(Error::Cancelled(cancelled)),
        }
    }

    fn log(&self, text: &str) {
        self.machine.log(&self.who, text);
    }
}

/// Raises an error as a task does: a cancellation unwinds.
async fn raise<T>(error: Error) -> Result<T, Error> {
    match error {
        Error::Cancelled(cancelled) => cancelled.raise().await,
        error => Err(error),
    }
}
