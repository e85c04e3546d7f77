//! The read methods, by asyncio's rules.

use std::cell::Cell;
use std::io::Write;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt;
use ouroloop_combinators::{timeout, wait_for};
use ouroloop_net::{NetError, StreamReader};
use ouroloop_task::create_task;

use crate::support::{incomplete, overrun, pair, pair_with_limit, reset, run, turns};

#[test]
fn read_gives_what_there_is_up_to_its_limit() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        peer.write_all(b"abcdef").unwrap();
        assert_eq!(reader.read(4).await.unwrap(), b"abcd");
        assert_eq!(reader.read(4).await.unwrap(), b"ef");
        peer.write_all(b"g").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(reader.read(4).await.unwrap(), b"g");
        assert_eq!(reader.read(4).await.unwrap(), b"");
        assert!(reader.at_eof());
    });
}

#[test]
fn a_read_of_nothing_does_not_wait() {
    run(async {
        let (mut reader, _writer, _peer) = pair().await;
        assert_eq!(reader.read(0).await.unwrap(), b"");
        assert_eq!(reader.readexactly(0).await.unwrap(), b"");
        assert!(!reader.at_eof());
    });
}

#[test]
fn read_to_end_takes_more_than_the_limit() {
    run(async {
        let (mut reader, _writer, mut peer) = pair_with_limit(2).await;
        let sent: Vec<u8> = (0..1_000_000_u32).map(|it| it as u8).collect();
        let expected = sent.clone();
        let thread = std::thread::spawn(move || peer.write_all(&sent).unwrap());
        assert!(reader.read_to_end().await.unwrap() == expected);
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
        thread.join().unwrap();
    });
}

#[test]
fn readexactly_ignores_the_limit_and_takes_no_more() {
    run(async {
        let (mut reader, _writer, mut peer) = pair_with_limit(2).await;
        peer.write_all(b"abcdefgh").unwrap();
        assert_eq!(reader.readexactly(6).await.unwrap(), b"abcdef");
        assert_eq!(reader.read(9).await.unwrap(), b"gh");
    });
}

#[test]
fn readexactly_at_the_end_gives_what_has_come_and_clears_it() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        peer.write_all(b"abc").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let (partial, expected) = incomplete(reader.readexactly(5).await);
        assert_eq!((partial.as_slice(), expected), (&b"abc"[..], Some(5)));
        assert!(reader.at_eof());
        assert_eq!(incomplete(reader.readexactly(1).await), (vec![], Some(1)));
    });
}

#[test]
fn readline_gives_the_last_line_without_its_end() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        peer.write_all(b"one\n\ntwo").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"one\n");
        assert_eq!(reader.readline().await.unwrap(), b"\n");
        assert_eq!(reader.readline().await.unwrap(), b"two");
        assert_eq!(reader.readline().await.unwrap(), b"");
    });
}

#[test]
fn readline_accepts_the_limit_and_drops_a_line_beyond_it() {
    run(async {
        let (mut reader, _writer, mut peer) = pair_with_limit(3).await;
        peer.write_all(b"abc\nabcd\nef\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"abc\n");
        let error = reader.readline().await.unwrap_err();
        assert!(matches!(error, NetError::LineTooLong { limit: 3 }));
        assert_eq!(reader.readline().await.unwrap(), b"ef\n");
    });
}

#[test]
fn readline_drops_everything_if_the_end_of_the_line_has_not_come() {
    run(async {
        let (mut reader, _writer, mut peer) = pair_with_limit(3).await;
        peer.write_all(b"abcdef").unwrap();
        assert!(matches!(
            reader.readline().await,
            Err(NetError::LineTooLong { .. })
        ));
        peer.write_all(b"g\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"g\n");
    });
}

#[test]
fn readuntil_leaves_what_is_beyond_the_limit_in_the_buffer() {
    run(async {
        let (mut reader, _writer, mut peer) = pair_with_limit(3).await;
        peer.write_all(b"abcdEND").unwrap();
        assert_eq!(overrun(reader.readuntil(b"END").await), 4);
        assert_eq!(overrun(reader.readuntil(b"END").await), 4);
        assert_eq!(reader.readexactly(7).await.unwrap(), b"abcdEND");
        peer.write_all(b"abcdeX").unwrap();
        // Two bytes may be the beginning of the separator: five before them are known not to be.
        assert_eq!(overrun(reader.readuntil(b"END").await), 4);
        assert_eq!(reader.read(9).await.unwrap(), b"abcdeX");
    });
}

#[test]
fn readuntil_finds_a_separator_that_comes_in_pieces() {
    run(async {
        let (mut reader, _writer, mut peer) = pair_with_limit(4).await;
        let task = create_task(async move {
            let found = reader.readuntil(b"\r\n\r\n").await.unwrap();
            (found, reader)
        });
        for piece in [&b"ab\r"[..], b"\n", b"\r", b"\nc"] {
            peer.write_all(piece).unwrap();
            turns().await;
        }
        let (found, mut reader) = task.await.unwrap();
        assert_eq!(found, b"ab\r\n\r\n");
        assert_eq!(reader.read(9).await.unwrap(), b"c");
    });
}

#[test]
fn readuntil_at_the_end_gives_all_and_clears_it() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        peer.write_all(b"abcEN").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let (partial, expected) = incomplete(reader.readuntil(b"END").await);
        assert_eq!((partial.as_slice(), expected), (&b"abcEN"[..], None));
        assert_eq!(reader.read(1).await.unwrap(), b"");
    });
}

