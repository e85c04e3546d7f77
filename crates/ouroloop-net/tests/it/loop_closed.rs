//! What is left after the loop: `LoopClosed`, and no descriptors.

use std::cell::RefCell;
use std::future::Future;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_combinators::timeout;
use ouroloop_core::new_event_loop;
use ouroloop_net::{NetError, Server, StreamReader, StreamWriter, open_connection, start_server};
use ouroloop_task::{LoopTasks, create_task};

use crate::support::{alone, descriptors, fill, pair, run, run_on, turns};

/// Ends of a connection, and a server, of a loop that is closed.
fn leftovers() -> (StreamReader, StreamWriter, Server) {
    let event_loop = new_event_loop().unwrap();
    let leftovers = run_on(&event_loop, async {
        let server = start_server(async |_, _| {}, "127.0.0.1", 0).await.unwrap();
        let (reader, writer, _peer) = pair().await;
        (reader, writer, server)
    });
    event_loop.close().unwrap();
    leftovers
}

/// On another loop, as this one runs no more.
#[track_caller]
fn assert_loop_closed<T>(operation: impl Future<Output = Result<T, NetError>>) {
    let event_loop = new_event_loop().unwrap();
    let mut result = None;
    futures_util::pin_mut!(operation);
    let waker = std::task::Waker::noop();
    if let std::task::Poll::Ready(ready) =
        operation.poll(&mut std::task::Context::from_waker(waker))
    {
        result = Some(ready);
    }
    event_loop.close().unwrap();
    assert!(
        matches!(result, Some(Err(NetError::LoopClosed))),
        "not LoopClosed, and not at once"
    );
}

#[test]
fn each_operation_on_what_is_left_says_so() {
    let (mut reader, writer, server) = leftovers();
    assert_loop_closed(reader.read(1));
    assert_loop_closed(reader.read_to_end());
    assert_loop_closed(reader.readexactly(1));
    assert_loop_closed(reader.readline());
    assert_loop_closed(reader.readuntil(b";"));
    assert!(!reader.at_eof(), "it has not come to its end");
    assert!(matches!(writer.write(b"a"), Err(NetError::LoopClosed)));
    assert!(matches!(writer.write_eof(), Err(NetError::LoopClosed)));
    assert_loop_closed(writer.drain());
    assert_loop_closed(writer.wait_closed());
    writer.close();
    assert!(writer.is_closing());
    assert_loop_closed(server.start_serving());
    assert_loop_closed(server.serve_forever());
    assert_loop_closed(server.wait_closed());
    assert!(!server.is_serving());
    assert!(server.local_addrs().is_empty());
    server.close();
}

#[test]
fn a_wait_on_another_loop_ends_with_the_loop_of_the_stream() {
    let first = new_event_loop().unwrap();
    let (mut reader, _writer, _peer) = run_on(&first, pair());
    let shared = Rc::new(RefCell::new(Some(first)));
    let closer = shared.clone();
    let result = run(async move {
        let task = create_task(async move { reader.read(1).await });
        turns().await;
        closer.take().unwrap().close().unwrap();
        task.await.unwrap()
    });
    assert!(matches!(result, Err(NetError::LoopClosed)));
}

#[test]
fn nothing_starts_without_a_loop() {
    let operation = open_connection("127.0.0.1", 1);
    futures_util::pin_mut!(operation);
    let waker = std::task::Waker::noop();
    match operation.poll(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(Err(NetError::Io(error))) => {
            assert!(error.to_string().starts_with("no running event loop"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn descriptors_close_with_their_streams() {
    alone(
        "loop_closed::descriptors_close_with_their_streams",
        None,
        || {
            run(async {
                // With the first one the loop takes its own.
                drop(pair().await);
                let before = descriptors();
                for _ in 0..10 {
                    let (reader, writer, peer) = pair().await;
                    writer.close();
                    drop(peer);
                    assert_eq!(descriptors(), before, "closed, and both ends are kept");
                    drop((reader, writer));
                    drop(pair().await);
                    assert_eq!(descriptors(), before, "dropped, without a turn of the loop");
                    let (mut reader, writer, peer) = pair().await;
                    crate::support::reset(peer);
                    assert!(reader.read(1).await.is_err());
                    assert_eq!(descriptors(), before, "lost, and both ends are kept");
                    drop((reader, writer));
                }
            });
        },
    );
}

#[test]
fn descriptors_close_with_their_loop() {
    alone(
        "loop_closed::descriptors_close_with_their_loop",
        None,
        || {
            let before = descriptors();
            let kept = leftovers();
            assert_eq!(
                descriptors(),
                before,
                "streams and servers are kept by the user"
            );
            drop(kept);

            let event_loop = new_event_loop().unwrap();
            let peer = run_on(&event_loop, async {
                let (mut reader, writer, peer) = pair().await;
                fill(&writer).await;
                create_task(async move {
                    let _writer = writer;
                    reader.read(1).await
                });
                let (reader, writer, other) = pair().await;
                fill(&writer).await;
                // Being flushed, and kept by nobody.
                drop((reader, writer));
                turns().await;
                (peer, other)
            });
            assert!(descriptors() > before);
            drop(peer);
            event_loop.close().unwrap();
            assert_eq!(
                descriptors(),
                before,
                "tasks and flushes under way are over"
            );
        },
    );
}

#[test]
fn descriptors_close_with_cancelled_attempts() {
    alone(
        "loop_closed::descriptors_close_with_cancelled_attempts",
        None,
        || {
            run(async {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port();
                // With the first one the loop takes its own.
                drop(pair().await);
                let before = descriptors();
                for _ in 0..200 {
                    let task = create_task(open_connection("127.0.0.1", port));
                    ouroloop_task::bare_yield().await;
                    task.cancel();
                    assert!(task.await.is_err() || descriptors() == before);
                    listener.set_nonblocking(true).unwrap();
                    while listener.accept().is_ok() {}
                }
                assert_eq!(descriptors(), before);
                let late = timeout(Duration::ZERO, open_connection("127.0.0.1", port)).await;
                drop(late);
                assert_eq!(descriptors(), before);
            });
        },
    );
}

#[test]
fn a_loop_can_be_used_up_to_its_end() {
    let event_loop = new_event_loop().unwrap();
    let (mut reader, writer, peer) = run_on(&event_loop, pair());
    writer.write(b"between two runs").unwrap();
    drop(peer);
    let rest = event_loop.run_until_complete(async move { reader.read(1).await });
    assert!(rest.is_ok());
    event_loop.close().unwrap();
}
