//! Exact interleavings.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ouroloop::testkit::{Exploration, Sequencer, explore};
use ouroloop::{TaskError, create_task, sleep};

#[ouroloop::test(start_paused)]
async fn turns_come_in_the_order_of_their_numbers() {
    let sequencer = Sequencer::new();
    let order = Rc::new(RefCell::new(Vec::new()));
    let tasks: Vec<_> = [[4, 5], [0, 3], [1, 2]]
        .into_iter()
        .map(|numbers| {
            let (sequencer, order) = (sequencer.clone(), order.clone());
            create_task(async move {
                for number in numbers {
                    let turn = sequencer.turn(number).await;
                    assert_eq!(turn.number(), number);
                    // Others may run, but their turn has not come.
                    sleep(Duration::from_millis(1)).await;
                    order.borrow_mut().push(number);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 4, 5]);
}

#[ouroloop::test(start_paused)]
async fn a_turn_that_is_not_held_is_a_point_to_wait_for() {
    let sequencer = Sequencer::new();
    let waiting = sequencer.clone();
    let task = create_task(async move {
        waiting.turn(1).await;
        "gone on"
    });
    sleep(Duration::from_secs(1)).await;
    assert!(!task.done());
    sequencer.turn(0).await;
    assert_eq!(task.await.unwrap(), "gone on");
    assert_eq!(
        format!("{sequencer:?}"),
        "Sequencer { next: 2, waiting: [] }"
    );
}

#[ouroloop::test(start_paused)]
#[should_panic(expected = "turn 0 of the sequencer was given away before")]
async fn a_number_is_there_for_one_turn() {
    let sequencer = Sequencer::new();
    sequencer.turn(0).await;
    sequencer.turn(0).await;
}

#[ouroloop::test(start_paused)]
async fn a_turn_that_is_given_up_breaks_those_behind_it_and_no_others() {
    let sequencer = Sequencer::new();
    let turn = |number| {
        let sequencer = sequencer.clone();
        create_task(async move {
            sequencer.turn(number).await;
        })
    };
    let [before, given_up, behind] = [1, 2, 3].map(turn);
    sleep(Duration::from_secs(1)).await;
    given_up.cancel();
    match behind.await.unwrap_err() {
        TaskError::Panicked(payload) => assert_eq!(
            payload.message(),
            "turn 3 of the sequencer can never come: the task with turn 2 gave up waiting"
        ),
        other => panic!("{other}"),
    }
    assert!(!before.done());
    sequencer.turn(0).await;
    before.await.unwrap();
}

#[test]
fn a_turn_that_nobody_takes_is_named_in_the_deadlock() {
    let failure = Exploration::new().replay(0, || async {
        Sequencer::new().turn(2).await;
    });
    let report = failure.to_string();
    assert!(
        report.contains("waits for Sequencer (turn 2, and turn 0 is not over)"),
        "{report}"
    );
}

#[test]
fn sequences_hold_under_every_schedule() {
    explore(0..200, || async {
        let sequencer = Sequencer::new();
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..8)
            .rev()
            .map(|number| {
                let (sequencer, order) = (sequencer.clone(), order.clone());
                create_task(async move {
                    let _turn = sequencer.turn(number).await;
                    sleep(Duration::from_millis(1)).await;
                    order.borrow_mut().push(number);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 3, 4, 5, 6, 7]);
    });
}
