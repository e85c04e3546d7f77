//! asyncio: the task that a cancelled shield leaves behind may vanish, since nobody holds it.

use ouroloop::shield;

async fn save() {}

fn main() {
    let _ = ouroloop::run(async { shield(save()).await });
}
