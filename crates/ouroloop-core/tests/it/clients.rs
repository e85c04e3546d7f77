//! Words for registered clients: in the queue, among the timers, from other threads.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ouroloop_core::{Client, ClientId, ExceptionContext, LoopError, LoopRef, Turns, post};
use ouroloop_testkit::{Log, quiet_panic, run_iterations};

use crate::support::{on_every_loop, virtual_loop};

/// Writes down what happens to it, and schedules what was posted.
struct Recorder {
    log: Log,
    event_loop: LoopRef,
    id: Cell<Option<ClientId>>,
}

impl Recorder {
    fn register(event_loop: &LoopRef, log: &Log) -> ClientId {
        let recorder = Rc::new(Recorder {
            log: log.clone(),
            event_loop: event_loop.clone(),
            id: Cell::new(None),
        });
        let id = event_loop.register_client(recorder.clone());
        recorder.id.set(Some(id));
        id
    }
}

impl Client for Recorder {
    fn run(&self, payload: u64) {
        self.log.say(format!("run{payload}"));
    }

    fn posted(&self, payload: u64) {
        self.log.say(format!("posted{payload}"));
        self.event_loop
            .schedule(self.id.get().expect("registered").word(payload));
    }

    fn describe(&self, payload: u64) -> String {
        format!("<word {payload}>")
    }

    fn close(&self) {
        self.log.say("close");
        assert!(matches!(
            self.event_loop.call_soon(|| {}),
            Err(LoopError::Closed)
        ));
    }
}

#[test]
fn words_and_callbacks_take_turns_in_the_order_of_their_scheduling() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let client = Recorder::register(event_loop, &log);
        event_loop.schedule(client.word(1));
        event_loop.call_soon(log.line("callback")).unwrap();
        event_loop.schedule(client.word(2));
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "run1 callback run2");
    });
}

#[test]
fn each_client_gets_its_own_words() {
    on_every_loop(|event_loop| {
        let (one, two) = (Log::default(), Log::default());
        let (a, b) = (
            Recorder::register(event_loop, &one),
            Recorder::register(event_loop, &two),
        );
        assert_ne!(a, b);
        for payload in 0..3 {
            event_loop.schedule(a.word(payload));
            event_loop.schedule(b.word(10 + payload));
        }
        run_iterations(event_loop, 1);
        assert_eq!(one.take(), "run0 run1 run2");
        assert_eq!(two.take(), "run10 run11 run12");
    });
}

#[test]
fn a_timed_word_fires_at_its_place_among_the_timers() {
    let (event_loop, _) = virtual_loop();
    let log = Log::default();
    let client = Recorder::register(&event_loop, &log);
    event_loop
        .call_at(Duration::from_nanos(20), log.line("at20"))
        .unwrap();
    event_loop.schedule_at(20, client.word(20));
    event_loop.schedule_at(10, client.word(10));
    let stopper = event_loop.downgrade();
    event_loop
        .call_at(Duration::from_nanos(30), move || stopper.stop())
        .unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(log.take(), "run10 at20 run20");
    event_loop.close().unwrap();
}

#[test]
fn a_timed_word_can_be_cancelled_until_it_has_fired() {
    let (event_loop, clock) = virtual_loop();
    let log = Log::default();
    let client = Recorder::register(&event_loop, &log);
    let key = event_loop.schedule_at(10, client.word(1));
    assert_eq!(event_loop.statistics().timers, 1);
    assert!(event_loop.cancel_timer(key));
    assert!(!event_loop.cancel_timer(key));
    assert_eq!(event_loop.statistics().timers, 0);
    let key = event_loop.schedule_at(10, client.word(2));
    clock.advance(Duration::from_secs(1));
    run_iterations(&event_loop, 1);
    assert!(!event_loop.cancel_timer(key));
    assert_eq!(log.take(), "run2");
    event_loop.close().unwrap();
}

#[test]
fn a_posted_word_is_announced_before_the_batch_it_can_run_in() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let (id, client) = (event_loop.id(), Recorder::register(event_loop, &log));
        event_loop.call_soon(log.line("soon")).unwrap();
        std::thread::spawn(move || {
            post(id, client.word(1));
            post(id, client.word(2));
        })
        .join()
        .unwrap();
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "posted1 posted2 soon run1 run2");
        assert_eq!(event_loop.statistics().posted, 2);
    });
}

