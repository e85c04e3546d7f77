//! asyncio: `task.cancel()` from another thread works sometimes.

use ouroloop::{create_task, sleep};
use std::time::Duration;

fn main() {
    let _ = ouroloop::run(async {
        let task = create_task(sleep(Duration::from_secs(1)));
        std::thread::spawn(move || task.cancel());
    });
}
