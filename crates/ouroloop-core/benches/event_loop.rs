//! What a turn costs, beside a bare queue that was written for the one purpose.
//!
//! One iteration is one entry: scheduled and run, in batches of the size in the name, or a timer
//! that is set and cancelled. The peers have no loop around them: no timers, no other threads, no
//! I/O, no containment of panics; they are what could at best be had. What would make the numbers
//! lie: an entry whose work is more than a counter, and batches so large that memory is measured.

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ouroloop_core::{Client, ClientId, EventLoop, LoopRef, new_event_loop};

const BATCHES: [u64; 2] = [1, 100];

/// Schedules each of its words again, until enough have run.
struct Again {
    event_loop: RefCell<Option<LoopRef>>,
    id: Cell<Option<ClientId>>,
    left: Cell<u64>,
}

impl Again {
    fn register(event_loop: &EventLoop) -> Rc<Again> {
        let again = Rc::new(Again {
            event_loop: RefCell::new(Some(event_loop.downgrade())),
            id: Cell::new(None),
            left: Cell::new(0),
        });
        again
            .id
            .set(Some(event_loop.register_client(again.clone())));
        again
    }
}

impl Client for Again {
    fn run(&self, payload: u64) {
        let event_loop = self.event_loop.borrow();
        let (Some(event_loop), Some(id)) = (event_loop.as_ref(), self.id.get()) else {
            return;
        };
        match self.left.get() {
            0 => event_loop.stop(),
            left => {
                self.left.set(left - 1);
                event_loop.schedule(id.word(payload));
            }
        }
    }

    fn posted(&self, _payload: u64) {}

    fn describe(&self, payload: u64) -> String {
        format!("word {payload}")
    }

    fn close(&self) {
        self.event_loop.take();
    }
}

fn run_words(event_loop: &EventLoop, again: &Again, batch: u64, count: u64) -> Duration {
    again.left.set(count);
    let id = again.id.get().expect("it is registered");
    for payload in 0..batch {
        event_loop.schedule(id.word(payload));
    }
    let begun = Instant::now();
    event_loop.run_forever().expect("the words keep it going");
    begun.elapsed()
}

/// The peer: a queue, and a virtual call for each entry.
trait Run {
    fn run(&self, word: u64, queue: &mut VecDeque<u64>) -> bool;
}

struct BareAgain(Cell<u64>);

impl Run for BareAgain {
    fn run(&self, word: u64, queue: &mut VecDeque<u64>) -> bool {
        let left = self.0.get();
        if left > 0 {
            self.0.set(left - 1);
            queue.push_back(word);
        }
        left > 0
    }
}

fn word(c: &mut Criterion) {
    let mut group = c.benchmark_group("client_word");
    for batch in BATCHES {
        let event_loop = new_event_loop().expect("there is a selector");
        let again = Again::register(&event_loop);
        group.bench_function(BenchmarkId::new("ouroloop", batch), |b| {
            b.iter_custom(|count| run_words(&event_loop, &again, batch, count));
        });
        event_loop.close().expect("it has stopped");
        group.bench_function(BenchmarkId::new("bare_queue", batch), |b| {
            b.iter_custom(|count| {
                let client: Box<dyn Run> = black_box(Box::new(BareAgain(Cell::new(count))));
                let mut queue: VecDeque<u64> = (0..batch).collect();
                let begun = Instant::now();
                while let Some(word) = queue.pop_front() {
                    client.run(word, &mut queue);
                }
                begun.elapsed()
            });
        });
    }
    group.finish();
}

/// The same with a timer pending, and with a descriptor registered: what a real program has.
fn word_in_company(c: &mut Criterion) {
    let mut group = c.benchmark_group("client_word_in_company");
    let event_loop = new_event_loop().expect("there is a selector");
    let again = Again::register(&event_loop);
    let timer = event_loop
        .call_later(Duration::from_secs(3600), || {})
        .expect("it is open");
    group.bench_function(BenchmarkId::new("ouroloop", "timer"), |b| {
        b.iter_custom(|count| run_words(&event_loop, &again, 1, count));
    });
    timer.cancel();
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().expect("sockets can be made");
    let source = event_loop
        .register_io(ours)
        .expect("a socket can be watched");
    group.bench_function(BenchmarkId::new("ouroloop", "source"), |b| {
        b.iter_custom(|count| run_words(&event_loop, &again, 1, count));
    });
    drop(source);
    event_loop.close().expect("it has stopped");
    group.finish();
}

fn call_soon(c: &mut Criterion) {
    let mut group = c.benchmark_group("call_soon");
    for batch in BATCHES {
        let event_loop = new_event_loop().expect("there is a selector");
        let count = Rc::new(Cell::new(0_u64));
        let entered = event_loop.enter().expect("no loop runs");
        group.bench_function(BenchmarkId::new("ouroloop", batch), |b| {
            b.iter_custom(|iterations| {
                let begun = Instant::now();
                let mut done = 0;
                while done < iterations {
                    for _ in 0..batch {
                        let count = count.clone();
                        event_loop
                            .call_soon(move || count.set(count.get() + 1))
                            .expect("open");
                    }
                    event_loop.run_batch().expect("it is open");
                    done += batch;
                }
                begun.elapsed().mul_f64(iterations as f64 / done as f64)
            });
        });
        drop(entered);
        event_loop.close().expect("it has stopped");
        let mut queue: VecDeque<Box<dyn FnOnce()>> = VecDeque::new();
        group.bench_function(BenchmarkId::new("boxed_queue", batch), |b| {
            b.iter_custom(|iterations| {
                let begun = Instant::now();
                let mut done = 0;
                while done < iterations {
                    for _ in 0..batch {
                        let count = count.clone();
                        queue.push_back(Box::new(move || count.set(count.get() + 1)));
                    }
                    while let Some(callback) = queue.pop_front() {
                        callback();
                    }
                    done += batch;
                }
                begun.elapsed().mul_f64(iterations as f64 / done as f64)
            });
        });
    }
    group.finish();
}

fn timer(c: &mut Criterion) {
    const TIMEOUT_NS: u64 = 30_000_000_000;
    let mut group = c.benchmark_group("schedule_at_and_cancel");
    let event_loop = new_event_loop().expect("there is a selector");
    let again = Again::register(&event_loop);
    let word = again.id.get().expect("it is registered").word(0);
    let mut now = 0;
    group.bench_function("ouroloop", |b| {
        b.iter(|| {
            now += 100;
            let key = event_loop.schedule_at(black_box(now + TIMEOUT_NS), word);
            event_loop.cancel_timer(black_box(key))
        });
    });
    event_loop.close().expect("it is not running");
    let mut tree = BTreeMap::new();
    group.bench_function("btree", |b| {
        b.iter(|| {
            now += 100;
            let key = (now + TIMEOUT_NS, now);
            tree.insert(key, word);
            tree.remove(&black_box(key))
        });
    });
    group.finish();
}

criterion_group!(benches, word, word_in_company, call_soon, timer);
criterion_main!(benches);
