//! What comes from other threads: never lost, never early, refused after the end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use ouroloop_core::{
    Client, ClientId, Context, ContextVar, EventLoop, LoopError, LoopId, LoopRef, RemoteHandle,
    ScriptedSelector, post, with_running,
};
use ouroloop_testkit::run_iterations;

use crate::support::{build, on_every_loop, with_watchdog};

const LIMIT: Duration = Duration::from_secs(60);

/// A loop on the kernel, and one on a script that waits for real.
fn real_loops() -> [EventLoop; 2] {
    let script = Box::new(ScriptedSelector::real_time());
    [
        build(EventLoop::builder()),
        build(EventLoop::builder().selector(script)),
    ]
}

#[test]
fn what_crosses_threads_is_send_and_sync() {
    fn send_sync<T: Send + Sync + Clone + 'static>() {}
    send_sync::<RemoteHandle>();
    send_sync::<Context>();
    send_sync::<ouroloop_core::PanicPayload>();
    fn send<T: Send>() {}
    send::<LoopId>();
    send::<ouroloop_core::ClientWord>();
    send::<LoopError>();
}

#[test]
fn a_sleeping_loop_is_woken() {
    for event_loop in real_loops() {
        let remote = event_loop.remote();
        let helper = thread::spawn(move || {
            while !remote.is_running() {
                thread::yield_now();
            }
            remote.stop().unwrap();
        });
        event_loop.run_forever().unwrap();
        helper.join().unwrap();
        event_loop.close().unwrap();
    }
}

#[test]
fn callbacks_of_one_thread_run_in_its_order() {
    thread_local! {
        static SEEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }
    for event_loop in real_loops() {
        let remote = event_loop.remote();
        let helper = thread::spawn(move || {
            for n in 0..1000 {
                remote
                    .call_soon_threadsafe(move || SEEN.with_borrow_mut(|it| it.push(n)))
                    .unwrap();
            }
            remote.stop().unwrap();
        });
        event_loop.run_forever().unwrap();
        helper.join().unwrap();
        assert!(SEEN.take().into_iter().eq(0..1000));
        event_loop.close().unwrap();
    }
}

#[test]
fn in_the_loops_own_thread_it_is_call_soon_in_the_same_queue() {
    thread_local! {
        static SEEN: RefCell<String> = const { RefCell::new(String::new()) };
    }
    fn say(what: &'static str) -> impl Fn() + Send + use<> {
        move || SEEN.with_borrow_mut(|seen| seen.push_str(what))
    }
    on_every_loop(|event_loop| {
        let (remote, same) = (event_loop.remote(), event_loop.downgrade());
        event_loop.call_soon_threadsafe(say("a")).unwrap();
        event_loop.call_soon(say("b")).unwrap();
        event_loop
            .call_soon(move || {
                remote.call_soon_threadsafe(say("c")).unwrap();
                same.call_soon(say("d")).unwrap();
                same.call_soon_threadsafe(say("e")).unwrap();
            })
            .unwrap();
        run_iterations(event_loop, 2);
        assert_eq!(SEEN.take(), "abcde");
    });
}

#[test]
fn what_this_thread_submitted_before_the_run_stays_in_front() {
    thread_local! {
        static SEEN: RefCell<String> = const { RefCell::new(String::new()) };
    }
    on_every_loop(|event_loop| {
        let remote = event_loop.remote();
        // Not running: it goes through the inbox. What follows must not overtake it.
        remote
            .call_soon_threadsafe(|| SEEN.with_borrow_mut(|it| it.push('1')))
            .unwrap();
        event_loop
            .call_soon_threadsafe(|| SEEN.with_borrow_mut(|it| it.push('2')))
            .unwrap();
        run_iterations(event_loop, 1);
        assert_eq!(SEEN.take(), "12");
    });
}

#[test]
fn the_context_of_the_calling_thread_travels_along() {
    static VAR: ContextVar<u32> = ContextVar::new("var");
    let (send, seen) = mpsc::channel();
    for event_loop in real_loops() {
        let (remote, send) = (event_loop.remote(), send.clone());
        thread::spawn(move || {
            VAR.set(42);
            remote
                .call_soon_threadsafe(move || send.send(VAR.get()).unwrap())
                .unwrap();
        })
        .join()
        .unwrap();
        run_iterations(&event_loop, 1);
        assert_eq!(seen.recv().unwrap(), Some(42));
        assert_eq!(VAR.get(), None);
        event_loop.close().unwrap();
    }
}

#[test]
fn a_remote_handle_says_how_the_loop_is() {
    let [event_loop, script] = real_loops();
    script.close().unwrap();
    let remote = event_loop.remote();
    assert!(!remote.is_running() && !remote.is_closed());
    assert_eq!(remote.id(), event_loop.id());
    let check = remote.clone();
    event_loop
        .call_soon(move || {
            thread::spawn(move || assert!(check.is_running()))
                .join()
                .unwrap();
        })
        .unwrap();
    run_iterations(&event_loop, 1);
    assert!(!remote.is_running());
    event_loop.close().unwrap();
    assert!(remote.is_closed());
    assert!(script.remote().is_closed());
}

