//! Reading programs from JSON.

use std::rc::Rc;

use ouroloop::{ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, ReturnWhen};
use serde_json::Value as Json;

use super::error::Error;
use super::program::{
    Action, Awaitable, Block, Control, Made, Moment, Name, Plain, Program, Statement, Suspending,
    Ticks, Use, Waited, Waiting,
};
use super::value::Value;

/// A program that cannot be read. Correct it, or teach the parser what it says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// An argument is not of the kind that the operation takes.
    #[error("`{operation}` wants {wanted} for its argument {position}, not {found}")]
    Argument {
        /// The operation.
        operation: String,
        /// Which argument, counted from 1.
        position: usize,
        /// What it should be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// There is something else where the language has this.
    #[error("expected {wanted}, not {found}")]
    Shape {
        /// What it should be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// The language has no such operation.
    #[error("there is no operation `{operation}`")]
    UnknownOperation {
        /// The operation.
        operation: String,
    },
}

/// Reads the functions of a program.
pub(super) fn program(functions: &Json) -> Result<Program, ParseError> {
    let object = functions.as_object().ok_or_else(|| ParseError::Shape {
        wanted: "an object of functions",
        found: functions.to_string(),
    })?;
    let functions = object
        .iter()
        .map(|(name, body)| Ok((name.as_str().into(), block(body)?)))
        .collect::<Result<_, ParseError>>()?;
    Ok(Program { functions })
}

fn block(statements: &Json) -> Result<Block, ParseError> {
    let statements = statements.as_array().ok_or_else(|| ParseError::Shape {
        wanted: "a list of statements",
        found: statements.to_string(),
    })?;
    statements.iter().map(statement).collect()
}

fn statement(statement: &Json) -> Result<Statement, ParseError> {
    let words = statement.as_array().map(Vec::as_slice);
    let Some([Json::String(operation), arguments @ ..]) = words else {
        return Err(ParseError::Shape {
            wanted: "an operation with its arguments",
            found: statement.to_string(),
        });
    };
    let arguments = Arguments {
        operation,
        arguments,
    };
    let action = if let Some(plain) = plain(&arguments)? {
        Action::Plain(plain)
    } else if let Some(suspending) = suspending(&arguments)? {
        Action::Suspending(suspending)
    } else if let Some(control) = control(&arguments)? {
        Action::Control(control)
    } else {
        return Err(ParseError::UnknownOperation {
            operation: operation.clone(),
        });
    };
    Ok(Statement {
        operation: operation.as_str().into(),
        needs: needs(&action),
        action,
    })
}

fn plain(arguments: &Arguments<'_>) -> Result<Option<Plain>, ParseError> {
    let var = || arguments.name(0);
    Ok(Some(match arguments.operation {
        "log" => Plain::Log(arguments.text(0)?),
        "raise" => Plain::Raise(arguments.error(0)?),
        "spawn" => Plain::Spawn {
            var: var()?,
            function: arguments.name(1)?,
        },
        "cancel" => Plain::Cancel(var()?),
        "cancel_self" => Plain::CancelSelf,
        "cancelling" => Plain::Cancelling,
        "uncancel" => Plain::Uncancel,
        "state" => Plain::State(var()?),
        "future" => Plain::Future(var()?),
        "set_result" => Plain::SetResult {
            var: var()?,
            value: arguments.value(1)?,
        },
        "set_exception" => Plain::SetException {
            var: var()?,
            error: arguments.error(1)?,
        },
        "tg_spawn" => Plain::TgSpawn {
            group: arguments.name(0)?,
            var: arguments.name(1)?,
            function: arguments.name(2)?,
        },
        "reschedule" => Plain::Reschedule {
            var: var()?,
            when: arguments.limit(1)?,
        },
        "expired" => Plain::Expired(var()?),
        "gather_start" => Plain::GatherStart {
            var: var()?,
            awaitables: arguments.awaitables(1)?,
            return_exceptions: arguments.truth(2)?,
        },
        "shield_start" => Plain::ShieldStart {
            var: var()?,
            awaitable: arguments.awaitable(1)?,
        },
        _ => match (make(arguments)?, use_(arguments)?) {
            (Some(what), _) => Plain::Make { var: var()?, what },
            (None, Some(how)) => Plain::Use { var: var()?, how },
            (None, None) => return callback(arguments),
        },
    }))
}

/// The statements that make a primitive.
fn make(arguments: &Arguments<'_>) -> Result<Option<Made>, ParseError> {
    Ok(Some(match arguments.operation {
        "lock" => Made::Lock,
        "event" => Made::Event,
        "condition" => Made::Condition,
        "semaphore" => Made::Semaphore {
            value: arguments.ticks(1)?,
            bounded: arguments.truth(2)?,
        },
        "barrier" => Made::Barrier {
            parties: arguments.ticks(1)?,
        },
        "queue" => Made::Queue {
            kind: arguments.name(1)?,
            maxsize: arguments.ticks(2)?,
        },
        _ => return Ok(None),
    }))
}

/// The statements that use one without awaiting anything.
fn use_(arguments: &Arguments<'_>) -> Result<Option<Use>, ParseError> {
    Ok(Some(match arguments.operation {
        "release" => Use::Release,
        "locked" => Use::Locked,
        "event_set" => Use::Set,
        "event_clear" => Use::Clear,
        "notify" => Use::Notify(Some(arguments.ticks(1)?)),
        "notify_all" => Use::Notify(None),
        "put_nowait" => Use::PutNowait(arguments.value(1)?),
        "get_nowait" => Use::GetNowait,
        "task_done" => Use::TaskDone,
        "qsize" => Use::Qsize,
        "qshutdown" => Use::Shutdown {
            immediate: arguments.truth(1)?,
        },
        _ => return Ok(None),
    }))
}

/// The statements that await something of one.
fn wait(arguments: &Arguments<'_>) -> Result<Option<Waiting>, ParseError> {
    Ok(Some(match arguments.operation {
        "acquire" => Waiting::Acquire,
        "event_wait" => Waiting::Wait(Waited::Event),
        "cond_wait" => Waiting::Wait(Waited::Notified),
        "barrier_wait" => Waiting::Wait(Waited::Barrier),
        "barrier_abort" => Waiting::Abort,
        "barrier_reset" => Waiting::Reset,
        "put" => Waiting::Put(arguments.value(1)?),
        "get" => Waiting::Get,
        "join" => Waiting::Join,
        _ => return Ok(None),
    }))
}

fn callback(arguments: &Arguments<'_>) -> Result<Option<Plain>, ParseError> {
    let var = || arguments.name(0);
    Ok(Some(match arguments.operation {
        "on_done" => Plain::OnDone {
            var: var()?,
            label: arguments.name(1)?,
            body: None,
        },
        "on_done_do" => Plain::OnDone {
            var: var()?,
            label: arguments.name(1)?,
            body: Some(block(arguments.at(2))?),
        },
        "off_done" => Plain::OffDone {
            var: var()?,
            label: arguments.name(1)?,
        },
        "call_soon" => Plain::Schedule {
            var: var()?,
            at: Moment::Soon,
            body: block(arguments.at(1))?,
        },
        "call_later" => Plain::Schedule {
            var: var()?,
            at: Moment::Later(arguments.ticks(1)?),
            body: block(arguments.at(2))?,
        },
        "call_at" => Plain::Schedule {
            var: var()?,
            at: Moment::At(arguments.ticks(1)?),
            body: block(arguments.at(2))?,
        },
        "cancel_handle" => Plain::CancelHandle(var()?),
        _ => return Ok(None),
    }))
}

fn control(arguments: &Arguments<'_>) -> Result<Option<Control>, ParseError> {
    Ok(Some(match arguments.operation {
        "return" => Control::Return(arguments.value(0)?),
        "reraise" => Control::Reraise,
        "repeat" => Control::Repeat {
            // Fewer than none is none.
            count: arguments.ticks(0)?.try_into().unwrap_or(0),
            body: block(arguments.at(1))?,
        },
        "try" => Control::Try {
            body: block(arguments.at(0))?,
            handlers: handlers(arguments)?,
            last: block(arguments.at(2))?,
        },
        "timeout" => Control::Timeout {
            var: arguments.name(0)?,
            ticks: arguments.limit(1)?,
            body: block(arguments.at(2))?,
        },
        "taskgroup" => Control::TaskGroup {
            var: arguments.name(0)?,
            body: block(arguments.at(1))?,
        },
        "with" => Control::With {
            var: arguments.name(0)?,
            body: block(arguments.at(1))?,
        },
        _ => return Ok(None),
    }))
}

fn handlers(arguments: &Arguments<'_>) -> Result<Vec<(Name, Block)>, ParseError> {
    let wrong = || arguments.wrong(1, "a list of [ERROR, HANDLER]");
    let handlers = arguments.at(1).as_array().ok_or_else(wrong)?;
    let handler = |handler: &Json| match handler.as_array().map(Vec::as_slice) {
        Some([Json::String(error), body]) => Ok((error.as_str().into(), block(body)?)),
        _ => Err(wrong()),
    };
    handlers.iter().map(handler).collect()
}

fn suspending(arguments: &Arguments<'_>) -> Result<Option<Suspending>, ParseError> {
    Ok(Some(match arguments.operation {
        "sleep" => Suspending::Sleep(arguments.ticks(0)?),
        "call" => Suspending::Call(arguments.name(0)?),
        "await" => Suspending::Await(arguments.name(0)?),
        "gather" => Suspending::Gather {
            awaitables: arguments.awaitables(0)?,
            return_exceptions: arguments.truth(1)?,
        },
        "wait" => Suspending::Wait {
            vars: arguments.variables(0)?,
            timeout: arguments.limit(1)?,
            return_when: arguments.return_when(2)?,
        },
        "as_completed" => Suspending::AsCompleted {
            vars: arguments.variables(0)?,
            timeout: arguments.limit(1)?,
        },
        "shield" => Suspending::Shield(arguments.awaitable(0)?),
        "wait_for" => Suspending::WaitFor {
            awaitable: arguments.awaitable(0)?,
            timeout: arguments.limit(1)?,
        },
        _ => match wait(arguments)? {
            Some(how) => Suspending::Primitive {
                var: arguments.name(0)?,
                how,
            },
            None => return Ok(None),
        },
    }))
}

/// The variables that must exist for an action.
fn needs(action: &Action) -> Vec<Name> {
    fn among<'a>(awaitables: impl IntoIterator<Item = &'a Awaitable>) -> Vec<Name> {
        let variables = awaitables.into_iter().filter_map(|it| match it {
            Awaitable::Variable(name) => Some(name.clone()),
            Awaitable::Coroutine(_) => None,
        });
        variables.collect()
    }
    match action {
        Action::Plain(plain) => match plain {
            Plain::Cancel(var)
            | Plain::State(var)
            | Plain::SetResult { var, .. }
            | Plain::SetException { var, .. }
            | Plain::OnDone { var, .. }
            | Plain::OffDone { var, .. }
            | Plain::CancelHandle(var)
            | Plain::TgSpawn { group: var, .. }
            | Plain::Reschedule { var, .. }
            | Plain::Use { var, .. }
            | Plain::Expired(var) => vec![var.clone()],
            Plain::GatherStart { awaitables, .. } => among(awaitables),
            Plain::ShieldStart { awaitable, .. } => among([awaitable]),
            _ => Vec::new(),
        },
        Action::Suspending(suspending) => match suspending {
            Suspending::Await(var) | Suspending::Primitive { var, .. } => vec![var.clone()],
            Suspending::Gather { awaitables, .. } => among(awaitables),
            Suspending::Wait { vars, .. } | Suspending::AsCompleted { vars, .. } => vars.clone(),
            Suspending::Shield(awaitable) | Suspending::WaitFor { awaitable, .. } => {
                among([awaitable])
            }
            _ => Vec::new(),
        },
        Action::Control(Control::With { var, .. }) => vec![var.clone()],
        Action::Control(_) => Vec::new(),
    }
}

