//! Rules of streams, kept by those in memory and by those of the network; and broken by others.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use ouroloop::testkit::{
    MemoryReader, MemoryStreams, MemoryWriter, check_buffered_reader, check_two_way_stream,
    memory_stream_pair,
};
use ouroloop::{StreamReader, StreamWriter, create_task, open_connection, start_server, timeout};

/// Nothing here takes as long, unless it hangs.
const HANGS: Duration = Duration::from_secs(60);

#[ouroloop::test(start_paused)]
async fn memory_streams_keep_the_rules() {
    for options in [
        MemoryStreams::new(),
        MemoryStreams::new().capacity(7),
        MemoryStreams::new()
            .capacity(1_000)
            .latency(Duration::from_millis(3)),
    ] {
        check_two_way_stream(async || {
            let (left, right) = options.pair();
            (left.into_split(), right.into_split())
        })
        .await;
        check_buffered_reader(async || options.pair()).await;
    }
}

#[ouroloop::test(start_paused)]
async fn short_reads_and_writes_are_within_the_rules() {
    check_two_way_stream(async || {
        let (left, right) = memory_stream_pair();
        for end in [&left, &right] {
            end.faults().read_at_most(7);
            end.faults().write_at_most(3);
        }
        (left.into_split(), right.into_split())
    })
    .await;
}

#[ouroloop::test]
async fn streams_of_the_network_keep_the_rules() {
    timeout(HANGS, check_two_way_stream(connect))
        .await
        .expect("no rule is broken by waiting");
    let reader_and_writer = async || {
        let ((reader, other_writer), (other_reader, writer)) = connect().await;
        // Their other halves live on, as those of a connection in use do.
        create_task(async move {
            let _keep = (other_writer, other_reader);
            std::future::pending::<()>().await;
        });
        (reader, writer)
    };
    timeout(HANGS, check_buffered_reader(reader_and_writer))
        .await
        .unwrap();
}

type Ends = ((StreamReader, StreamWriter), (StreamReader, StreamWriter));

async fn connect() -> Ends {
    let accepted = Rc::new(RefCell::new(None));
    let slot = accepted.clone();
    let server = start_server(
        move |reader, writer| {
            slot.replace(Some((reader, writer)));
            std::future::ready(())
        },
        "127.0.0.1",
        0,
    )
    .await
    .unwrap();
    let port = server.local_addrs()[0].port();
    let ours = open_connection("127.0.0.1", port).await.unwrap();
    loop {
        if let Some(theirs) = accepted.take() {
            return (ours, theirs);
        }
        ouroloop::sleep(Duration::from_millis(1)).await;
    }
}

/// A stream that breaks one rule.
struct Broken<T> {
    stream: T,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    LosesEachTenth,
    TakesWhatItDoesNotReport,
    NeverHoldsUp,
    ClosesBoth,
    TakesAfterTheClose,
}

impl AsyncRead for Broken<MemoryReader> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, target);
        match (self.how, read) {
            (How::LosesEachTenth, Poll::Ready(Ok(count @ 10..))) => Poll::Ready(Ok(count - 1)),
            (_, read) => read,
        }
    }
}

impl AsyncWrite for Broken<MemoryWriter> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let how = self.how;
        let mut write = |data: &[u8]| Pin::new(&mut self.stream).poll_write(cx, data);
        match how {
            How::TakesWhatItDoesNotReport if data.len() > 1 => match write(&data[1..]) {
                Poll::Ready(Ok(_)) => write(&data[..1]),
                other => other,
            },
            How::NeverHoldsUp => match write(data) {
                Poll::Pending => Poll::Ready(Ok(data.len())),
                other => other,
            },
            How::TakesAfterTheClose => match write(data) {
                Poll::Ready(Err(_)) => Poll::Ready(Ok(data.len())),
                other => other,
            },
            _ => write(data),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let How::ClosesBoth = self.how {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// What the check says of a stream.
async fn verdict(how: How) -> String {
    let task = create_task(check_two_way_stream(async move || {
        let (left, right) = MemoryStreams::new().pair();
        let broken = |(reader, writer)| {
            let reader = Broken {
                stream: reader,
                how,
            };
            (
                reader,
                Broken {
                    stream: writer,
                    how,
                },
            )
        };
        (broken(left.into_split()), broken(right.into_split()))
    }));
    task.await.unwrap_err().to_string()
}

#[ouroloop::test(start_paused)]
async fn whoever_breaks_a_rule_is_told_which() {
    for (how, rule) in [
        (
            How::LosesEachTenth,
            "bytes come out once, whole and in their order",
        ),
        (
            How::TakesWhatItDoesNotReport,
            "bytes come out once, whole and in their order",
        ),
        (How::NeverHoldsUp, "held up some time"),
        (How::ClosesBoth, "a close succeeds"),
        (How::TakesAfterTheClose, "a write after the close fails"),
    ] {
        let said = verdict(how).await;
        assert!(said.contains(rule), "{said}");
    }
}
