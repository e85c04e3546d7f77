//! What only these tests need.

use ouroloop_combinators::cancel_all_tasks;
use ouroloop_task::{TaskRef, bare_yield, current_task};
use ouroloop_testkit::TestLoop;

/// Runs `future` as the main task of a loop on virtual time; what is left then is cancelled.
pub fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    let test_loop = TestLoop::new();
    let value = test_loop.run(future);
    cancel_all_tasks(&test_loop).expect("the loop is open");
    value
}

pub fn me() -> TaskRef {
    current_task().expect("this is a task")
}

/// So many iterations.
pub async fn turns(count: usize) {
    for _ in 0..count {
        bare_yield().await;
    }
}
