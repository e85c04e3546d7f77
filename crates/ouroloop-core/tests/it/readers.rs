//! `add_reader` and `add_writer`: level-triggered, replaced, removed, and never called for a
//! descriptor that has another owner by now.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_core::{Context, ContextVar, IoPoll, LoopError, SelectorCall, SelectorEvent};
use ouroloop_testkit::{Log, quiet_panic, run_iterations};

use crate::support::{
    DropFlag, Port, on_every_port, run_for, scripted_loop, scripted_loop_with, virtual_loop,
};

#[test]
fn a_reader_that_does_not_read_is_called_in_every_iteration() {
    on_every_port(|event_loop, port, _| {
        let log = Log::default();
        event_loop.add_reader(port.fd(), log.line("r")).unwrap();
        run_iterations(event_loop, 2);
        assert_eq!(log.take(), "");
        port.feed();
        run_iterations(event_loop, 3);
        assert_eq!(log.take(), "r r r");
        port.drain();
        run_iterations(event_loop, 3);
        assert_eq!(log.take(), "");
        port.feed();
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "r");
    });
}

#[test]
fn a_writer_is_called_as_long_as_there_is_room() {
    on_every_port(|event_loop, port, _| {
        let log = Log::default();
        event_loop.add_writer(port.fd(), log.line("w")).unwrap();
        run_iterations(event_loop, 3);
        assert_eq!(log.take(), "w w w");
        assert!(event_loop.remove_writer(port.fd()));
        run_iterations(event_loop, 2);
        assert_eq!(log.take(), "");
    });
}

#[test]
fn a_sleeping_loop_is_woken_by_its_reader() {
    on_every_port(|event_loop, port, _| {
        let stopper = event_loop.downgrade();
        event_loop
            .add_reader(port.fd(), move || stopper.stop())
            .unwrap();
        let feeder = port.clone();
        event_loop
            .call_later(Duration::from_millis(2), move || feeder.feed())
            .unwrap();
        event_loop.run_forever().unwrap();
        assert_eq!(event_loop.statistics().timers, 0);
    });
}

#[test]
fn removing_says_whether_there_was_something_to_remove() {
    on_every_port(|event_loop, port, _| {
        let fd = port.fd();
        assert!(!event_loop.remove_reader(fd));
        event_loop.add_reader(fd, || {}).unwrap();
        assert!(!event_loop.remove_writer(fd));
        assert_eq!(event_loop.statistics().io_sources, 1);
        assert!(event_loop.remove_reader(fd));
        assert!(!event_loop.remove_reader(fd));
        assert_eq!(event_loop.statistics().io_sources, 0);
    });
}

#[test]
fn a_new_reader_takes_the_place_of_the_old_one_which_is_dropped() {
    on_every_port(|event_loop, port, _| {
        let log = Log::default();
        let (guard, dropped) = DropFlag::new();
        let line = log.line("old");
        event_loop
            .add_reader(port.fd(), move || {
                let _held = &guard;
                line();
            })
            .unwrap();
        port.feed();
        run_iterations(event_loop, 1);
        event_loop.add_reader(port.fd(), log.line("new")).unwrap();
        assert!(dropped.get());
        // What is there was reported to the old one already, and still concerns the new one.
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "old new");
        assert_eq!(event_loop.statistics().io_sources, 1);
    });
}

#[test]
fn a_reader_that_is_removed_in_its_own_batch_is_not_called() {
    on_every_port(|event_loop, port, _| {
        let log = Log::default();
        let fd = port.fd();
        event_loop.add_reader(fd, log.line("r")).unwrap();
        port.feed();
        let remover = event_loop.downgrade();
        event_loop
            .call_soon(move || assert!(remover.remove_reader(fd)))
            .unwrap();
        run_iterations(event_loop, 2);
        assert_eq!(log.take(), "");
    });
}

#[test]
fn a_reader_may_remove_or_replace_itself() {
    on_every_port(|event_loop, port, _| {
        let log = Log::default();
        let (fd, handle, line) = (port.fd(), event_loop.downgrade(), log.clone());
        event_loop
            .add_reader(fd, move || {
                line.say("first");
                let (inner, last) = (handle.clone(), line.line("second"));
                handle
                    .add_reader(fd, move || {
                        last();
                        assert!(inner.remove_reader(fd));
                    })
                    .unwrap();
            })
            .unwrap();
        port.feed();
        run_iterations(event_loop, 4);
        assert_eq!(log.take(), "first second");
        assert_eq!(event_loop.statistics().io_sources, 0);
    });
}