#[test]
fn a_handle_of_a_closed_loop_does_not_reach_the_next_loop_with_its_id() {
    let [old, script] = real_loops();
    script.close().unwrap();
    let (remote, id) = (old.remote(), old.id());
    old.close().unwrap();
    // The id is given away again, sooner or later.
    let mut others = Vec::new();
    let new = loop {
        let new = build(EventLoop::builder().selector(Box::new(ScriptedSelector::real_time())));
        if new.id() == id {
            break new;
        }
        others.push(new);
        assert!(others.len() < 1000, "another test keeps the id");
    };
    assert!(remote.is_closed());
    assert!(matches!(
        remote.call_soon_threadsafe(|| {}),
        Err(LoopError::Closed)
    ));
    let inside = remote.clone();
    let refused = Rc::new(Cell::new(false));
    let flag = refused.clone();
    new.call_soon(move || flag.set(inside.stop().is_err()))
        .unwrap();
    run_iterations(&new, 2);
    assert!(refused.get());
    for event_loop in others.into_iter().chain([new]) {
        event_loop.close().unwrap();
    }
}

/// Counts the words that were posted, and stops the loop after enough of them.
struct Counter {
    event_loop: LoopRef,
    left: Cell<usize>,
    id: Cell<Option<ClientId>>,
}

impl Counter {
    fn register(event_loop: &LoopRef, expected: usize) -> (Rc<Counter>, ClientId) {
        let counter = Rc::new(Counter {
            event_loop: event_loop.clone(),
            left: Cell::new(expected),
            id: Cell::new(None),
        });
        let id = event_loop.register_client(counter.clone());
        counter.id.set(Some(id));
        (counter, id)
    }
}

impl Client for Counter {
    fn run(&self, _: u64) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            self.event_loop.stop();
        }
    }
    fn posted(&self, payload: u64) {
        self.event_loop
            .schedule(self.id.get().expect("registered").word(payload));
    }
    fn describe(&self, _: u64) -> String {
        "<Counter>".into()
    }
    fn close(&self) {}
}

#[test]
fn h03_no_word_is_lost_however_the_loop_falls_asleep() {
    const THREADS: usize = 4;
    const WORDS: usize = 20_000;
    with_watchdog(LIMIT, || {
        for event_loop in real_loops() {
            let (counter, client) = Counter::register(&event_loop, THREADS * WORDS);
            let id = event_loop.id();
            let helpers: Vec<_> = (0..THREADS)
                .map(|thread| {
                    thread::spawn(move || {
                        for n in 0..WORDS {
                            post(id, client.word(n as u64));
                            // Now and then the loop gets the time to fall asleep.
                            if n % (97 + thread) == 0 {
                                thread::yield_now();
                            }
                        }
                    })
                })
                .collect();
            // A lost wake-up would let it sleep for ever.
            event_loop.run_forever().unwrap();
            assert_eq!(counter.left.get(), 0);
            helpers
                .into_iter()
                .for_each(|helper| helper.join().unwrap());
            event_loop.close().unwrap();
        }
    });
}

#[test]
fn h03_a_ball_that_two_loops_throw_each_other_never_stays_away() {
    const ROUNDS: usize = 20_000;
    with_watchdog(LIMIT, || {
        let (send, receive) = mpsc::channel::<RemoteHandle>();
        let (send_back, receive_back) = mpsc::channel::<RemoteHandle>();
        thread_local! {
            static BALL: RefCell<Option<(RemoteHandle, usize)>> = const { RefCell::new(None) };
        }
        fn hit() {
            let done = BALL.with_borrow_mut(|ball| {
                let (other, left) = ball.as_mut().expect("the game has begun");
                *left -= 1;
                // The last hit of either side has no answer.
                let _ = other.call_soon_threadsafe(hit);
                *left == 0
            });
            if done {
                with_running(|running| running.expect("a callback").stop());
            }
        }
        let play = |send: mpsc::Sender<_>, receive: mpsc::Receiver<RemoteHandle>, begins: bool| {
            let event_loop = build(EventLoop::builder());
            send.send(event_loop.remote()).unwrap();
            BALL.set(Some((receive.recv().unwrap(), ROUNDS)));
            if begins {
                event_loop.call_soon(hit).unwrap();
            }
            event_loop.run_forever().unwrap();
            event_loop.close().unwrap();
            BALL.take();
        };
        let other = thread::spawn(move || play(send, receive_back, true));
        play(send_back, receive, false);
        other.join().unwrap();
    });
}

#[test]
fn h04_an_earlier_timer_from_another_thread_ends_a_long_wait() {
    with_watchdog(LIMIT, || {
        for event_loop in real_loops() {
            event_loop
                .call_later(Duration::from_secs(3600), || {})
                .unwrap();
            let remote = event_loop.remote();
            let begun = Instant::now();
            let helper = thread::spawn(move || {
                while !remote.is_running() {
                    thread::yield_now();
                }
                remote
                    .call_soon_threadsafe(|| {
                        with_running(|running| {
                            let stopper = running.expect("a callback").clone();
                            let later = stopper.clone();
                            let delay = Duration::from_millis(1);
                            later.call_later(delay, move || stopper.stop()).unwrap();
                        });
                    })
                    .unwrap();
            });
            event_loop.run_forever().unwrap();
            assert!(begun.elapsed() < Duration::from_secs(30));
            helper.join().unwrap();
            event_loop.close().unwrap();
        }
    });
}

