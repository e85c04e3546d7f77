//! Memory streams and what goes wrong with them.

use std::io::ErrorKind;
use std::time::Duration;

use futures_util::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use ouroloop::testkit::{MemoryStreams, memory_stream_pair, virtual_clock, wait_all_tasks_blocked};
use ouroloop::{create_task, get_running_loop, timeout};

const MS: Duration = Duration::from_millis(1);

#[ouroloop::test(start_paused)]
async fn bytes_arrive_after_the_latency_each_in_its_own_time() {
    let (mut left, mut right) = MemoryStreams::new().latency(40 * MS).pair();
    left.write_all(b"one").await.unwrap();
    virtual_clock().advance(10 * MS);
    left.write_all(b"two").await.unwrap();
    left.close().await.unwrap();
    let mut bytes = [0; 8];
    assert_eq!(right.read(&mut bytes).await.unwrap(), 3);
    assert_eq!(virtual_clock().now(), 40 * MS);
    assert_eq!(right.read(&mut bytes).await.unwrap(), 3);
    assert_eq!(&bytes[..3], b"two");
    assert_eq!(right.read(&mut bytes).await.unwrap(), 0);
    assert_eq!(virtual_clock().now(), 50 * MS);
}

#[ouroloop::test(start_paused)]
async fn nothing_overtakes_when_the_latency_goes_down() {
    let (mut left, mut right) = MemoryStreams::new().latency(40 * MS).pair();
    left.write_all(b"slow").await.unwrap();
    left.faults().set_latency(Duration::ZERO);
    left.write_all(b"fast").await.unwrap();
    let mut bytes = [0; 8];
    right.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"slowfast");
    assert_eq!(virtual_clock().now(), 40 * MS);
}

#[ouroloop::test(start_paused)]
async fn a_round_trip_takes_both_latencies() {
    let (mut client, mut server) = MemoryStreams::new().latency(30 * MS).pair();
    create_task(async move {
        let mut request = [0; 4];
        server.read_exact(&mut request).await.unwrap();
        server.write_all(&request).await.unwrap();
    });
    client.write_all(b"ping").await.unwrap();
    client.read_exact(&mut [0; 4]).await.unwrap();
    assert_eq!(virtual_clock().now(), 60 * MS);
}

#[ouroloop::test(start_paused)]
async fn what_is_under_way_takes_room() {
    for latency in [Duration::ZERO, 5 * MS] {
        let (mut left, mut right) = MemoryStreams::new().capacity(4).latency(latency).pair();
        assert_eq!(left.write(b"abcdef").await.unwrap(), 4);
        let writer = create_task(async move {
            left.write_all(b"ef").await.unwrap();
            left
        });
        wait_all_tasks_blocked().await;
        assert!(!writer.done());
        let mut bytes = [0; 4];
        right.read_exact(&mut bytes).await.unwrap();
        let _left = writer.await.unwrap();
        right.read_exact(&mut bytes[..2]).await.unwrap();
        assert_eq!(&bytes, b"efcd");
    }
}

#[ouroloop::test(start_paused)]
async fn a_stream_that_is_dropped_leaves_no_timer() {
    let (mut left, right) = MemoryStreams::new().latency(40 * MS).pair();
    left.write_all(b"lost").await.unwrap();
    assert_eq!(get_running_loop().unwrap().statistics().timers, 1);
    drop(right);
    let error = left.write(b"more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    let timers = || get_running_loop().unwrap().statistics().timers;
    assert_eq!(timers(), 1, "the end is under way to the one who is left");
    drop(left);
    assert_eq!(timers(), 0);
}

#[test]
fn streams_outlive_their_loop() {
    let (left, right) = ouroloop::run(async {
        let (mut left, right) = MemoryStreams::new().latency(40 * MS).pair();
        left.write_all(b"never arrives").await.unwrap();
        (left, right)
    })
    .unwrap();
    drop(left);
    drop(right);
}

#[ouroloop::test]
async fn a_reset_ends_everything_at_once_for_both() {
    let (mut left, mut right) = memory_stream_pair();
    let faults = left.faults();
    right.write_all(b"lost").await.unwrap();
    let reader = create_task(async move { (right.read(&mut [0; 8]).await, right) });
    wait_all_tasks_blocked().await;
    faults.reset();
    let (read, mut right) = reader.await.unwrap();
    let kinds = [
        read.unwrap_err().kind(),
        right.write(b"x").await.unwrap_err().kind(),
        right.flush().await.unwrap_err().kind(),
        right.close().await.unwrap_err().kind(),
        left.read(&mut [0; 8]).await.unwrap_err().kind(),
        left.fill_buf().await.unwrap_err().kind(),
        left.write(b"x").await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::ConnectionReset; 7]);
}

