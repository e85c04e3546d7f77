//! A loop whose descriptors are numbers on paper: the script says when each becomes ready, and virtual
//! time goes there at once.
//!
//! Run it with `cargo run -p ouroloop-testkit --example scripted_selector`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ouroloop::testkit::{ScriptedSelector, SelectorCall, VirtualClock};
use ouroloop::{EventLoop, LoopError};

const SENSOR: i32 = 1_001;

fn main() -> Result<(), LoopError> {
    let clock = VirtualClock::new();
    let script = ScriptedSelector::new(clock.clone());
    let event_loop = EventLoop::builder()
        .clock(clock.clone())
        .selector(Box::new(script.clone()))
        .build()?;

    let seen = Rc::new(RefCell::new(Vec::new()));
    let (times, now, rounds) = (seen.clone(), clock.clone(), Cell::new(0));
    let stopper = event_loop.downgrade();
    event_loop.add_reader(SENSOR, move || {
        times.borrow_mut().push(now.now());
        rounds.set(rounds.get() + 1);
        if rounds.get() == 3 {
            stopper.stop();
        }
    })?;

    // An hour passes between the events, and the loop hangs up on nobody.
    for hour in 1..=3 {
        let when = Duration::from_secs(3600 * hour);
        script.at(when, SENSOR, |event| event.readable = true);
    }
    event_loop.run_forever()?;

    let hours: Vec<_> = seen
        .borrow()
        .iter()
        .map(|when| when.as_secs() / 3600)
        .collect();
    println!("the sensor was read at hours {hours:?}");
    assert_eq!(hours, [1, 2, 3]);

    // The script has written down what the loop asked of it.
    let calls = script.take_calls();
    let polls = calls
        .iter()
        .filter(|call| matches!(call, SelectorCall::Select { .. }));
    println!("with {} polls", polls.count());
    assert!(matches!(
        calls[0],
        SelectorCall::Register { fd: SENSOR, .. }
    ));
    event_loop.close()
}