struct Arguments<'a> {
    operation: &'a str,
    arguments: &'a [Json],
}

impl Arguments<'_> {
    /// One that is not given is `null`.
    fn at(&self, index: usize) -> &Json {
        self.arguments.get(index).unwrap_or(&Json::Null)
    }

    fn wrong(&self, index: usize, wanted: &'static str) -> ParseError {
        ParseError::Argument {
            operation: self.operation.to_owned(),
            position: index + 1,
            wanted,
            found: self.at(index).to_string(),
        }
    }

    fn name(&self, index: usize) -> Result<Name, ParseError> {
        let name = self.at(index).as_str();
        name.map(Rc::from)
            .ok_or_else(|| self.wrong(index, "a name"))
    }

    fn error(&self, index: usize) -> Result<Name, ParseError> {
        let name = self.name(index)?;
        match Error::named(&name) {
            Some(_) => Ok(name),
            None => Err(self.wrong(index, "the name of an error")),
        }
    }

    /// Any value, as text.
    fn text(&self, index: usize) -> Result<Name, ParseError> {
        Ok(match self.at(index) {
            Json::String(text) => text.as_str().into(),
            other => other.to_string().into(),
        })
    }

    fn value(&self, index: usize) -> Result<Value, ParseError> {
        match self.at(index) {
            Json::Null => Ok(Value::None),
            Json::Bool(truth) => Ok(Value::Bool(*truth)),
            Json::String(text) => Ok(Value::Text(text.as_str().into())),
            number => match number.as_i64() {
                Some(number) => Ok(Value::Int(number)),
                None => Err(self.wrong(index, "a string, an integer or null")),
            },
        }
    }

    fn ticks(&self, index: usize) -> Result<Ticks, ParseError> {
        let number = self.at(index).as_i64();
        number.ok_or_else(|| self.wrong(index, "an integer"))
    }

    fn limit(&self, index: usize) -> Result<Option<Ticks>, ParseError> {
        match self.at(index) {
            Json::Null => Ok(None),
            _ => self.ticks(index).map(Some),
        }
    }

    fn truth(&self, index: usize) -> Result<bool, ParseError> {
        let truth = self.at(index).as_bool();
        truth.ok_or_else(|| self.wrong(index, "true or false"))
    }

    fn return_when(&self, index: usize) -> Result<ReturnWhen, ParseError> {
        match self.at(index).as_str() {
            Some("ALL_COMPLETED") => Ok(ALL_COMPLETED),
            Some("FIRST_COMPLETED") => Ok(FIRST_COMPLETED),
            Some("FIRST_EXCEPTION") => Ok(FIRST_EXCEPTION),
            _ => Err(self.wrong(index, "when to return")),
        }
    }

    fn awaitable(&self, index: usize) -> Result<Awaitable, ParseError> {
        awaitable(self.at(index)).ok_or_else(|| self.wrong(index, "an awaitable"))
    }

    fn awaitables(&self, index: usize) -> Result<Vec<Awaitable>, ParseError> {
        let items = self.at(index).as_array();
        items
            .and_then(|items| items.iter().map(awaitable).collect())
            .ok_or_else(|| self.wrong(index, "a list of awaitables"))
    }

    fn variables(&self, index: usize) -> Result<Vec<Name>, ParseError> {
        let awaitables = self.awaitables(index)?.into_iter();
        awaitables
            .map(|it| match it {
                Awaitable::Variable(name) => Ok(name),
                Awaitable::Coroutine(_) => Err(self.wrong(index, "variables, not coroutines")),
            })
            .collect()
    }
}

