//! As much of HTTP/1.1 as a GET needs.

use std::io::{self, Write};
use std::time::Duration;

use ouroloop::{NetError, StreamReader, StreamWriter, getaddrinfo, open_connection, timeout};

use crate::url::{Url, UrlError};

const HEAD_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 128;
const PIECE_MAX: u64 = 64 * 1024;

/// What has come of a page.
pub struct Page {
    pub status: u16,
    pub size: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("cannot save the page: {0}")]
    File(#[from] io::Error),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("the answer is not HTTP: {0}")]
    NotHttp(String),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the page is truncated: it ended after {0} bytes")]
    Truncated(u64),
    #[error(transparent)]
    Url(#[from] UrlError),
}

/// Gets a page and writes its body to `sink`, piece by piece.
pub async fn get(url: &Url, sink: &mut dyn Write) -> Result<Page, FetchError> {
    let (mut reader, writer) = connect(url).await?;
    let Url {
        target, authority, ..
    } = url;
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: ouroloop-fetch\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    writer.write(request.as_bytes())?;
    let mut head = read_head(&mut reader).await?;
    while head.status < 200 {
        head = read_head(&mut reader).await?;
    }
    let mut body = Body {
        reader,
        sink,
        size: 0,
    };
    match head.framing {
        Framing::Chunked => body.chunked().await?,
        Framing::Length(length) => body.exactly(length).await?,
        Framing::UntilClose => body.until_close().await?,
    }
    writer.close();
    Ok(Page {
        status: head.status,
        size: body.size,
    })
}

/// Connects to the first of a host's addresses that answers.
///
/// What a crowded server drops the kernel repeats ever more rarely: after one, three, seven and
/// fifteen seconds. Asking anew is quicker.
async fn connect(url: &Url) -> Result<(StreamReader, StreamWriter), NetError> {
    let addrs = getaddrinfo(&url.host, url.port).await?;
    let mut patience = Duration::from_secs(1);
    loop {
        let mut refusals = Vec::new();
        for addr in &addrs {
            let attempt = open_connection(&addr.ip().to_string(), addr.port());
            match timeout(patience, attempt).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => refusals.push(error),
                Err(_) => {}
            }
        }
        if refusals.len() == addrs.len() {
            return Err(refusals.remove(0));
        }
        patience += Duration::from_millis(500);
    }
}

struct Head {
    status: u16,
    framing: Framing,
}

/// How one knows where the body ends.
enum Framing {
    Chunked,
    Length(u64),
    UntilClose,
}

async fn read_head(reader: &mut StreamReader) -> Result<Head, FetchError> {
    let mut bytes = Vec::new();
    loop {
        let line = reader.readline().await.map_err(not_http_if_too_long)?;
        bytes.extend_from_slice(&line);
        if !bytes.starts_with(b"HTTP/1.") {
            return Err(not_http(if bytes.is_empty() {
                "nothing came"
            } else {
                "no status line"
            }));
        }
        if bytes.len() > HEAD_MAX {
            return Err(not_http("its head is too long"));
        }
        match line.as_slice() {
            b"\r\n" | b"\n" => break,
            line if !line.ends_with(b"\n") => return Err(not_http("its head is incomplete")),
            _ => {}
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(&bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(not_http("its head is incomplete")),
        Err(error) => return Err(not_http(&error.to_string())),
    }
    let status = response.code.unwrap_or_default();
    Ok(Head {
        status,
        framing: framing(status, response.headers)?,
    })
}

fn framing(status: u16, headers: &[httparse::Header<'_>]) -> Result<Framing, FetchError> {
    let values = |name: &'static str| {
        let named = headers
            .iter()
            .filter(move |it| it.name.eq_ignore_ascii_case(name));
        named.map(|it| std::str::from_utf8(it.value).unwrap_or("").trim())
    };
    if status < 200 || matches!(status, 204 | 304) {
        return Ok(Framing::Length(0));
    }
    let codings: Vec<_> = values("transfer-encoding")
        .flat_map(|it| it.split(','))
        .collect();
    match codings.as_slice() {
        [] => {}
        [only] if only.trim().eq_ignore_ascii_case("chunked") => return Ok(Framing::Chunked),
        _ => return Err(not_http("its transfer encoding is unknown")),
    }
    let mut lengths = values("content-length");
    let Some(length) = lengths.next() else {
        return Ok(Framing::UntilClose);
    };
    if lengths.any(|other| other != length) || !length.bytes().all(|it| it.is_ascii_digit()) {
        return Err(not_http("its length is not a number"));
    }
    let length = length
        .parse()
        .map_err(|_| not_http("its length is not a number"))?;
    Ok(Framing::Length(length))
}

struct Body<'a> {
    reader: StreamReader,
    sink: &'a mut dyn Write,
    size: u64,
}

impl Body<'_> {
    async fn exactly(&mut self, length: u64) -> Result<(), FetchError> {
        let mut left = length;
        while left > 0 {
            let piece = self.reader.read(left.min(PIECE_MAX) as usize).await?;
            if piece.is_empty() {
                return Err(FetchError::Truncated(self.size));
            }
            left -= piece.len() as u64;
            self.save(&piece)?;
        }
        Ok(())
    }

    async fn until_close(&mut self) -> Result<(), FetchError> {
        loop {
            let piece = self.reader.read(PIECE_MAX as usize).await?;
            if piece.is_empty() {
                return Ok(());
            }
            self.save(&piece)?;
        }
    }

    async fn chunked(&mut self) -> Result<(), FetchError> {
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = match u64::from_str_radix(size, 16) {
                Ok(size) if !line.starts_with('+') => size,
                _ => return Err(not_http("a chunk has no size")),
            };
            if size == 0 {
                break;
            }
            self.exactly(size).await?;
            if !self.line().await?.is_empty() {
                return Err(not_http("a chunk is longer than its size"));
            }
        }
        // Trailers.
        while !self.line().await?.is_empty() {}
        Ok(())
    }

    /// A line of the framing, without its end.
    async fn line(&mut self) -> Result<String, FetchError> {
        let line = self.reader.readline().await.map_err(not_http_if_too_long)?;
        match line.strip_suffix(b"\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).trim_end().to_owned()),
            None => Err(FetchError::Truncated(self.size)),
        }
    }

    fn save(&mut self, piece: &[u8]) -> io::Result<()> {
        self.size += piece.len() as u64;
        self.sink.write_all(piece)
    }
}

fn not_http(why: &str) -> FetchError {
    FetchError::NotHttp(why.into())
}

fn not_http_if_too_long(error: NetError) -> FetchError {
    match error {
        NetError::LineTooLong { .. } => not_http("a line is too long"),
        error => error.into(),
    }
}
