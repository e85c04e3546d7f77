//! The public steps, as a foreign loop uses them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_core::{EventLoop, LoopError, get_running_loop};
use ouroloop_testkit::Log;

use crate::support::{Port, build, on_every_port, virtual_loop};

#[test]
fn the_timeout_says_how_long_a_foreign_loop_may_wait() {
    let event_loop = build(EventLoop::builder());
    assert_eq!(event_loop.poll_timeout(), None);
    let timer = event_loop
        .call_later(Duration::from_secs(10), || {})
        .unwrap();
    let timeout = event_loop.poll_timeout().unwrap();
    assert!(timeout > Duration::from_secs(9) && timeout <= Duration::from_secs(10));
    assert_eq!(timeout.subsec_nanos() % 1_000_000, 0, "whole milliseconds");
    timer.cancel();
    event_loop.call_later(Duration::MAX, || {}).unwrap();
    assert_eq!(
        event_loop.poll_timeout(),
        Some(Duration::from_secs(24 * 3600))
    );
    event_loop.stop();
    assert_eq!(event_loop.poll_timeout(), Some(Duration::ZERO));
    event_loop.run_once().unwrap();
    event_loop.call_soon(|| {}).unwrap();
    assert_eq!(event_loop.poll_timeout(), Some(Duration::ZERO));
    event_loop.close().unwrap();

    let (event_loop, _) = virtual_loop();
    assert_eq!(event_loop.poll_timeout(), None);
    event_loop
        .call_later(Duration::from_secs(10), || {})
        .unwrap();
    assert_eq!(event_loop.poll_timeout(), Some(Duration::ZERO), "it jumps");
    event_loop.close().unwrap();
}

#[test]
fn the_steps_one_by_one_are_an_iteration() {
    on_every_port(|event_loop, port, _| {
        let log = Log::default();
        event_loop.add_reader(port.fd(), log.line("io")).unwrap();
        event_loop
            .call_later(Duration::ZERO, log.line("timer"))
            .unwrap();
        event_loop.call_soon(log.line("soon")).unwrap();
        port.feed();
        assert_eq!(event_loop.poll(event_loop.poll_timeout()).unwrap(), 1);
        assert_eq!(log.take(), "");
        event_loop.process_events().unwrap();
        assert_eq!(log.take(), "");
        assert_eq!(event_loop.statistics().ready, 3);
        assert_eq!(event_loop.run_batch().unwrap(), 3);
        assert_eq!(log.take(), "soon io timer");
        assert_eq!(event_loop.run_batch().unwrap(), 0);
    });
}

#[test]
fn a_reader_is_queued_once_though_two_polls_found_it_ready() {
    on_every_port(|event_loop, port, _| {
        let log = Log::default();
        event_loop.add_reader(port.fd(), log.line("io")).unwrap();
        for _ in 0..3 {
            port.feed();
            event_loop.poll(Some(Duration::ZERO)).unwrap();
        }
        event_loop.process_events().unwrap();
        event_loop.run_batch().unwrap();
        assert_eq!(log.take(), "io");
    });
}

#[test]
fn a_batch_runs_with_its_loop_as_the_running_one_entered_or_not() {
    let (event_loop, _) = virtual_loop();
    let check = || {
        let expected = event_loop.downgrade();
        event_loop
            .call_soon(move || assert!(get_running_loop().unwrap().same_loop(&expected)))
            .unwrap();
        assert_eq!(event_loop.run_batch().unwrap(), 1);
    };
    check();
    assert!(get_running_loop().is_err());
    let entered = event_loop.enter().unwrap();
    check();
    event_loop.run_once_after(Log::default().line("ran"));
    assert!(matches!(
        event_loop.run_forever(),
        Err(LoopError::AlreadyRunning)
    ));
    assert!(matches!(event_loop.close(), Err(LoopError::Running)));
    drop(entered);
    assert!(get_running_loop().is_err());
    event_loop.close().unwrap();
}

trait RunOnceAfter {
    fn run_once_after(&self, f: impl FnOnce() + 'static);
}

impl RunOnceAfter for EventLoop {
    fn run_once_after(&self, f: impl FnOnce() + 'static) {
        self.call_soon(f).unwrap();
        self.run_once().unwrap();
    }
}

#[test]
fn a_parked_loop_shows_on_its_descriptor_that_another_thread_left_something() {
    let event_loop = build(EventLoop::builder());
    let outer = build(EventLoop::builder());
    let fd = event_loop.selector_fd().unwrap();
    let fd = fd.expect("epoll is a descriptor");
    // The foreign loop is one of ours here.
    let stopper = outer.downgrade();
    outer.add_reader(fd, move || stopper.stop()).unwrap();
    let remote = event_loop.remote();
    assert!(event_loop.park());
    let helper = std::thread::spawn(move || remote.call_soon_threadsafe(|| {}).unwrap());
    outer.run_forever().unwrap();
    helper.join().unwrap();
    event_loop.poll(Some(Duration::ZERO)).unwrap();
    event_loop.process_events().unwrap();
    assert_eq!(event_loop.run_batch().unwrap(), 1);
    // With something there already, it is not to wait.
    let remote = event_loop.remote();
    std::thread::spawn(move || remote.call_soon_threadsafe(|| {}).unwrap())
        .join()
        .unwrap();
    assert!(!event_loop.park());
    assert_eq!(event_loop.poll_timeout(), Some(Duration::ZERO));
    outer.close().unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_poll_that_waits_ends_when_its_descriptor_is_ready() {
    let event_loop = build(EventLoop::builder());
    let port = Port::socket();
    event_loop.add_reader(port.fd(), || {}).unwrap();
    port.feed();
    assert_eq!(event_loop.poll(None).unwrap(), 1);
    event_loop.close().unwrap();
}

#[test]
fn a_foreign_loop_sees_that_the_loop_is_to_stop_and_ends_the_run_by_leaving() {
    let (event_loop, _) = virtual_loop();
    let entered = event_loop.enter().unwrap();
    let stopper = event_loop.downgrade();
    event_loop.call_soon(move || stopper.stop()).unwrap();
    assert!(!event_loop.is_stopping());
    event_loop.run_batch().unwrap();
    assert!(event_loop.is_stopping());
    drop(entered);
    assert!(!event_loop.is_stopping());
    // A step by itself is no run: the stop is for the run that follows.
    event_loop.stop();
    event_loop.run_batch().unwrap();
    assert!(event_loop.is_stopping());
    event_loop.run_forever().unwrap();
    assert!(!event_loop.is_stopping());
    event_loop.close().unwrap();
}

#[test]
fn a_callback_that_leaves_the_loop_cannot_close_it_under_itself() {
    let (event_loop, _) = virtual_loop();
    let slot = Rc::new(RefCell::new(Some(event_loop.enter().unwrap())));
    let log = Log::default();
    let (handle, line) = (event_loop.downgrade(), log.line("next"));
    event_loop
        .call_soon(move || {
            slot.take();
            assert!(matches!(handle.close(), Err(LoopError::Running)));
        })
        .unwrap();
    event_loop.call_soon(line).unwrap();
    event_loop.run_batch().unwrap();
    assert_eq!(log.take(), "next");
    event_loop.close().unwrap();
}
