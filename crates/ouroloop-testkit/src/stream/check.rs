//! What every stream owes its users, as a test: the idea of trio's `check_two_way_stream`.
//!
//! Each rule is an `async fn` that takes a fresh connection and panics with the rule's name when it is
//! broken. They need nothing but futures-io's traits, so they check any stream, on any loop.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

/// Checks that a connection keeps the rules of a stream: bytes come out once, whole and in their
/// order; ends are seen, and each direction ends alone; a reader that is slow holds the writer up, and
/// nothing waits for what has happened; and what was dropped half-way did nothing.
///
/// `connect` makes a connection and gives its two ends, each as a reader and a writer. It is called
/// once for each rule, and each rule is checked in both directions. Run this with a deadline: some rules
/// are broken by waiting for ever (on virtual time the loop reports a deadlock then).
///
/// # Panics
///
/// If a rule is broken; the text says which.
///
/// # Examples
///
/// ```
/// use ouroloop::testkit::{check_two_way_stream, memory_stream_pair};
/// use ouroloop::{Clock, Runner};
///
/// let mut runner = Runner::new().clock(Clock::virtual_time());
/// runner.run(check_two_way_stream(async || {
///     let (left, right) = memory_stream_pair();
///     (left.into_split(), right.into_split())
/// }))?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub async fn check_two_way_stream<R, W>(connect: impl AsyncFn() -> ((R, W), (R, W)))
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    for turned in [false, true] {
        let ends = async || {
            let (left, right) = connect().await;
            match turned {
                false => (left, right),
                true => (right, left),
            }
        };
        bytes_come_in_order(ends().await).await;
        the_end_is_seen_again_and_again(ends().await).await;
        directions_end_alone(ends().await).await;
        a_slow_reader_holds_the_writer_up(ends().await).await;
        both_directions_go_at_once(ends().await).await;
        nothing_is_read_into_nothing(ends().await).await;
        a_closed_writer_refuses(ends().await).await;
        a_dropped_read_takes_nothing(ends().await).await;
        a_dropped_write_sends_nothing(ends().await).await;
        a_dropped_end_is_noticed(ends().await).await;
    }
}

/// Checks the buffered reads of a stream: `poll_fill_buf` and `consume` give the same bytes as reads,
/// and mix with them.
///
/// # Panics
///
/// If a rule is broken; the text says which.
///
/// # Examples
///
/// ```
/// use ouroloop::testkit::{check_buffered_reader, memory_stream_pair};
///
/// ouroloop::run(check_buffered_reader(async || {
///     let (left, right) = memory_stream_pair();
///     (left, right)
/// }))?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub async fn check_buffered_reader<R, W>(connect: impl AsyncFn() -> (R, W))
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut reader, mut writer) = connect().await;
    let mixed = async {
        let mut seen = Vec::new();
        loop {
            let lent = fill_buf(&mut reader).await;
            let again = fill_buf(&mut reader).await;
            assert!(
                again.starts_with(&lent),
                "what was lent and not consumed is lent again: {lent:?}, then {again:?}"
            );
            if again.is_empty() {
                return seen;
            }
            seen.push(again[0]);
            Pin::new(&mut reader).consume(1);
            let mut one = [0];
            let count = read(&mut reader, &mut one).await;
            seen.extend(&one[..count]);
        }
    };
    let seen = both(send(&mut writer, b"abcdefghij"), mixed).await.1;
    assert_eq!(
        seen, b"abcdefghij",
        "buffered and plain reads share their bytes"
    );
}

type Ends<R, W> = ((R, W), (R, W));

async fn bytes_come_in_order<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    ((_left_reader, mut writer), (mut reader, _right_writer)): Ends<R, W>,
) {
    let sent = pattern(10_000, 1);
    let sending = async {
        let mut rest = &sent[..];
        for size in (1..).map(|it| it * 7 % 501 + 1) {
            let (now, later) = rest.split_at(size.min(rest.len()));
            write_all(&mut writer, now).await;
            flush(&mut writer).await;
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        close(&mut writer).await;
    };
    let received = both(sending, read_to_end(&mut reader, 333)).await.1;
    assert!(
        received == sent,
        "bytes come out once, whole and in their order"
    );
}

async fn the_end_is_seen_again_and_again<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    ((_left_reader, mut writer), (mut reader, _right_writer)): Ends<R, W>,
) {
    let received = both(send(&mut writer, b"last"), read_to_end(&mut reader, 3))
        .await
        .1;
    assert_eq!(received, b"last", "the end comes behind the bytes");
    for _ in 0..3 {
        let count = read(&mut reader, &mut [0; 8]).await;
        assert_eq!(count, 0, "who reads at the end reads the end again");
    }
}

