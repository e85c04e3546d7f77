//! The error type of what is gathered has to take a cancellation in.

use ouroloop::gather;

struct NotFound;

async fn find(n: u32) -> Result<u32, NotFound> {
    if n == 0 { Err(NotFound) } else { Ok(n) }
}

fn main() {
    let _ = ouroloop::run(async { gather([find(1), find(2)]).await.is_ok() });
}
