//! What loads the servers: the same for all of them, in a process of its own.
//!
//! The processor time in a sample is the server's, read around the part that is measured: its start and the warm-up do
//! not count.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::Sample;
use crate::meter::cpu_ns_of;

/// Takes a sample of the server of that process at that port; `None` if no server has this workload.
pub fn sample(workload: &str, count: u64, port: u16, process: u32) -> Option<Sample> {
    Some(match workload {
        "echo_lat" | "echo_lat_1core" => one_at_a_time(count, port, process),
        "echo_100" => crowd(100, count, port, process),
        "echo_1000" => crowd(1000, count, port, process),
        "lines" => lines(count, port, process),
        _ => return None,
    })
}

/// The server's processor time and the wall clock, from a moment on.
struct Watch {
    process: u32,
    cpu_ns: u64,
    start: Instant,
}

impl Watch {
    fn start(process: u32) -> Watch {
        Watch {
            process,
            cpu_ns: cpu_ns_of(process),
            start: Instant::now(),
        }
    }

    fn stop(&self, count: u64) -> Sample {
        let wall_ns = self.start.elapsed().as_nanos() as u64;
        Sample {
            count,
            wall_ns,
            cpu_ns: cpu_ns_of(self.process) - self.cpu_ns,
            more: Vec::new(),
        }
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_nodelay(true).expect("it is TCP");
    stream
}

/// One connection, 64 bytes there and back, blocking.
fn one_at_a_time(count: u64, port: u16, process: u32) -> Sample {
    let mut stream = connect(port);
    let message = [b'x'; 64];
    let mut answer = [0; 64];
    let mut go = |count| {
        for _ in 0..count {
            stream.write_all(&message).expect("the server is there");
            stream.read_exact(&mut answer).expect("the server answers");
        }
    };
    go(count / 10);
    let watch = Watch::start(process);
    go(count);
    watch.stop(count)
}

/// A connection of a crowd, with what has come of the answer.
struct Connection {
    stream: TcpStream,
    got: usize,
}

impl Connection {
    fn send(&mut self) {
        let sent = self.stream.write(&MESSAGE).expect("the server is there");
        assert_eq!(sent, MESSAGE.len(), "the one message in flight has room");
    }

    /// Reads what is there, and says whether that completes an answer.
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        match self.stream.read(buffer) {
            Ok(0) => panic!("the server hung up"),
            Ok(size) => self.got += size,
            Err(_) => return false,
        }
        let whole = self.got >= MESSAGE.len();
        if whole {
            self.got -= MESSAGE.len();
        }
        whole
    }
}

const MESSAGE: [u8; 1024] = [b'x'; 1024];

/// Many connections, each with one message of 1 KiB under way.
fn crowd(size: u64, count: u64, port: u16, process: u32) -> Sample {
    let epoll = Epoll::new(EpollCreateFlags::empty()).expect("Linux has it");
    let connection = |id| {
        let stream = connect(port);
        stream.set_nonblocking(true).expect("it is a socket");
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        epoll
            .add(&stream, EpollEvent::new(flags, id))
            .expect("a socket can be watched");
        Connection { stream, got: 0 }
    };
    let mut connections: Vec<_> = (0..size).map(connection).collect();
    connections.iter_mut().for_each(Connection::send);
    let mut events = [EpollEvent::empty(); 256];
    let mut buffer = vec![0; 64 * 1024];
    let warm_up = (size * 20).max(count / 20);
    let mut done = 0;
    let mut watch = None;
    loop {
        let found = epoll
            .wait(&mut events, EpollTimeout::NONE)
            .expect("no signal comes");
        for event in &events[..found] {
            let connection = &mut connections[event.data() as usize];
            if connection.receive(&mut buffer) {
                done += 1;
                connection.send();
            }
        }
        match &watch {
            None if done >= warm_up => {
                done = 0;
                watch = Some(Watch::start(process));
            }
            Some(watch) if done >= count => return watch.stop(done),
            _ => {}
        }
    }
}

/// One connection, lines of 64 bytes as fast as they go.
fn lines(count: u64, port: u16, process: u32) -> Sample {
    const AT_ONCE: u64 = 1000;
    let mut stream = connect(port);
    let mut line = [b'x'; 64];
    line[63] = b'\n';
    let chunk = line.repeat(AT_ONCE as usize);
    let watch = Watch::start(process);
    for _ in 0..count / AT_ONCE {
        stream.write_all(&chunk).expect("the server is there");
    }
    stream
        .shutdown(Shutdown::Write)
        .expect("the server is there");
    let mut answer = [0; 8];
    stream
        .read_exact(&mut answer)
        .expect("the server answers at the end");
    assert_eq!(u64::from_le_bytes(answer), count, "the server's count");
    watch.stop(count)
}
