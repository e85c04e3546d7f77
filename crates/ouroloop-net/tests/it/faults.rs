//! Events that are not true, and wakers that call back (H9, H10): the sockets are real, what the selector
//! says of them is written down.

use std::cell::RefCell;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::RawFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::AsyncWrite;
use ouroloop_core::{EventLoop, ScriptedSelector, SelectorCall, SelectorEvent, VirtualClock};
use ouroloop_net::{StreamReader, StreamWriter, open_connection};
use ouroloop_task::{LoopTasks, Task};
use ouroloop_testkit::{WakeCount, poll_once, run_iterations};

use crate::support::{pair, read_available, run, turns};

/// A connection on a loop that hears only what the test says.
struct Scene {
    event_loop: EventLoop,
    selector: ScriptedSelector,
    fd: RawFd,
    ends: Option<(StreamReader, StreamWriter)>,
    peer: TcpStream,
}

impl Scene {
    fn new() -> Scene {
        let clock = VirtualClock::new();
        let selector = ScriptedSelector::new(clock.clone());
        let event_loop = EventLoop::builder()
            .clock(clock)
            .selector(Box::new(selector.clone()))
            .build()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connecting = event_loop
            .create_task(async move { open_connection("127.0.0.1", port).await.unwrap() })
            .unwrap();
        run_iterations(&event_loop, 3);
        let (peer, _) = listener.accept().unwrap();
        let fd = selector
            .take_calls()
            .into_iter()
            .find_map(|call| match call {
                SelectorCall::Register { fd, .. } => Some(fd),
                _ => None,
            })
            .expect("the socket is registered");
        selector.next_poll(fd, |event| event.writable = true);
        run_iterations(&event_loop, 3);
        let ends = value(connecting);
        Scene {
            event_loop,
            selector,
            fd,
            ends: Some(ends),
            peer,
        }
    }

    /// Hands an event to the loop, and gives how many callbacks ran in ten iterations.
    fn callbacks_after(&self, event: impl FnOnce(&mut SelectorEvent)) -> u64 {
        self.selector.next_poll(self.fd, event);
        let before = self.event_loop.statistics().callbacks;
        run_iterations(&self.event_loop, 10);
        self.event_loop.statistics().callbacks - before
    }

    fn read(&mut self) -> Task<(Vec<u8>, StreamReader, StreamWriter)> {
        let (mut reader, writer) = self.ends.take().expect("nobody has them");
        let reading = self
            .event_loop
            .create_task(async move { (reader.read(9).await.unwrap(), reader, writer) })
            .unwrap();
        run_iterations(&self.event_loop, 2);
        assert!(!reading.done());
        reading
    }

    /// Writes until the kernel takes no more.
    fn fill(&self) -> usize {
        let (_, writer) = self.ends.as_ref().expect("nobody has them");
        let chunk = [7; 64 * 1024];
        let mut written = 0;
        while writer.write_buffer_size() == 0 {
            writer.write(&chunk).unwrap();
            written += chunk.len();
        }
        written
    }
}

/// What a task that is done gives.
fn value<T: 'static>(task: Task<T>) -> T {
    match poll_once(pin!(task.into_future()), Waker::noop()) {
        Poll::Ready(value) => value.unwrap(),
        Poll::Pending => panic!("it is not done"),
    }
}

type Shape = fn(&mut SelectorEvent);

/// What a kernel may say; here, none of it is true.
const EVENTS: [(&str, Shape); 7] = [
    ("in", |it| it.readable = true),
    ("out", |it| it.writable = true),
    ("in and hang-up", |it| {
        (it.readable, it.read_closed, it.write_closed) = (true, true, true);
    }),
    ("hang-up", |it| {
        (it.read_closed, it.write_closed) = (true, true)
    }),
    ("error", |it| it.error = true),
    ("read hang-up", |it| it.read_closed = true),
    ("in and error", |it| (it.readable, it.error) = (true, true)),
];

#[test]
fn h09_a_reader_that_is_told_what_is_not_true_waits_on_and_does_not_spin() {
    for (what, shape) in EVENTS {
        let mut scene = Scene::new();
        let reading = scene.read();
        let callbacks = scene.callbacks_after(shape);
        assert!(callbacks <= 2, "{what}: {callbacks} callbacks");
        assert!(!reading.done(), "{what}");
        scene.peer.write_all(b"data").unwrap();
        scene.callbacks_after(|it| it.readable = true);
        let (data, mut reader, _writer) = value(reading);
        assert_eq!(data, b"data", "{what}");
        assert!(!reader.at_eof(), "{what}");
        scene.event_loop.close().unwrap();
    }
}

