//! The options of the attribute `test`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use ouroloop::testkit::{seed, virtual_clock};
use ouroloop::{create_task, sleep};

/// The order in which five tasks run that are ready together.
async fn order() -> String {
    let order = Rc::new(RefCell::new(String::new()));
    let tasks = ['a', 'b', 'c', 'd', 'e'].map(|name| {
        let order = order.clone();
        create_task(async move { order.borrow_mut().push(name) })
    });
    for task in tasks {
        task.await.unwrap();
    }
    Rc::try_unwrap(order).unwrap().into_inner()
}

#[ouroloop::test(start_paused)]
async fn without_a_seed_the_order_is_asyncios() {
    assert_eq!(order().await, "abcde");
    assert_eq!(seed(), 0);
}

#[ouroloop::test(start_paused, seed = 0)]
async fn the_seed_0_is_asyncios_order_on_time() {
    assert_eq!(order().await, "abcde");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(virtual_clock().now(), Duration::from_secs(1));
}

/// What this seed gives is a promise to all who wrote down a seed.
#[ouroloop::test(seed = 7, start_paused)]
async fn a_seed_gives_the_same_order_for_ever() {
    assert_eq!(seed(), 7);
    assert_eq!(order().await, "baedc");
}

#[ouroloop::test(seed = 7)]
async fn a_seed_alone_leaves_time_real() -> Result<(), String> {
    let begun = Instant::now();
    sleep(Duration::from_millis(20)).await;
    if begun.elapsed() < Duration::from_millis(20) {
        return Err("too early".into());
    }
    Ok(())
}

thread_local! {
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

#[ouroloop::test(start_paused, seeds = 50)]
async fn many_seeds_are_run_one_after_the_other() {
    assert_eq!(SEEN.replace(SEEN.get() + 1), seed());
}

#[ouroloop::test(start_paused, seeds = 1000)]
#[should_panic(expected = "it has happened")]
async fn a_seed_that_fails_fails_the_test() {
    assert_ne!(order().await, "edcba", "it has happened");
}

#[ouroloop::test(start_paused, seeds = 0)]
#[should_panic(expected = "give the test either `seed`, or `seeds` of 1 and more")]
async fn no_seeds_at_all_would_be_no_test() {}

#[ouroloop::test(start_paused, seed = 3)]
#[should_panic(expected = "left behind by the test: task \"forgotten\"")]
async fn a_task_that_is_left_behind_fails_a_test_with_a_seed() {
    let forgotten = ouroloop::TaskBuilder::new().name("forgotten");
    forgotten.create_task(std::future::pending::<()>());
}
