//! asyncio: `RuntimeWarning: coroutine ... was never awaited`, when it is collected, if it is.

#![deny(unused_must_use)]

use ouroloop::{
    AsCompleted, Promise, as_completed, bare_yield, create_future, create_task, gather,
    open_connection, raise_cancelled, shield, sleep, start_server, task_group, timeout,
    timeout_scope, wait, wait_for,
};
use std::time::Duration;

async fn fetch() -> u32 {
    1
}

async fn forgets() {
    let second = Duration::from_secs(1);
    let task = create_task(fetch());
    fetch();
    sleep(second);
    bare_yield();
    raise_cancelled();
    timeout(second, fetch());
    timeout_scope(second, async |_| ());
    task_group(async |_| Ok::<_, std::io::Error>(()));
    wait_for(fetch(), second);
    wait([&task]);
    shield(&task);
    gather([fetch(), fetch()]);
    gather([fetch()]).values();
    as_completed([fetch()]);
    open_connection("localhost", 80);
    start_server(async |_, _| (), "localhost", 80);
    create_future::<u32>();
    create_future::<u32>().remote();
}

async fn forgets_items(mut results: AsCompleted<u32>, promise: Promise<u32>) {
    results.next();
    promise.set_result(1);
    create_task(fetch()).await;
}

fn main() {}
