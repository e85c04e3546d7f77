//! `IoSource`: readiness that is remembered.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use ouroloop_core::{EventLoop, IoSource, LoopError, SelectorEvent};
use ouroloop_testkit::{Reports, WakeCount, quiet_panic, run_iterations};

use crate::support::{build, scripted_loop, with_watchdog};

/// A descriptor of a script.
struct Fd(RawFd);

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

fn pair(event_loop: &EventLoop) -> (IoSource<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (event_loop.register_io(ours).unwrap(), theirs)
}

fn readable<T>(source: &IoSource<T>) -> bool {
    is_ready(source.poll_readable(Waker::noop()))
}

fn writable<T>(source: &IoSource<T>) -> bool {
    is_ready(source.poll_writable(Waker::noop()))
}

fn is_ready(poll: Poll<Result<(), LoopError>>) -> bool {
    match poll {
        Poll::Ready(result) => {
            result.unwrap();
            true
        }
        Poll::Pending => false,
    }
}

#[test]
fn readiness_is_remembered_until_it_is_cleared() {
    let event_loop = build(EventLoop::builder());
    let (source, mut peer) = pair(&event_loop);
    assert!(!readable(&source));
    peer.write_all(b"abc").unwrap();
    run_iterations(&event_loop, 1);
    assert!(readable(&source) && readable(&source));
    let mut buffer = [0; 8];
    assert_eq!(source.get_ref().read(&mut buffer).unwrap(), 3);
    assert!(readable(&source), "the loop does not know that it was read");
    source.clear_readable();
    assert!(!readable(&source));
    run_iterations(&event_loop, 1);
    assert!(!readable(&source));
    peer.write_all(b"d").unwrap();
    run_iterations(&event_loop, 1);
    assert!(readable(&source));
    drop(source);
    event_loop.close().unwrap();
}

#[test]
fn who_waits_is_woken_once_reader_first() {
    struct Note(&'static str, Arc<Mutex<Vec<&'static str>>>);
    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    let (event_loop, selector, _) = scripted_loop();
    let source = event_loop.register_io(Fd(5)).unwrap();
    let notes = Arc::default();
    let note = |name| Waker::from(Arc::new(Note(name, Arc::clone(&notes))));
    assert!(source.poll_writable(&note("w")).is_pending());
    assert!(source.poll_readable(&note("r")).is_pending());
    for _ in 0..2 {
        selector.next_poll(5, |event| (event.readable, event.writable) = (true, true));
        run_iterations(&event_loop, 1);
    }
    assert_eq!(*notes.lock().unwrap(), ["r", "w"]);
    drop(source);
    event_loop.close().unwrap();
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let (event_loop, selector, _) = scripted_loop();
    let source = event_loop.register_io(Fd(5)).unwrap();
    let ((first, first_waker), (last, last_waker)) = (WakeCount::new(), WakeCount::new());
    for waker in [&first_waker, &first_waker, &last_waker] {
        assert!(source.poll_readable(waker).is_pending());
    }
    selector.next_poll(5, |event| event.readable = true);
    run_iterations(&event_loop, 1);
    assert_eq!((first.get(), last.get()), (0, 1));
    drop(source);
    event_loop.close().unwrap();
}

#[test]
fn h02_clearing_one_direction_leaves_the_other() {
    let (event_loop, selector, _) = scripted_loop();
    let source = event_loop.register_io(Fd(5)).unwrap();
    selector.next_poll(5, |event| (event.readable, event.writable) = (true, true));
    run_iterations(&event_loop, 1);
    source.clear_readable();
    assert!(!readable(&source) && writable(&source));
    selector.next_poll(5, |event| event.readable = true);
    run_iterations(&event_loop, 1);
    source.clear_writable();
    assert!(readable(&source) && !writable(&source));
    drop(source);
    event_loop.close().unwrap();
}

#[test]
fn h02_an_edge_after_the_clearing_is_seen_however_many_came_before() {
    let (event_loop, selector, _) = scripted_loop();
    let source = event_loop.register_io(Fd(5)).unwrap();
    // No count of edges is kept, so none can wrap: try the widths that others wrapped at.
    for edges in [1, 2, 255, 256, 257, 65_536] {
        for _ in 0..edges {
            selector.next_poll(5, |event| event.readable = true);
        }
        run_iterations(&event_loop, 1);
        source.clear_readable();
        let (wakes, waker) = WakeCount::new();
        assert!(source.poll_readable(&waker).is_pending());
        selector.next_poll(5, |event| event.readable = true);
        run_iterations(&event_loop, 1);
        assert_eq!(wakes.get(), 1);
        assert!(readable(&source));
        source.clear_readable();
    }
    drop(source);
    event_loop.close().unwrap();
}

