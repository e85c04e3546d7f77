//! The macro has no `.values()`: its awaitables give `Result`s.

use ouroloop::gather;

async fn square(n: u32) -> u32 {
    n * n
}

fn main() {
    let _ = ouroloop::run(async { gather!(square(1), square(2)).await });
}
