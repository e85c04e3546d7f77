//! Random trees of combinators, with random requests to cancel, on virtual time.
//!
//! Whatever the tree: it ends, each guard is dropped once, the count of requests is what came from
//! outside, no timer, task or memory is left. The seed is shown when one of these fails; run it
//! alone by setting `OUROLOOP_SEED`.

use std::cell::{Cell, RefCell};
use std::future::IntoFuture;
use std::pin::{Pin, pin};
use std::rc::Rc;

use allocation_counter::measure;
use futures_util::future::{join_all, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use ouroloop_combinators::{
    FIRST_COMPLETED, as_completed, cancel_all_tasks, gather, shield, sleep, task_group, timeout,
    wait, wait_for,
};
use ouroloop_core::{EventLoop, VirtualClock};
use ouroloop_task::{
    LoopTasks, TaskError, TaskRef, bare_yield, catch_cancelled, create_future, create_task,
    raise_cancelled,
};
use ouroloop_testkit::{ms, running_loop};

use crate::support::{Oops, ignore, me};

/// How many trees: `OUROLOOP_SEEDS`, or a few thousand.
fn seeds() -> u64 {
    match std::env::var("OUROLOOP_SEEDS") {
        Ok(count) => count.parse().expect("a number"),
        Err(_) if cfg!(miri) => 15,
        Err(_) => 3_000,
    }
}

/// SplitMix64.
#[derive(Clone)]
struct Random(Rc<Cell<u64>>);

impl Random {
    fn new(seed: u64) -> Random {
        Random(Rc::new(Cell::new(seed)))
    }

    fn next(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.0.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// What a tree leaves behind, counted.
#[derive(Clone, Default)]
struct Ledger {
    made: Rc<Cell<usize>>,
    dropped: Rc<Cell<usize>>,
    /// Those that somebody may cancel.
    tasks: Rc<RefCell<Vec<TaskRef>>>,
    /// Whether leaves may raise a cancellation of their own.
    raises: Rc<Cell<bool>>,
}

struct Guard(Ledger, bool);

impl Ledger {
    fn guard(&self) -> Guard {
        self.made.set(self.made.get() + 1);
        Guard(self.clone(), false)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        assert!(
            !std::mem::replace(&mut self.1, true),
            "a guard is dropped once"
        );
        self.0.dropped.set(self.0.dropped.get() + 1);
    }
}

type Tree = Pin<Box<dyn Future<Output = Result<u64, TaskError>>>>;

/// A tree of some depth. Deadlines and sleeps are few round numbers, so that many fall together.
fn tree(random: &Random, ledger: &Ledger, depth: u32) -> Tree {
    let guard = ledger.guard();
    let inner = if depth == 0 || random.below(8) == 0 {
        leaf(random, ledger)
    } else {
        branch(random, ledger, depth - 1)
    };
    Box::pin(async move {
        let _guard = guard;
        inner.await
    })
}

fn leaf(random: &Random, ledger: &Ledger) -> Tree {
    let n = random.below(6);
    match random.below(10) {
        0 => Box::pin(async move { Ok(n) }),
        1 => Box::pin(async move {
            bare_yield().await;
            Ok(n)
        }),
        2..=4 => Box::pin(async move {
            sleep(ms(n)).await;
            Ok(n)
        }),
        5 => Box::pin(async move {
            sleep(ms(n)).await;
            Err(TaskError::failed(Oops("leaf")))
        }),
        6 => Box::pin(async move {
            let promise = create_future::<u64>();
            let future = promise.future();
            running_loop()
                .call_later(ms(n), move || ignore(promise.set_result(n)))
                .expect("it is open");
            future.await
        }),
        7 => Box::pin(async move {
            // A wait that nothing in the library knows of, which ends by itself.
            let mut left = n;
            std::future::poll_fn(|cx| {
                if left == 0 {
                    return std::task::Poll::Ready(Ok(n));
                }
                left -= 1;
                let waker = cx.waker().clone();
                running_loop()
                    .call_later(ms(1), move || waker.wake())
                    .expect("it is open");
                std::task::Poll::Pending
            })
            .await
        }),
        8 => {
            let raises = ledger.raises.get();
            Box::pin(async move {
                sleep(ms(n)).await;
                if raises {
                    raise_cancelled().await;
                }
                Ok(n)
            })
        }
        _ => {
            let ledger = ledger.clone();
            Box::pin(async move {
                let guard = ledger.guard();
                let task = create_task(async move {
                    let _guard = guard;
                    sleep(ms(n)).await;
                    n
                });
                ledger.tasks.borrow_mut().push(task.as_task_ref());
                task.await
            })
        }
    }
}

fn branch(random: &Random, ledger: &Ledger, depth: u32) -> Tree {
    let n = random.below(6);
    let limit = match random.below(3) {
        0 => 0,
        _ => 1 + random.below(4),
    };
    let count = 1 + random.below(3);
    let child = || tree(random, ledger, depth);
    let children = || -> Vec<Tree> { (0..count).map(|_| child()).collect() };
    match random.below(14) {
        0 => {
            let inner = child();
            Box::pin(async move { timeout(ms(limit), inner).await.unwrap_or(Ok(limit)) })
        }
        1 => {
            let inner = child();
            Box::pin(async move {
                match catch_cancelled(inner).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        sleep(ms(n)).await;
                        Ok(n)
                    }
                }
            })
        }
        2 => {
            let inner = child();
            Box::pin(async move {
                match catch_cancelled(inner).await {
                    Ok(ended) => ended,
                    Err(cancelled) => {
                        sleep(ms(n)).await;
                        cancelled.raise().await
                    }
                }
            })
        }
        3 => {
            let children = children();
            Box::pin(async move {
                let all = gather(children).await?;
                Ok(all.into_iter().sum())
            })
        }
        4 => {
            let children = children();
            Box::pin(async move {
                let all = gather(children).return_exceptions().await?;
                Ok(all.len() as u64)
            })
        }
        5 | 6 => {
            let (children, inner, ledger) = (children(), child(), ledger.clone());
            Box::pin(async move {
                let ended = task_group(async |tg| {
                    for child in children {
                        let task = tg.create_task(child).map_err(TaskError::failed)?;
                        ledger.tasks.borrow_mut().push(task.as_task_ref());
                    }
                    inner.await
                })
                .await;
                ended.map_err(TaskError::failed)
            })
        }
        7 => {
            let inner = child();
            Box::pin(async move {
                let ended = wait_for(inner, ms(limit)).await;
                ended.unwrap_or(Ok(limit))
            })
        }
        8 => {
            let (inner, ledger) = (child(), ledger.clone());
            Box::pin(async move {
                let task = create_task(inner);
                ledger.tasks.borrow_mut().push(task.as_task_ref());
                wait_for(task, ms(limit)).await.unwrap_or(Ok(limit))
            })
        }
        9 => {
            let children = children();
            Box::pin(async move {
                let all = join_all(children).await;
                all.into_iter().sum()
            })
        }
        10 => {
            let (one, two) = (child(), child());
            Box::pin(async move { select(pin!(one), pin!(two)).await.factor_first().0 })
        }
        11 => {
            let children = children();
            Box::pin(async move {
                let mut set: FuturesUnordered<_> = children.into_iter().collect();
                let mut left = limit.max(1);
                let mut sum = 0;
                // Perhaps not all of them: the rest are dropped where they are.
                while let (true, Some(ended)) = (left > 0, set.next().await) {
                    left -= 1;
                    sum += ended.unwrap_or(1);
                }
                Ok(sum)
            })
        }
        12 => {
            let (inner, ledger) = (child(), ledger.clone());
            Box::pin(async move {
                let task = create_task(inner);
                ledger.tasks.borrow_mut().push(task.as_task_ref());
                let shielded = shield(&task).into_future().map(|ended| ended.map(drop));
                let _ = timeout(ms(limit), shielded).await;
                task.await?
            })
        }
        _ => {
            let (children, ledger) = (children(), ledger.clone());
            Box::pin(async move {
                let tasks: Vec<_> = children.into_iter().map(create_task).collect();
                let refs = tasks.iter().map(|task| task.as_task_ref());
                ledger.tasks.borrow_mut().extend(refs);
                let (done, _) = wait(&tasks)
                    .timeout(ms(limit))
                    .return_when(FIRST_COMPLETED)
                    .await
                    .expect("there are some");
                let done = done.len() as u64;
                let mut stream = as_completed(tasks).timeout(ms(n));
                while stream.next().await.is_some() {}
                Ok(done)
            })
        }
    }
}

/// Runs one tree; `Err` says what is wrong.
fn run_seed(seed: u64) -> Result<(), String> {
    let clock = VirtualClock::new();
    let event_loop = EventLoop::builder()
        .clock(clock)
        .debug(false)
        .build()
        .map_err(|error| error.to_string())?;
    let panics = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_exception_handler(Some({
        let panics = panics.clone();
        Rc::new(move |_, context| {
            if context.panic().is_some() {
                panics.borrow_mut().push(context.to_string());
            }
        })
    }));
    let ledger = Ledger::default();
    let random = Random::new(seed);
    let depth = 1 + random.below(4) as u32;
    let calm = tree(&random, &ledger, depth);
    ledger.raises.set(true);
    let raising = tree(&random, &ledger, depth);
    let cancels = random.below(4);
    let ran = event_loop.run_until_complete({
        let (random, ledger) = (random.clone(), ledger.clone());
        async move {
            // What is around the trees must not notice what happens inside.
            let bystander = async {
                for _ in 0..10 {
                    sleep(ms(1)).await;
                }
                "slept"
            };
            let (caught, count, slept) = futures_util::join!(
                catch_cancelled(calm),
                async {
                    // A scope for what the tree raises itself.
                    drop(catch_cancelled(raising).await);
                    me().cancelling()
                },
                bystander
            );
            // Nobody cancels the first from outside, so nothing comes out of it.
            let main = (caught.is_ok(), count, slept, me().cancelling());

            // The same again as a task that is cancelled, and whose tasks are.
            let victim = create_task(tree(&random, &ledger, depth));
            let of_victim = victim.as_task_ref();
            let mut requests = 0;
            for _ in 0..cancels {
                sleep(ms(random.below(4))).await;
                if random.below(3) == 0 {
                    let tasks = ledger.tasks.borrow();
                    if !tasks.is_empty() {
                        tasks[random.below(tasks.len() as u64) as usize].cancel();
                    }
                } else {
                    requests += u32::from(victim.cancel());
                }
            }
            let in_time = timeout(ms(500), async { ignore(victim.await) }).await;
            let ended = (in_time.is_ok(), of_victim.cancelling() == requests);
            (main, ended, me().cancelling())
        }
    });
    let ran = ran.map_err(|error| format!("the main task: {error}"))?;
    if ran.0 != (true, 0, "slept", 0) {
        return Err(format!("the bystander and the counts: {:?}", ran.0));
    }
    if ran.1 != (true, true) {
        return Err(format!(
            "the task ended in time, with its count: {:?}",
            ran.1
        ));
    }
    if ran.2 != 0 {
        return Err(format!("the main task's count: {}", ran.2));
    }
    cancel_all_tasks(&event_loop).map_err(|error| format!("the shutdown: {error}"))?;
    cancel_all_tasks(&event_loop).map_err(|error| format!("the second shutdown: {error}"))?;
    let left = event_loop.all_tasks().len();
    ledger.tasks.borrow_mut().clear();
    let timers = event_loop.statistics().timers;
    event_loop.close().map_err(|error| error.to_string())?;
    // Timers of call_later outlive their trees, for a few milliseconds.
    if left > 0 || timers > 60 {
        return Err(format!("{left} tasks, {timers} timers left"));
    }
    if ledger.made.get() != ledger.dropped.get() {
        let (made, dropped) = (ledger.made.get(), ledger.dropped.get());
        return Err(format!("{made} guards made, {dropped} dropped"));
    }
    let panics = panics.take();
    if !panics.is_empty() {
        return Err(format!("panics: {panics:?}"));
    }
    Ok(())
}

#[test]
fn random_trees_end_and_leave_nothing_behind() {
    if let Some(seed) = std::env::var_os("OUROLOOP_SEED") {
        let seed = seed.to_string_lossy().parse().expect("a number");
        run_seed(seed).expect("this seed holds");
        return;
    }
    let mut failed = Vec::new();
    for seed in 0..seeds() {
        let ended = std::panic::catch_unwind(|| run_seed(seed));
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(what)) => failed.push((seed, what)),
            Err(_) => failed.push((seed, "it panicked".to_owned())),
        }
    }
    let few: Vec<_> = failed.iter().take(10).collect();
    assert!(
        failed.is_empty(),
        "{} of {} seeds: {few:#?}",
        failed.len(),
        seeds()
    );
}

#[test]
fn random_trees_leak_no_memory() {
    for seed in 0..seeds() / 30 {
        let mut left = [0; 4];
        for left in &mut left {
            *left = measure(|| ignore(run_seed(seed))).count_current;
        }
        let least = left[1..].iter().min().expect("there are rounds");
        assert!(*least <= 0, "seed {seed} leaves {left:?} blocks");
    }
}

#[test]
fn one_seed_is_one_program() {
    let trace = |seed| {
        let random = Random::new(seed);
        (0..20).map(|_| random.below(100)).collect::<Vec<_>>()
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}
