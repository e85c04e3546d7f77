//! Making tasks, switching between them, and passing values.

use std::cell::RefCell;
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::{Meter, Peer, Sample};

/// How many tasks take part where the number is not what is measured.
const CROWD: u64 = 100;

/// How many tasks are made before the first of them is awaited.
const BATCH: u64 = 1000;

/// Tasks that do nothing: make a batch of them, then await each.
pub fn spawn<P: Peer>(count: u64) -> Sample {
    P::run(async move {
        let mut tasks = Vec::with_capacity(BATCH as usize);
        let meter = Meter::start();
        for batch in 0..count / BATCH {
            for task in 0..BATCH {
                tasks.push(P::spawn(async move {
                    black_box(batch ^ task);
                }));
            }
            for task in tasks.drain(..) {
                let _ = task.await;
            }
        }
        meter.stop(count)
    })
}

/// Tasks that yield in turn, in the peer's own way.
pub fn yield_now<P: Peer>(count: u64) -> Sample {
    crowd::<P>(count, async |per| {
        for _ in 0..per {
            P::yield_now().await;
        }
    })
}

/// The same with a future that wakes its own task, which is the same code for all.
pub fn yield_wake<P: Peer>(count: u64) -> Sample {
    crowd::<P>(count, async |per| {
        for _ in 0..per {
            wake_once().await;
        }
    })
}

/// A value to be set later and a task that sets it, over and over: what asyncio calls a Future for each operation.
pub fn oneshot<P: Peer>(count: u64) -> Sample {
    crowd::<P>(count, async |per| {
        for value in 0..per {
            let (setter, getter) = P::oneshot();
            P::spawn_detached(async move { P::set(setter, value) });
            let _ = black_box(getter.await);
        }
    })
}

/// Lets a crowd of tasks do so many operations together.
pub fn crowd<P: Peer>(count: u64, body: impl AsyncFn(u64) + Copy + 'static) -> Sample {
    P::run(async move {
        let mut tasks = Vec::with_capacity(CROWD as usize);
        let meter = Meter::start();
        for _ in 0..CROWD {
            tasks.push(P::spawn(async move { body(count / CROWD).await }));
        }
        for task in tasks {
            let _ = task.await;
        }
        meter.stop(count)
    })
}

/// Two tasks that send each other a value through two queues.
pub fn pingpong<P: Peer>(count: u64) -> Sample {
    P::run(async move {
        let (to_b, mut from_a) = P::channel();
        let (to_a, mut from_b) = P::channel();
        let meter = Meter::start();
        let a = P::spawn(async move {
            for value in 0..count {
                P::send(&to_b, value);
                assert_eq!(P::receive(&mut from_b).await, value);
            }
        });
        let b = P::spawn(async move {
            for _ in 0..count {
                let value = P::receive(&mut from_a).await;
                P::send(&to_a, value);
            }
        });
        let _ = a.await;
        let _ = b.await;
        meter.stop(count)
    })
}

/// No time but an order: of two steps in a row, the share that are of different tasks, when tasks yield (`own`) and
/// when they wake themselves (`wake`). A round is 1.
pub fn order<P: Peer>(count: u64) -> Sample {
    let own = share::<P>(count, async || P::yield_now().await);
    let wake = share::<P>(count, async || wake_once().await);
    Meter::start()
        .stop(count)
        .with("own", own)
        .with("wake", wake)
}

fn share<P: Peer>(count: u64, give_way: impl AsyncFn() + Copy + 'static) -> f64 {
    let steps = P::run(async move {
        let log = Rc::new(RefCell::new(Vec::new()));
        let mut tasks = Vec::new();
        for id in 0..3 {
            let log = log.clone();
            tasks.push(P::spawn(async move {
                for _ in 0..count {
                    log.borrow_mut().push(id);
                    give_way().await;
                }
            }));
        }
        for task in tasks {
            let _ = task.await;
        }
        log.take()
    });
    let changes = steps.windows(2).filter(|pair| pair[0] != pair[1]).count();
    changes as f64 / (steps.len() - 1) as f64
}

/// Suspends once, having woken its own task.
pub fn wake_once() -> WakeOnce {
    WakeOnce { woken: false }
}

/// The future of [`wake_once`].
pub struct WakeOnce {
    woken: bool,
}

impl Future for WakeOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.woken {
            return Poll::Ready(());
        }
        self.woken = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
