//! Very many of a kind: what each of them costs, in time and memory, and how long the loop is held up at a time.
//!
//! The clock is virtual, so no time is slept, and what passes between two entries of the ready queue is work: the
//! longest such span is how long nothing else could run. What the scenario itself makes it makes in small parts.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use ouroloop::{
    Clock, EventLoop, Runner, Task, bare_yield, create_task, gather, get_running_loop, sleep,
};

use crate::meter::resident_bytes;
use crate::workloads::Random;
use crate::{Meter, Sample};

/// Takes a sample of the scenario with this name.
///
/// With `each_step` it has the longest step, and else the time that it took.
pub fn sample(name: &str, size: u64, each_step: bool) -> Option<Sample> {
    let scenario = match name {
        "scale_tasks" => asleep,
        "scale_shutdown" => shut_down,
        "scale_timers" => timers,
        "scale_lock" => lock,
        "scale_gather" => gathered,
        "scale_chain" => chain,
        _ => return None,
    };
    Some(scenario(size, each_step))
}

/// How much of its own a scenario does at a time.
const PART: u64 = 500;

/// What is measured beside the time.
struct Watch {
    steps: Option<Rc<Steps>>,
    meter: Meter,
    bytes_before: u64,
    bytes_most: Cell<u64>,
}

/// The longest time between two entries. It is the thread's own time, so that other programs hold nobody up.
#[derive(Default)]
struct Steps {
    last: Cell<Duration>,
    longest: Cell<Duration>,
    /// The time of the one call that the scenario is about, which is apart.
    call: Cell<Duration>,
    in_call: Cell<bool>,
}

impl Steps {
    fn entry(&self) {
        if !self.in_call.get() {
            self.longest.set(self.longest.get().max(self.span()));
        }
    }

    /// What was done since the last entry was a part of the call.
    fn was_call(&self) {
        self.call.set(self.call.get() + self.span());
    }

    /// The time since it was asked for last.
    fn span(&self) -> Duration {
        let now = thread_time();
        now - self.last.replace(now)
    }
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    now.expect("each thread has its clock").into()
}

impl Watch {
    /// Watches the loop that runs. Asking the clock before each step costs more than most steps, so the time that is
    /// to be kept is taken without.
    fn start(each_step: bool) -> Watch {
        let steps = each_step.then(|| {
            let steps = Rc::new(Steps::default());
            steps.last.set(thread_time());
            let observer = steps.clone();
            running().set_entry_observer(Some(Box::new(move |_| observer.entry())));
            steps
        });
        Watch {
            steps,
            bytes_before: resident_bytes(),
            bytes_most: Cell::new(0),
            meter: Meter::start(),
        }
    }

    /// To be called when there is most of everything.
    fn all_are_there(&self) {
        self.bytes_most.set(resident_bytes());
        // Asking took a while, which is no step of the loop.
        if let Some(steps) = &self.steps {
            steps.last.set(thread_time());
        }
    }

    /// Does what is one call for whoever uses it, and so cannot be split; also if the loop runs in it.
    fn call<T>(&self, call: impl FnOnce() -> T) -> T {
        let Some(steps) = &self.steps else {
            return call();
        };
        steps.entry();
        steps.in_call.set(true);
        let result = call();
        steps.in_call.set(false);
        steps.was_call();
        result
    }

    /// The same, of what has just been done in this step.
    fn was_call(&self) {
        if let Some(steps) = &self.steps {
            steps.was_call();
        }
    }

    fn stop(self, size: u64) -> Sample {
        let sample = self.meter.stop(size);
        let bytes = self.bytes_most.get().saturating_sub(self.bytes_before);
        let sample = sample.with("bytes", bytes as f64 / size as f64);
        let Some(steps) = self.steps else {
            return sample;
        };
        steps.entry();
        let us = |time: &Cell<Duration>| time.get().as_secs_f64() * 1e6;
        sample
            .with("step_us", us(&steps.longest))
            .with("call_us", us(&steps.call))
    }
}

fn running() -> EventLoop {
    get_running_loop().expect("scenarios run in one")
}

fn run<T: 'static>(scenario: impl Future<Output = T> + 'static) -> T {
    let mut runner = Runner::new().clock(Clock::virtual_time());
    runner.run(scenario).expect("it ends")
}

