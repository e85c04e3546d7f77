//! A callback with arguments of its own: asyncio's `add_done_callback` with a `functools.partial`.
//!
//! A done-callback gets the task. What else it needs, a closure brings along, as the partial
//! does. It prints, after two seconds:
//!
//! ```text
//! result: body
//! send email: http://example.com body
//! main end!
//! ```
//!
//! Run it with `cargo run -p ouroloop --example callback_arguments`.

use std::time::Duration;

use ouroloop::{Task, TaskError, create_task, sleep};

async fn get_html(_url: &str) -> &'static str {
    sleep(Duration::from_secs(2)).await;
    "body"
}

fn callback(task: &Task<&str>) {
    println!("result: {}", task.result().unwrap());
}

fn send_email(url: &str, task: &Task<&str>) {
    println!("send email: {url} {}", task.result().unwrap());
}

/// Fetches a page, and has two callbacks called with it.
pub async fn program() -> Result<(), TaskError> {
    let url = "http://example.com";
    let task = create_task(get_html(url));
    task.add_done_callback(callback);
    task.add_done_callback(|task| send_email(url, task));
    task.await?;
    println!("main end!");
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
