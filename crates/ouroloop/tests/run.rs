//! `run` and `Runner`: into the loop, out of it again in order, and what is refused.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use ouroloop::{
    Cancelled, CancelledBy, ContextVar, EventLoop, LoopError, LoopRef, RunError, Runner, TaskError,
    VirtualClock, bare_yield, catch_cancelled, create_task, current_task, get_event_loop,
    get_running_loop, run, sleep,
};

/// What several places write to.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn say(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

/// The loop that runs here, without keeping it open.
fn here() -> LoopRef {
    get_running_loop().unwrap().downgrade()
}

fn is_refused<T>(result: &Result<T, RunError>) -> bool {
    matches!(result, Err(RunError::Loop(LoopError::LoopInLoop)))
}

#[test]
fn a_run_gives_what_main_gives_on_a_loop_of_its_own() {
    let (first, was_open) = run(async {
        let event_loop = here();
        assert!(get_event_loop().unwrap().same_loop(&event_loop));
        assert_eq!(&*current_task().unwrap().name(), "Task-1");
        bare_yield().await;
        let is_open = !event_loop.is_closed();
        (event_loop, is_open)
    })
    .unwrap();
    assert!(was_open && first.is_closed());
    let second = run(async { here() }).unwrap();
    assert!(!second.same_loop(&first));
    assert!(matches!(get_running_loop(), Err(LoopError::NotRunning)));
    assert!(matches!(get_event_loop(), Err(LoopError::NoCurrentLoop)));
}

#[test]
fn a_run_within_a_loop_is_refused_and_never_begins() {
    let polled = Rc::new(Cell::new(0));
    let begun = polled.clone();
    let mut outer = Runner::new();
    let refusals = outer.run(async move {
        let event_loop = here();
        let main = || {
            let begun = begun.clone();
            async move { begun.set(begun.get() + 1) }
        };
        let mut other = Runner::new();
        let refusals = [run(main()), other.run(main())];
        drop(other);
        assert!(get_running_loop().unwrap().same_loop(&event_loop));
        bare_yield().await;
        refusals
    });
    assert!(refusals.unwrap().iter().all(is_refused));
    assert_eq!(polled.get(), 0);
    let current = get_event_loop().expect("the refused runs did not touch it");
    assert!(current.same_loop(outer.event_loop().unwrap()));
    drop(current);
    outer.close().unwrap();
    assert!(get_event_loop().is_err());
}

#[test]
fn a_refused_runner_runs_when_the_other_loop_is_through() {
    let mut runner = Runner::new().loop_factory(|| EventLoop::builder().build());
    let (refused, mut runner) = run(async move { (runner.run(async { 1 }), runner) }).unwrap();
    assert!(is_refused(&refused.map(drop)));
    assert_eq!(runner.run(async { 1 }).unwrap(), 1);
}

#[test]
fn at_the_end_tasks_are_cancelled_then_awaited_then_reported_and_then_the_loop_closes() {
    let log = Log::default();
    let kept: Rc<RefCell<Option<LoopRef>>> = Rc::default();
    let (say, keep) = (log.clone(), kept.clone());
    let answer = run(async move {
        let event_loop = here();
        let report = say.clone();
        event_loop.set_exception_handler(Some(Rc::new(move |event_loop, context| {
            let state = if event_loop.is_closed() {
                "closed"
            } else {
                "open"
            };
            report.say(format!("[{}: {state}]", context.message()));
        })));
        for (name, count) in [("slow", 2), ("quick", 1)] {
            let say = say.clone();
            drop(create_task(async move {
                let caught = catch_cancelled(pending::<()>()).await;
                assert_eq!(caught, Err(Cancelled::new(CancelledBy::Shutdown)));
                say.say(name);
                sleep(Duration::from_millis(count)).await;
                say.say(format!("{name}-cleaned"));
                if name == "quick" {
                    resume_unwind(Box::new("while cleaning"));
                }
            }));
        }
        bare_yield().await;
        keep.replace(Some(event_loop));
        say.say("main");
        42
    });
    assert_eq!(answer.unwrap(), 42);
    assert_eq!(
        log.take(),
        "main slow quick quick-cleaned slow-cleaned [unhandled exception during run() shutdown: open]"
    );
    assert!(kept.take().unwrap().is_closed());
}

#[test]
fn a_panic_of_main_goes_on_after_the_shutdown() {
    let log = Log::default();
    let say = log.clone();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        run(async move {
            drop(create_task(async move {
                let _ = catch_cancelled(pending::<()>()).await;
                bare_yield().await;
                say.say("cleaned");
            }));
            bare_yield().await;
            resume_unwind(Box::new("main"));
        })
        .map(|(): ()| ())
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"main"));
    assert_eq!(log.take(), "cleaned");
    assert!(get_event_loop().is_err());
}

#[test]
fn a_main_that_ends_cancelled_or_stopped_is_an_error_of_the_run() {
    let cancelled = run(async {
        current_task().unwrap().cancel();
        pending::<()>().await;
    });
    assert!(matches!(
        cancelled,
        Err(RunError::Task(TaskError::Cancelled(_)))
    ));
    let log = Log::default();
    let say = log.clone();
    let stopped = run(async move {
        here().stop();
        let caught = catch_cancelled(pending::<()>()).await;
        say.say(caught.unwrap_err().to_string());
    });
    assert!(matches!(stopped, Err(RunError::Stopped)));
    assert_eq!(log.take(), "cancelled by the loop's shutdown");
}

