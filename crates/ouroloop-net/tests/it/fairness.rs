//! A connection does not keep the loop for itself (H21).

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ouroloop_combinators::{sleep, timeout};
use ouroloop_core::get_running_loop;
use ouroloop_net::StreamWriter;
use ouroloop_task::create_task;

use crate::support::{pair, run};

/// Beats every millisecond until stopped, and gives how late the beats were.
fn heartbeat() -> (Rc<Cell<bool>>, ouroloop_task::Task<Vec<Duration>>) {
    let stop = Rc::new(Cell::new(false));
    let stopped = stop.clone();
    let task = create_task(async move {
        let event_loop = get_running_loop().unwrap();
        let mut late = Vec::new();
        while !stopped.get() {
            let due = event_loop.time() + Duration::from_millis(1);
            sleep(Duration::from_millis(1)).await;
            late.push(event_loop.time() - due);
        }
        late
    });
    (stop, task)
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
        let event_loop = get_running_loop().unwrap();
        let (stop, beats) = heartbeat();
        let before = event_loop.statistics().iterations;
        let mut reads = 0_u64;
        let reading = async {
            loop {
                // Small pieces: the socket is never empty.
                reader.readexactly(512).await.unwrap();
                reads += 1;
            }
        };
        assert!(timeout(Duration::from_millis(200), reading).await.is_err());
        let iterations = event_loop.statistics().iterations - before;
        stop.set(true);
        let late = beats.await.unwrap();
        assert!(reads > 100, "{reads} reads");
        // Sixteen calls of the kernel, of at most 64 KiB each.
        let per_iteration = reads * 512 / iterations;
        assert!(
            per_iteration <= 1024 * 1024,
            "{per_iteration} bytes in an iteration"
        );
        assert!(late.len() > 20, "{} beats", late.len());
        assert!(median(late) <= Duration::from_millis(10));
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
        let (stop, beats) = heartbeat();
        let writing = pour(&writer);
        assert!(timeout(Duration::from_millis(200), writing).await.is_err());
        stop.set(true);
        let late = beats.await.unwrap();
        assert!(late.len() > 20, "{} beats", late.len());
        assert!(median(late) <= Duration::from_millis(10));
        writer.abort();
        drop(reader);
        thread.join().unwrap();
    });
}

async fn pour(writer: &StreamWriter) {
    loop {
        writer.write(b"drop").unwrap();
        writer.drain().await.unwrap();
    }
}
