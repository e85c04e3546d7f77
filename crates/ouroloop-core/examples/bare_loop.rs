//! The event loop with nothing above it: a ticker, a reader, and a thread that helps.
//!
//! A thread writes three lines into a socket. The loop reads them as they come, while a timer ticks
//! beside it, and stops at the end of the data.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use ouroloop_core::{LoopError, LoopRef, new_event_loop};

fn main() -> Result<(), LoopError> {
    let event_loop = new_event_loop()?;
    event_loop.call_soon(|| println!("the loop runs"))?;
    tick(event_loop.downgrade(), 1)?;

    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let writer = thread::spawn(move || write_lines(theirs));
    let (fd, handle) = (ours.as_raw_fd(), event_loop.downgrade());
    event_loop.add_reader(fd, move || match read(&ours) {
        Ok(0) => {
            println!("end of the data");
            handle.remove_reader(fd);
            handle.stop();
        }
        Ok(count) => println!("{count} bytes"),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => panic!("could not read: {error}"),
    })?;

    event_loop.run_forever()?;
    writer.join().expect("the writer does not panic")?;
    println!("{:?}", event_loop.statistics());
    event_loop.close()
}

/// Prints a number, and the next one a little later, until the loop stops.
fn tick(event_loop: LoopRef, number: u32) -> Result<(), LoopError> {
    let next = event_loop.clone();
    event_loop.call_later(Duration::from_millis(4), move || {
        println!("tick {number}");
        tick(next, number + 1).expect("the loop is open while it runs");
    })?;
    Ok(())
}

fn read(mut stream: &UnixStream) -> io::Result<usize> {
    stream.read(&mut [0; 1024])
}

fn write_lines(mut stream: UnixStream) -> io::Result<()> {
    for line in ["one\n", "two\n", "three\n"] {
        stream.write_all(line.as_bytes())?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