#[test]
fn words_of_clients_that_are_not_there_are_skipped() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let elsewhere = virtual_loop().0;
        let ids: Vec<ClientId> = (0..3)
            .map(|_| Recorder::register(&elsewhere, &Log::default()))
            .collect();
        event_loop.schedule(ids[2].word(1));
        event_loop.call_soon(log.line("next")).unwrap();
        post(event_loop.id(), ids[1].word(1));
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "next");
        elsewhere.close().unwrap();
    });
}

#[test]
fn closing_the_loop_closes_its_clients_once_in_their_order_and_drops_them() {
    struct Owner {
        name: &'static str,
        log: Log,
    }
    impl Client for Owner {
        fn run(&self, _: u64) {}
        fn posted(&self, _: u64) {}
        fn describe(&self, _: u64) -> String {
            String::new()
        }
        fn close(&self) {
            self.log.say(format!("close-{}", self.name));
        }
    }
    impl Drop for Owner {
        fn drop(&mut self) {
            self.log.say(format!("drop-{}", self.name));
        }
    }
    let (event_loop, _) = virtual_loop();
    let log = Log::default();
    for name in ["a", "b"] {
        event_loop.register_client(Rc::new(Owner {
            name,
            log: log.clone(),
        }));
    }
    event_loop.close().unwrap();
    event_loop.close().unwrap();
    assert_eq!(log.take(), "close-a close-b drop-a drop-b");
}

