//! What reading and writing allocate, and what memory a connection holds while it waits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::task::{Poll, Waker};

use allocation_counter::{AllocationInfo, measure};
use ouroloop_core::new_event_loop;
use ouroloop_net::{StreamReader, StreamWriter};
use ouroloop_testkit::poll_once;

use crate::support::{pair, run_on};

/// What a loop allocates for `rounds` rounds of `round`, with all that is around them.
fn total<F>(rounds: u64, round: F) -> u64
where
    F: AsyncFn(&mut StreamReader, &StreamWriter, &mut TcpStream) + 'static,
{
    let event_loop = new_event_loop().unwrap();
    let allocated = measure(|| {
        run_on(&event_loop, async move {
            let (mut reader, writer, mut peer) = pair().await;
            for _ in 0..rounds {
                round(&mut reader, &writer, &mut peer).await;
            }
        });
    });
    event_loop.close().unwrap();
    allocated.count_total
}

/// What each further one of many rounds allocates, to a hundredth: a machine that is slow to hand bytes on may make
/// a loop wait once, and a wait that is the first of its kind makes room for it.
fn per_round<F>(round: F) -> f64
where
    F: AsyncFn(&mut StreamReader, &StreamWriter, &mut TcpStream) + Copy + 'static,
{
    const FEW: u64 = 10;
    const MORE: u64 = 1000;
    // The first loop of a thread makes what is kept for the others.
    total(FEW, round);
    let few = total(FEW, round);
    let each = (total(FEW + MORE, round) - few) as f64 / MORE as f64;
    (each * 100.0).round() / 100.0
}

#[test]
fn a_request_allocates_its_bytes_and_nothing_else() {
    let echo = async |reader: &mut StreamReader, writer: &StreamWriter, peer: &mut TcpStream| {
        let mut answer = [0; 1000];
        peer.write_all(&[7; 1000]).unwrap();
        let data = reader.read(4096).await.unwrap();
        assert_eq!(data.capacity(), 1000, "exactly");
        writer.write(&data).unwrap();
        writer.drain().await.unwrap();
        peer.read_exact(&mut answer).unwrap();
    };
    assert_eq!(per_round(echo), 1.0);
}

#[test]
fn a_line_is_one_allocation_of_its_size() {
    let lines = async |reader: &mut StreamReader, _: &StreamWriter, peer: &mut TcpStream| {
        for _ in 0..20 {
            peer.write_all(b"a line of text\n").unwrap();
        }
        for _ in 0..10 {
            let line = reader.readline().await.unwrap();
            assert_eq!((&line[..], line.capacity()), (&b"a line of text\n"[..], 15));
        }
        let mut lines = reader.lines();
        for _ in 0..10 {
            assert_eq!(lines.next().await.unwrap().unwrap().capacity(), 15);
        }
    };
    assert_eq!(per_round(lines), 20.0);
}

#[test]
fn reading_into_memory_of_the_caller_allocates_nothing() {
    let echo = async |reader: &mut StreamReader, _: &StreamWriter, peer: &mut TcpStream| {
        let mut buffer = [0; 4096];
        peer.write_all(&[7; 1000]).unwrap();
        assert_eq!(reader.readinto(&mut buffer[..10]).await.unwrap(), 10);
        assert_eq!(reader.readinto(&mut buffer).await.unwrap(), 990);
        peer.write_all(&[8; 1000]).unwrap();
        assert_eq!(reader.readinto(&mut buffer).await.unwrap(), 1000);
        assert_eq!(buffer[..1000], [8; 1000]);
    };
    assert_eq!(per_round(echo), 0.0);
}

#[test]
fn connections_that_wait_hold_little_more_than_what_they_have_received() {
    const COUNT: usize = 50;
    const TEXT: &[u8] = b"a line\nhalf a line";
    let event_loop = new_event_loop().unwrap();
    let mut all = run_on(&event_loop, async {
        let mut all = Vec::new();
        for _ in 0..COUNT {
            all.push(pair().await);
        }
        all
    });
    let mut held = AllocationInfo::default();
    for (reader, _, peer) in &mut all {
        peer.write_all(TEXT).unwrap();
        held += measure(|| {
            let line = poll_once(pin!(reader.readline()), Waker::noop());
            assert!(matches!(line, Poll::Ready(Ok(_))));
            assert!(poll_once(pin!(reader.readline()), Waker::noop()).is_pending());
        });
    }
    let bytes = held.bytes_current / i64::try_from(COUNT).unwrap();
    assert!(bytes < 256, "each holds {bytes} bytes");
    drop(all);
    event_loop.close().unwrap();
}