#[test]
fn h02_an_edge_between_a_short_read_and_the_wait_is_not_lost() {
    let event_loop = build(EventLoop::builder());
    let (source, mut peer) = pair(&event_loop);
    for _ in 0..100 {
        peer.write_all(b"x").unwrap();
        run_iterations(&event_loop, 1);
        let mut buffer = [0; 8];
        assert_eq!(source.get_ref().read(&mut buffer).unwrap(), 1);
        // After the read, before the clearing: the kernel has the edge, the loop has not polled.
        peer.write_all(b"y").unwrap();
        source.clear_readable();
        let (wakes, waker) = WakeCount::new();
        assert!(source.poll_readable(&waker).is_pending());
        run_iterations(&event_loop, 1);
        assert_eq!(wakes.get(), 1);
        assert_eq!(source.get_ref().read(&mut buffer).unwrap(), 1);
        source.clear_readable();
    }
    drop(source);
    event_loop.close().unwrap();
}

#[test]
fn h09_what_the_peer_has_closed_stays_ready() {
    let event_loop = build(EventLoop::builder());
    let (source, peer) = pair(&event_loop);
    peer.shutdown(Shutdown::Write).unwrap();
    run_iterations(&event_loop, 1);
    assert!(source.read_closed() && !source.write_closed());
    source.clear_readable();
    source.clear_writable();
    assert!(readable(&source) && !writable(&source));
    drop(peer);
    run_iterations(&event_loop, 1);
    assert!(source.write_closed());
    source.clear_writable();
    assert!(writable(&source));
    drop(source);
    event_loop.close().unwrap();
}

#[test]
fn h09_an_attempt_that_blocks_disproves_what_was_said_before() {
    type Shape = fn(&mut SelectorEvent);
    let shapes: [Shape; 2] = [
        |event| event.error = true,
        |event| (event.read_closed, event.write_closed) = (true, true),
    ];
    for shape in shapes {
        let (event_loop, selector, _) = scripted_loop();
        let source = event_loop.register_io(Fd(5)).unwrap();
        selector.next_poll(5, shape);
        run_iterations(&event_loop, 1);
        source.read_would_block();
        assert!(!readable(&source) && !source.read_closed());
        assert!(writable(&source) && source.write_closed(), "the other side");
        source.write_would_block();
        assert!(!writable(&source) && !source.write_closed());
        selector.next_poll(5, shape);
        run_iterations(&event_loop, 1);
        assert!(readable(&source) && writable(&source), "said once more");
        drop(source);
        event_loop.close().unwrap();
    }
}

#[test]
fn h09_each_kind_of_event_makes_ready_what_it_concerns() {
    type Shape = fn(&mut SelectorEvent);
    // What happens; readable, writable, read closed, write closed.
    let table: [(Shape, [bool; 4]); 6] = [
        (|event| event.readable = true, [true, false, false, false]),
        (|event| event.writable = true, [false, true, false, false]),
        (|event| event.read_closed = true, [true, false, true, false]),
        (
            |event| event.write_closed = true,
            [false, true, false, true],
        ),
        (|event| event.error = true, [true, true, true, true]),
        (
            |event| (event.readable, event.read_closed, event.write_closed) = (true, true, true),
            [true, true, true, true],
        ),
    ];
    for (shape, expected) in table {
        let (event_loop, selector, _) = scripted_loop();
        let source = event_loop.register_io(Fd(5)).unwrap();
        selector.next_poll(5, shape);
        run_iterations(&event_loop, 1);
        let seen = [
            readable(&source),
            writable(&source),
            source.read_closed(),
            source.write_closed(),
        ];
        assert_eq!(seen, expected);
        drop(source);
        event_loop.close().unwrap();
    }
}

#[test]
fn dropping_a_source_deregisters_it_and_then_closes_it() {
    let event_loop = build(EventLoop::builder());
    let (source, mut peer) = pair(&event_loop);
    assert_eq!(event_loop.statistics().io_sources, 1);
    drop(source);
    assert_eq!(event_loop.statistics().io_sources, 0);
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0, "the peer sees the end");
    event_loop.close().unwrap();
}

#[test]
fn a_source_gives_its_io_back_open() {
    let event_loop = build(EventLoop::builder());
    let (mut source, mut peer) = pair(&event_loop);
    let number = source.as_raw_fd();
    assert_eq!(source.get_mut().as_raw_fd(), number);
    let mut ours = source.into_inner();
    assert_eq!(event_loop.statistics().io_sources, 0);
    ours.write_all(b"still open").unwrap();
    assert_eq!(peer.read(&mut [0; 16]).unwrap(), 10);
    let again = event_loop.register_io(ours).unwrap();
    assert!(!readable(&again));
    drop(again);
    event_loop.close().unwrap();
}

