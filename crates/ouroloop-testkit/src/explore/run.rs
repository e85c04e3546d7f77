//! One run of the test, from the making of its loop to the end of it.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use ouroloop_combinators::cancel_all_tasks;
use ouroloop_core::{Clock, EventLoop, LoopRef, PanicPayload, VirtualClock, set_event_loop};
use ouroloop_task::{LoopTasks, TaskBuilder};

use super::recorder::{Recorder, watch};
use super::schedule::{lateness, order};
use super::{Exploration, Failure, History, Reason, Verdict};

/// What became of a run.
///
/// # Examples
///
/// ```
/// use ouroloop::create_task;
/// use ouroloop::testkit::Exploration;
///
/// let test = || async { create_task(async {}).await.unwrap() };
/// let run = Exploration::new().replay(7, test);
/// assert!(run.failure().is_none());
/// assert_eq!(run.history().actors()[1].name(), "Task-2");
/// assert_eq!(run.fingerprint(), Exploration::new().replay(7, test).fingerprint());
/// println!("{run}");
/// ```
#[derive(Clone, Debug)]
pub struct Run {
    outcome: Result<History, Failure>,
    steps: u64,
    fingerprint: u64,
}

impl Run {
    /// Who ran when.
    pub fn history(&self) -> &History {
        match &self.outcome {
            Ok(history) => history,
            Err(failure) => &failure.history,
        }
    }

    /// What went wrong, if something did.
    pub fn failure(&self) -> Option<&Failure> {
        self.outcome.as_ref().err()
    }

    /// What went wrong, if something did.
    pub fn into_failure(self) -> Option<Failure> {
        self.outcome.err()
    }

    /// How many steps tasks and callbacks took.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// A number for the schedule: two runs of one test with the same number had the same one, but
    /// for bad luck.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Ok(history) => write!(f, "seed {} passes\n\n{history}", history.seed),
            Err(failure) => failure.fmt(f),
        }
    }
}

#[track_caller]
pub(super) fn run<M, F>(settings: &Exploration, seed: u64, test: M) -> (Run, Option<F::Output>)
where
    M: FnOnce() -> F,
    F: Future<Output: Verdict> + 'static,
{
    let recorder = Recorder::new(seed, settings.steps_max);
    let reports = Rc::new(RefCell::new(Vec::new()));
    let mut output = None;
    let reason = match make_loop(settings, seed, &recorder, &reports) {
        Ok(event_loop) => {
            let _current = recorder.make_current();
            set_event_loop(Some(&event_loop));
            let tried = try_to_the_end(settings, &event_loop, &recorder, test, &mut output);
            set_event_loop(None);
            let (reason, told) = (tried.err(), reports.borrow().len());
            if reason.is_some() {
                recorder.close();
            }
            let cleared = clear_away(&event_loop, reason.is_none());
            let cleared = cleared.map_err(|reason| endless(settings, &recorder, reason));
            if reason.is_some() {
                // Of a run that failed, what it fell over is of interest, not what lay about then.
                reports.borrow_mut().truncate(told);
            }
            reason.or(cleared.err())
        }
        Err(reason) => Some(reason),
    };
    let reports = reports.take();
    let reason = reason.or_else(|| reports.first().cloned().map(Reason::Reported));
    let history = recorder.take_history();
    let run = Run {
        steps: recorder.steps(),
        fingerprint: recorder.fingerprint(),
        outcome: match reason {
            None => Ok(history),
            Some(reason) => Err(Failure {
                reason,
                reports,
                history,
            }),
        },
    };
    (run, output)
}

fn make_loop(
    settings: &Exploration,
    seed: u64,
    recorder: &Rc<Recorder>,
    reports: &Rc<RefCell<Vec<String>>>,
) -> Result<EventLoop, Reason> {
    let clock = match settings.real_time {
        true => Clock::Monotonic,
        false => {
            let clock = VirtualClock::new();
            clock.set_lateness(lateness(seed, settings.lateness_percent));
            Clock::Virtual(clock)
        }
    };
    let event_loop = EventLoop::builder().clock(clock).build();
    let event_loop = event_loop.map_err(|error| Reason::Run(error.to_string()))?;
    event_loop.set_batch_order(order(seed, recorder));
    watch(&event_loop, recorder);
    let reports = reports.clone();
    event_loop.set_exception_handler(Some(Rc::new(move |_, context| {
        reports.borrow_mut().push(context.to_string());
    })));
    Ok(event_loop)
}

#[track_caller]
fn try_to_the_end<M, F>(
    settings: &Exploration,
    event_loop: &EventLoop,
    recorder: &Recorder,
    test: M,
    output: &mut Option<F::Output>,
) -> Result<(), Reason>
where
    M: FnOnce() -> F,
    F: Future<Output: Verdict> + 'static,
{
    event_loop
        .check_runnable()
        .map_err(|error| Reason::Run(error.to_string()))?;
    // What a panic leaves in disorder is the caller's, who hears of it as the failure.
    let test = catch_unwind(AssertUnwindSafe(test))
        .map_err(|payload| Reason::Panicked(PanicPayload::from_payload(payload)))?;
    let options = TaskBuilder::new().name("test").log_destroyed(false);
    let task = event_loop
        .create_task_with(options, test)
        .map_err(|error| Reason::Run(error.to_string()))?;
    let ended = event_loop.run_until_complete(task);
    let ended = output.insert(ended.map_err(|error| endless(settings, recorder, error.into()))?);
    if let Some(error) = ended.error() {
        return Err(Reason::Error(error));
    }
    // Those who are about to end may do so.
    while event_loop.statistics().ready > 0 && !recorder.is_endless() {
        event_loop
            .run_once()
            .map_err(|error| Reason::Run(error.to_string()))?;
    }
    if recorder.is_endless() {
        return Err(Reason::Endless {
            steps: settings.steps_max,
        });
    }
    match settings.leftovers_allowed {
        true => Ok(()),
        false => nothing_is_left(event_loop),
    }
}

/// A run without end was stopped, whatever else the loop says of that.
fn endless(settings: &Exploration, recorder: &Recorder, reason: Reason) -> Reason {
    match recorder.is_endless() {
        true => Reason::Endless {
            steps: settings.steps_max,
        },
        false => reason,
    }
}

fn nothing_is_left(event_loop: &LoopRef) -> Result<(), Reason> {
    let tasks = event_loop.all_tasks();
    let mut what: Vec<String> = tasks
        .iter()
        .map(|task| format!("task {:?} created at {}", task.name(), task.created_at()))
        .collect();
    let statistics = event_loop.statistics();
    // A task that is left explains its timers and descriptors.
    if tasks.is_empty() {
        what.extend(counted(statistics.timers, "timer"));
        what.extend(counted(statistics.io_sources, "registered descriptor"));
    }
    match what.is_empty() {
        true => Ok(()),
        false => Err(Reason::Leftovers {
            what: what.join(", "),
        }),
    }
}

fn counted(count: usize, what: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        more => Some(format!("{more} {what}s")),
    }
}

/// Cancels what is left, and closes the loop.
fn clear_away(event_loop: &EventLoop, passed: bool) -> Result<(), Reason> {
    let cancelled = match passed {
        true => cancel_all_tasks(event_loop),
        // One that runs without end would run on.
        false => Ok(()),
    };
    let closed = event_loop.close();
    cancelled.map_err(Reason::from)?;
    closed.map_err(|error| Reason::Run(error.to_string()))
}
