//! asyncio: the task object is used in place of its result, and fails much later.

use ouroloop::create_task;

fn main() {
    let _ = ouroloop::run(async {
        let sum = create_task(async { 40 });
        println!("{}", sum + 2);
    });
}