#[test]
fn after_the_loop_is_closed_waiting_is_an_error_and_who_waited_is_told() {
    let event_loop = build(EventLoop::builder());
    let (source, _peer) = pair(&event_loop);
    let (wakes, waker) = WakeCount::new();
    assert!(source.poll_readable(&waker).is_pending());
    event_loop.close().unwrap();
    assert_eq!(wakes.get(), 1);
    assert!(matches!(
        source.poll_readable(&waker),
        Poll::Ready(Err(LoopError::Closed))
    ));
    assert!(matches!(
        source.poll_writable(&waker),
        Poll::Ready(Err(LoopError::Closed))
    ));
    source.clear_readable();
    drop(source);
}

#[test]
fn h01_a_source_is_not_woken_by_events_of_the_one_before_it() {
    let (event_loop, selector, _) = scripted_loop();
    let first = event_loop.register_io(Fd(5)).unwrap();
    let old = selector.token(5).unwrap();
    drop(first);
    let second = event_loop.register_io(Fd(5)).unwrap();
    let (wakes, waker) = WakeCount::new();
    assert!(second.poll_readable(&waker).is_pending());
    selector.inject(SelectorEvent {
        readable: true,
        read_closed: true,
        error: true,
        ..SelectorEvent::new(old)
    });
    run_iterations(&event_loop, 1);
    assert_eq!(wakes.get(), 0);
    assert!(!readable(&second) && !second.read_closed());
    drop(second);
    event_loop.close().unwrap();
}

#[test]
fn h10_a_waker_may_drop_its_source_and_open_another_while_it_is_woken() {
    thread_local! {
        static SOURCE: RefCell<Option<Rc<IoSource<Fd>>>> = const { RefCell::new(None) };
    }
    struct Hostile;
    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {
            let before = SOURCE.take().expect("woken once");
            assert!(before.poll_readable(Waker::noop()).is_ready());
            let event_loop = before.event_loop().clone();
            drop(before);
            SOURCE.set(Some(Rc::new(event_loop.register_io(Fd(5)).unwrap())));
        }
    }
    with_watchdog(Duration::from_secs(10), || {
        let (event_loop, selector, _) = scripted_loop();
        let source = Rc::new(event_loop.register_io(Fd(5)).unwrap());
        assert!(
            source
                .poll_readable(&Waker::from(Arc::new(Hostile)))
                .is_pending()
        );
        SOURCE.set(Some(source));
        selector.next_poll(5, |event| event.readable = true);
        run_iterations(&event_loop, 1);
        let after = SOURCE.take().expect("it was opened");
        assert!(!readable(&after));
        assert_eq!(event_loop.statistics().io_sources, 1);
        drop(after);
        event_loop.close().unwrap();
    });
}

#[test]
fn h10_a_waker_may_poll_its_source_while_it_is_dropped() {
    thread_local! {
        static SOURCE: RefCell<Option<Rc<IoSource<Fd>>>> = const { RefCell::new(None) };
    }
    struct Hostile;
    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Hostile {
        fn drop(&mut self) {
            let source = SOURCE.with_borrow(|source| source.clone().expect("there is one"));
            assert!(source.poll_readable(Waker::noop()).is_pending());
        }
    }
    with_watchdog(Duration::from_secs(10), || {
        let (event_loop, _, _) = scripted_loop();
        let source = Rc::new(event_loop.register_io(Fd(5)).unwrap());
        SOURCE.set(Some(source.clone()));
        assert!(
            source
                .poll_readable(&Waker::from(Arc::new(Hostile)))
                .is_pending()
        );
        let (_, waker) = WakeCount::new();
        assert!(source.poll_readable(&waker).is_pending());
        SOURCE.take();
        drop(source);
        event_loop.close().unwrap();
    });
}

#[test]
fn a_waker_that_panics_is_reported_and_the_other_side_is_woken() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            quiet_panic("bad waker");
        }
    }
    let (event_loop, selector, _) = scripted_loop();
    let source = event_loop.register_io(Fd(5)).unwrap();
    let reports = Reports::of(&event_loop);
    let (wakes, waker) = WakeCount::new();
    assert!(
        source
            .poll_readable(&Waker::from(Arc::new(Bad)))
            .is_pending()
    );
    assert!(source.poll_writable(&waker).is_pending());
    selector.next_poll(5, |event| event.error = true);
    run_iterations(&event_loop, 1);
    let reports = reports.take();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(
        reports[0].to_string(),
        "Exception in a waker: panicked: bad waker"
    );
    assert_eq!(wakes.get(), 1);
    drop(source);
    event_loop.close().unwrap();
}
