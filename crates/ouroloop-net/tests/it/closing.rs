//! `close`, `write_eof`, `abort`, dropping, and what the peer's end does (H9).

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use ouroloop_combinators::timeout;
use ouroloop_core::{EventLoop, get_running_loop};
use ouroloop_net::{StreamReader, StreamWriter};
use ouroloop_task::create_task;

use crate::support::{
    assert_receives, assert_rests, fill, pair, reset, run, run_on, turns, warnings_of,
};

/// Reads the peer's side to its end, in a thread, since it may be long.
async fn drained(peer: TcpStream) -> usize {
    let thread = std::thread::spawn(move || {
        let mut all = Vec::new();
        (&peer).read_to_end(&mut all).unwrap();
        all.len()
    });
    while !thread.is_finished() {
        turns().await;
    }
    thread.join().unwrap()
}

/// Whether the peer reads the end of the stream now.
fn peer_sees_end(peer: &TcpStream) -> bool {
    peer.set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    matches!((&mut &*peer).read(&mut [0; 1]), Ok(0))
}

#[test]
fn close_sends_what_is_queued_first() {
    run(async {
        let (mut reader, writer, peer) = pair().await;
        let written = fill(&writer).await;
        writer.close();
        assert!(writer.is_closing());
        writer.write(b"too late").unwrap();
        assert_eq!(drained(peer).await, written);
        writer.wait_closed().await.unwrap();
        assert_eq!(reader.read(1).await.unwrap(), b"");
        assert!(reader.at_eof());
    });
}

#[test]
fn close_with_nothing_queued_closes_at_once() {
    run(async {
        let (mut reader, writer, peer) = pair().await;
        writer.close();
        writer.close();
        assert!(peer_sees_end(&peer));
        writer.wait_closed().await.unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn close_releases_a_reader_that_waits() {
    run(async {
        let (mut reader, writer, peer) = pair().await;
        fill(&writer).await;
        let task = create_task(async move { reader.read(1).await });
        turns().await;
        writer.close();
        turns().await;
        assert!(!task.done(), "the end comes when all was sent");
        drained(peer).await;
        assert_eq!(task.await.unwrap().unwrap(), b"");
    });
}

#[test]
fn what_was_received_before_close_is_still_read() {
    run(async {
        let (mut reader, writer, mut peer) = pair().await;
        peer.write_all(b"abc").unwrap();
        assert_eq!(reader.read(1).await.unwrap(), b"a");
        writer.close();
        assert_eq!(reader.read(9).await.unwrap(), b"bc");
        assert_eq!(reader.read(9).await.unwrap(), b"");
    });
}

#[test]
fn close_over_unread_data_does_not_reset_the_connection() {
    run(async {
        let (_reader, writer, mut peer) = pair().await;
        peer.write_all(b"never read").unwrap();
        writer.write(b"bye").unwrap();
        writer.close();
        let mut received = Vec::new();
        peer.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"bye");
    });
}

#[test]
fn abort_drops_what_is_queued() {
    run(async {
        let (mut reader, writer, peer) = pair().await;
        let written = fill(&writer).await;
        writer.abort();
        assert_eq!(writer.write_buffer_size(), 0);
        writer.wait_closed().await.unwrap();
        assert_eq!(reader.read(1).await.unwrap(), b"");
        assert!(drained(peer).await < written);
    });
}

#[test]
fn wait_closed_waits_and_can_be_given_up() {
    run(async {
        let (_reader, writer, _peer) = pair().await;
        let waited = timeout(Duration::from_millis(5), writer.wait_closed()).await;
        assert!(waited.is_err(), "nobody has closed it");
        fill(&writer).await;
        writer.close();
        let waited = timeout(Duration::from_millis(5), writer.wait_closed()).await;
        assert!(waited.is_err(), "something is queued");
        writer.abort();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn dropping_both_ends_sends_what_was_written() {
    run(async {
        let (reader, writer, peer) = pair().await;
        let written = fill(&writer).await;
        drop(reader);
        drop(writer);
        assert_eq!(drained(peer).await, written);
        let event_loop = get_running_loop().unwrap();
        assert_eq!(event_loop.statistics().io_sources, 0);
    });
}

#[test]
fn dropping_the_writer_ends_the_write_side_only() {
    run(async {
        let (mut reader, writer, mut peer) = pair().await;
        writer.write(b"a").unwrap();
        drop(writer);
        assert_receives(&peer, b"a");
        assert!(peer_sees_end(&peer));
        peer.write_all(b"still there").unwrap();
        assert_eq!(reader.readexactly(11).await.unwrap(), b"still there");
        drop(reader);
        let event_loop = get_running_loop().unwrap();
        assert_eq!(event_loop.statistics().io_sources, 0);
    });
}

#[test]
fn dropping_the_reader_leaves_the_writer_alone() {
    run(async {
        let (reader, writer, peer) = pair().await;
        drop(reader);
        writer.write(b"a").unwrap();
        assert_receives(&peer, b"a");
        assert!(!writer.is_closing());
    });
}

#[test]
fn an_unclosed_writer_is_warned_of_in_debug_mode() {
    let warnings = |debug| {
        warnings_of(|| {
            let event_loop = EventLoop::builder().debug(debug).build().unwrap();
            run_on(&event_loop, async {
                drop(pair().await);
                let (_reader, writer, _peer) = pair().await;
                writer.close();
            });
            event_loop.close().unwrap();
        })
    };
    assert_eq!(warnings(false), [""; 0]);
    let warned = warnings(true);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].starts_with("unclosed StreamWriter of <connection with 127.0.0.1:"));
}

#[test]
fn h09_our_half_close_leaves_us_reading() {
    run(async {
        let (mut reader, writer, mut peer) = pair().await;
        let written = fill(&writer).await;
        writer.write_eof().unwrap();
        let thread = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            peer.write_all(&all.len().to_le_bytes()).unwrap();
        });
        let answer = reader.readexactly(8).await.unwrap();
        assert_eq!(answer, written.to_le_bytes());
        assert_eq!(reader.read(1).await.unwrap(), b"");
        assert_rests("after both half-closes").await;
        writer.close();
        writer.wait_closed().await.unwrap();
        thread.join().unwrap();
    });
}

#[test]
fn h09_their_half_close_leaves_us_writing() {
    run(async {
        let (mut reader, writer, mut peer) = pair().await;
        peer.write_all(b"question").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b"question");
        assert_rests("after their half-close").await;
        writer.write(b"answer").unwrap();
        writer.drain().await.unwrap();
        assert_receives(&peer, b"answer");
        fill(&writer).await;
        assert_rests("with a full queue").await;
    });
}

