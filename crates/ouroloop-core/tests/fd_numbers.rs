//! What happens when the number of a descriptor is given to another one.
//!
//! A binary of its own: the kernel gives the lowest number that is free, and only a process in
//! which nobody else opens anything can rely on it.

use std::cell::RefCell;
use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use ouroloop_core::{EventLoop, new_event_loop};

/// Held by each test: they share the numbers.
static NUMBERS: Mutex<()> = Mutex::new(());

#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<&'static str>>>);

impl Log {
    fn line(&self, line: &'static str) -> impl FnMut() + use<> + 'static {
        let log = self.0.clone();
        move || log.borrow_mut().push(line)
    }

    fn take(&self) -> Vec<&'static str> {
        self.0.take()
    }
}

/// Opens a pair whose first half has this number.
fn open_as(number: RawFd) -> [UnixStream; 2] {
    let (one, two) = UnixStream::pair().unwrap();
    match number {
        it if it == one.as_raw_fd() => [one, two],
        it if it == two.as_raw_fd() => [two, one],
        _ => panic!("the number {number} was not given away again"),
    }
}

fn turn(event_loop: &EventLoop) {
    event_loop.stop();
    event_loop.run_once().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_loop_takes_no_descriptor_before_it_watches_one() {
    let _alone = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (a, _a_peer) = UnixStream::pair().unwrap();
    let before = count();
    let event_loop = new_event_loop().unwrap();
    // Also if it sleeps, and is woken.
    let remote = event_loop.remote();
    let helper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(5));
        remote.stop().unwrap();
    });
    event_loop.run_forever().unwrap();
    helper.join().unwrap();
    assert_eq!(count(), before);
    event_loop.add_reader(a.as_raw_fd(), || {}).unwrap();
    assert!(count() > before);
    event_loop.close().unwrap();
    assert_eq!(count(), before);
}

#[test]
fn h01_an_event_between_poll_and_dispatch_does_not_reach_the_next_owner() {
    let _alone = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let event_loop = new_event_loop().unwrap();
    let log = Log::default();
    let (a, mut a_peer) = UnixStream::pair().unwrap();
    let number = a.as_raw_fd();
    event_loop.add_reader(number, log.line("a")).unwrap();
    a_peer.write_all(b"for a").unwrap();
    assert_eq!(event_loop.poll(Some(Duration::ZERO)).unwrap(), 1);
    // The event lies there. Meanwhile the number changes its owner.
    assert!(event_loop.remove_reader(number));
    drop(a);
    let [b, mut b_peer] = open_as(number);
    event_loop.add_reader(b.as_raw_fd(), log.line("b")).unwrap();
    event_loop.process_events().unwrap();
    event_loop.run_batch().unwrap();
    assert!(log.take().is_empty());
    b_peer.write_all(b"for b").unwrap();
    turn(&event_loop);
    assert_eq!(log.take(), ["b"]);
    event_loop.close().unwrap();
}

#[test]
fn h01_a_source_does_not_get_the_readiness_of_the_one_that_had_its_number() {
    let _alone = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let event_loop = new_event_loop().unwrap();
    let (a, mut a_peer) = UnixStream::pair().unwrap();
    let number = a.as_raw_fd();
    let a = event_loop.register_io(a).unwrap();
    a_peer.write_all(b"for a").unwrap();
    drop(a_peer);
    assert_eq!(event_loop.poll(Some(Duration::ZERO)).unwrap(), 1);
    drop(a);
    let [b, _b_peer] = open_as(number);
    let b = event_loop.register_io(b).unwrap();
    event_loop.process_events().unwrap();
    assert!(b.poll_readable(Waker::noop()).is_pending());
    assert!(!b.read_closed() && !b.write_closed());
    drop(b);
    event_loop.close().unwrap();
}

#[test]
fn h01_a_number_that_was_closed_behind_our_back_can_be_added_again() {
    let _alone = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let event_loop = new_event_loop().unwrap();
    let log = Log::default();
    let (a, _a_peer) = UnixStream::pair().unwrap();
    let number = a.as_raw_fd();
    event_loop.add_reader(number, log.line("a")).unwrap();
    // Closed with the reader still there: the kernel forgets it, the loop cannot know.
    drop(a);
    turn(&event_loop);
    let [b, mut b_peer] = open_as(number);
    event_loop.add_reader(b.as_raw_fd(), log.line("b")).unwrap();
    b_peer.write_all(b"for b").unwrap();
    turn(&event_loop);
    assert_eq!(log.take(), ["b"]);
    assert_eq!(event_loop.statistics().io_sources, 1);
    event_loop.close().unwrap();
}

#[test]
fn h01_a_copy_of_a_closed_descriptor_does_not_spin_the_loop() {
    let _alone = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let event_loop = new_event_loop().unwrap();
    let (a, mut a_peer) = UnixStream::pair().unwrap();
    // The copy keeps the kernel's entry alive, as one in a child process would.
    let _copy = a.try_clone().unwrap();
    let log = Log::default();
    event_loop
        .add_reader(a.as_raw_fd(), log.line("read"))
        .unwrap();
    drop(a);
    a_peer.write_all(b"for nobody").unwrap();
    let stopper = event_loop.downgrade();
    event_loop
        .call_later(Duration::from_millis(20), move || stopper.stop())
        .unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(
        log.take(),
        ["read"],
        "once, and the kernel does not arm what is closed"
    );
    let polls = event_loop.statistics().polls;
    assert!(polls <= 5, "{polls} polls in 20 ms");
    event_loop.close().unwrap();
}
