//! What counts as a failure, and that it comes again.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use ouroloop::testkit::{
    Exploration, Failure, Random, Reason, Run, explore, note, replay, seed, virtual_clock,
};
use ouroloop::{TaskBuilder, create_task, get_running_loop, run, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// Five tasks that are ready together, three times; gives the order in which they ran.
async fn shuffle() -> String {
    let order = Rc::new(RefCell::new(String::new()));
    let tasks = ['a', 'b', 'c', 'd', 'e'].map(|name| {
        let order = order.clone();
        TaskBuilder::new()
            .name(name.to_string())
            .create_task(async move {
                for _ in 0..3 {
                    order.borrow_mut().push(name);
                    note(format!("writes {name}"));
                    sleep(Duration::from_millis(1)).await;
                }
            })
    });
    for task in tasks {
        task.await.unwrap();
    }
    order.take()
}

fn failure_of<F>(test: impl Fn() -> F) -> Failure
where
    F: Future<Output: ouroloop::testkit::Verdict> + 'static,
{
    let run = Exploration::new().replay(1, test);
    run.into_failure().expect("this test fails")
}

fn orders(seeds: std::ops::Range<u64>) -> Vec<String> {
    seeds
        .map(|seed| {
            let order = Rc::new(RefCell::new(String::new()));
            let slot = order.clone();
            let run = Exploration::new().replay(seed, || async move {
                slot.replace(shuffle().await);
            });
            assert!(run.failure().is_none());
            order.take()
        })
        .collect()
}

#[test]
fn the_seed_0_is_asyncios_order_and_on_time() {
    assert_eq!(orders(0..1), ["abcdeabcdeabcde"]);
    replay(0, || async {
        sleep(SECOND).await;
        assert_eq!(virtual_clock().now(), SECOND);
    });
}

#[test]
fn seeds_give_different_orders_that_stay_within_their_batch() {
    let orders = orders(1..200);
    let different: HashSet<_> = orders.iter().map(|order| &order[..5]).collect();
    assert!(different.len() > 90, "of 120: {}", different.len());
    for order in &orders {
        for round in 0..3 {
            let mut names: Vec<_> = order[5 * round..5 * (round + 1)].chars().collect();
            names.sort_unstable();
            assert_eq!(names, ['a', 'b', 'c', 'd', 'e'], "each once in each batch");
        }
    }
}

#[test]
fn a_seed_repeats_itself_ten_times_of_ten() {
    let once = |seed| Exploration::new().replay(seed, || async { drop(shuffle().await) });
    for seed in [0, 1, 417, u64::MAX] {
        let first = once(seed);
        for _ in 0..10 {
            let again = once(seed);
            assert_eq!(again.history(), first.history());
            assert_eq!(again.fingerprint(), first.fingerprint());
            assert_eq!(again.steps(), first.steps());
        }
    }
    assert_ne!(once(1).history(), once(2).history());
}

#[test]
fn time_may_be_late_and_is_never_early() {
    let waits = || {
        let late = Rc::new(Cell::new(0));
        let count = late.clone();
        let run = move |exploration: Exploration| {
            count.set(0);
            let explored = exploration
                .explore(1..100, || {
                    let count = count.clone();
                    async move {
                        sleep(4 * SECOND).await;
                        let now = virtual_clock().now();
                        assert!((4 * SECOND..=5 * SECOND).contains(&now), "{now:?}");
                        count.set(count.get() + u32::from(now > 4 * SECOND));
                    }
                })
                .unwrap();
            assert_eq!(explored.runs, 99);
        };
        (late, run)
    };
    let (late, run) = waits();
    run(Exploration::new());
    assert!((20..80).contains(&late.get()), "{}", late.get());
    run(Exploration::new().stretch_delays(0));
    assert_eq!(late.get(), 0);
}

#[test]
fn late_time_lets_an_operation_and_its_timeout_meet() {
    let outcomes = Rc::new(RefCell::new(HashSet::new()));
    let slot = outcomes.clone();
    explore(0..300, move || {
        let slot = slot.clone();
        async move {
            let operation = timeout(10 * SECOND, sleep(9 * SECOND)).await;
            slot.borrow_mut().insert(operation.is_ok());
        }
    });
    assert_eq!(outcomes.borrow().len(), 2, "both may win");
}

#[test]
fn a_panic_is_a_failure_with_its_seed_and_history() {
    let failure = failure_of(|| async {
        note("on the way");
        assert!(seed() > 1, "over the edge");
    });
    assert!(matches!(failure.reason(), Reason::Panicked(_)));
    assert_eq!(failure.seed(), 1);
    let report = failure.to_string();
    for part in [
        "seed 1 fails: panicked: over the edge",
        "on the way",
        "replay(1, ...)",
    ] {
        assert!(report.contains(part), "{part} is in {report}");
    }
    assert!(
        report.contains("explore.rs:"),
        "who was created where: {report}"
    );
}

#[test]
fn an_error_is_a_failure() {
    let failure = failure_of(|| async { Err::<(), _>("out of cheese") });
    assert_eq!(
        failure.reason().to_string(),
        "the test returned an error: \"out of cheese\""
    );
}

#[test]
fn a_deadlock_is_a_failure_that_names_who_waits() {
    let failure = failure_of(|| async {
        let task = TaskBuilder::new()
            .name("stuck")
            .create_task(pending::<()>());
        task.await.unwrap();
    });
    assert!(matches!(failure.reason(), Reason::Deadlock(_)));
    let report = failure.to_string();
    assert!(
        report.contains("deadlock") && report.contains("stuck"),
        "{report}"
    );
    assert!(
        !report.contains("destroyed"),
        "what lies about then is no news: {report}"
    );
}

#[test]
fn what_nobody_looks_at_is_a_failure() {
    let failure = failure_of(|| async {
        drop(create_task(async { panic!("unseen") }));
    });
    assert!(matches!(failure.reason(), Reason::Reported(_)));
    assert!(failure.reports()[0].contains("unseen"), "{failure}");

    let failure = failure_of(|| async {
        let event_loop = get_running_loop().unwrap();
        event_loop.call_soon(|| panic!("in a callback")).unwrap();
    });
    assert!(failure.to_string().contains("in a callback"), "{failure}");
}

#[test]
fn a_panic_that_leads_to_a_deadlock_is_shown_with_it() {
    let failure = failure_of(|| async {
        let promise = ouroloop::create_future::<()>();
        create_task(async { panic!("the one who should have set it") });
        promise.future().await.unwrap();
    });
    assert!(matches!(failure.reason(), Reason::Deadlock(_)), "{failure}");
    assert!(
        failure.reports()[0].contains("the one who should have set it"),
        "{failure}"
    );
}

#[test]
fn leftovers_are_a_failure_unless_they_are_allowed() {
    let leave = |what: fn()| {
        let test = move || async move { what() };
        Exploration::new()
            .allow_leftovers(true)
            .explore(0..3, test)
            .unwrap();
        failure_of(test).reason().to_string()
    };
    let task = leave(|| drop(create_task(pending::<()>())));
    assert!(
        task.starts_with("left behind by the test: task \"Task-2\" created at"),
        "{task}"
    );
    let timer = leave(|| drop(get_running_loop().unwrap().call_later(SECOND, || {})));
    assert!(
        timer.starts_with("left behind by the test: 1 timer;"),
        "{timer}"
    );
}

#[test]
fn those_who_are_about_to_end_are_not_left_behind() {
    explore(0..50, || async {
        create_task(async { sleep(Duration::ZERO).await });
    });
}

#[test]
fn a_run_without_end_is_a_failure() {
    let exploration = Exploration::new().steps_max(500);
    let run = exploration.replay(1, || async {
        while seed() == 1 {
            sleep(Duration::ZERO).await;
        }
    });
    assert_eq!(run.steps(), 500);
    let failure = run.into_failure().unwrap();
    assert!(matches!(failure.reason(), Reason::Endless { steps: 500 }));

    // One that ends, and leaves a task that does not.
    let run = exploration.replay(1, || async {
        create_task(async {
            loop {
                sleep(Duration::ZERO).await;
            }
        });
    });
    assert!(matches!(
        run.failure().unwrap().reason(),
        Reason::Endless { .. }
    ));
}

#[test]
fn a_task_that_refuses_to_be_cancelled_without_end_is_a_failure() {
    let exploration = Exploration::new().steps_max(500).allow_leftovers(true);
    let run = exploration.replay(1, || async {
        create_task(async {
            let _ = ouroloop::catch_cancelled(pending::<()>()).await;
            loop {
                sleep(Duration::ZERO).await;
            }
        });
        sleep(SECOND).await;
    });
    assert!(matches!(
        run.failure().unwrap().reason(),
        Reason::Endless { steps: 500 }
    ));
}

#[test]
fn a_long_history_keeps_its_end() {
    let run = Exploration::new().replay(1, || async {
        for _ in 0..20_000 {
            sleep(Duration::ZERO).await;
        }
        note("the end");
    });
    assert_eq!(run.steps(), 20_002, "and the callback that ends the run");
    let history = run.history();
    assert_eq!(history.steps().len(), 10_000);
    let last = &history.steps()[9_998];
    assert_eq!(
        (last.number(), last.notes()),
        (20_001, &["the end".to_owned()][..])
    );
    assert!(
        history
            .to_string()
            .contains("the first 10002 steps are left out")
    );
}

#[test]
fn a_report_lists_those_who_are_in_its_timeline() {
    let run = Exploration::new().replay(1, || async {
        let crowd: Vec<_> = (0..1_000).map(|_| create_task(async {})).collect();
        for task in crowd {
            task.await.unwrap();
        }
        let last = TaskBuilder::new().name("last").create_task(async {});
        last.await.unwrap();
    });
    let history = run.history();
    assert_eq!(history.actors().len(), 1_003, "all are there for programs");
    let report = history.to_string();
    assert!(report.contains("last was created at"), "{report}");
    let listed = report.matches(" was created at ").count();
    let columns = history.timeline().matches(" | ").count();
    assert!(listed <= 200 && listed < columns, "{listed}");
    assert!(report.lines().count() < 410);
}

#[test]
fn the_line_that_a_run_is_started_from_is_in_its_history_and_in_no_step() {
    let runs = [
        Exploration::new().replay(3, || async { drop(shuffle().await) }),
        Exploration::new().replay(3, || async { drop(shuffle().await) }),
    ];
    let [first, second] = runs.each_ref().map(Run::history);
    assert_eq!(first.steps(), second.steps());
    assert_eq!(runs[0].fingerprint(), runs[1].fingerprint());
    let [first, second] = [first, second].map(|it| it.actors()[0].created_at());
    assert_ne!(first, second);
}

#[test]
fn the_history_says_who_ran_when() {
    let run = Exploration::new().replay(0, || async {
        let event_loop = get_running_loop().unwrap();
        event_loop.call_soon(|| note("from the callback")).unwrap();
        let child = TaskBuilder::new().name("child").create_task(async {
            sleep(SECOND).await;
            note("awake");
        });
        child.await.unwrap();
    });
    assert!(run.failure().is_none());
    let history = run.history();
    let names: Vec<_> = history.actors().iter().map(|actor| actor.name()).collect();
    assert_eq!(
        names,
        [
            "test",
            "callback",
            "child",
            "a timer of a waiting task",
            "callback"
        ]
    );
    assert!(
        history.actors()[2]
            .created_at()
            .unwrap()
            .contains("explore.rs:")
    );
    assert!(history.actors()[2].is_task() && !history.actors()[1].is_task());
    let who: Vec<_> = history.steps().iter().map(|step| step.actor()).collect();
    assert_eq!(who, [0, 1, 2, 3, 2, 0, 4]);
    let turns: Vec<_> = history
        .steps()
        .iter()
        .map(|step| step.iteration())
        .collect();
    assert_eq!(turns, [1, 2, 2, 3, 4, 5, 6]);
    assert_eq!(history.steps()[3].time(), SECOND);
    assert_eq!(history.steps()[1].choice(), (0, 2));
    assert_eq!(history.steps()[1].notes(), ["from the callback"]);
    let timeline = history.timeline();
    let titles = "step  turn  time  test | child   | (loop)";
    assert!(timeline.starts_with(titles), "{timeline}");
    assert!(timeline.ends_with("* end of the test\n"), "{timeline}");
}

#[test]
fn what_a_test_draws_comes_again() {
    let drawn = || {
        let drawn = Rc::new(Cell::new(0));
        let slot = drawn.clone();
        let run = Exploration::new().replay(9, || async move {
            slot.set(Random::new(seed()).next_u64());
        });
        assert!(run.failure().is_none());
        drawn.get()
    };
    assert_eq!(drawn(), drawn());
    assert_eq!(drawn(), Random::new(9).next_u64());
    assert_eq!(seed(), 0, "no run, no seed");
    note("heard by nobody");
}

#[test]
fn the_closure_that_makes_the_test_knows_the_seed() {
    let seen = RefCell::new(Vec::new());
    explore(1..4, || {
        seen.borrow_mut().push(seed());
        async {}
    });
    replay(9, || {
        seen.borrow_mut().push(seed());
        async {}
    });
    assert_eq!(*seen.borrow(), [1, 2, 3, 9]);
    assert_eq!(seed(), 0);
}

#[test]
fn a_panic_of_the_closure_that_makes_the_test_is_a_failure_of_its_seed() {
    let failure = Exploration::new().explore(0..10, || {
        assert!(seed() < 4, "while it is made");
        async {}
    });
    let failure = failure.unwrap_err();
    assert_eq!(failure.seed(), 4);
    assert!(matches!(failure.reason(), Reason::Panicked(_)));
    let report = failure.to_string();
    assert!(
        report.contains("seed 4 fails: panicked: while it is made"),
        "{report}"
    );
    assert_eq!(failure.history().steps(), []);
    explore(0..1, || async {}); // the loop that it was made for is closed
}

#[test]
fn an_exploration_counts_what_it_has_seen() {
    let explored = Exploration::new()
        .explore(0..100, || async { drop(shuffle().await) })
        .unwrap();
    assert_eq!(explored.runs, 100);
    assert!(explored.schedules() > 90, "{}", explored.schedules());
    assert!(explored.steps > 1_600, "{}", explored.steps);
    let alone = Exploration::new().explore(0..100, || async {}).unwrap();
    assert_eq!(alone.schedules(), 1);
}

#[test]
#[should_panic(expected = "seed 0 fails: panicked: at once")]
fn explore_panics_with_the_report() {
    explore(0..10, || async { assert!(seed() > 0, "at once") });
}

#[test]
#[should_panic(expected = "seed 3 fails: the test returned an error: 3")]
fn replay_panics_with_the_report() {
    replay(3, || async { Err::<(), _>(seed()) });
}

#[test]
fn a_loop_cannot_explore_another() {
    let run: Run = run(async { Exploration::new().replay(1, || async {}) }).unwrap();
    let failure = run.into_failure().unwrap();
    assert!(matches!(failure.reason(), Reason::Run(_)));
    assert!(failure.to_string().contains("in this thread"), "{failure}");
}

#[test]
fn a_test_may_take_time_into_its_own_hands() {
    explore(0..20, || async {
        virtual_clock().set_auto_advance(false);
        let task = create_task(sleep(SECOND));
        ouroloop::testkit::advance(SECOND).await;
        assert!(task.done());
        assert_eq!(
            virtual_clock().now(),
            SECOND,
            "by hand there is no lateness"
        );
    });
}