fn awaitable(json: &Json) -> Option<Awaitable> {
    let [Json::String(kind), Json::String(name)] = json.as_array()?.as_slice() else {
        return None;
    };
    match kind.as_str() {
        "var" => Some(Awaitable::Variable(name.as_str().into())),
        "coro" => Some(Awaitable::Coroutine(name.as_str().into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statement(json: Json) -> Result<Statement, ParseError> {
        super::statement(&json)
    }

    #[test]
    fn a_statement_needs_the_variables_that_it_awaits_and_no_others() {
        let gather = statement(json!(["gather", [["var", "a"], ["coro", "f"]], false])).unwrap();
        assert_eq!(gather.needs, ["a".into()] as [Name; 1]);
        let group = statement(json!(["tg_spawn", "g", "t", "f"])).unwrap();
        assert_eq!(group.needs, ["g".into()] as [Name; 1]);
        assert!(
            statement(json!(["spawn", "t", "f"]))
                .unwrap()
                .needs
                .is_empty()
        );
    }

    #[test]
    fn a_primitive_is_needed_by_whoever_uses_it_but_not_by_who_makes_it() {
        let needs = |json| statement(json).unwrap().needs;
        assert!(needs(json!(["queue", "q", "fifo", 1])).is_empty());
        for json in [
            json!(["put", "q", 1]),
            json!(["get_nowait", "q"]),
            json!(["with", "q", [["get", "r"]]]),
        ] {
            assert_eq!(needs(json), ["q".into()] as [Name; 1]);
        }
    }

    #[test]
    fn what_the_language_does_not_have_is_refused_by_name() {
        let refused = |json| statement(json).unwrap_err().to_string();
        assert_eq!(refused(json!(["dance"])), "there is no operation `dance`");
        assert_eq!(
            refused(json!(["sleep", "long"])),
            "`sleep` wants an integer for its argument 1, not \"long\""
        );
        assert_eq!(
            refused(json!(["raise", "Nothing"])),
            "`raise` wants the name of an error for its argument 1, not \"Nothing\""
        );
    }
}
