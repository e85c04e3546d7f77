//! A whole run, as asyncio's `run` does it.

use std::rc::Rc;

use ouroloop::lowlevel::cancel_all_tasks;
use ouroloop::{EventLoop, ExceptionContext, LoopError, LoopTasks, RunError, VirtualClock};

use super::error::Error;
use super::machine::Machine;
use super::program::Program;
use super::trace::Trace;

/// What became of a run.
#[derive(Debug)]
pub struct Run {
    /// What the program said.
    pub trace: Vec<String>,
    /// What kept it from its end. No recorded program fails.
    pub failure: Option<Failure>,
}

/// Why a run did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The run came to no result; a deadlock is one such failure.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The trace passed 4000 lines.
    #[error("the trace is too long")]
    TooLong,
}

impl From<LoopError> for Failure {
    fn from(error: LoopError) -> Failure {
        Failure::Run(error.into())
    }
}

/// Runs a program on virtual time.
#[must_use]
pub fn run(program: &Rc<Program>) -> Run {
    let event_loop = match EventLoop::builder().clock(VirtualClock::new()).build() {
        Ok(event_loop) => event_loop,
        Err(error) => {
            return Run {
                trace: Vec::new(),
                failure: Some(error.into()),
            };
        }
    };
    let trace = Rc::new(Trace::new(event_loop.downgrade()));
    let machine = Machine::new(program.clone(), event_loop.downgrade(), trace.clone());
    event_loop.set_exception_handler(Some({
        let trace = trace.clone();
        Rc::new(move |_, context| report(&trace, context))
    }));
    let ended = run_main(&event_loop, &machine, &trace);
    let failure = match ended {
        _ if trace.too_long() => Some(Failure::TooLong),
        ended => ended.err(),
    };
    let lines = trace.take();
    event_loop.set_exception_handler(Some(Rc::new(|_, _| {})));
    machine.vars.clear();
    drop(machine);
    let closed = event_loop.close().err().map(Failure::from);
    Run {
        trace: lines,
        failure: failure.or(closed),
    }
}

fn run_main(event_loop: &EventLoop, machine: &Rc<Machine>, trace: &Trace) -> Result<(), Failure> {
    let main = event_loop.create_task(machine.call(&"main".into()))?;
    main.expect_errors();
    let outcome = match event_loop.run_until_complete(main) {
        Ok(outcome) => outcome,
        Err(RunError::Task(error)) => Err(Error::from(error)),
        Err(error) => return Err(error.into()),
    };
    match outcome {
        Ok(value) => trace.log("run", format_args!("return {value}")),
        Err(error) => trace.log("run", format_args!("raise {error}")),
    }
    cancel_all_tasks(event_loop)?;
    trace.log("run", "closed");
    Ok(())
}

/// Traces what leaves a callback. Errors that nobody retrieved are reported here as well, at
/// moments that depend on when memory is freed, so they are no part of a trace.
fn report(trace: &Trace, context: &ExceptionContext) {
    if context.message() != "Exception in callback" {
        return;
    }
    let exception = context.exception().map(|exception| exception.to_string());
    let panic = context.panic().map(|panic| panic.message().to_owned());
    let name = exception.or(panic).unwrap_or_default();
    trace.log("loop", format_args!("error {name}"));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::conformance::parse;

    fn run_main_of(main: Json) -> Run {
        let functions = json!({"main": main, "leaf": [["return", 7]]});
        run(&Rc::new(parse::program(&functions).unwrap()))
    }

    #[test]
    fn a_run_says_what_became_of_main_and_that_it_closed() {
        let run = run_main_of(json!([["sleep", 3], ["call", "leaf"], ["return", "end"]]));
        assert!(run.failure.is_none());
        assert_eq!(
            run.trace,
            [
                "0 main#0 start",
                "3 leaf#0 start",
                "3 leaf#0 return 7",
                "3 main#0 called leaf 7",
                "3 main#0 return end",
                "3 run return end",
                "3 run closed",
            ]
        );
    }

    #[test]
    fn a_deadlock_is_a_failure() {
        let run = run_main_of(json!([["future", "p"], ["await", "p"]]));
        let Some(Failure::Run(RunError::Deadlock { graph, .. })) = run.failure else {
            panic!("{:?}", run.failure);
        };
        assert_eq!(graph.tasks()[0].waits_for[0].kind, "Promise");
        assert_eq!(run.trace, ["0 main#0 start"]);
    }

    #[test]
    fn a_trace_without_an_end_is_a_failure() {
        let run = run_main_of(json!([["repeat", 5000, [["log", "on"], ["sleep", 0]]]]));
        assert!(matches!(run.failure, Some(Failure::TooLong)));
        assert_eq!(run.trace.len(), 4000);
    }

    #[test]
    fn an_error_that_leaves_a_callback_is_said_by_the_loop() {
        let callbacks = json!([
            [
                "call_soon",
                "h",
                [["raise", "CancelledError"], ["log", "never"]]
            ],
            ["call_soon", "i", [["sleep", 1]]],
            ["sleep", 0]
        ]);
        let run = run_main_of(callbacks);
        let said: Vec<_> = run
            .trace
            .iter()
            .filter(|it| it.contains(" loop "))
            .collect();
        assert_eq!(
            said,
            ["0 loop error CancelledError", "0 loop error AttributeError"]
        );
    }

    #[test]
    fn what_a_primitive_does_not_have_is_an_attribute_error() {
        for statement in [
            json!(["put", "lock", 1]),
            json!(["release", "event"]),
            json!(["notify_all", "lock"]),
            json!(["barrier_abort", "event"]),
            json!(["event_set", "lock"]),
        ] {
            let run = run_main_of(json!([["lock", "lock"], ["event", "event"], statement]));
            assert_eq!(run.trace[1], "0 main#0 raise AttributeError");
        }
    }

    #[test]
    fn an_error_of_the_release_takes_the_place_of_a_cancellation() {
        let body = json!([["release", "l"], ["raise", "CancelledError"]]);
        let run = run_main_of(json!([["lock", "l"], ["with", "l", body]]));
        assert_eq!(
            run.trace[1..4],
            [
                "0 main#0 entered l",
                "0 main#0 release l",
                "0 main#0 raise RuntimeError",
            ]
        );
    }
}