#[test]
fn one_direction_can_go_while_the_other_stays() {
    on_every_port(|event_loop, port, _| {
        let log = Log::default();
        event_loop.add_reader(port.fd(), log.line("r")).unwrap();
        event_loop.add_writer(port.fd(), log.line("w")).unwrap();
        port.feed();
        run_iterations(event_loop, 1);
        assert!(event_loop.remove_reader(port.fd()));
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "r w w");
    });
}

#[test]
fn a_reader_keeps_its_context_from_call_to_call() {
    static COUNT: ContextVar<u32> = ContextVar::with_default("count", 0);
    on_every_port(|event_loop, port, _| {
        for outer in [None, Some(Context::new())] {
            let log = Log::default();
            let line = log.clone();
            let add = || {
                event_loop
                    .add_reader(port.fd(), move || {
                        COUNT.set(COUNT.get_or(0) + 1);
                        line.say(COUNT.get_or(0).to_string());
                    })
                    .unwrap();
            };
            match outer {
                None => add(),
                Some(context) => context.run(|| {
                    COUNT.set(10);
                    add();
                }),
            }
            port.feed();
            run_iterations(event_loop, 3);
            let seen = log.take();
            assert!(seen == "1 2 3" || seen == "11 12 13", "{seen}");
            assert_eq!(COUNT.get(), Some(0));
        }
    });
}

#[test]
fn a_reader_that_panics_stays() {
    on_every_port(|event_loop, port, _| {
        let reports = Rc::new(Cell::new(0));
        let count = reports.clone();
        event_loop.set_exception_handler(Some(Rc::new(move |_, context| {
            assert_eq!(context.panic().unwrap().message(), "no good");
            count.set(count.get() + 1);
        })));
        event_loop
            .add_reader(port.fd(), || quiet_panic("no good"))
            .unwrap();
        port.feed();
        run_iterations(event_loop, 2);
        assert_eq!(reports.get(), 2);
    });
}

#[test]
fn a_descriptor_of_a_source_takes_no_reader() {
    on_every_port(|event_loop, port, _| {
        let fd = port.fd();
        struct Fd(i32);
        impl AsRawFd for Fd {
            fn as_raw_fd(&self) -> i32 {
                self.0
            }
        }
        let source = event_loop.register_io(Fd(fd)).unwrap();
        let refused =
            |result| matches!(result, Err(LoopError::AlreadyRegistered { fd: it }) if it == fd);
        assert!(refused(event_loop.add_reader(fd, || {})));
        assert!(refused(event_loop.add_writer(fd, || {})));
        assert!(!event_loop.remove_reader(fd));
        assert!(refused(event_loop.register_io(Fd(fd)).map(drop)));
        drop(source);
        event_loop.add_reader(fd, || {}).unwrap();
        assert!(refused(event_loop.register_io(Fd(fd)).map(drop)));
    });
}

#[test]
fn h29_what_the_selector_refuses_stays_registered_nowhere() {
    let (event_loop, _) = virtual_loop();
    let file = File::open("/proc/self/exe").unwrap();
    let refused = event_loop.add_reader(file.as_raw_fd(), || {});
    assert!(matches!(refused, Err(LoopError::Io(_))));
    assert!(matches!(
        event_loop.register_io(file),
        Err(LoopError::Io(_))
    ));
    assert_eq!(event_loop.statistics().io_sources, 0);
    event_loop.close().unwrap();

    let (event_loop, selector, _) = scripted_loop();
    selector.fail_register(io::ErrorKind::OutOfMemory);
    assert!(event_loop.add_reader(5, || {}).is_err());
    assert_eq!(event_loop.statistics().io_sources, 0);
    // A writer that cannot be added leaves the reader as it was.
    event_loop.add_reader(5, || {}).unwrap();
    selector.fail_register(io::ErrorKind::OutOfMemory);
    assert!(event_loop.add_writer(5, || {}).is_err());
    assert!(!event_loop.remove_writer(5));
    assert!(event_loop.remove_reader(5));
    event_loop.close().unwrap();
}

