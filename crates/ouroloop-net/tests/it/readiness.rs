//! Readiness that comes and goes (H2).

use std::io::{Read, Write};

use ouroloop_task::{bare_yield, create_task};

use crate::support::{assert_rests, fill, pair, read_available, run, turns};

#[test]
fn h02_what_comes_right_after_a_short_read_is_not_missed() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        for round in 0..1000_u32 {
            let [a, b, ..] = round.to_le_bytes();
            peer.write_all(&[a]).unwrap();
            if round % 3 == 0 {
                // The loop hears of it, or not, before it is read.
                bare_yield().await;
            }
            assert_eq!(reader.read(8).await.unwrap(), [a]);
            // The short read has cleared the readiness; this is newer than that.
            peer.write_all(&[b]).unwrap();
            assert_eq!(reader.read(8).await.unwrap(), [b]);
        }
    });
}

#[test]
fn h02_readiness_of_what_was_read_already_makes_nobody_spin() {
    run(async {
        let (mut reader, _writer, mut peer) = pair().await;
        peer.write_all(b"a").unwrap();
        assert_eq!(reader.read(8).await.unwrap(), b"a");
        let task = create_task(async move { (reader.read(8).await.unwrap(), reader) });
        // The event of the first byte is found now, when there is nothing to read.
        turns().await;
        assert!(!task.done());
        assert_rests("waiting for data").await;
        peer.write_all(b"b").unwrap();
        assert_eq!(task.await.unwrap().0, b"b");
    });
}

#[test]
fn h02_clearing_one_direction_leaves_the_other() {
    run(async {
        let (mut reader, writer, mut peer) = pair().await;
        fill(&writer).await;
        // Writing would block; reading is used up, again and again.
        for round in 0..100_u8 {
            peer.write_all(&[round]).unwrap();
            assert_eq!(reader.read(8).await.unwrap(), [round]);
        }
        let task = create_task(async move { (reader.read(8).await.unwrap(), reader) });
        turns().await;
        while writer.write_buffer_size() > 0 {
            read_available(&peer);
            turns().await;
        }
        assert!(!task.done());
        peer.write_all(b"x").unwrap();
        assert_eq!(task.await.unwrap().0, b"x");
    });
}

#[test]
fn h02_a_ping_pong_with_a_thread_never_stalls() {
    run(async {
        let (mut reader, writer, mut peer) = pair().await;
        let thread = std::thread::spawn(move || {
            let mut byte = [0; 1];
            while peer.read(&mut byte).unwrap() == 1 {
                peer.write_all(&byte).unwrap();
            }
        });
        for round in 0..20_000_u32 {
            writer.write(&[round as u8]).unwrap();
            assert_eq!(reader.readexactly(1).await.unwrap(), [round as u8]);
        }
        writer.close();
        thread.join().unwrap();
    });
}
