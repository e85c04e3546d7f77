//! `write`, `drain` and the water marks.

use std::cell::RefCell;
use std::io::Read;
use std::rc::Rc;

use ouroloop_net::NetError;
use ouroloop_task::create_task;
use ouroloop_testkit::iteration;

use crate::support::{assert_receives, fill, pair, read_available, reset, run, turns, warnings_of};

#[test]
fn a_write_is_sent_at_once() {
    run(async {
        let (_reader, writer, mut peer) = pair().await;
        writer.write(b"now").unwrap();
        assert_eq!(writer.write_buffer_size(), 0);
        let mut received = [0; 3];
        peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"now");
    });
}

#[test]
fn writelines_keeps_the_order() {
    run(async {
        let (_reader, writer, peer) = pair().await;
        writer.write(b"0 ").unwrap();
        writer.writelines([&b"1 "[..], b"", b"2 "]).unwrap();
        writer.writelines(["3 ".to_owned()]).unwrap();
        writer.writelines(Vec::<Vec<u8>>::new()).unwrap();
        assert_receives(&peer, b"0 1 2 3 ");
    });
}

#[test]
fn what_is_queued_is_sent_without_a_drain() {
    run(async {
        let (_reader, writer, mut peer) = pair().await;
        let written = fill(&writer).await;
        writer.write(b"the end").unwrap();
        let queued = writer.write_buffer_size();
        assert!(queued > 7);
        let thread = std::thread::spawn(move || {
            let mut received = vec![0; written + 7];
            peer.read_exact(&mut received).unwrap();
            (peer, received)
        });
        while writer.write_buffer_size() > 0 {
            turns().await;
        }
        let (_peer, received) = thread.join().unwrap();
        assert!(received.ends_with(b"..the end"));
    });
}

#[test]
fn drain_does_not_suspend_below_the_high_water_mark() {
    run(async {
        let (_reader, writer, _peer) = pair().await;
        writer.write(b"a").unwrap();
        let before = iteration();
        writer.drain().await.unwrap();
        assert_eq!(iteration(), before);
    });
}

#[test]
fn h26_drain_waits_until_the_queue_is_at_the_low_water_mark() {
    run(async {
        let (_reader, writer, peer) = pair().await;
        writer.set_write_buffer_limits(1000, 10).unwrap();
        fill(&writer).await;
        let queued = writer.write_buffer_size();
        writer.write(&vec![b'.'; 1000]).unwrap();
        assert!(queued > 0);
        let writer = Rc::new(writer);
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let (writer, order) = (writer.clone(), order.clone());
                create_task(async move {
                    writer.drain().await.unwrap();
                    order
                        .borrow_mut()
                        .push((number, writer.write_buffer_size()));
                })
            })
            .collect();
        turns().await;
        assert!(order.borrow().is_empty(), "the queue is still long");
        while order.borrow().is_empty() {
            read_available(&peer);
            turns().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        let order = order.take();
        assert_eq!(order.iter().map(|it| it.0).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(order.iter().all(|it| it.1 <= 10));
    });
}

#[test]
fn drain_raises_the_error_of_the_connection() {
    run(async {
        let (_reader, writer, peer) = pair().await;
        reset(peer);
        writer.write(b"a").unwrap();
        // The first write may have been taken, or have met the reset.
        writer.write(b"b").unwrap();
        assert!(matches!(writer.drain().await, Err(NetError::Io(_))));
        assert!(matches!(writer.drain().await, Err(NetError::Io(_))));
    });
}

#[test]
fn drain_of_a_closed_writer_yields_once_and_fails() {
    run(async {
        let (_reader, writer, _peer) = pair().await;
        writer.close();
        let before = iteration();
        let error = writer.drain().await.unwrap_err();
        assert_eq!(iteration(), before + 1);
        let error = std::io::Error::from(error);
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn drainers_are_released_without_an_error_by_an_abort() {
    run(async {
        let (_reader, writer, _peer) = pair().await;
        writer.set_write_buffer_limits(0, 0).unwrap();
        fill(&writer).await;
        let writer = Rc::new(writer);
        let drainer = writer.clone();
        let task = create_task(async move { drainer.drain().await });
        turns().await;
        assert!(!task.done());
        writer.abort();
        assert!(task.await.unwrap().is_ok());
        assert!(matches!(
            writer.drain().await,
            Err(NetError::ConnectionLost)
        ));
    });
}

#[test]
fn a_cancelled_drain_sends_all_the_same() {
    run(async {
        let (_reader, writer, peer) = pair().await;
        writer.set_write_buffer_limits(0, 0).unwrap();
        fill(&writer).await;
        let writer = Rc::new(writer);
        let drainer = writer.clone();
        let task = create_task(async move { drainer.drain().await });
        turns().await;
        task.cancel();
        assert!(task.await.is_err());
        while writer.write_buffer_size() > 0 {
            read_available(&peer);
            turns().await;
        }
        writer.drain().await.unwrap();
    });
}

#[test]
fn water_marks_follow_each_other() {
    run(async {
        let (_reader, writer, _peer) = pair().await;
        assert_eq!(writer.write_buffer_limits(), (16 * 1024, 64 * 1024));
        writer.set_write_buffer_limits(1000, None).unwrap();
        assert_eq!(writer.write_buffer_limits(), (250, 1000));
        let error = writer.set_write_buffer_limits(1, 2).unwrap_err();
        assert!(matches!(
            error,
            NetError::InvalidWaterMarks { low: 2, high: 1 }
        ));
        assert_eq!(writer.write_buffer_limits(), (250, 1000));
    });
}

#[test]
fn a_write_after_write_eof_is_an_error() {
    run(async {
        let (_reader, writer, peer) = pair().await;
        assert!(writer.can_write_eof());
        writer.write(b"a").unwrap();
        writer.write_eof().unwrap();
        writer.write_eof().unwrap();
        assert!(matches!(writer.write(b"b"), Err(NetError::WriteAfterEof)));
        assert!(matches!(
            writer.writelines([b"b"]),
            Err(NetError::WriteAfterEof)
        ));
        assert_receives(&peer, b"a");
    });
}

#[test]
fn writes_after_close_are_dropped_with_a_warning_from_the_fifth_on() {
    // As CPython does it: the loss itself counts as the first.
    let warnings = warnings_of(|| {
        run(async {
            let (_reader, writer, _peer) = pair().await;
            writer.close();
            for _ in 0..4 {
                writer.write(b"into the void").unwrap();
            }
        });
    });
    assert_eq!(warnings, [""; 0]);
    let warnings = warnings_of(|| {
        run(async {
            let (_reader, writer, _peer) = pair().await;
            writer.close();
            for _ in 0..7 {
                writer.write(b"into the void").unwrap();
            }
            writer.write(b"").unwrap();
        });
    });
    assert_eq!(warnings.len(), 3, "{warnings:?}");
}

#[test]
fn addresses_are_known_after_closing() {
    run(async {
        let (_reader, writer, peer) = pair().await;
        writer.close();
        assert_eq!(writer.peer_addr(), Some(peer.local_addr().unwrap()));
        assert_eq!(writer.local_addr(), Some(peer.peer_addr().unwrap()));
    });
}