#[test]
fn h09_a_writer_that_is_told_what_is_not_true_loses_nothing_and_does_not_spin() {
    for closing in [false, true] {
        for (what, shape) in EVENTS {
            let scene = Scene::new();
            let written = scene.fill();
            let (_, writer) = scene.ends.as_ref().unwrap();
            if closing {
                writer.close();
            }
            let callbacks = scene.callbacks_after(shape);
            assert!(callbacks <= 2, "{what}: {callbacks} callbacks");
            assert!(writer.write_buffer_size() > 0, "{what}");
            let mut received = 0;
            while received < written {
                received += read_available(&scene.peer).len();
                scene.callbacks_after(|it| it.writable = true);
            }
            assert_eq!(
                (received, writer.write_buffer_size()),
                (written, 0),
                "{what}"
            );
            scene.event_loop.close().unwrap();
        }
    }
}

#[test]
fn h09_a_listener_that_is_told_what_is_not_true_does_not_spin() {
    for (what, shape) in EVENTS {
        let clock = VirtualClock::new();
        let selector = ScriptedSelector::new(clock.clone());
        let event_loop = EventLoop::builder()
            .clock(clock)
            .selector(Box::new(selector.clone()))
            .build()
            .unwrap();
        let serving = event_loop
            .create_task(async {
                let quiet = async |_, _| {};
                ouroloop_net::start_server(quiet, "127.0.0.1", 0)
                    .await
                    .unwrap()
            })
            .unwrap();
        run_iterations(&event_loop, 3);
        let server = value(serving);
        let fd = selector
            .take_calls()
            .into_iter()
            .find_map(|call| match call {
                SelectorCall::Register { fd, .. } => Some(fd),
                _ => None,
            });
        selector.next_poll(fd.unwrap(), shape);
        let before = event_loop.statistics().callbacks;
        run_iterations(&event_loop, 10);
        let callbacks = event_loop.statistics().callbacks - before;
        assert!(callbacks <= 2, "{what}: {callbacks} callbacks");
        assert!(server.is_serving());
        event_loop.close().unwrap();
    }
}

thread_local! {
    static WRITER: RefCell<Option<Rc<StreamWriter>>> = const { RefCell::new(None) };
}

#[test]
fn h10_a_waker_that_aborts_the_connection_while_it_is_replaced_leaves_the_reader_its_end() {
    struct Aborts;
    impl Wake for Aborts {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Aborts {
        fn drop(&mut self) {
            WRITER.with_borrow(|writer| writer.as_ref().expect("there is one").abort());
        }
    }
    run(async {
        let (mut reader, writer, _peer) = pair().await;
        WRITER.set(Some(Rc::new(writer)));
        {
            let mut reading = pin!(reader.read(1));
            let hostile = Waker::from(Arc::new(Aborts));
            assert!(poll_once(reading.as_mut(), &hostile).is_pending());
            drop(hostile);
            let (wakes, waker) = WakeCount::new();
            let replaced = poll_once(reading.as_mut(), &waker);
            assert!(replaced.is_ready() || wakes.get() == 1);
        }
        assert_eq!(reader.read(1).await.unwrap(), b"");
        WRITER.take();
    });
}

#[test]
fn h10_a_waker_that_writes_and_closes_when_all_is_sent_loses_nothing() {
    const MORE: usize = 8 * 1024 * 1024;
    struct Writes;
    impl Wake for Writes {
        fn wake(self: Arc<Self>) {
            WRITER.with_borrow(|writer| {
                let writer = writer.as_ref().expect("there is one");
                writer.write(&vec![7; MORE]).unwrap();
                writer.close();
            });
        }
    }
    run(async {
        let (_reader, mut writer, peer) = pair().await;
        let written = crate::support::fill(&writer).await;
        let waker = Waker::from(Arc::new(Writes));
        let mut cx = Context::from_waker(&waker);
        assert!(pin!(&mut writer).poll_flush(&mut cx).is_pending());
        WRITER.set(Some(Rc::new(writer)));
        let mut received = 0;
        while received < written + MORE {
            let some = read_available(&peer).len();
            received += some;
            turns().await;
            if some == 0 {
                assert!(
                    WRITER.with_borrow(|it| it.as_ref().unwrap().write_buffer_size() > 0),
                    "{received} of {} bytes",
                    written + MORE
                );
            }
        }
        WRITER.take();
    });
}