#[test]
fn readuntil_any_takes_the_shortest_piece() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        peer.write_all(b"one;two\r\nthree\n").unwrap();
        let separators: [&[u8]; 3] = [b"\r\n", b"\n", b";"];
        let mut pieces = Vec::new();
        for _ in 0..3 {
            pieces.push(reader.readuntil_any(&separators).await.unwrap());
        }
        assert_eq!(pieces, [&b"one;"[..], b"two\r\n", b"three\n"]);
    });
}

#[test]
fn an_empty_separator_is_an_error() {
    run(async {
        let (mut reader, _writer, _peer) = pair().await;
        let error = reader.readuntil(b"").await.unwrap_err();
        assert!(matches!(error, NetError::EmptySeparator));
        let error = reader.readuntil_any(&[]).await.unwrap_err();
        assert!(matches!(error, NetError::EmptySeparator));
    });
}

#[test]
fn lines_go_to_the_end() {
    run(async {
        let (mut reader, _writer, mut peer) = pair_with_limit(3).await;
        peer.write_all(b"a\ntoo long\nb\n\nc").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let lines: Vec<_> = reader
            .lines()
            .map(|line| match line {
                Ok(line) => String::from_utf8(line).unwrap(),
                Err(error) => error.to_string()[..20].to_owned(),
            })
            .collect()
            .await;
        assert_eq!(lines, ["a\n", "the line is longer t", "b\n", "\n", "c"]);
    });
}

#[test]
fn the_next_line_is_taken_without_the_adapters_of_streams_and_a_cancelled_wait_loses_none() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        peer.write_all(b"one\ntw").unwrap();
        let mut lines = reader.lines();
        let line = lines.next().await;
        assert_eq!(line.unwrap().unwrap(), b"one\n");
        let soon = Duration::from_millis(5);
        assert!(timeout(soon, lines.next()).await.is_err());
        peer.write_all(b"o").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let line = lines.next().await;
        assert_eq!(line.unwrap().unwrap(), b"two");
        assert!(lines.next().await.is_none());
    });
}

#[test]
fn lines_end_after_an_error() {
    run(async {
        let (mut reader, _writer, peer) = pair().await;
        reset(peer);
        let items: Vec<_> = reader.lines().collect().await;
        assert_eq!(items.len(), 1);
        assert!(items[0].is_err());
    });
}

#[test]
fn a_cancelled_read_loses_nothing() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        peer.write_all(b"abc").unwrap();
        let soon = Duration::from_millis(5);
        assert!(timeout(soon, reader.readexactly(5)).await.is_err());
        assert!(timeout(soon, reader.readline()).await.is_err());
        assert!(timeout(soon, reader.readuntil(b";")).await.is_err());
        assert!(timeout(soon, reader.read_to_end()).await.is_err());
        assert!(wait_for(reader.readexactly(4), soon).await.is_err());
        peer.write_all(b"de\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"abcde\n");
    });
}

#[test]
fn data_that_comes_with_a_cancellation_is_there_for_the_next_read() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        for round in 0..50_u8 {
            let kept = Rc::new(Cell::new(None));
            let keep = Keep(Some(reader), kept.clone());
            let task = create_task(async move {
                let mut keep = keep;
                keep.0.as_mut().unwrap().read(1).await
            });
            turns().await;
            // Ready and cancelled before the same turn of the loop.
            peer.write_all(&[round]).unwrap();
            task.cancel();
            assert!(task.await.is_err());
            reader = kept.take().unwrap();
            assert_eq!(reader.read(9).await.unwrap(), [round]);
        }
    });
}

/// Saves the reader of a task that is cancelled.
struct Keep(Option<StreamReader>, Rc<Cell<Option<StreamReader>>>);

impl Drop for Keep {
    fn drop(&mut self) {
        self.1.set(self.0.take());
    }
}

#[test]
fn a_connection_error_is_given_to_every_later_read() {
    run(async {
        let (mut reader, writer, peer) = pair().await;
        reset(peer);
        for _ in 0..2 {
            let error = std::io::Error::from(reader.read(1).await.unwrap_err());
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            let error = std::io::Error::from(writer.wait_closed().await.unwrap_err());
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        assert!(reader.read(0).await.is_err());
        assert!(reader.readline().await.is_err());
        assert!(reader.readexactly(0).await.is_err());
        assert!(writer.drain().await.is_err());
        assert!(writer.is_closing());
    });
}

#[test]
fn at_eof_notices_the_end_without_a_read() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        assert!(!reader.at_eof());
        peer.write_all(b"a").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        turns().await;
        assert!(!reader.at_eof(), "there is something to read");
        assert_eq!(reader.read(9).await.unwrap(), b"a");
        assert!(reader.at_eof());
    });
}
