//! How many iterations each operation takes: asyncio's table, one line a row.

use std::future::{IntoFuture, pending};
use std::pin::Pin;
use std::time::Duration;

use ouroloop_combinators::{
    FIRST_COMPLETED, as_completed, gather, shield, sleep, task_group, timeout, timeout_scope, wait,
    wait_for,
};
use ouroloop_task::{TaskBuilder, TaskError, bare_yield, create_future, create_task};
use ouroloop_testkit::{hops, ms, running_loop};

use crate::support::{Failure, run};

type Operation = Pin<Box<dyn Future<Output = ()>>>;

/// An operation by its name, its hops, and what makes it. What is made beforehand is made there.
type Row = (&'static str, u64, fn() -> Operation);

async fn nothing() -> Result<(), Failure> {
    Ok(())
}

fn boxed(future: impl Future<Output = ()> + 'static) -> Operation {
    Box::pin(future)
}

const TABLE: &[Row] = &[
    ("a coroutine directly", 0, || {
        boxed(async { drop(nothing().await) })
    }),
    ("a done promise", 0, || {
        let promise = create_future();
        promise.set_result(()).expect("it is pending");
        boxed(async { promise.await.expect("it is set") })
    }),
    ("an empty gather", 0, || {
        boxed(async {
            let none: [std::future::Ready<Result<(), Failure>>; 0] = [];
            gather(none).await.expect("nothing fails");
        })
    }),
    ("an empty TaskGroup", 0, || {
        boxed(async {
            task_group(async |_| Ok::<_, TaskError>(()))
                .await
                .expect("nothing fails");
        })
    }),
    (
        "an unexpired timeout around what does not suspend",
        0,
        || boxed(async { timeout(ms(1), async {}).await.expect("it is in time") }),
    ),
    ("sleep of nothing", 1, || boxed(sleep(Duration::ZERO))),
    ("a bare yield", 1, || boxed(bare_yield())),
    ("sleep of a little", 2, || {
        boxed(sleep(Duration::from_nanos(1)))
    }),
    ("a pending promise that call_soon sets", 2, || {
        let promise = create_future();
        let future = promise.future();
        running_loop()
            .call_soon(move || promise.set_result(()).expect("it is pending"))
            .expect("it is open");
        boxed(async { future.await.expect("it is set") })
    }),
    ("a fresh task that does not suspend", 2, || {
        let task = create_task(async {});
        boxed(async { task.await.expect("it has a value") })
    }),
    ("gather of coroutines that do not suspend", 3, || {
        boxed(async { drop(gather([nothing(), nothing()]).await) })
    }),
    ("gather of fresh tasks", 3, || {
        let tasks = [create_task(nothing()), create_task(nothing())];
        boxed(async { drop(gather(tasks).await) })
    }),
    ("gather! of both", 3, || {
        let task = create_task(nothing());
        boxed(async { drop(gather!(task, nothing()).await) })
    }),
    ("wait for fresh tasks", 3, || {
        let tasks = [create_task(nothing()), create_task(nothing())];
        boxed(async move { drop(wait(&tasks).await) })
    }),
    ("wait for the first of fresh tasks", 3, || {
        let tasks = [create_task(async {}), create_task(async {})];
        boxed(async move { drop(wait(&tasks).return_when(FIRST_COMPLETED).await) })
    }),
    ("wait with no time for a pending task", 2, || {
        let task = create_task(sleep(ms(1)));
        boxed(async move {
            let (done, pending) = wait([&task]).timeout(Duration::ZERO).await.expect("one");
            assert_eq!((done.len(), pending.len()), (0, 1));
            task.cancel();
        })
    }),
    ("wait_for a coroutine that does not suspend", 0, || {
        boxed(async { drop(wait_for(nothing(), ms(1)).await) })
    }),
    ("wait_for without a limit", 0, || {
        boxed(async { drop(wait_for(nothing(), None).await) })
    }),
    ("wait_for a fresh task", 2, || {
        let task = create_task(nothing());
        boxed(async { drop(wait_for(task, ms(1)).await) })
    }),
    ("wait_for a coroutine with no time", 3, || {
        boxed(async {
            let late = wait_for(async { unreachable!("it never runs") }, Duration::ZERO).await;
            let _: Result<(), _> = late;
        })
    }),
    ("shield of a fresh task", 3, || {
        let task = create_task(nothing());
        boxed(async move { drop(shield(&task).await) })
    }),
    ("the first of as_completed", 3, || {
        boxed(async {
            let mut stream = as_completed([nothing(), nothing()]);
            assert!(stream.next().await.is_some());
            let (count, _) = hops(stream.next()).await;
            assert_eq!(count, 0, "it ended together with the first");
        })
    }),
    ("a TaskGroup with fresh children", 3, || {
        boxed(async {
            let group = task_group(async |tg| {
                for _ in 0..3 {
                    tg.create_task(nothing())?;
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            });
            group.await.expect("nothing fails");
        })
    }),
    ("timeout of nothing around a long sleep", 2, || {
        boxed(async {
            let late = timeout(Duration::ZERO, sleep(ms(1000))).await;
            assert!(late.is_err());
        })
    }),
    ("timeout of nothing around a sleep of nothing", 1, || {
        boxed(async {
            let late = timeout(Duration::ZERO, sleep(Duration::ZERO)).await;
            assert!(late.is_err());
        })
    }),
    ("timeout of nothing around what does not suspend", 0, || {
        boxed(async {
            timeout(Duration::ZERO, async {})
                .await
                .expect("it had no chance")
        })
    }),
    ("timeout_scope without a limit", 0, || {
        boxed(async {
            timeout_scope(None, async |_| ()).await.expect("no limit");
        })
    }),
    ("gather of eager tasks that do not suspend", 0, || {
        let eager = || TaskBuilder::new().eager_start(true).create_task(nothing());
        let tasks = [eager(), eager()];
        boxed(async { drop(gather(tasks).await) })
    }),
];

#[test]
fn each_operation_takes_as_many_iterations_as_in_asyncio() {
    for (name, expected, make) in TABLE {
        let count = run(async {
            let operation = make();
            hops(operation).await.0
        });
        assert_eq!(count, *expected, "{name}");
    }
}

/// What needs iterations to prepare.
#[test]
fn what_is_done_beforehand() {
    run(async {
        let done = || async {
            let task = create_task(nothing());
            bare_yield().await;
            assert!(task.done());
            task
        };
        let tasks = [done().await, done().await];
        assert_eq!(hops(gather(tasks)).await.0, 0, "gather of done tasks");
        let task = done().await;
        assert_eq!(hops(shield(&task)).await.0, 0, "shield of a done task");
        assert_eq!(hops(wait([&task])).await.0, 2, "wait for a done task");
        let late = wait_for(task, Duration::ZERO);
        assert_eq!(hops(late).await.0, 0, "wait_for a done task with no time");
        let tasks = [done().await, done().await];
        let mut stream = as_completed(tasks);
        assert_eq!(hops(stream.next()).await.0, 2, "as_completed of done tasks");
        let task = create_task(pending::<()>());
        bare_yield().await;
        let late = wait_for(task, Duration::ZERO);
        // The unwinding, its callback, and this.
        assert_eq!(
            hops(late).await.0,
            3,
            "wait_for a pending task with no time"
        );
    });
}

#[test]
fn an_await_by_value_and_one_by_reference_take_as_long() {
    run(async {
        let task = create_task(nothing());
        assert_eq!(hops(&task).await.0, 2);
        let gathering = gather([nothing(), nothing()]).start();
        assert_eq!(hops(&gathering).await.0, 3);
        assert_eq!(hops(gathering.into_future()).await.0, 0);
    });
}
