//! Debug mode: what holds up the loop, what never ran; and what is seen without any logging.

use std::process::Command;
use std::thread;
use std::time::Duration;

use ouroloop::{
    LoopTasks, Runner, TaskBuilder, bare_yield, create_task, get_running_loop, new_event_loop,
    sleep,
};

use crate::support::{ms, warnings, without_lines};

/// What a blocking call is called here, without the seconds that it took.
fn blocked(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            let (what, rest) = line.split_once(" took ").expect("it was slow");
            let (_, advice) = rest.split_once(" seconds: ").expect("it says what to do");
            format!("{what} took long: {advice}")
        })
        .collect()
}

#[test]
fn a_blocking_step_is_named_with_its_task_and_its_line() {
    let lines = warnings(|| {
        let mut runner = Runner::new().debug(true);
        let event_loop = runner.event_loop().unwrap();
        assert_eq!(event_loop.slow_callback_duration(), ms(100));
        event_loop.set_slow_callback_duration(ms(20));
        runner
            .run(async {
                let event_loop = get_running_loop().unwrap();
                event_loop.call_soon(|| thread::sleep(ms(25))).unwrap();
                let name = TaskBuilder::new().name("cruncher");
                // It ends in the very step that is slow.
                let slow = name.create_task(async { thread::sleep(ms(25)) });
                slow.await.unwrap();
            })
            .unwrap();
        runner.close().unwrap();
    });
    let advice = "nothing else ran meanwhile; await, or move what blocks to a thread";
    assert_eq!(
        blocked(&lines),
        [
            format!("Executing <Handle created at misuse/debug_mode.rs:_> took long: {advice}"),
            format!(
                "Executing task \"cruncher\" created at misuse/debug_mode.rs:_ took long: {advice}"
            ),
        ]
    );
}

#[test]
fn debug_mode_is_switched_while_the_loop_runs() {
    let lines = warnings(|| {
        let mut runner = Runner::new().debug(false);
        runner
            .run(async {
                let event_loop = get_running_loop().unwrap();
                event_loop.set_slow_callback_duration(Duration::ZERO);
                bare_yield().await;
                event_loop.set_debug(true);
                bare_yield().await;
                event_loop.set_debug(false);
                bare_yield().await;
            })
            .unwrap();
        runner.close().unwrap();
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_coroutine_that_was_cancelled_before_its_first_step_is_named() {
    let lines = warnings(|| {
        let mut runner = Runner::new().debug(true);
        runner
            .run(async {
                let task = TaskBuilder::new().name("hasty").create_task(sleep(ms(1)));
                task.cancel();
                bare_yield().await;
            })
            .unwrap();
        runner.close().unwrap();
    });
    assert_eq!(
        lines,
        [
            "task \"hasty\" created at misuse/debug_mode.rs:_ was cancelled before its first step: its coroutine never ran"
        ]
    );
}

/// Set for a copy of this test that plays the user's program.
const CHILD: &str = "OUROLOOP_MISUSE_CHILD";

#[test]
fn the_program_of_a_user_without_logging_shows_everything_on_its_terminal() {
    if std::env::var_os(CHILD).is_some() {
        return program();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "debug_mode::the_program_of_a_user_without_logging_shows_everything_on_its_terminal",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .env("OUROLOOP_DEBUG", "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let seen = without_lines(&String::from_utf8(output.stderr).unwrap());
    for line in [
        "Executing task \"blocks\" created at misuse/debug_mode.rs:_ took 0.1",
        "Task exception was never retrieved in task \"fails\" created at misuse/debug_mode.rs:_: panicked: nobody reads this",
        "Task was destroyed but it is pending! in task \"unborn\" (it never ran) created at misuse/debug_mode.rs:_: the event loop was closed before this was done; await it before the run ends",
        "unclosed event loop: call close() when you are done with it",
    ] {
        assert!(seen.contains(line), "{line:?} is not in\n{seen}");
    }
}

fn program() {
    ouroloop::run(async {
        let named = |name: &'static str| TaskBuilder::new().name(name);
        let slow = named("blocks").create_task(async { thread::sleep(ms(110)) });
        slow.await.unwrap();
        named("fails").create_task(async { panic!("nobody reads this") });
        sleep(ms(1)).await;
    })
    .unwrap();
    let event_loop = new_event_loop().unwrap();
    assert!(event_loop.debug(), "the environment asks for it");
    let unborn = TaskBuilder::new().name("unborn");
    drop(event_loop.create_task_with(unborn, async {}).unwrap());
    drop(event_loop);
}

#[test]
fn a_handler_that_fails_falls_back_to_the_default_one() {
    let lines = warnings(|| {
        let mut runner = Runner::new();
        runner
            .event_loop()
            .unwrap()
            .set_exception_handler(Some(std::rc::Rc::new(|_, _| panic!("no disk"))));
        runner
            .run(async {
                create_task(async { panic!("the cause") });
                sleep(ms(1)).await;
            })
            .unwrap();
        runner.close().unwrap();
    });
    assert_eq!(
        lines,
        [
            "Unhandled error in exception handler: panicked: no disk",
            "Task exception was never retrieved in task \"Task-2\" created at misuse/debug_mode.rs:_: panicked: the cause",
        ]
    );
}
