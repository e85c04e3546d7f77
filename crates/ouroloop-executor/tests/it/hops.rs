//! How many iterations pass, as in asyncio: the loop is told in one iteration, and the task resumes in the next.

use std::cell::RefCell;
use std::future::IntoFuture;
use std::rc::Rc;

use ouroloop_combinators::gather;
use ouroloop_core::get_running_loop;
use ouroloop_executor::{LoopExecutor, concurrent, run_in_executor, wrap_future};
use ouroloop_task::{LoopTasks, bare_yield, create_task};

use crate::support::{SOON, hops, pool};

#[test]
fn a_future_that_is_done_takes_two_iterations() {
    ouroloop::run(async {
        let promise = concurrent::Promise::new();
        promise.set_result(1).unwrap();
        let (count, value) = hops(wrap_future(&promise.future())).await;
        assert_eq!((count, value.unwrap()), (2, 1));
    })
    .unwrap();
}

#[test]
fn a_future_that_a_callback_sets_takes_three() {
    ouroloop::run(async {
        let promise = concurrent::Promise::new();
        let wrapped = wrap_future(&promise.future());
        let event_loop = get_running_loop().unwrap();
        // The callback in the next iteration, the copy in the second, this task in the third.
        event_loop
            .call_soon(move || promise.set_result(1).unwrap())
            .unwrap();
        let (count, value) = hops(wrapped).await;
        assert_eq!((count, value.unwrap()), (3, 1));
    })
    .unwrap();
}

#[test]
fn a_result_that_was_read_by_the_loop_takes_none() {
    ouroloop::run(async {
        let promise = concurrent::Promise::new();
        let wrapped = wrap_future(&promise.future());
        promise.set_result(1).unwrap();
        bare_yield().await;
        assert!(wrapped.done(), "copied one iteration later");
        let (count, value) = hops(wrapped).await;
        assert_eq!((count, value.unwrap()), (0, 1));
    })
    .unwrap();
}

#[test]
fn a_job_takes_two_iterations_after_it_is_done() {
    let pool = pool(1);
    ouroloop::run(async move {
        let future = pool.submit(|| 1);
        let wrapped = wrap_future(&future);
        // The loop stands still until the job is done; its word is in the inbox then, or about to be.
        future.exception(SOON).unwrap();
        pool.shutdown(true, false).unwrap();
        let (count, value) = hops(wrapped).await;
        assert_eq!((count, value.unwrap()), (2, 1));
    })
    .unwrap();
}

#[test]
fn a_gather_of_jobs_takes_one_more() {
    let pool = pool(1);
    ouroloop::run(async move {
        let jobs = [run_in_executor(&pool, || 1), run_in_executor(&pool, || 2)];
        pool.shutdown(true, false).unwrap();
        let (count, values) = hops(gather(jobs).values().into_future()).await;
        assert_eq!((count, values.unwrap()), (3, vec![1, 2]));
    })
    .unwrap();
}

#[test]
fn those_who_wait_resume_in_the_order_in_which_jobs_end() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let promises: Vec<_> = (0..3).map(|_| concurrent::Promise::new()).collect();
    let log = order.clone();
    ouroloop::run(async move {
        let tasks: Vec<_> = promises
            .iter()
            .enumerate()
            .map(|(number, promise)| {
                let (wrapped, log) = (wrap_future(&promise.future()), log.clone());
                create_task(async move {
                    wrapped.await.unwrap();
                    log.borrow_mut().push(number);
                })
            })
            .collect();
        std::thread::spawn(move || {
            for number in [2, 0, 1] {
                promises[number].set_result(()).unwrap();
            }
        });
        for task in tasks {
            task.await.unwrap();
        }
    })
    .unwrap();
    assert_eq!(*order.borrow(), [2, 0, 1]);
}

#[test]
fn a_loop_need_not_run_to_take_a_job() {
    let event_loop = ouroloop_core::new_event_loop().unwrap();
    let pool = pool(1);
    let job = event_loop.run_in_executor(&pool, || 5).unwrap();
    pool.shutdown(true, false).unwrap();
    assert_eq!(event_loop.run_until_complete(job).unwrap(), 5);
    event_loop.close().unwrap();
}
