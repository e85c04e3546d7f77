//! asyncio: `ValueError: a coroutine was expected, got <function main>`.

async fn start() {}

fn main() {
    let _ = ouroloop::run(start);
}
