//! The examples, as programs: each finds its bug, repeats it, and passes without it.

use std::path::Path;
use std::process::{Command, Output};

fn example(name: &str, arguments: &[&str], seed: Option<&str>) -> Output {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let example = profile.join("examples").join(name);
    assert!(
        example.exists(),
        "build it first: cargo build --example {name}"
    );
    let mut command = Command::new(example);
    command.args(arguments).env_remove("OUROLOOP_SEED");
    if let Some(seed) = seed {
        command.env("OUROLOOP_SEED", seed);
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What is there to be read of an example: `wanted` must be part of it.
fn finds_repeats_and_passes(name: &str, wanted: &[&str]) {
    let found = example(name, &[], None);
    let report = text(&found);
    assert_eq!(found.status.code(), Some(1), "{report}");
    let seed = report
        .strip_prefix("seed ")
        .and_then(|rest| rest.split(' ').next());
    let seed = seed.unwrap_or_else(|| panic!("the report begins with a seed: {report}"));
    assert!(
        (1..1_000).contains(&seed.parse().unwrap()),
        "asyncio's order hides it"
    );
    for wanted in wanted {
        assert!(report.contains(wanted), "{wanted} is in {report}");
    }
    for _ in 0..10 {
        let again = example(name, &["--replay", seed], None);
        assert_eq!(again.status.code(), Some(1));
        assert_eq!(text(&again), report, "a fresh process repeats all of it");
    }
    let by_environment = example(name, &[], Some(seed));
    assert_eq!(by_environment.status.code(), Some(1));
    assert!(text(&by_environment).ends_with(&report));

    let fixed = example(name, &["--fixed"], None);
    assert!(fixed.status.success(), "{}", text(&fixed));
    assert!(
        text(&fixed).starts_with("1000 seeds pass"),
        "{}",
        text(&fixed)
    );
}

#[test]
fn lost_update() {
    finds_repeats_and_passes(
        "lost_update",
        &[
            "a deposit is lost",
            "reads 100",
            "writes 120",
            "lost_update.rs:",
        ],
    );
}

#[test]
fn lock_order() {
    finds_repeats_and_passes(
        "lock_order",
        &[
            "deadlock",
            "task \"there\"",
            "task \"back\"",
            "wants 2",
            "wants 1",
            "waits for Lock",
        ],
    );
}

#[test]
fn check_then_act() {
    finds_repeats_and_passes(
        "check_then_act",
        &["the queue was not empty", "sees a job", "takes job 1"],
    );
}

#[test]
fn scripted_selector() {
    let output = example("scripted_selector", &[], None);
    assert!(output.status.success());
    assert!(text(&output).starts_with("the sensor was read at hours [1, 2, 3]\n"));
}

#[test]
fn what_is_no_argument_is_told_which_there_are() {
    let output = example("lost_update", &["--reply"], None);
    assert_eq!(output.status.code(), Some(2));
}