#[test]
fn h10_a_refused_callback_may_submit_another_while_it_is_dropped() {
    struct Hostile(Option<RemoteHandle>);
    impl Drop for Hostile {
        fn drop(&mut self) {
            if let Some(remote) = self.0.take() {
                let again = Hostile(Some(remote.clone()));
                // One level down is enough to find a lock that is held.
                std::mem::forget(again);
                assert!(remote.is_closed());
                assert!(remote.call_soon_threadsafe(|| {}).is_err());
                post(remote.id(), word());
            }
        }
    }
    fn word() -> ouroloop_core::ClientWord {
        thread_local! {
            static WORD: ouroloop_core::ClientWord = {
                let event_loop = build(EventLoop::builder());
                let word = Counter::register(&event_loop, 1).1.word(0);
                event_loop.close().unwrap();
                word
            };
        }
        WORD.with(|word| *word)
    }
    with_watchdog(LIMIT, || {
        let [event_loop, script] = real_loops();
        script.close().unwrap();
        word();
        let remote = event_loop.remote();
        // One is in the inbox when the loop is closed, one comes after.
        let queued = Hostile(Some(remote.clone()));
        let sender = remote.clone();
        thread::spawn(move || sender.call_soon_threadsafe(move || drop(queued)).unwrap())
            .join()
            .unwrap();
        event_loop.close().unwrap();
        let refused = Hostile(Some(remote.clone()));
        assert!(remote.call_soon_threadsafe(move || drop(refused)).is_err());
    });
}

#[test]
fn what_is_in_the_inbox_at_close_is_dropped_in_the_loops_thread() {
    struct Guard(Arc<AtomicBool>, thread::ThreadId);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0
                .store(thread::current().id() == self.1, Ordering::Relaxed);
        }
    }
    for event_loop in real_loops() {
        let here = Arc::new(AtomicBool::new(false));
        let guard = Guard(here.clone(), thread::current().id());
        let remote = event_loop.remote();
        thread::spawn(move || remote.call_soon_threadsafe(move || drop(guard)).unwrap())
            .join()
            .unwrap();
        event_loop.close().unwrap();
        assert!(here.load(Ordering::Relaxed));
    }
}

#[test]
fn h29_threads_submit_while_the_loop_starts_idles_stops_and_closes() {
    const THREADS: usize = 8;
    const LIVES: usize = 30;
    /// Counted when a callback is dropped, which each is: after it ran, at the close, or as refused.
    struct Dropped(Arc<AtomicUsize>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    thread_local! {
        static RAN: Cell<usize> = const { Cell::new(0) };
    }
    with_watchdog(LIMIT, || {
        for life in 0..LIVES {
            let event_loop = real_loops()
                .into_iter()
                .nth(life % 2)
                .expect("there are two");
            RAN.set(0);
            let (accepted, dropped) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
            let begin = Arc::new(Barrier::new(THREADS + 1));
            let helpers: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (remote, accepted) = (event_loop.remote(), accepted.clone());
                    let (begin, dropped) = (begin.clone(), dropped.clone());
                    thread::spawn(move || {
                        begin.wait();
                        // Until the loop is closed: then every submission is an error, for ever.
                        let submit = || {
                            let dropped = Dropped(dropped.clone());
                            remote.call_soon_threadsafe(move || {
                                let _dropped = dropped;
                                RAN.set(RAN.get() + 1);
                            })
                        };
                        let mut n = 0_usize;
                        while submit().is_ok() {
                            accepted.fetch_add(1, Ordering::Relaxed);
                            n += 1;
                            if n % (7 + thread) == 0 {
                                thread::yield_now();
                            }
                            if n % 50 == 0 {
                                thread::sleep(Duration::from_micros(50));
                            }
                        }
                        assert!(remote.is_closed());
                        assert!(submit().is_err());
                    })
                })
                .collect();
            begin.wait();
            let mut runs = 0;
            while runs < 3 || RAN.get() == 0 {
                runs += 1;
                let stopper = event_loop.downgrade();
                let delay = Duration::from_millis(1);
                event_loop
                    .call_later(delay, move || stopper.stop())
                    .unwrap();
                event_loop.run_forever().unwrap();
            }
            event_loop.close().unwrap();
            helpers
                .into_iter()
                .for_each(|helper| helper.join().unwrap());
            // Whatever ran was accepted; what was accepted and did not run was dropped at the close. Each thread was
            // refused twice, once to end and once more.
            let (accepted, dropped) = (
                accepted.load(Ordering::Relaxed),
                dropped.load(Ordering::Relaxed),
            );
            assert!(
                RAN.get() > 0 && RAN.get() <= accepted,
                "{} of {accepted}",
                RAN.get()
            );
            assert_eq!(dropped, accepted + 2 * THREADS);
        }
    });
}