async fn directions_end_alone<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    ((mut left_reader, mut left), (mut right_reader, mut right)): Ends<R, W>,
) {
    let asking = both(
        send(&mut left, b"question"),
        read_to_end(&mut right_reader, 64),
    );
    assert_eq!(asking.await.1, b"question");
    let answering = both(
        send(&mut right, b"answer"),
        read_to_end(&mut left_reader, 64),
    );
    assert_eq!(
        answering.await.1,
        b"answer",
        "the other direction goes on when one has ended"
    );
}

async fn a_slow_reader_holds_the_writer_up<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    ((_left_reader, mut writer), (mut reader, _right_writer)): Ends<R, W>,
) {
    let mut sent = fill(&mut writer).await;
    let more = pattern(4_096, 3);
    sent.extend(&more);
    let received = both(send(&mut writer, &more), read_to_end(&mut reader, 50_000))
        .await
        .1;
    assert!(
        received == sent,
        "a writer that was held up goes on when there is room"
    );
}

async fn both_directions_go_at_once<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    ((mut left_reader, mut left), (mut right_reader, mut right)): Ends<R, W>,
) {
    let (there, back) = (pattern(300_000, 4), pattern(300_000, 5));
    let sending = both(send(&mut left, &there), send(&mut right, &back));
    let receiving = both(
        read_to_end(&mut right_reader, 4_096),
        read_to_end(&mut left_reader, 4_096),
    );
    let (received_there, received_back) = both(sending, receiving).await.1;
    assert!(
        received_there == there && received_back == back,
        "directions do not mix, and neither waits for the other"
    );
}

async fn nothing_is_read_into_nothing<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    ((_left_reader, mut writer), (mut reader, _right_writer)): Ends<R, W>,
) {
    let count = read(&mut reader, &mut []).await;
    assert_eq!(count, 0, "a read of no bytes does not wait");
    let count = poll_fn(|cx| Pin::new(&mut writer).poll_write(cx, &[])).await;
    assert_eq!(count.unwrap(), 0, "a write of no bytes does nothing");
    write_all(&mut writer, b"x").await;
    flush(&mut writer).await;
    let mut one = [0];
    read_exact(&mut reader, &mut one).await;
    assert_eq!(&one, b"x", "a write of no bytes is not the end");
}

async fn a_closed_writer_refuses<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    ((_left_reader, mut writer), (mut reader, _right_writer)): Ends<R, W>,
) {
    let sending = async {
        send(&mut writer, b"x").await;
        poll_fn(|cx| Pin::new(&mut writer).poll_write(cx, b"y")).await
    };
    let (refused, received) = both(sending, read_to_end(&mut reader, 8)).await;
    assert!(
        refused.is_err(),
        "a write after the close fails: {refused:?}"
    );
    assert_eq!(received, b"x", "what was refused is not sent");
}

async fn a_dropped_read_takes_nothing<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    ((_left_reader, mut writer), (mut reader, _right_writer)): Ends<R, W>,
) {
    for _ in 0..3 {
        let dropped = poll_once(read(&mut reader, &mut [0; 4]));
        assert!(dropped.is_none(), "a read waits while there is nothing");
    }
    let received = both(send(&mut writer, b"kept"), read_to_end(&mut reader, 64))
        .await
        .1;
    assert_eq!(
        received, b"kept",
        "a read that was dropped has taken nothing"
    );
}

async fn a_dropped_write_sends_nothing<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    ((_left_reader, mut writer), (mut reader, _right_writer)): Ends<R, W>,
) {
    // The last write of this was given up while it waited.
    let mut sent = fill(&mut writer).await;
    sent.extend(b"another");
    let received = both(
        send(&mut writer, b"another"),
        read_to_end(&mut reader, 50_000),
    )
    .await
    .1;
    assert!(
        received == sent,
        "a write that was dropped has sent nothing"
    );
}

async fn a_dropped_end_is_noticed<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    ((mut reader, mut writer), right): Ends<R, W>,
) {
    drop(right);
    assert_eq!(
        read(&mut reader, &mut [0; 8]).await,
        0,
        "who goes away ends what he sends"
    );
    // A kernel needs an answer from the other side before it knows.
    for _ in 0..100_000 {
        match poll_fn(|cx| Pin::new(&mut writer).poll_write(cx, b"hello?")).await {
            Ok(_) => yield_now().await,
            Err(error) => {
                let kinds = [
                    ErrorKind::BrokenPipe,
                    ErrorKind::ConnectionReset,
                    ErrorKind::ConnectionAborted,
                    ErrorKind::NotConnected,
                ];
                assert!(
                    kinds.contains(&error.kind()),
                    "an error of a connection: {error:?}"
                );
                return;
            }
        }
    }
    panic!("a write to somebody who went away fails sooner or later");
}