#[ouroloop::test]
async fn a_reset_can_wait_for_a_number_of_bytes() {
    let (mut left, mut right) = memory_stream_pair();
    left.faults().reset_after(5);
    assert_eq!(left.write(b"abcdefgh").await.unwrap(), 5);
    right.read_exact(&mut [0; 5]).await.unwrap();
    let error = left.write(b"fgh").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let error = right.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[ouroloop::test(start_paused)]
async fn a_reset_that_is_due_needs_no_room() {
    let (mut left, _right) = MemoryStreams::new().capacity(4).pair();
    left.faults().reset_after(4);
    let error = left.write_all(b"12345").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[ouroloop::test(start_paused)]
async fn what_was_lent_is_read_by_the_rules_of_now() {
    let (mut left, mut right) = memory_stream_pair();
    let faults = right.faults();
    left.write_all(b"12345678").await.unwrap();
    assert_eq!(right.fill_buf().await.unwrap().len(), 8);
    let mut bytes = [0; 8];
    faults.read_at_most(2);
    assert_eq!(right.read(&mut bytes).await.unwrap(), 2);
    assert_eq!(right.fill_buf().await.unwrap(), b"34");
    faults.stall_reads();
    assert!(timeout(MS, right.read(&mut bytes)).await.is_err());
    assert!(timeout(MS, right.fill_buf()).await.is_err());
    faults.resume();
    right.consume_unpin(1);
    faults.read_at_most(usize::MAX);
    assert_eq!(right.fill_buf().await.unwrap(), b"45678");
    assert_eq!(right.read(&mut bytes[..3]).await.unwrap(), 3);
    assert_eq!(&bytes[..3], b"456");
    left.write_all(b"9").await.unwrap();
    assert_eq!(right.fill_buf().await.unwrap(), b"78");
    right.consume_unpin(2);
    assert_eq!(right.fill_buf().await.unwrap(), b"9");
    faults.reset();
    right.consume_unpin(1);
}

#[ouroloop::test(start_paused)]
async fn what_was_lent_takes_room_until_it_is_consumed() {
    let (mut left, mut right) = MemoryStreams::new().capacity(4).pair();
    assert_eq!(left.write(b"1234").await.unwrap(), 4);
    assert_eq!(right.fill_buf().await.unwrap(), b"1234");
    assert!(timeout(MS, left.write(b"5678")).await.is_err());
    let writer = create_task(async move { left.write(b"5678").await.unwrap() });
    wait_all_tasks_blocked().await;
    right.consume_unpin(3);
    assert_eq!(writer.await.unwrap(), 3);
    assert_eq!(right.fill_buf().await.unwrap(), b"4");
}

#[ouroloop::test]
async fn reads_and_writes_can_be_short() {
    let (mut left, mut right) = memory_stream_pair();
    left.faults().write_at_most(2);
    right.faults().read_at_most(0);
    left.write_all(b"abcd").await.unwrap();
    let mut bytes = [0; 8];
    assert_eq!(
        right.read(&mut bytes).await.unwrap(),
        1,
        "none would be the end"
    );
    assert_eq!(right.fill_buf().await.unwrap(), b"b");
    right.consume_unpin(1);
    right.faults().read_at_most(usize::MAX);
    assert_eq!(right.read(&mut bytes).await.unwrap(), 2);
}

#[ouroloop::test(start_paused)]
async fn stalled_reads_and_writes_go_on_when_they_are_resumed() {
    let (mut left, mut right) = memory_stream_pair();
    let (writes, reads) = (left.faults(), right.faults());
    reads.stall_reads();
    left.write_all(b"here").await.unwrap();
    let reader = create_task(async move {
        right.read_exact(&mut [0; 4]).await.unwrap();
        right
    });
    writes.stall_writes();
    let writer = create_task(async move {
        left.write_all(b"there").await.unwrap();
        left
    });
    wait_all_tasks_blocked().await;
    assert!(!reader.done() && !writer.done());
    reads.resume();
    let mut right = reader.await.unwrap();
    assert!(!writer.done());
    writes.resume();
    let _left = writer.await.unwrap();
    right.read_exact(&mut [0; 5]).await.unwrap();
}

#[ouroloop::test]
async fn halves_are_used_by_different_tasks() {
    let (left, mut right) = memory_stream_pair();
    let (mut reader, mut writer) = left.into_split();
    let reading = create_task(async move {
        let mut line = String::new();
        let mut reader = futures_util::io::BufReader::new(&mut reader);
        reader.read_line(&mut line).await.unwrap();
        line
    });
    writer.write_all(b"question\n").await.unwrap();
    let mut question = [0; 9];
    right.read_exact(&mut question).await.unwrap();
    right.write_all(b"answer\n").await.unwrap();
    assert_eq!(reading.await.unwrap(), "answer\n");
    assert_eq!(
        right.write(b"x").await.unwrap_err().kind(),
        ErrorKind::BrokenPipe,
        "the reader is gone"
    );
}

#[ouroloop::test]
#[should_panic(expected = "more bytes consumed than poll_fill_buf gave")]
async fn more_than_was_lent_cannot_be_consumed() {
    let (_left, mut right) = memory_stream_pair();
    right.consume_unpin(1);
}
