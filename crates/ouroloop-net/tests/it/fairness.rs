//! A connection does not keep the loop for itself (H21).

use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ouroloop_combinators::sleep;
use ouroloop_core::get_running_loop;
use ouroloop_net::StreamWriter;
use ouroloop_task::create_task;

use crate::support::{pair, run};

/// So many beats have to come through.
const BEATS: usize = 50;

/// A loop that gives others no turn at all ends after this.
const LIMIT: Duration = Duration::from_secs(5);

/// Sleeps for a millisecond so many times while `busy` runs, which has no end of its own; gives how late the beats were.
async fn beats_beside(busy: impl Future<Output = ()> + 'static) -> Vec<Duration> {
    let busy = create_task(busy);
    let event_loop = get_running_loop().unwrap();
    let mut late = Vec::new();
    for _ in 0..BEATS {
        let due = event_loop.time() + Duration::from_millis(1);
        sleep(Duration::from_millis(1)).await;
        late.push(event_loop.time() - due);
    }
    assert!(busy.cancel(), "it goes on");
    assert!(busy.await.unwrap_err().is_cancelled());
    late
}

/// What half of them do not exceed: these tests share their cores with others, and with the peers.
fn median(mut late: Vec<Duration>) -> Duration {
    late.sort();
    late[late.len() / 2]
}

#[test]
fn h21_a_socket_that_is_always_readable_leaves_time_for_others() {
    run(async {
        let (mut reader, writer, mut peer) = pair().await;
        let over = Arc::new(AtomicBool::new(false));
        let flag = over.clone();
        let thread = std::thread::spawn(move || {
            let chunk = vec![0; 64 * 1024];
            while !flag.load(Ordering::Relaxed) && peer.write_all(&chunk).is_ok() {}
        });
        let late = beats_beside(async move {
            let begun = Instant::now();
            while begun.elapsed() < LIMIT {
                reader.readexactly(512).await.unwrap();
                // It takes longer to look at a piece than to send it, so the socket is never empty.
                let read = Instant::now();
                while read.elapsed() < Duration::from_micros(20) {}
            }
        })
        .await;
        assert!(median(late) <= Duration::from_millis(20));
        over.store(true, Ordering::Relaxed);
        writer.abort();
        thread.join().unwrap();
    });
}

#[test]
fn h21_a_peer_that_always_takes_more_leaves_time_for_others() {
    run(async {
        let (reader, writer, mut peer) = pair().await;
        let thread = std::thread::spawn(move || {
            let mut chunk = vec![0; 1024 * 1024];
            while peer.read(&mut chunk).unwrap_or(0) > 0 {}
        });
        let writer = Rc::new(writer);
        let late = beats_beside(pour(writer.clone())).await;
        assert!(median(late) <= Duration::from_millis(20));
        writer.abort();
        drop(reader);
        thread.join().unwrap();
    });
}

async fn pour(writer: Rc<StreamWriter>) {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        writer.write(b"drop").unwrap();
        writer.drain().await.unwrap();
    }
}
