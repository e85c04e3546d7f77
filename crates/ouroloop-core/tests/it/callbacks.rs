use ouroloop_core::{LoopError, new_event_loop};

use crate::support::{Log, virtual_loop};
use std::time::Duration;

#[test]
fn callbacks_run_in_the_order_of_their_scheduling() {
    let event_loop = new_event_loop().unwrap();
    let log = Log::default();
    for line in ["a", "b", "c"] {
        event_loop.call_soon(log.line(line)).unwrap();
    }
    event_loop.run_once().unwrap();
    assert_eq!(log.take(), "a b c");
    event_loop.close().unwrap();
}

#[test]
fn late_timers_fire_by_deadline_and_not_by_age() {
    let (event_loop, clock) = virtual_loop();
    clock.advance(Duration::from_secs(10));
    let log = Log::default();
    event_loop
        .call_later(Duration::ZERO, log.line("timer0"))
        .unwrap();
    event_loop
        .call_at(Duration::from_secs(9), log.line("timer-past"))
        .unwrap();
    event_loop
        .call_at(Duration::from_secs(8), log.line("timer-past2"))
        .unwrap();
    event_loop.call_soon(log.line("soon")).unwrap();
    event_loop.run_once().unwrap();
    assert_eq!(log.take(), "soon timer-past2 timer-past timer0");
    assert!(matches!(
        event_loop.run_forever(),
        Err(LoopError::Deadlock { timers: 0, .. })
    ));
    event_loop.close().unwrap();
}
