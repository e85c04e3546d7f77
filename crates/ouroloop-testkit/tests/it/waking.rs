//! Polling by hand, and wakers that count or poll.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;

use ouroloop::testkit::{
    Log, PolledInline, TestLoop, WakeCount, cancel_message, ms, on_drop, poll_once, quiet_panic,
};
use ouroloop::{Event, bare_yield, create_task, run, sleep};

#[test]
fn wakes_of_all_clones_and_threads_are_counted() {
    let (wakes, waker) = WakeCount::new();
    assert_eq!(wakes.get(), 0);
    waker.wake_by_ref();
    let clone = waker.clone();
    thread::spawn(move || clone.wake()).join().unwrap();
    drop(waker);
    assert_eq!(wakes.clone().get(), 2);
}

#[test]
fn one_poll_is_one_poll() {
    let polls = RefCell::new(0);
    let future = Box::pin(poll_fn(|_| -> Poll<()> {
        *polls.borrow_mut() += 1;
        Poll::Pending
    }));
    let mut future = future;
    assert!(poll_once(future.as_mut(), Waker::noop()).is_pending());
    assert_eq!(*polls.borrow(), 1);
}

#[test]
fn what_is_polled_inline_goes_on_inside_of_the_wake() {
    run(async {
        let (event, log) = (Rc::new(Event::new()), Log::default());
        let inline = PolledInline::start({
            let (event, log) = (event.clone(), log.clone());
            async move {
                log.say("starts");
                event.wait().await;
                log.say("ends");
            }
        });
        assert_eq!(log.take(), "starts");
        assert!(!inline.done());
        event.set();
        assert_eq!(log.take(), "ends");
        assert!(inline.done());
    })
    .unwrap();
}

#[test]
fn a_wake_during_its_own_poll_is_not_lost() {
    run(async {
        let inline = PolledInline::start(async {
            bare_yield().await;
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                cx.waker().wake_by_ref();
                if polls == 3 {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        });
        sleep(ms(1)).await;
        assert!(inline.done());
    })
    .unwrap();
}

#[test]
fn what_is_dropped_is_not_woken_and_may_be_dropped_by_its_own_poll() {
    run(async {
        let (event, log) = (Rc::new(Event::new()), Log::default());
        let waits = PolledInline::start({
            let (event, guard) = (event.clone(), log.on_drop("dropped"));
            async move {
                let _guard = guard;
                event.wait().await;
                unreachable!("it was dropped before");
            }
        });
        waits.drop_future();
        assert_eq!(log.take(), "dropped");
        event.set();
        assert!(waits.done());

        event.clear();
        let own: Rc<RefCell<Option<PolledInline>>> = Rc::default();
        let inline = PolledInline::start({
            let (event, own) = (event.clone(), own.clone());
            let guard = log.on_drop("after its poll");
            let log = log.clone();
            async move {
                let _guard = guard;
                event.wait().await;
                own.take().unwrap().drop_future();
                log.say("in its poll");
                pending::<()>().await;
            }
        });
        own.replace(Some(inline));
        event.set();
        assert_eq!(log.take(), "in its poll after its poll");
    })
    .unwrap();
}

#[test]
fn what_panics_in_its_poll_is_done() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let event = Rc::new(Event::new());
        let waits = event.clone();
        let inline = PolledInline::start(async move {
            waits.wait().await;
            quiet_panic("boom");
        });
        event.set();
        assert!(inline.done());
    });
    assert_eq!(test_loop.take_reports(), ["Exception in a waker"]);
}

#[test]
fn another_thread_does_not_poll() {
    let log = Log::default();
    let kept = Rc::new(RefCell::new(None));
    let inline = PolledInline::start({
        let (log, kept) = (log.clone(), kept.clone());
        poll_fn(move |cx| {
            log.say("polled");
            kept.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
    });
    let waker: Waker = kept.take().unwrap();
    thread::spawn(move || waker.wake()).join().unwrap();
    assert_eq!(log.take(), "polled");
    inline.drop_future();
}

#[test]
fn a_guard_runs_its_function_once() {
    let log = Log::default();
    drop(on_drop(log.line("gone")));
    assert_eq!(log.take(), "gone");
}

#[test]
fn a_cancellation_has_the_message_that_it_was_given() {
    run(async {
        let (plain, told) = (create_task(pending::<()>()), create_task(pending::<()>()));
        plain.cancel();
        told.cancel_with("out of tea");
        assert_eq!(cancel_message(plain.await), None);
        assert_eq!(cancel_message(told.await).as_deref(), Some("out of tea"));
    })
    .unwrap();
}

#[test]
#[should_panic(expected = "not a cancellation but a value")]
fn a_value_is_no_cancellation() {
    let _ = cancel_message(Ok(1));
}
