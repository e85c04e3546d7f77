//! Loom models of the inbox's protocol: every interleaving of a submitter and a loop.
//!
//! Run them by `cargo xtask loom`. The loop here has no user code, and no descriptor to watch: what is modelled is who sees what, and who wakes whom. A lost wake-up leaves
//! the loop in the selector with nobody to wake it, which loom reports as a deadlock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ::loom::thread;

use super::{Inbox, Item};
use crate::selector::Bell;
use crate::{ClientId, ClientWord, SelectorWaker};

const GENERATION: u64 = 1;

/// A selector that knows nothing but wake-ups: all that a real one has when it watches no descriptor.
impl SelectorWaker for Bell {
    fn wake(&self) {
        self.ring(|| Ok(())).expect("nothing is written");
    }
}

/// The loop's side: an inbox, its selector, and what was taken out.
struct Loop {
    inbox: Arc<Inbox>,
    bell: Arc<Bell>,
    seen: Vec<u64>,
    waits: u32,
}

impl Loop {
    fn new() -> Loop {
        let (inbox, bell) = (Arc::new(Inbox::new()), Arc::new(Bell::new()));
        inbox.open(GENERATION, bell.clone());
        Loop {
            inbox,
            bell,
            seen: Vec::new(),
            waits: 0,
        }
    }

    /// One turn: sleeps if nothing is pending, then drains.
    fn turn(&mut self) {
        if self.inbox.park() {
            self.waits += 1;
            self.bell.wait(None);
        }
        self.inbox.unpark();
        self.drain();
    }

    fn drain(&mut self) {
        if self.inbox.is_pending() {
            let mut items = Vec::new();
            self.inbox.drain(&mut items);
            self.seen.extend(items.iter().map(payload));
        }
    }
}

fn word(payload: u64) -> Item {
    Item::Word(word_of(payload))
}

fn word_of(payload: u64) -> ClientWord {
    ClientId::from_index(0).word(payload)
}

fn payload(item: &Item) -> u64 {
    match item {
        Item::Word(word) => word.payload(),
        Item::Call { .. } | Item::Turn(_) => unreachable!("no model submits one"),
    }
}

fn submit(inbox: &Inbox, payload: u64) -> bool {
    inbox.push(Some(GENERATION), word(payload)).is_ok()
}

/// Explores `model` and says how far.
fn explore(name: &str, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let count = executions.clone();
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = None;
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        model();
    });
    println!(
        "loom: {name} explored {} executions",
        executions.load(Relaxed)
    );
}

/// Model 10: a submission against a loop that falls asleep.
#[test]
fn m10_a_submission_against_a_loop_that_parks_is_seen() {
    explore("submit_vs_park", || {
        let mut event_loop = Loop::new();
        let inbox = event_loop.inbox.clone();
        let submitter = thread::spawn(move || assert!(submit(&inbox, 1)));
        while event_loop.seen.is_empty() {
            event_loop.turn();
        }
        assert_eq!(event_loop.seen, [1]);
        submitter.join().unwrap();
        assert!(!event_loop.inbox.is_pending());
    });
}

/// Model 10 again, with two submitters: the second need not wake, the first does.
#[test]
fn m10_two_submissions_wake_the_loop_once_and_are_both_seen() {
    explore("two_submits_vs_park", || {
        let mut event_loop = Loop::new();
        let submitters = [1, 2].map(|n| {
            let inbox = event_loop.inbox.clone();
            thread::spawn(move || assert!(submit(&inbox, n)))
        });
        while event_loop.seen.len() < 2 {
            event_loop.turn();
        }
        event_loop.seen.sort_unstable();
        assert_eq!(event_loop.seen, [1, 2]);
        // A late wake-up may end one sleep for nothing, and no more.
        assert!(event_loop.waits <= 3);
        submitters.into_iter().for_each(|it| it.join().unwrap());
    });
}

/// Model 11: a submission against a loop that stops. What it did not see is there for the next run.
#[test]
fn m11_a_submission_against_a_loop_that_stops_is_seen_now_or_in_the_next_run() {
    const STOP: u64 = 0;
    explore("submit_vs_stop", || {
        let mut event_loop = Loop::new();
        let (inbox, stopper) = (event_loop.inbox.clone(), event_loop.inbox.clone());
        let submitter = thread::spawn(move || assert!(submit(&inbox, 7)));
        let stopper = thread::spawn(move || assert!(submit(&stopper, STOP)));
        while !event_loop.seen.contains(&STOP) {
            event_loop.turn();
        }
        // Stopped. The next run begins, and would sleep if nothing were pending.
        while !event_loop.seen.contains(&7) {
            event_loop.turn();
        }
        assert_eq!(event_loop.seen.len(), 2);
        submitter.join().unwrap();
        stopper.join().unwrap();
    });
}

/// Model 12: a submission against a loop that closes is dropped by the loop or refused; never both
/// accepted and lost.
#[test]
fn m12_a_submission_against_a_loop_that_closes_is_taken_out_or_refused() {
    explore("submit_vs_close", || {
        let mut event_loop = Loop::new();
        let inbox = event_loop.inbox.clone();
        let submitter =
            thread::spawn(move || (1..=2).filter(|n| submit(&inbox, *n)).collect::<Vec<_>>());
        event_loop.drain();
        let left = event_loop.inbox.close();
        event_loop.seen.extend(left.iter().map(payload));
        let accepted = submitter.join().unwrap();
        assert_eq!(event_loop.seen, accepted);
        assert!(!event_loop.inbox.is_pending());
        assert!(!submit(&event_loop.inbox, 3));
        // The next owner of the inbox finds it empty, and other generations do not reach it.
        event_loop
            .inbox
            .open(GENERATION + 1, event_loop.bell.clone());
        assert!(!submit(&event_loop.inbox, 4));
        assert!(event_loop.inbox.push(None, word(5)).is_ok());
    });
}

/// Model 13: a timer that is earlier than the one the loop sleeps for, set from another thread.
/// The loop must look up though its own deadline is far, here: never.
#[test]
fn m13_an_earlier_timer_from_another_thread_ends_the_wait_for_a_later_one() {
    const FAR: u64 = 1_000_000;
    explore("earlier_timer_vs_park", || {
        let mut event_loop = Loop::new();
        let inbox = event_loop.inbox.clone();
        let submitter = thread::spawn(move || {
            assert!(submit(&inbox, 20));
            assert!(submit(&inbox, 10));
        });
        let mut deadline = FAR;
        while deadline > 10 {
            event_loop.turn();
            deadline = event_loop
                .seen
                .iter()
                .copied()
                .chain([deadline])
                .min()
                .unwrap();
        }
        submitter.join().unwrap();
    });
}

/// The nudge that the last remote handle gives: nothing in the queue, and yet the loop looks up.
/// The loop must ask whether there is a handle between draining and parking; asked before it
/// drains, the drain takes the nudge away.
#[test]
fn a_nudge_ends_a_sleep_without_an_item() {
    explore("nudge_vs_park", || {
        let mut event_loop = Loop::new();
        let inbox = event_loop.inbox.clone();
        let handles = Arc::new(::loom::sync::atomic::AtomicUsize::new(1));
        let gone = handles.clone();
        let dropper = thread::spawn(move || {
            gone.fetch_sub(1, ::loom::sync::atomic::Ordering::Release);
            inbox.nudge(GENERATION);
        });
        while handles.load(::loom::sync::atomic::Ordering::Acquire) != 0 {
            event_loop.turn();
        }
        assert!(event_loop.seen.is_empty());
        dropper.join().unwrap();
    });
}
