//! What only these tests need: loops of each kind, descriptors of each kind, a watchdog.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_core::{Builder, EventLoop, IoPoll, LoopRef, ScriptedSelector, VirtualClock};
use tracing::Level;

/// A loop on virtual time, with its clock.
pub fn virtual_loop() -> (EventLoop, VirtualClock) {
    let clock = VirtualClock::new();
    (build(EventLoop::builder().clock(clock.clone())), clock)
}

/// A loop with a script for its selector, on virtual time.
pub fn scripted_loop() -> (EventLoop, ScriptedSelector, VirtualClock) {
    scripted_loop_with(IoPoll::default())
}

pub fn scripted_loop_with(io_poll: IoPoll) -> (EventLoop, ScriptedSelector, VirtualClock) {
    let clock = VirtualClock::new();
    let selector = ScriptedSelector::new(clock.clone());
    let builder = EventLoop::builder()
        .clock(clock.clone())
        .selector(Box::new(selector.clone()))
        .io_poll(io_poll);
    (build(builder), selector, clock)
}

pub fn build(builder: Builder) -> EventLoop {
    builder.debug(false).build().expect("a loop can be made")
}

/// Calls `test` with a loop of each kind, and closes it.
pub fn on_every_loop(test: impl Fn(&EventLoop)) {
    for strict in [IoPoll::default(), IoPoll::EveryIteration] {
        let virtual_time = || {
            EventLoop::builder()
                .clock(VirtualClock::new())
                .io_poll(strict)
        };
        let real_script = Box::new(ScriptedSelector::real_time());
        for (kind, event_loop) in [
            ("mio", build(EventLoop::builder().io_poll(strict))),
            ("mio, virtual time", build(virtual_time())),
            (
                "script",
                build(EventLoop::builder().selector(real_script).io_poll(strict)),
            ),
            ("script, virtual time", scripted_loop_with(strict).0),
        ] {
            // Shown when the test fails.
            println!("on a loop of this kind: {kind}, {strict:?}");
            test(&event_loop);
            event_loop.close().expect("the loop has stopped");
        }
    }
}

/// A descriptor that a test can make ready.
pub enum Port {
    Socket {
        ours: UnixStream,
        theirs: RefCell<UnixStream>,
    },
    Script {
        fd: RawFd,
        selector: ScriptedSelector,
    },
}

impl Port {
    pub fn socket() -> Port {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair can be made");
        ours.set_nonblocking(true)
            .expect("a socket can be non-blocking");
        Port::Socket {
            ours,
            theirs: RefCell::new(theirs),
        }
    }

    pub fn script(selector: &ScriptedSelector, fd: RawFd) -> Port {
        selector.set_ready(fd, |event| event.writable = true);
        Port::Script {
            fd,
            selector: selector.clone(),
        }
    }

    pub fn fd(&self) -> RawFd {
        match self {
            Port::Socket { ours, .. } => ours.as_raw_fd(),
            Port::Script { fd, .. } => *fd,
        }
    }

    /// Gives it something to read.
    pub fn feed(&self) {
        match self {
            Port::Socket { theirs, .. } => {
                theirs
                    .borrow_mut()
                    .write_all(b"x")
                    .expect("the buffer has room");
            }
            Port::Script { fd, selector } => {
                selector.set_ready(*fd, |event| (event.readable, event.writable) = (true, true));
            }
        }
    }

    /// Reads what is there.
    pub fn drain(&self) {
        match self {
            Port::Socket { ours, .. } => {
                let mut ours: &UnixStream = ours;
                while ours.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
            }
            Port::Script { fd, selector } => selector.set_ready(*fd, |event| event.writable = true),
        }
    }
}

/// Calls `test` with a loop and two descriptors of its kind, and closes the loop.
pub fn on_every_port(test: impl Fn(&EventLoop, Rc<Port>, Rc<Port>)) {
    for strict in [IoPoll::default(), IoPoll::EveryIteration] {
        println!("on sockets, {strict:?}");
        let event_loop = build(EventLoop::builder().io_poll(strict));
        test(
            &event_loop,
            Rc::new(Port::socket()),
            Rc::new(Port::socket()),
        );
        event_loop.close().expect("the loop has stopped");

        println!("on a script, {strict:?}");
        let (event_loop, selector, clock) = scripted_loop_with(strict);
        // So that there is a past.
        clock.advance(Duration::from_secs(1));
        let port = |fd| Rc::new(Port::script(&selector, fd));
        test(&event_loop, port(1007), port(1008));
        event_loop.close().expect("the loop has stopped");
    }
}

/// Runs the loop until `delay` has passed on its clock.
pub fn run_for(event_loop: &LoopRef, delay: Duration) {
    let stopper = event_loop.clone();
    event_loop
        .call_later(delay, move || stopper.stop())
        .expect("the loop is open");
    event_loop
        .run_forever()
        .expect("there is a timer to wait for");
}

/// Says whether it was dropped.
pub struct DropFlag(Rc<Cell<bool>>);

impl DropFlag {
    pub fn new() -> (DropFlag, Rc<Cell<bool>>) {
        let dropped = Rc::new(Cell::new(false));
        (DropFlag(dropped.clone()), dropped)
    }
}

impl Drop for DropFlag {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// Calls `f` and returns what this crate logged in this thread meanwhile: level, then message.
pub fn logged(f: impl FnOnce()) -> Vec<(Level, String)> {
    ouroloop_testkit::logged(f)
        .into_iter()
        .filter(|line| line.target() == "ouroloop::core")
        .map(|line| (line.level(), line.message().to_owned()))
        .collect()
}

/// Runs `f` in a thread of its own and fails if it takes longer than `limit`: a deadlock.
pub fn with_watchdog(limit: Duration, f: impl FnOnce() + Send + 'static) {
    let (done, finished) = std::sync::mpsc::channel();
    let worker = std::thread::spawn(move || {
        f();
        let _ = done.send(());
    });
    match finished.recv_timeout(limit) {
        Ok(()) => worker.join().expect("the test has passed"),
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("no end after {limit:?}"),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(worker.join().expect_err("it ended without a word"));
        }
    }
}
