//! Outputs that are no `Result` are gathered by `.values()`, those of the macro too.

use ouroloop::gather;

async fn square(n: u32) -> u32 {
    n * n
}

fn main() {
    let _ = ouroloop::run(async { gather!(square(1), square(2)).await });
}
