//! asyncio: `RuntimeWarning: coroutine 'fetch' was never awaited`, and a coroutine for a number.

async fn fetch() -> u32 {
    40
}

fn main() {
    let _ = ouroloop::run(async { println!("{}", fetch() + 2) });
}