#[test]
fn h01_a_stale_event_does_not_reach_the_next_owner_of_the_number() {
    let (event_loop, selector, _) = scripted_loop();
    let log = Log::default();
    event_loop.add_reader(5, log.line("a")).unwrap();
    let old = selector.token(5).unwrap();
    // Inside of one batch A is closed, and B is opened on its number.
    let (handle, line) = (event_loop.downgrade(), log.line("b"));
    event_loop
        .call_soon(move || {
            assert!(handle.remove_reader(5));
            handle.add_reader(5, line).unwrap();
        })
        .unwrap();
    selector.next_poll(5, |event| event.readable = true);
    run_iterations(&event_loop, 1);
    assert_eq!(
        log.take(),
        "",
        "neither A, which is gone, nor B, which is not ready"
    );
    let new = selector.token(5).unwrap();
    assert_eq!(new.slot, old.slot);
    // The poller returns an event of A on purpose.
    selector.inject(SelectorEvent {
        readable: true,
        ..SelectorEvent::new(old)
    });
    run_iterations(&event_loop, 1);
    assert_eq!(log.take(), "");
    selector.inject(SelectorEvent {
        readable: true,
        ..SelectorEvent::new(new)
    });
    run_iterations(&event_loop, 1);
    assert_eq!(log.take(), "b");
    event_loop.close().unwrap();
}

#[test]
fn h09_an_error_or_a_hang_up_reaches_both_sides() {
    type Shape = fn(&mut SelectorEvent);
    let table: [(Shape, &str); 6] = [
        (|event| event.readable = true, "r"),
        (|event| event.writable = true, "w"),
        (|event| event.error = true, "r w"),
        (|event| event.read_closed = true, "r"),
        (|event| event.write_closed = true, "w"),
        (
            |event| (event.readable, event.write_closed) = (true, true),
            "r w",
        ),
    ];
    for (shape, expected) in table {
        let (event_loop, selector, _) = scripted_loop();
        let log = Log::default();
        event_loop.add_reader(5, log.line("r")).unwrap();
        event_loop.add_writer(5, log.line("w")).unwrap();
        selector.next_poll(5, shape);
        run_iterations(&event_loop, 1);
        assert_eq!(log.take(), expected);
        event_loop.close().unwrap();
    }
}

#[test]
fn reader_and_writer_of_one_descriptor_are_armed_by_one_call() {
    let (event_loop, selector, _) = scripted_loop_with(IoPoll::EveryIteration);
    event_loop.add_reader(5, || {}).unwrap();
    event_loop.add_writer(5, || {}).unwrap();
    selector.set_ready(5, |event| (event.readable, event.writable) = (true, true));
    run_iterations(&event_loop, 1);
    selector.take_calls();
    run_iterations(&event_loop, 1);
    let arms = |call: &SelectorCall| matches!(call, SelectorCall::Reregister { .. });
    assert_eq!(
        selector
            .take_calls()
            .iter()
            .filter(|call| arms(call))
            .count(),
        1
    );
    event_loop.close().unwrap();
}

#[test]
fn events_are_queued_in_the_order_in_which_the_selector_reports_them() {
    let (event_loop, selector, _) = scripted_loop();
    let log = Log::default();
    for (fd, line) in [(5, "five"), (6, "six"), (7, "seven")] {
        event_loop.add_reader(fd, log.line(line)).unwrap();
    }
    for fd in [6, 5, 7] {
        selector.next_poll(fd, |event| event.readable = true);
    }
    run_iterations(&event_loop, 1);
    assert_eq!(log.take(), "six five seven");
    event_loop.close().unwrap();
}

#[test]
fn more_descriptors_than_one_poll_has_room_for_are_all_served() {
    let (event_loop, _) = virtual_loop();
    let served = Rc::new(RefCell::new(vec![0; 400]));
    let ports: Vec<Port> = (0..400).map(|_| Port::socket()).collect();
    for (index, port) in ports.iter().enumerate() {
        let served = served.clone();
        event_loop
            .add_reader(port.fd(), move || served.borrow_mut()[index] += 1)
            .unwrap();
        port.feed();
    }
    run_iterations(&event_loop, 2);
    assert!(served.borrow().iter().all(|count| *count >= 1));
    drop(ports);
    run_for(&event_loop, Duration::from_secs(1));
    event_loop.close().unwrap();
}
