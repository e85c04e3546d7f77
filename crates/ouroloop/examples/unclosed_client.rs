//! A client that is left open: the asyncio program that ends in `RuntimeError: Event loop is
//! closed`, since its client outlives the loop.
//!
//! The cure there is `async with`, or a close that is awaited. Here a client that goes out of scope
//! is closed, so one has to go out of one's way for the error: this program keeps its client beyond
//! the run. It prints what the server says, then the error, and once more what the server says to a
//! client that is closed in time:
//!
//! ```text
//! HTTP/1.1 200 OK
//! the event loop of this stream was closed: use it before the run ends
//! HTTP/1.1 200 OK
//! ```
//!
//! Run it with
//!
//! ```text
//! cargo run -p ouroloop --example unclosed_client example.com
//! ```

use std::error::Error;

use ouroloop::{NetError, StreamReader, StreamWriter, open_connection, run};

/// A connection to a web server, to be used for several requests.
struct AsyncClient {
    host: String,
    reader: StreamReader,
    writer: StreamWriter,
}

impl AsyncClient {
    async fn open(host: &str, port: u16) -> Result<AsyncClient, NetError> {
        let (reader, writer) = open_connection(host, port).await?;
        let host = host.to_owned();
        Ok(AsyncClient {
            host,
            reader,
            writer,
        })
    }

    /// Asks for the headers of a page, and gives the first line of them.
    async fn head(&mut self, path: &str) -> Result<String, NetError> {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost:{}\r\n\r\n", self.host);
        self.writer.write(request.as_bytes())?;
        let headers = self.reader.readuntil(b"\r\n\r\n").await?;
        let headers = String::from_utf8_lossy(&headers);
        Ok(headers.lines().next().unwrap_or_default().to_owned())
    }

    async fn aclose(&self) -> Result<(), NetError> {
        self.writer.close();
        self.writer.wait_closed().await
    }
}

async fn left_open(host: String, port: u16) -> Result<AsyncClient, NetError> {
    let mut client = AsyncClient::open(&host, port).await?;
    println!("{}", client.head("/").await?);
    Ok(client)
}

async fn closed(host: String, port: u16) -> Result<(), NetError> {
    let mut client = AsyncClient::open(&host, port).await?;
    println!("{}", client.head("/").await?);
    client.aclose().await
}

/// Uses a client after its loop was closed, and another one as it should be used.
pub fn program(host: &str, port: u16) -> Result<(), Box<dyn Error>> {
    let mut client = run(left_open(host.to_owned(), port))??;
    if let Err(error) = run(async move { client.head("/").await })? {
        println!("{error}");
    }
    run(closed(host.to_owned(), port))??;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let host = std::env::args().nth(1).ok_or("which host?")?;
    program(&host, 80)
}
