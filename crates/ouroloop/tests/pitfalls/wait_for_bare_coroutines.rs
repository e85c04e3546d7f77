//! asyncio: `TypeError: Passing coroutines is forbidden, use tasks explicitly.`

use ouroloop::wait;

async fn fetch(n: u32) -> u32 {
    n
}

fn main() {
    let _ = ouroloop::run(async { wait([fetch(1), fetch(2)]).await });
}