#[test]
fn after_the_loop_is_closed_words_go_nowhere() {
    let (event_loop, _) = virtual_loop();
    let log = Log::default();
    let client = Recorder::register(&event_loop, &log);
    event_loop.close().unwrap();
    assert_eq!(log.take(), "close");
    event_loop.schedule(client.word(1));
    let key = event_loop.schedule_at(5, client.word(1));
    assert!(!event_loop.cancel_timer(key));
    post(event_loop.id(), client.word(1));
    let statistics = event_loop.statistics();
    assert_eq!((statistics.ready, statistics.timers), (0, 0));
    // A client that comes too late is dropped, and not closed, since it never owned anything.
    let late = Rc::new(RefCell::new(()));
    struct Late(#[expect(dead_code, reason = "held, to be counted")] Rc<RefCell<()>>);
    impl Client for Late {
        fn run(&self, _: u64) {}
        fn posted(&self, _: u64) {}
        fn describe(&self, _: u64) -> String {
            String::new()
        }
        fn close(&self) {}
    }
    event_loop.register_client(Rc::new(Late(late.clone())));
    assert_eq!(Rc::strong_count(&late), 1);
}

#[test]
fn a_word_may_register_another_client_and_schedule_for_it() {
    struct Parent(LoopRef, Log);
    impl Client for Parent {
        fn run(&self, _: u64) {
            let child = Recorder::register(&self.0, &self.1);
            self.0.schedule(child.word(9));
        }
        fn posted(&self, _: u64) {}
        fn describe(&self, _: u64) -> String {
            String::new()
        }
        fn close(&self) {}
    }
    on_every_loop(|event_loop| {
        let log = Log::default();
        let parent =
            event_loop.register_client(Rc::new(Parent(event_loop.downgrade(), log.clone())));
        event_loop.schedule(parent.word(0));
        run_iterations(event_loop, 2);
        assert_eq!(log.take(), "run9");
    });
}

#[test]
fn words_and_calls_of_a_thread_take_turns_in_the_order_of_that_thread() {
    for elsewhere in [true, false] {
        on_every_loop(|event_loop| {
            let log = Log::default();
            let id = Recorder::register(event_loop, &log);
            let (remote, address) = (event_loop.remote(), event_loop.address());
            let submit = move || {
                address.schedule(id.word(1)).expect("it is open");
                let call = || SAID.with_borrow(|log| log.say("call"));
                remote.call_soon_threadsafe(call).expect("it is open");
                address.schedule(id.word(2)).expect("it is open");
            };
            SAID.set(log.clone());
            if elsewhere {
                std::thread::spawn(submit).join().expect("it only submits");
            } else {
                // In a callback, where the calls need no wake-up.
                event_loop.call_soon(submit).expect("it is open");
                run_iterations(event_loop, 1);
            }
            run_iterations(event_loop, 1);
            assert_eq!(log.take(), "run1 call run2", "{elsewhere}");
            event_loop.close().expect("it does not run");
            let late = address.schedule(id.word(3));
            assert!(matches!(late, Err(LoopError::Closed)));
        });
    }
}

thread_local! {
    static SAID: RefCell<Log> = RefCell::default();
}

/// Takes its words in pairs, but never the one that is alone; and looks at the one that comes two later.
struct Pairs {
    log: Log,
}

impl Client for Pairs {
    fn run(&self, payload: u64) {
        self.log.say(format!("run{payload}"));
    }

    fn run_all(&self, turns: &mut Turns<'_>) {
        while let Some(second) = turns.peek(1) {
            let first = turns.next().expect("it is ahead of the second");
            assert_eq!(turns.next(), Some(second));
            self.log.say(format!("pair{first}{second}"));
            if let Some(third) = turns.peek(1) {
                self.log.say(format!("then{third}"));
            }
            if first == 6 {
                quiet_panic("in the middle");
            }
        }
    }

    fn posted(&self, _payload: u64) {}

    fn describe(&self, payload: u64) -> String {
        format!("<word {payload}>")
    }

    fn close(&self) {}
}

/// Panics before it takes anything.
struct Refusing {
    log: Log,
}

impl Client for Refusing {
    fn run(&self, payload: u64) {
        self.log.say(format!("run{payload}"));
    }

    fn run_all(&self, _turns: &mut Turns<'_>) {
        self.log.say("all");
        quiet_panic("before the first word");
    }

    fn posted(&self, _payload: u64) {}

    fn describe(&self, payload: u64) -> String {
        format!("<word {payload}>")
    }

    fn close(&self) {}
}

#[test]
fn a_client_that_panics_before_it_takes_a_word_holds_nothing_up() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let reports = Rc::new(RefCell::new(Vec::new()));
        let seen = reports.clone();
        event_loop.set_exception_handler(Some(Rc::new(move |_, context: &ExceptionContext| {
            seen.borrow_mut().push(context.source().map(str::to_owned));
        })));
        let id = event_loop.register_client(Rc::new(Refusing { log: log.clone() }));
        let said = log.clone();
        event_loop
            .call_soon(move || said.say("call"))
            .expect("it is open");
        (1..3).for_each(|payload| event_loop.schedule(id.word(payload)));
        event_loop.run_once().expect("it is ready");
        assert_eq!(log.take(), "call all run1 all run2");
        let sources = ["<word 1>", "<word 2>"].map(|it| Some(it.to_owned()));
        assert_eq!(*reports.borrow(), sources);
    });
}

#[test]
fn a_client_may_take_the_turns_of_all_its_words_at_once() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let reports = Rc::new(RefCell::new(Vec::new()));
        let seen = reports.clone();
        event_loop.set_exception_handler(Some(Rc::new(move |_, context: &ExceptionContext| {
            seen.borrow_mut().push(context.source().map(str::to_owned));
        })));
        let id = event_loop.register_client(Rc::new(Pairs { log: log.clone() }));
        let other = event_loop.register_client(Rc::new(Pairs { log: log.clone() }));
        for payload in 0..5 {
            event_loop.schedule(id.word(payload));
        }
        let said = log.clone();
        event_loop
            .call_soon(move || said.say("call"))
            .expect("it is open");
        event_loop.schedule(id.word(5));
        event_loop.schedule(other.word(9));
        for payload in 6..9 {
            event_loop.schedule(id.word(payload));
        }
        event_loop.run_once().expect("it is ready");
        // What is another's, or a callback's, is not seen; what is not taken has its turn all the same.
        assert_eq!(
            log.take(),
            "pair01 then3 pair23 run4 call run5 run9 pair67 run8"
        );
        assert_eq!(*reports.borrow(), [Some("<word 7>".to_owned())]);
        assert_eq!(event_loop.statistics().callbacks, 11);
    });
}
