//! The statements that await something, each by the function of its name.

use ouroloop::{AsFutureRef, FutureRef, as_completed, gather, shield, sleep, wait, wait_for};

use super::calls::Instance;
use super::error::Error;
use super::machine::duration;
use super::program::{Awaitable, Name, Suspending, Ticks, Waited, Waiting};
use super::value::Value;

impl Instance {
    /// Runs a statement that awaits something.
    ///
    /// # Errors
    ///
    /// Whatever it raises. A cancellation of what was awaited, by somebody else, is among these,
    /// and has to be raised as such: Python has one error for both.
    pub(super) async fn suspending(&self, statement: &Suspending) -> Result<(), Error> {
        let machine = &self.machine;
        match statement {
            Suspending::Sleep(ticks) => sleep(duration(*ticks)).await,
            Suspending::Call(function) => {
                let value = machine.call(function).await?;
                self.log(format_args!("called {function} {value}"));
            }
            Suspending::Await(var) => {
                let waitable = machine.vars.waitable(var, Error::TYPE_ERROR)?;
                let value = waitable.wait().await??;
                self.log(format_args!("awaited {var} {value}"));
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
                let (done, pending) = (self.names(vars, &done), self.names(vars, &pending));
                self.log(format_args!("waited done={done} pending={pending}"));
            }
            Suspending::AsCompleted { vars, timeout } => {
                self.as_completed(vars, *timeout).await?;
            }
            Suspending::Shield(awaitable) => {
                let value = shield(machine.eventual(awaitable)?).await??;
                self.log(format_args!("shielded {value}"));
            }
            Suspending::WaitFor { awaitable, timeout } => {
                let value = self.wait_for(awaitable, *timeout).await?;
                self.log(format_args!("waited_for {value}"));
            }
            Suspending::Primitive { var, how } => self.primitive(var, how).await?,
        }
        Ok(())
    }

    async fn primitive(&self, var: &Name, how: &Waiting) -> Result<(), Error> {
        let primitive = self.machine.vars.primitive(var, Error::ATTRIBUTE_ERROR)?;
        match how {
            Waiting::Acquire => {
                primitive.acquire().await?;
                self.log(format_args!("acquired {var}"));
            }
            Waiting::Wait(waited) => {
                let value = primitive.wait().await?;
                match waited {
                    Waited::Event => self.log(format_args!("event {var}")),
                    Waited::Notified => self.log(format_args!("notified {var}")),
                    Waited::Barrier => self.log(format_args!("barrier {var} {value}")),
                }
            }
            Waiting::Abort => primitive.as_barrier()?.abort().await,
            Waiting::Reset => primitive.as_barrier()?.reset().await,
            Waiting::Put(value) => {
                primitive.as_queue()?.put(value.clone()).await?;
                self.log(format_args!("put {var} {value}"));
            }
            Waiting::Get => {
                let value = primitive.as_queue()?.get().await?;
                self.log(format_args!("get {var} {value}"));
            }
            Waiting::Join => {
                primitive.as_queue()?.join().await;
                self.log(format_args!("joined {var}"));
            }
        }
        Ok(())
    }

    async fn gather(&self, awaitables: &[Awaitable], return_exceptions: bool) -> Result<(), Error> {
        let gather = gather(self.machine.eventuals(awaitables)?);
        let values = if return_exceptions {
            let outcomes = gather.return_exceptions().await?;
            outcomes.into_iter().map(Value::of_outcome).collect()
        } else {
            gather.await?
        };
        self.log(format_args!("gathered {}", Value::List(values)));
        Ok(())
    }

    async fn as_completed(&self, vars: &[Name], timeout: Option<Ticks>) -> Result<(), Error> {
        let vars = vars.iter().map(|var| self.machine.vars.future(var));
        let futures: Vec<_> = vars
            .map(|future| Ok(future?.eventual()))
            .collect::<Result<_, Error>>()?;
        let mut completed = as_completed(futures).timeout(timeout.map(duration));
        while let Some(item) = completed.next().await {
            let value = match item.unwrap_or_else(|error| Err(error.into())) {
                Err(error) if !error.is_a("Exception") => return Err(error),
                outcome => Value::of_outcome(outcome),
            };
            self.log(format_args!("completed {value}"));
        }
        Ok(())
    }

    async fn wait_for(
        &self,
        awaitable: &Awaitable,
        timeout: Option<Ticks>,
    ) -> Result<Value, Error> {
        let limit = timeout.map(duration);
        match awaitable {
            Awaitable::Coroutine(function) => wait_for(self.machine.call(function), limit).await?,
            Awaitable::Variable(_) => wait_for(self.machine.eventual(awaitable)?, limit).await?,
        }
    }

    fn futures(&self, vars: &[Name]) -> Result<Vec<FutureRef>, Error> {
        let vars = vars.iter().map(|var| self.machine.vars.future(var));
        vars.map(|future| Ok(future?.as_future_ref())).collect()
    }

    /// Those names that stand for one of these: they may stand for something else by now.
    fn names(&self, vars: &[Name], futures: &[FutureRef]) -> Value {
        let named = vars.iter().filter(|var| {
            let now = self.machine.vars.future(var);
            now.is_ok_and(|now| futures.contains(&now.as_future_ref()))
        });
        Value::names(named)
    }
}
