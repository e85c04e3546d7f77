//! Setting, cancelling and firing timers, beside a `BTreeMap` and a `BinaryHeap`.
//!
//! One iteration is one timer: set and cancelled, or set and fired, while so many others are set
//! as the number in the name says. The delays of the others, and all in the benches but
//! `insert_cancel`, are pseudo-random between 1 ms and 60 s, and the same for every structure. In
//! `insert_cancel` the timer is a timeout of 30 s on a clock that goes on; `_random` beside it has
//! random delays too, where a slot's last timer is seldom in the cache.
//!
//! What would make the numbers lie: a population that was just set up, most of it in lists that
//! nobody has looked at (here it has turned over once, except in `replace`), cancelling only the timer that was set last (so
//! `replace` cancels a random one, which is out of the cache when there are a million), and a
//! heap that never cleans up (here it cancels lazily and pays when the entry surfaces, but its
//! population grows, so `replace` leaves it out).

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    hint::black_box,
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ouroloop_timer::TimerWheel;

const POPULATIONS: [usize; 3] = [1, 1_000, 1_000_000];

/// Pseudo-random delays in ns.
struct Delays(u64);

impl Delays {
    fn random(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn delay(&mut self) -> u64 {
        1_000_000 + (self.random() >> 32) * 14 // up to 2^32 * 14 ns = 60.1 s
    }
}

const START_NS: u64 = 1_000_000_000_000_000;

const TIMEOUT_NS: u64 = 30_000_000_000;

fn wheel_of(population: usize, delays: &mut Delays) -> (TimerWheel<usize>, u64) {
    let mut wheel = TimerWheel::new();
    for n in 0..population {
        wheel.insert(START_NS + delays.delay(), n);
    }
    let mut start = START_NS;
    for _ in 0..population {
        let (now, n) = wheel.pop_first().unwrap();
        wheel.insert(now + delays.delay(), n);
        start = now;
    }
    (wheel, start)
}

fn tree_of(population: usize, delays: &mut Delays) -> BTreeMap<(u64, usize), usize> {
    (0..population)
        .map(|n| ((START_NS + delays.delay(), n), n))
        .collect()
}

fn insert_cancel(c: &mut Criterion) {
    let mut group = c.benchmark_group("insert_cancel");
    for population in POPULATIONS {
        let mut delays = Delays(1);
        let (mut wheel, mut now) = wheel_of(population - 1, &mut delays);
        group.bench_function(BenchmarkId::new("ouroloop", population), |b| {
            b.iter(|| {
                now += 100;
                let key = wheel.insert(now + TIMEOUT_NS, 0);
                wheel.cancel(black_box(key))
            });
        });
        let mut tree = tree_of(population - 1, &mut delays);
        let mut now = START_NS;
        group.bench_function(BenchmarkId::new("btree", population), |b| {
            b.iter(|| {
                now += 100;
                let key = (now + TIMEOUT_NS, population);
                tree.insert(key, 0);
                tree.remove(&black_box(key))
            });
        });
    }
    group.finish();
}

fn insert_cancel_random(c: &mut Criterion) {
    let mut group = c.benchmark_group("insert_cancel_random");
    for population in POPULATIONS {
        let mut delays = Delays(1);
        let (mut wheel, now) = wheel_of(population - 1, &mut delays);
        group.bench_function(BenchmarkId::new("ouroloop", population), |b| {
            b.iter(|| {
                let key = wheel.insert(now + delays.delay(), 0);
                wheel.cancel(black_box(key))
            });
        });
        let mut tree = tree_of(population - 1, &mut delays);
        group.bench_function(BenchmarkId::new("btree", population), |b| {
            b.iter(|| {
                let key = (START_NS + delays.delay(), population);
                tree.insert(key, 0);
                tree.remove(&black_box(key))
            });
        });
    }
    group.finish();
}

fn replace(c: &mut Criterion) {
    let mut group = c.benchmark_group("replace");
    for population in POPULATIONS {
        let mut delays = Delays(1);
        let mut wheel = TimerWheel::new();
        let mut keys: Vec<_> = (0..population)
            .map(|n| wheel.insert(START_NS + delays.delay(), n))
            .collect();
        group.bench_function(BenchmarkId::new("ouroloop", population), |b| {
            b.iter(|| {
                let n = (delays.random() >> 32) as usize % population;
                let value = wheel.cancel(keys[n]);
                keys[n] = wheel.insert(START_NS + delays.delay(), n);
                value
            });
        });
        let mut delays = Delays(1);
        let mut tree = BTreeMap::new();
        let mut keys: Vec<_> = (0..population)
            .map(|n| (START_NS + delays.delay(), n))
            .inspect(|&key| {
                tree.insert(key, 0);
            })
            .collect();
        group.bench_function(BenchmarkId::new("btree", population), |b| {
            b.iter(|| {
                let n = (delays.random() >> 32) as usize % population;
                let value = tree.remove(&keys[n]);
                keys[n] = (START_NS + delays.delay(), n);
                tree.insert(keys[n], 0);
                value
            });
        });
    }
    group.finish();
}

fn insert_fire(c: &mut Criterion) {
    let mut group = c.benchmark_group("insert_fire");
    for population in POPULATIONS {
        let mut delays = Delays(1);
        let (mut wheel, _) = wheel_of(population, &mut delays);
        group.bench_function(BenchmarkId::new("ouroloop", population), |b| {
            b.iter(|| {
                let now = wheel.next_deadline().unwrap();
                let value = wheel.pop_due(now);
                wheel.insert(now + delays.delay(), 0);
                value
            });
        });
        let mut delays = Delays(1);
        let mut tree = tree_of(population, &mut delays);
        let mut age = population;
        group.bench_function(BenchmarkId::new("btree", population), |b| {
            b.iter(|| {
                let ((now, _), value) = tree.pop_first().unwrap();
                age += 1;
                tree.insert((now + delays.delay(), age), 0);
                value
            });
        });
        let mut delays = Delays(1);
        let mut heap: BinaryHeap<_> = tree_of(population, &mut delays)
            .into_keys()
            .map(Reverse)
            .collect();
        let mut age = population;
        group.bench_function(BenchmarkId::new("heap", population), |b| {
            b.iter(|| {
                let Reverse((now, value)) = heap.pop().unwrap();
                age += 1;
                heap.push(Reverse((now + delays.delay(), age)));
                value
            });
        });
    }
    group.finish();
}

fn set_up(c: &mut Criterion) {
    c.bench_function("new_and_first_timer", |b| {
        b.iter(|| {
            let mut wheel = TimerWheel::new();
            wheel.insert(black_box(START_NS), 0_usize);
            wheel.next_deadline()
        });
    });
}

criterion_group!(
    benches,
    insert_cancel,
    insert_cancel_random,
    replace,
    insert_fire,
    set_up
);
criterion_main!(benches);
