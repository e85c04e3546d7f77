//! Streams, servers and handles that outlive their loop.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use ouroloop::{
    LoopTasks, NetError, Runner, Server, StreamReader, StreamWriter, create_task, new_event_loop,
    open_connection, start_server,
};

use crate::support::{chain, ms, warnings};

fn poll<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

type Kept = (Server, StreamReader, StreamWriter);

async fn connect() -> Result<Kept, NetError> {
    let server = start_server(async |_, _| (), "127.0.0.1", 0).await?;
    let port = server.local_addrs()[0].port();
    let (reader, writer) = open_connection("127.0.0.1", port).await?;
    Ok((server, reader, writer))
}

#[test]
fn streams_and_servers_that_outlive_their_loop_say_so() {
    let event_loop = new_event_loop().unwrap();
    let kept = event_loop.run_until_complete(connect()).unwrap();
    let (server, mut reader, writer) = kept.unwrap();
    event_loop.close().unwrap();
    let closed = "the event loop of this stream was closed: use it before the run ends";
    assert_eq!(chain(&writer.write(b"too late").unwrap_err()), closed);
    let read = poll(reader.readline()).expect("nothing is waited for");
    assert_eq!(chain(&read.unwrap_err()), closed);
    let drained = poll(writer.drain()).expect("nothing is waited for");
    assert_eq!(chain(&drained.unwrap_err()), closed);
    server.close();
    writer.close();
    let mut served = Box::pin(async { server.serve_forever().await.map(drop) });
    let served = Pin::new(&mut served).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(served, Poll::Ready(Err(_))), "{served:?}");
}

#[test]
fn handles_that_outlive_their_loop_are_harmless() {
    let event_loop = new_event_loop().unwrap();
    let soon = event_loop.call_soon(|| {}).unwrap();
    let later = event_loop.call_later(ms(1), || {}).unwrap();
    let weak = event_loop.downgrade();
    event_loop.close().unwrap();
    soon.cancel();
    later.cancel();
    assert!(soon.cancelled() && later.cancelled());
    weak.stop();
    assert!(weak.is_closed());
    assert_eq!(
        chain(&weak.run_forever().unwrap_err()),
        "event loop is closed: make a new one, with new_event_loop() or a new Runner"
    );
}

#[test]
fn a_task_whose_loop_is_gone_gives_an_error() {
    let mut runner = Runner::new();
    let task = runner
        .run(async { create_task(std::future::pending::<()>()) })
        .unwrap();
    runner.close().unwrap();
    assert_eq!(
        chain(&task.result().unwrap_err()),
        "cancelled by the loop's shutdown"
    );
    assert!(!task.cancel());
}

#[test]
fn debug_mode_warns_of_a_stream_that_nobody_closed() {
    let lines = warnings(|| {
        let mut runner = Runner::new().debug(true);
        runner
            .run(async {
                let (server, _reader, writer) = connect().await.unwrap();
                drop(writer);
                server.close();
            })
            .unwrap();
        runner.close().unwrap();
    });
    let unclosed = lines
        .iter()
        .find(|line| line.starts_with("unclosed StreamWriter of "));
    assert!(
        unclosed.is_some_and(|line| line.ends_with(": call close()")),
        "{lines:?}"
    );
}

#[test]
fn an_address_that_is_taken_is_named() {
    let refused = ouroloop::run(async {
        let (server, _reader, _writer) = connect().await.unwrap();
        let port = server.local_addrs()[0].port();
        let taken = start_server(async |_, _| (), "127.0.0.1", port).await;
        taken.unwrap_err().to_string()
    })
    .unwrap();
    assert!(refused.contains("in use"), "{refused}");
    assert!(
        refused.starts_with("cannot listen on 127.0.0.1:"),
        "{refused}"
    );
}
