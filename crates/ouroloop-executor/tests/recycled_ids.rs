//! A loop that has the id of a closed one. In a process of its own: in parallel tests anybody takes ids.

use std::sync::mpsc;

use ouroloop::{
    LoopTasks, ThreadPoolExecutor, bare_yield, concurrent, create_task, new_event_loop,
    run_in_executor, wrap_future,
};

#[test]
fn the_end_of_a_job_of_a_closed_loop_settles_nothing_of_the_loop_that_has_its_id() {
    let pool = ThreadPoolExecutor::new();
    let (release, held) = mpsc::channel::<()>();
    let first = new_event_loop().unwrap();
    let id = first.id();
    let own = pool.clone();
    first
        .run_until_complete(async move {
            // Given up before it ends: its end is told to the loop all the same.
            drop(run_in_executor(&own, move || held.recv().is_err()));
        })
        .unwrap();
    first.close().unwrap();

    let mut others = Vec::new();
    let second = loop {
        let next = new_event_loop().unwrap();
        if next.id() == id {
            break next;
        }
        others.push(next);
    };
    for other in others {
        other.close().unwrap();
    }
    second
        .run_until_complete(async move {
            let promise = concurrent::Promise::<u32>::new();
            let wrapped = wrap_future(&promise.future());
            let waiting = create_task(async { wrapped.await });
            bare_yield().await;
            drop(release);
            pool.shutdown(true, false).unwrap();
            for _ in 0..4 {
                bare_yield().await;
            }
            assert!(!waiting.done(), "nobody has set it");
            promise.set_result(7).unwrap();
            assert_eq!(waiting.await.unwrap().unwrap(), 7);
        })
        .unwrap();
    second.close().unwrap();
}
