//! A small server on loopback, whose pages take their time.

use std::time::Duration;

use ouroloop::{NetError, StreamReader, StreamWriter, sleep, start_server};

const PAGES: u64 = 20;

/// Starts the server, which lives as long as the loop, and gives the URLs of its pages.
pub async fn start() -> Result<Vec<String>, NetError> {
    let server = start_server(answer, "127.0.0.1", 0).await?;
    let addr = server.local_addrs()[0];
    Ok((1..=PAGES)
        .map(|number| format!("http://{addr}/page/{number}"))
        .collect())
}

async fn answer(mut reader: StreamReader, writer: StreamWriter) -> Result<(), NetError> {
    let head = reader.readuntil(b"\r\n\r\n").await?;
    let head = String::from_utf8_lossy(&head);
    let number = head
        .strip_prefix("GET /page/")
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .filter(|number| (1..=PAGES).contains(number));
    let (status, body) = match number {
        Some(number) => {
            sleep(Duration::from_millis(number * 7 % PAGES * 25)).await;
            (
                "200 OK",
                format!("This is page {number}.\n").repeat(number as usize * 100),
            )
        }
        None => ("404 Not Found", "There is no such page.\n".to_owned()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    writer.writelines([head, body])?;
    writer.drain().await?;
    writer.close();
    writer.wait_closed().await
}
