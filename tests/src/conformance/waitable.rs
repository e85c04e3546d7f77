//! The variables that can be awaited: tasks, promises, gathers and shields.

use std::rc::Rc;

use ouroloop::lowlevel::{Eventual, Plain, ReturnExceptions};
use ouroloop::{AsFutureRef, FutureRef, Gathering, IntoTask, Promise, Shield, Task, TaskError};

use super::error::Error;
use super::value::{Outcome, Value};

/// Something that exists beside the functions that await it.
pub enum Waitable {
    /// Made by `spawn`.
    Task(Task<Outcome>),
    /// Made by `tg_spawn`.
    Child(Task<Value>),
    /// Made by `future`.
    Promise(Promise<Value>),
    /// Made by `gather_start`.
    Gather(Gathering<Outcome, Plain>),
    /// Made by `gather_start` with `return_exceptions`.
    GatherAll(Gathering<Outcome, ReturnExceptions>),
    /// Made by `shield_start`.
    Shield(Shield<Eventual<Outcome>>),
}

impl Waitable {
    /// Waits for it, in its caller's place.
    pub async fn wait(self: Rc<Self>) -> Result<Outcome, TaskError> {
        match &*self {
            Waitable::Task(task) => task.await.cloned(),
            Waitable::Child(task) => task.await.cloned().map(Ok),
            Waitable::Promise(promise) => promise.await.cloned().map(Ok),
            Waitable::Gather(gathering) => Ok(gathering.await.map(Value::List)),
            Waitable::GatherAll(gathering) => gathering.await.map(listed),
            Waitable::Shield(_) => self.eventual().await,
        }
    }

    /// What `gather`, `wait_for`, `shield` and `as_completed` are given.
    pub fn eventual(self: &Rc<Self>) -> Eventual<Outcome> {
        if let Waitable::Task(task) = &**self {
            return task.into_task();
        }
        let this = self.clone();
        Eventual::new(self.as_future_ref(), move || this.result())
    }

    /// The result, if it is done.
    pub fn result(&self) -> Result<Outcome, TaskError> {
        match self {
            Waitable::Task(task) => task.result().cloned(),
            Waitable::Child(task) => task.result().cloned().map(Ok),
            Waitable::Promise(promise) => promise.result().cloned().map(Ok),
            Waitable::Gather(gathering) => match gathering.result().map(Value::List) {
                Err(Error::Cancelled(cancelled)) => Err(TaskError::Cancelled(cancelled)),
                outcome => Ok(outcome),
            },
            Waitable::GatherAll(gathering) => gathering.result().map(listed),
            Waitable::Shield(shield) => match shield.as_future_ref().exception() {
                Some(error) if error.is_cancelled() => Err(error),
                _ => shield.inner().peek(),
            },
        }
    }

    /// Asks for its cancellation, each kind by its own method.
    pub fn cancel(&self) -> bool {
        match self {
            Waitable::Task(task) => task.cancel(),
            Waitable::Child(task) => task.cancel(),
            Waitable::Promise(promise) => promise.cancel(),
            Waitable::Gather(gathering) => gathering.cancel(),
            Waitable::GatherAll(gathering) => gathering.cancel(),
            Waitable::Shield(shield) => shield.cancel(),
        }
    }

    /// The state as text: `pending`, `cancelled`, `!ERROR` or `=VALUE`.
    pub fn state(&self) -> String {
        let future = self.as_future_ref();
        if !future.done() {
            return "pending".to_owned();
        }
        if future.cancelled() {
            return "cancelled".to_owned();
        }
        match self.result().unwrap_or_else(|error| Err(error.into())) {
            Ok(value) => format!("={value}"),
            Err(error) => format!("!{error}"),
        }
    }

    /// Sets the value of a promise.
    pub fn set_result(&self, value: Value) -> Result<(), Error> {
        Ok(self.promise()?.set_result(value)?)
    }

    /// Sets the error of a promise.
    pub fn set_exception(&self, error: Error) -> Result<(), Error> {
        let promise = self.promise()?;
        match error {
            Error::Cancelled(cancelled) => promise.set_error(TaskError::Cancelled(cancelled))?,
            error => promise.set_exception(error)?,
        }
        Ok(())
    }

    fn promise(&self) -> Result<&Promise<Value>, Error> {
        match self {
            Waitable::Promise(promise) => Ok(promise),
            Waitable::Task(_) | Waitable::Child(_) => Err(Error::RUNTIME_ERROR),
            _ if self.as_future_ref().done() => Err(Error::INVALID_STATE_ERROR),
            _ => Err(Error::Unexpected("set a gather or a shield".to_owned())),
        }
    }
}

impl AsFutureRef for Waitable {
    fn as_future_ref(&self) -> FutureRef {
        match self {
            Waitable::Task(task) => task.as_future_ref(),
            Waitable::Child(task) => task.as_future_ref(),
            Waitable::Promise(promise) => promise.as_future_ref(),
            Waitable::Gather(gathering) => gathering.as_future_ref(),
            Waitable::GatherAll(gathering) => gathering.as_future_ref(),
            Waitable::Shield(shield) => shield.as_future_ref(),
        }
    }
}

fn listed(outcomes: Vec<Outcome>) -> Outcome {
    let values = outcomes.into_iter().map(Value::of_outcome);
    Ok(Value::List(values.collect()))
}