/// Writes until the writer would wait, and goes on to for a few turns; gives what was taken.
async fn fill<W: AsyncWrite + Unpin>(writer: &mut W) -> Vec<u8> {
    let chunk = pattern(65_537, 2);
    let mut taken = Vec::new();
    let mut idle = 0;
    while idle < 50 {
        let next = &chunk[taken.len() % 1_000..];
        match poll_once(poll_fn(|cx| Pin::new(&mut *writer).poll_write(cx, next))) {
            Some(count) => {
                let count = count.expect("a write to one who listens succeeds");
                taken.extend(&next[..count]);
                idle = 0;
            }
            None => idle += 1,
        }
        assert!(
            taken.len() < HELD_UP_BY,
            "a writer whose reader does not read is held up some time"
        );
        yield_now().await;
    }
    taken
}

fn pattern(count: usize, seed: u8) -> Vec<u8> {
    (0..count)
        .map(|it| (it % 251) as u8 ^ (it / 251) as u8 ^ seed)
        .collect()
}

async fn write_all<W: AsyncWrite + Unpin>(writer: &mut W, mut data: &[u8]) {
    while !data.is_empty() {
        let count = poll_fn(|cx| Pin::new(&mut *writer).poll_write(cx, data)).await;
        let count = count.expect("a write to one who listens succeeds");
        assert!(
            (1..=data.len()).contains(&count),
            "a write takes something, and no more than given"
        );
        data = &data[count..];
    }
}

/// All of it, and then the end.
async fn send<W: AsyncWrite + Unpin>(writer: &mut W, data: &[u8]) {
    write_all(writer, data).await;
    close(writer).await;
}

async fn flush<W: AsyncWrite + Unpin>(writer: &mut W) {
    let flushed = poll_fn(|cx| Pin::new(&mut *writer).poll_flush(cx)).await;
    flushed.expect("a flush to one who listens succeeds");
}

async fn close<W: AsyncWrite + Unpin>(writer: &mut W) {
    for _ in 0..2 {
        let closed = poll_fn(|cx| Pin::new(&mut *writer).poll_close(cx)).await;
        closed.expect("a close succeeds, and so does a second one");
    }
}

async fn read<R: AsyncRead + Unpin>(reader: &mut R, target: &mut [u8]) -> usize {
    let count = poll_fn(|cx| Pin::new(&mut *reader).poll_read(cx, target)).await;
    let count = count.expect("a read from one who is there succeeds");
    assert!(
        count <= target.len(),
        "a read gives no more than there is place for"
    );
    count
}

async fn read_exact<R: AsyncRead + Unpin>(reader: &mut R, target: &mut [u8]) {
    let mut done = 0;
    while done < target.len() {
        let count = read(reader, &mut target[done..]).await;
        assert!(count > 0, "the end came too early");
        done += count;
    }
}

async fn read_to_end<R: AsyncRead + Unpin>(reader: &mut R, size: usize) -> Vec<u8> {
    let (mut all, mut target) = (Vec::new(), vec![0; size]);
    loop {
        match read(reader, &mut target).await {
            0 => return all,
            count => all.extend(&target[..count]),
        }
    }
}

async fn fill_buf<R: AsyncBufRead + Unpin>(reader: &mut R) -> Vec<u8> {
    let filled: io::Result<Vec<u8>> = poll_fn(|cx| {
        let filled = Pin::new(&mut *reader).poll_fill_buf(cx);
        filled.map_ok(<[u8]>::to_vec)
    })
    .await;
    filled.expect("a read from one who is there succeeds")
}

/// Polls a future once and drops it.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Both futures, one beside the other.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_done, mut b_done) = (None, None);
    poll_fn(|cx| {
        if a_done.is_none() {
            if let Poll::Ready(output) = a.as_mut().poll(cx) {
                a_done = Some(output);
            }
        }
        if b_done.is_none() {
            if let Poll::Ready(output) = b.as_mut().poll(cx) {
                b_done = Some(output);
            }
        }
        match (a_done.take(), b_done.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (a_done, b_done) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Lets others have a turn, on any loop.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// More than the buffers of any kernel hold.
const HELD_UP_BY: usize = 64 << 20;