/// Makes so many tasks, a part at a time.
async fn tasks<F>(size: u64, mut task: impl FnMut(u64) -> F) -> Vec<Task<F::Output>>
where
    F: Future<Output: 'static> + 'static,
{
    let mut tasks = Vec::with_capacity(size as usize);
    for at in 0..size {
        if at.is_multiple_of(PART) {
            bare_yield().await;
        }
        tasks.push(create_task(task(at)));
    }
    bare_yield().await;
    tasks
}

/// Awaits them, in their order.
async fn all<T: 'static>(tasks: Vec<Task<T>>) {
    for (at, task) in tasks.into_iter().enumerate() {
        if (at as u64).is_multiple_of(PART) {
            bare_yield().await;
        }
        let _ = task.await;
    }
}

/// Tasks that sleep until random times within an hour.
fn asleep(size: u64, each_step: bool) -> Sample {
    run(async move {
        let watch = Watch::start(each_step);
        let mut random = Random(1);
        let tasks = tasks(size, |_| {
            sleep(Duration::from_millis(random.below(3_600_000)))
        })
        .await;
        watch.all_are_there();
        all(tasks).await;
        watch.stop(size)
    })
}

/// Tasks that sleep when the program ends: each is cancelled, awaited, and dropped.
fn shut_down(size: u64, each_step: bool) -> Sample {
    let mut runner = Runner::new().clock(Clock::virtual_time());
    let watch = runner.run(async move {
        let watch = Watch::start(each_step);
        drop(tasks(size, |_| sleep(Duration::from_secs(3600))).await);
        watch.all_are_there();
        watch
    });
    let watch = watch.expect("it ends");
    let closed = watch.call(|| runner.close());
    closed.expect("all tasks end when they are asked");
    watch.stop(size)
}

/// Callbacks at random times within an hour.
fn timers(size: u64, each_step: bool) -> Sample {
    run(async move {
        let watch = Watch::start(each_step);
        let (event_loop, mut random) = (running(), Random(1));
        let left = Rc::new(Cell::new(size));
        for at in 0..size {
            if at.is_multiple_of(PART) {
                bare_yield().await;
            }
            let left = left.clone();
            let delay = Duration::from_millis(random.below(3_600_000));
            event_loop
                .call_later(delay, move || left.set(left.get() - 1))
                .expect("it is open");
        }
        watch.all_are_there();
        sleep(Duration::from_secs(3601)).await;
        assert_eq!(left.get(), 0);
        watch.stop(size)
    })
}

/// Tasks that wait for one lock, and get it in turn.
fn lock(size: u64, each_step: bool) -> Sample {
    run(async move {
        let watch = Watch::start(each_step);
        let lock = Rc::new(ouroloop::Lock::new());
        let held = lock.acquire().await;
        let tasks = tasks(size, |_| {
            let lock = lock.clone();
            async move { drop(lock.acquire().await) }
        })
        .await;
        watch.all_are_there();
        drop(held);
        all(tasks).await;
        watch.stop(size)
    })
}

/// A gather of tasks that give a number each.
fn gathered(size: u64, each_step: bool) -> Sample {
    run(async move {
        let watch = Watch::start(each_step);
        let tasks = tasks(size, |at| async move {
            bare_yield().await;
            at
        })
        .await;
        let gathering = watch.call(|| gather(tasks).values());
        watch.all_are_there();
        let results = gathering.await.expect("none fails");
        // Whoever awaits a gather gets a list of all at once.
        watch.was_call();
        assert_eq!(results.len() as u64, size);
        watch.stop(size)
    })
}

/// Tasks each of which awaits the one made before it; the last is cancelled, and with it all.
fn chain(size: u64, each_step: bool) -> Sample {
    run(async move {
        let watch = Watch::start(each_step);
        let mut last = None::<Task<()>>;
        for at in 0..size {
            if at.is_multiple_of(PART) {
                bare_yield().await;
            }
            let awaited = last.take();
            last = Some(create_task(async move {
                match awaited {
                    Some(task) => drop(task.await),
                    None => std::future::pending().await,
                }
            }));
        }
        bare_yield().await;
        bare_yield().await;
        watch.all_are_there();
        let last = last.expect("there is one at least");
        watch.call(|| last.cancel());
        let _ = last.await;
        watch.stop(size)
    })
}
