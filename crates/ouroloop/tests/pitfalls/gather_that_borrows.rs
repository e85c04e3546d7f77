//! What gather runs are tasks, so they cannot borrow either.

use ouroloop::{TaskError, gather};

async fn length(name: &str) -> Result<usize, TaskError> {
    Ok(name.len())
}

async fn lengths() {
    let name = String::from("guido");
    let _ = gather([length(&name), length(&name)]).await;
}

fn main() {
    let _ = ouroloop::run(lengths());
}
