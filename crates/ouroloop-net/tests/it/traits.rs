//! The traits of futures-io.

use std::future::{Future, pending, poll_fn};
use std::io::Write;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::Poll;

use futures_util::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use ouroloop_task::create_task;

use crate::support::{assert_receives, fill, pair, read_available, reset, run, turns};

#[test]
fn reads_share_one_buffer_with_the_methods() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        peer.write_all(b"one\ntwo\nthree").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"one\n");
        let mut two = [0; 3];
        AsyncReadExt::read_exact(&mut reader, &mut two)
            .await
            .unwrap();
        assert_eq!(&two, b"two");
        assert_eq!(reader.fill_buf().await.unwrap(), b"\nthree");
        reader.consume_unpin(1);
        let mut large = [0; 8192];
        let count = AsyncReadExt::read(&mut reader, &mut large).await.unwrap();
        assert_eq!(&large[..count], b"three");
        let count = AsyncReadExt::read(&mut reader, &mut large).await.unwrap();
        assert_eq!(count, 0);
        assert!(reader.at_eof());
    });
}

#[test]
fn a_large_target_is_filled_without_the_buffer() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        let sent = vec![7; 50_000];
        peer.write_all(&sent).unwrap();
        let mut received = vec![0; 50_000];
        AsyncReadExt::read_exact(&mut reader, &mut received)
            .await
            .unwrap();
        assert!(received == sent);
        let count = AsyncReadExt::read(&mut reader, &mut []).await.unwrap();
        assert_eq!(count, 0, "an empty target does not wait");
    });
}

#[test]
fn writes_wait_above_the_water_mark_and_flush_for_all() {
    run(async {
        let (_reader, mut writer, peer) = pair().await;
        fill(&writer).await;
        writer.set_write_buffer_limits(0, 0).unwrap();
        let task = create_task(async move {
            AsyncWriteExt::write_all(&mut writer, b"the end")
                .await
                .unwrap();
            AsyncWriteExt::flush(&mut writer).await.unwrap();
            assert_eq!(writer.write_buffer_size(), 0);
            writer
        });
        turns().await;
        assert!(!task.done(), "the queue is above its mark");
        let mut received = Vec::new();
        while !task.done() {
            received.extend(read_available(&peer));
            turns().await;
        }
        let _writer = task.await.unwrap();
        received.extend(read_available(&peer));
        assert!(received.ends_with(b"..the end"));
    });
}

#[test]
fn poll_close_ends_the_write_side_only() {
    run(async {
        let (mut reader, mut writer, mut peer) = pair().await;
        AsyncWriteExt::write_all(&mut writer, b"question")
            .await
            .unwrap();
        AsyncWriteExt::close(&mut writer).await.unwrap();
        assert_receives(&peer, b"question");
        peer.write_all(b"answer").unwrap();
        assert_eq!(reader.readexactly(6).await.unwrap(), b"answer");
        let error = AsyncWriteExt::write(&mut writer, b"more")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn errors_keep_their_kind() {
    run(async {
        let (mut reader, mut writer, peer) = pair().await;
        reset(peer);
        let error = AsyncReadExt::read(&mut reader, &mut [0; 1])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let error = AsyncWriteExt::write(&mut writer, b"a").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let error = AsyncWriteExt::flush(&mut writer).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_closed_writer_takes_no_more() {
    run(async {
        let (_reader, mut writer, _peer) = pair().await;
        writer.close();
        let error = AsyncWriteExt::write(&mut writer, b"a").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_write_that_is_dropped_while_it_waits_swallows_no_request_to_cancel() {
    run(async {
        let (_reader, mut writer, _peer) = pair().await;
        fill(&writer).await;
        writer.set_write_buffer_limits(0, 0).unwrap();
        let task = create_task(async move {
            let mut write = AsyncWriteExt::write(&mut writer, b"too much");
            let waits = poll_fn(|cx| Poll::Ready(Pin::new(&mut write).poll(cx).is_pending())).await;
            assert!(waits, "the queue is above its mark");
            drop(write);
            pending::<()>().await;
            drop(writer);
        });
        turns().await;
        assert!(task.cancel());
        turns().await;
        assert!(task.cancelled());
    });
}
