//! A group has to know whether its child failed.

use ouroloop::{TaskError, task_group};

fn main() {
    let _ = ouroloop::run(async {
        task_group(async |tg| {
            tg.create_task(async { 42 }).unwrap();
            Ok::<_, TaskError>(())
        })
        .await
    });
}