/// What the peer does.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Event {
    Data,
    DataThenEnd,
    End,
    EndAndGone,
    DataThenReset,
    Reset,
}

/// What we are about meanwhile.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Doing {
    Reading,
    Nothing,
    Writing,
    Closing,
}

const EVENTS: [Event; 6] = [
    Event::Data,
    Event::DataThenEnd,
    Event::End,
    Event::EndAndGone,
    Event::DataThenReset,
    Event::Reset,
];

const DOINGS: [Doing; 4] = [
    Doing::Reading,
    Doing::Nothing,
    Doing::Writing,
    Doing::Closing,
];

/// Gives the peer back if it is still there.
fn act(event: Event, mut peer: TcpStream) -> Option<TcpStream> {
    if matches!(
        event,
        Event::Data | Event::DataThenEnd | Event::DataThenReset
    ) {
        peer.write_all(b"data").unwrap();
    }
    match event {
        Event::Data => {}
        Event::DataThenEnd | Event::End => peer.shutdown(Shutdown::Write).unwrap(),
        Event::EndAndGone => return None,
        Event::DataThenReset | Event::Reset => {
            reset(peer);
            return None;
        }
    }
    Some(peer)
}

async fn check(event: Event, doing: Doing) {
    let what = format!("{event:?} while {doing:?}");
    let (reader, writer, peer) = pair().await;
    let reading = |mut reader: StreamReader| {
        create_task(async move {
            let mut all = Vec::new();
            loop {
                match reader.read(2).await {
                    Ok(some) if some.is_empty() => return (all, true),
                    Ok(some) => all.extend(some),
                    Err(_) => return (all, false),
                }
            }
        })
    };
    let mut task = None;
    let mut kept = None;
    match doing {
        Doing::Reading => task = Some(reading(reader)),
        Doing::Nothing => kept = Some(reader),
        Doing::Writing | Doing::Closing => {
            fill(&writer).await;
            kept = Some(reader);
        }
    }
    if doing == Doing::Closing {
        writer.close();
    }
    turns().await;
    let peer = act(event, peer);
    turns().await;
    assert_rests(&what).await;

    if doing == Doing::Closing {
        drop(peer);
        finish(&what, &writer).await;
        return;
    }
    if let Some(reader) = kept {
        task = Some(reading(reader));
    }
    turns().await;
    assert_rests(&what).await;
    let task = task.expect("somebody reads now");
    let has_ended = event != Event::Data;
    assert_eq!(task.done(), has_ended, "{what}");
    let was_reset = matches!(event, Event::DataThenReset | Event::Reset);
    if has_ended {
        let (data, cleanly) = task.await.unwrap();
        let has_data = matches!(event, Event::DataThenEnd)
            || (event == Event::DataThenReset && doing == Doing::Reading);
        if !was_reset || doing == Doing::Reading {
            let expected: &[u8] = if has_data { b"data" } else { b"" };
            // A reset overtakes what was sent before it, on its way or in the kernel.
            assert!(data == expected || (was_reset && data.is_empty()), "{what}");
        }
        if doing != Doing::Writing {
            assert_eq!(cleanly, !was_reset, "{what}");
        }
    }
    drop(peer);
    writer.close();
    finish(&what, &writer).await;
}

/// The connection comes to its end by itself.
async fn finish(what: &str, writer: &StreamWriter) {
    let closed = timeout(Duration::from_secs(5), writer.wait_closed()).await;
    // With an error or without: what counts is that it does.
    assert!(closed.is_ok(), "{what}: it does not close");
    assert_rests(what).await;
}

#[test]
fn h09_each_end_of_a_connection_is_seen_for_what_it_is() {
    run(async {
        for event in EVENTS {
            for doing in DOINGS {
                check(event, doing).await;
            }
        }
    });
}

#[test]
fn h09_a_reader_may_close_its_own_connection() {
    run(async {
        let (mut reader, writer, mut peer) = pair().await;
        peer.write_all(b"data").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let task = create_task(async move {
            let data = reader.read(2).await.unwrap();
            writer.close();
            drop(writer);
            (data, reader.read_to_end().await.unwrap())
        });
        assert_eq!(task.await.unwrap(), (b"da".to_vec(), b"ta".to_vec()));
        assert_rests("after closing").await;
    });
}
