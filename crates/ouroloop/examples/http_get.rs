//! A web page over a plain connection: asyncio's `open_connection`, `async for` over the lines of
//! its reader, and `as_completed` over twenty of them.
//!
//! It prints the answers, headers and all, in the order in which they are complete, and last the
//! seconds that all of them took. Run it with
//!
//! ```text
//! cargo run -p ouroloop --example http_get http://example.com
//! ```

use std::error::Error;
use std::time::Instant;

use http::Uri;
use ouroloop::{as_completed, create_task, open_connection};

async fn get_url(url: Uri) -> Result<String, Box<dyn Error>> {
    let host = url.host().ok_or("the url has no host")?;
    let port = url.port_u16().unwrap_or(80);
    let path = url.path();

    let (mut reader, writer) = open_connection(host, port).await?;

    let request = format!("GET {path} HTTP/1.1\r\nHost:{host}\r\nConnection:Close\r\n\r\n");
    writer.write(request.as_bytes())?;

    let mut all_lines = Vec::new();
    let mut lines = reader.lines();
    while let Some(raw_line) = lines.next().await {
        let line = String::from_utf8(raw_line?)?;
        all_lines.push(line);
    }
    Ok(all_lines.join("\n"))
}

/// Gets a page twenty times at once.
pub async fn program(url: Uri) -> Result<(), Box<dyn Error>> {
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(create_task(get_url(url.clone())));
    }

    let mut tasks = as_completed(tasks);
    while let Some(result) = tasks.next().await {
        println!("{}", result??);
    }
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("which url?")?;
    let start = Instant::now();
    program(url.parse()?).await?;
    println!("{}", start.elapsed().as_secs_f64());
    Ok(())
}