#[test]
fn a_runner_runs_several_times_on_one_loop_and_in_one_context() {
    static STEP: ContextVar<u32> = ContextVar::with_default("step", 0);
    let mut runner = Runner::new();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let round = async {
            let before = STEP.get();
            STEP.set(before.unwrap() + 1);
            (
                here().id(),
                before,
                &*current_task().unwrap().name() == "Task-1",
            )
        };
        seen.push(runner.run(round).unwrap());
    }
    assert!(seen.iter().all(|it| it.0 == seen[0].0));
    assert_eq!(
        seen.iter().map(|it| it.1).collect::<Vec<_>>(),
        [0, 1, 2].map(Some)
    );
    assert_eq!(
        seen.iter().filter(|it| it.2).count(),
        1,
        "task numbers go on"
    );
    assert_eq!(STEP.get(), Some(0), "the context is the runner's own");
    runner.close().unwrap();
}

#[test]
fn what_one_run_leaves_goes_on_in_the_next_and_is_cancelled_by_the_close() {
    let log = Log::default();
    let mut runner = Runner::new().clock(VirtualClock::new());
    let say = log.clone();
    runner
        .run(async move {
            drop(create_task(async move {
                for _ in 0..2 {
                    sleep(Duration::from_secs(1)).await;
                    say.say("on");
                }
                let _ = catch_cancelled(pending::<()>()).await;
                say.say("cancelled");
            }));
        })
        .unwrap();
    assert_eq!(log.take(), "");
    runner.run(sleep(Duration::from_secs(10))).unwrap();
    assert_eq!(log.take(), "on on");
    runner.close().unwrap();
    assert_eq!(log.take(), "cancelled");
}

#[test]
fn a_runner_makes_its_loop_at_its_first_use_and_has_it_before_the_first_run() {
    let mut runner = Runner::new();
    assert!(get_event_loop().is_err(), "there is none yet");
    let event_loop = runner.event_loop().unwrap().downgrade();
    assert!(!event_loop.is_running());
    assert!(get_event_loop().unwrap().same_loop(&event_loop));
    let inside = runner.run(async { here() }).unwrap();
    assert!(inside.same_loop(&event_loop));
    drop(runner);
    assert!(event_loop.is_closed(), "a drop is a close");
    assert!(get_event_loop().is_err());
}

#[test]
fn a_runner_closes_once_and_refuses_from_then_on() {
    let mut unused = Runner::new();
    unused.close().unwrap();
    let mut used = Runner::new();
    used.run(async {}).unwrap();
    used.close().unwrap();
    for mut runner in [unused, used] {
        runner.close().unwrap();
        let refused = runner.run(async { unreachable!("it is closed") });
        let _: &Result<(), _> = &refused;
        assert!(matches!(refused, Err(RunError::Loop(LoopError::Closed))));
        assert!(matches!(runner.event_loop(), Err(LoopError::Closed)));
    }
}

#[test]
fn a_loop_factory_makes_the_loop_once_and_leaves_the_current_one_alone() {
    let made = Rc::new(Cell::new(0));
    let count = made.clone();
    let mut runner = Runner::new().loop_factory(move || {
        count.set(count.get() + 1);
        EventLoop::builder().clock(VirtualClock::new()).build()
    });
    assert_eq!(made.get(), 0);
    for _ in 0..2 {
        let slept = runner.run(async {
            sleep(Duration::from_secs(3600)).await;
            here().time() >= Duration::from_secs(3600)
        });
        assert!(slept.unwrap());
    }
    assert_eq!(made.get(), 1);
    assert!(get_event_loop().is_err(), "the factory decides about that");
    runner.close().unwrap();
    let mut failing = Runner::new().loop_factory(|| Err(LoopError::TooManyLoops { max: 0 }));
    assert!(matches!(
        failing.run(async {}),
        Err(RunError::Loop(LoopError::TooManyLoops { max: 0 }))
    ));
}

#[test]
fn debug_mode_is_what_the_runner_was_told_else_what_the_loop_has() {
    for said in [None, Some(false), Some(true)] {
        for made in [false, true] {
            let mut runner =
                Runner::new().loop_factory(move || EventLoop::builder().debug(made).build());
            if let Some(said) = said {
                runner = runner.debug(said);
            }
            let debug = runner.run(async { here().debug() }).unwrap();
            assert_eq!(debug, said.unwrap_or(made), "{said:?} {made}");
        }
    }
}

#[test]
fn the_environment_decides_about_debug_mode_where_nobody_else_does() {
    const NAME: &str = "the_environment_decides_about_debug_mode_where_nobody_else_does";
    const EXPECTED: &str = "OUROLOOP_TEST_EXPECTS_DEBUG";
    if let Some(expected) = std::env::var_os(EXPECTED) {
        let expected = expected == "true";
        assert_eq!(run(async { here().debug() }).unwrap(), expected);
        let off = Runner::new().debug(false).run(async { here().debug() });
        assert!(!off.unwrap());
        return;
    }
    for (value, expected) in [("1", "true"), ("0", "false")] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env("OUROLOOP_DEBUG", value)
            .env(EXPECTED, expected)
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(stdout.contains("1 passed"), "{value}: {stdout}");
    }
}

#[test]
fn the_main_task_is_named_by_the_line_of_main() {
    // What `#[ouroloop::main]` calls, on the line of the attribute.
    ouroloop::__private::run_main(Default::default(), async {
        let place = current_task().unwrap().created_at();
        assert_eq!(place.file(), file!(), "and not the library's");
    });
}
