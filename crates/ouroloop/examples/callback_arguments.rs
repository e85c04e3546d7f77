//! A callback with arguments of its own: asyncio's `add_done_callback` with a `functools.partial`.
//!
//! A done-callback gets one argument. What else it needs, a closure brings along, as the partial
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

use ouroloop::{TaskError, create_task, sleep};

async fn get_html(_url: &str) -> &'static str {
    sleep(Duration::from_secs(2)).await;
    "body"
}

fn callback(result: &str) {
    println!("result: {result}");
}

fn send_email(url: &str, result: &str) {
    println!("send email: {url} {result}");
}

/// Fetches a page, and has two callbacks called with it.
pub async fn program() -> Result<(), TaskError> {
    let url = "http://example.com";
    let task = create_task(get_html(url));
    task.add_done_callback(|result| callback(result.unwrap()));
    task.add_done_callback(|result| send_email(url, result.unwrap()));
    task.await?;
    println!("main end!");
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
