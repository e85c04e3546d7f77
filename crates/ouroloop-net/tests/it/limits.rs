//! Limits of every size, and back-pressure (H26).

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::thread::JoinHandle;

use futures_util::{AsyncBufReadExt, AsyncReadExt, StreamExt};
use ouroloop_net::{NetError, StreamReader};

use crate::support::{pair_with_limit, run, turns};

const LIMITS: [usize; 3] = [1, 2, 64 * 1024];

/// Chunk sizes around a limit, and around twice of it.
fn chunk_sizes(limit: usize) -> impl Iterator<Item = usize> {
    let sizes = [
        limit - 1,
        limit,
        limit + 1,
        2 * limit - 1,
        2 * limit,
        2 * limit + 1,
    ];
    sizes.into_iter().filter(|&it| it > 0)
}

/// A stream of lines that are as long as the limit allows.
fn lines(limit: usize) -> Vec<u8> {
    let mut line = vec![b'x'; limit];
    line.push(b'\n');
    line.repeat((300_000 / line.len()).clamp(3, 300))
}

/// Sends it chunk by chunk, from a thread.
fn send(mut peer: TcpStream, data: Vec<u8>, chunk: usize) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for chunk in data.chunks(chunk) {
            peer.write_all(chunk).unwrap();
        }
        peer.shutdown(Shutdown::Write).unwrap();
    })
}

/// Reads a stream to its end by one method; all of it, in the end.
type ReadAll = for<'a> fn(&'a mut StreamReader) -> Pin<Box<dyn Future<Output = Vec<u8>> + 'a>>;

const CALLS: [(&str, ReadAll); 9] = [
    ("read", |reader| {
        Box::pin(async move {
            let mut all = Vec::new();
            loop {
                let some = reader.read(reader.limit()).await.unwrap();
                if some.is_empty() {
                    return all;
                }
                assert!(some.len() <= reader.limit());
                all.extend(some);
            }
        })
    }),
    ("read_to_end", |reader| {
        Box::pin(async move { reader.read_to_end().await.unwrap() })
    }),
    ("readexactly more than twice the limit", |reader| {
        Box::pin(async move {
            let count = 3 * reader.limit() + 7;
            let mut all = Vec::new();
            loop {
                match reader.readexactly(count).await {
                    Ok(some) => all.extend(some),
                    Err(NetError::IncompleteRead { partial, .. }) => {
                        all.extend(partial);
                        return all;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        })
    }),
    ("readline", |reader| {
        Box::pin(async move {
            let mut all = Vec::new();
            loop {
                let line = reader.readline().await.unwrap();
                if line.is_empty() {
                    return all;
                }
                all.extend(line);
            }
        })
    }),
    ("readuntil", |reader| {
        Box::pin(async move {
            let mut all = Vec::new();
            loop {
                match reader.readuntil(b"x\n").await {
                    Ok(some) => all.extend(some),
                    Err(NetError::IncompleteRead { partial, .. }) => {
                        all.extend(partial);
                        return all;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        })
    }),
    ("readuntil with read after each overrun", |reader| {
        Box::pin(async move {
            let mut all = Vec::new();
            loop {
                match reader.readuntil(b"never there").await {
                    Err(NetError::LimitOverrun { consumed }) => {
                        assert!(consumed > reader.limit());
                        all.extend(reader.readexactly(consumed).await.unwrap());
                    }
                    Err(NetError::IncompleteRead { partial, .. }) => {
                        all.extend(partial);
                        return all;
                    }
                    other => panic!("{other:?}"),
                }
            }
        })
    }),
    ("lines", |reader| {
        Box::pin(async move {
            let lines = reader.lines().map(Result::unwrap);
            lines.concat().await
        })
    }),
    ("AsyncRead", |reader| {
        Box::pin(async move {
            let mut all = Vec::new();
            AsyncReadExt::read_to_end(reader, &mut all).await.unwrap();
            all
        })
    }),
    ("AsyncBufRead", |reader| {
        Box::pin(async move {
            let mut all = Vec::new();
            while AsyncBufReadExt::read_until(reader, b'\n', &mut all)
                .await
                .unwrap()
                > 0
            {}
            all
        })
    }),
];

#[test]
fn h26_every_read_goes_on_with_every_limit_and_chunk() {
    for limit in LIMITS {
        for chunk in chunk_sizes(limit) {
            for (name, read_all) in CALLS {
                run(async move {
                    let (mut reader, _writer, peer) = pair_with_limit(limit).await;
                    let data = lines(limit);
                    let thread = send(peer, data.clone(), chunk);
                    let received = read_all(&mut reader).await;
                    assert!(
                        received == data,
                        "{name}, limit {limit}, chunks of {chunk}: {} of {} bytes",
                        received.len(),
                        data.len()
                    );
                    assert!(reader.at_eof());
                    thread.join().unwrap();
                });
            }
        }
    }
}

#[test]
fn h26_a_slow_reader_holds_its_peer_up() {
    run(async {
        let (mut reader, _writer, mut peer) = pair_with_limit(1024).await;
        peer.set_nonblocking(true).unwrap();
        let chunk = vec![0; 64 * 1024];
        let mut sent = 0_usize;
        let mut refusals = 0;
        let mut read = 0_usize;
        while refusals < 20 {
            match peer.write(&chunk) {
                Ok(count) => {
                    sent += count;
                    refusals = 0;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    refusals += 1;
                    turns().await;
                    if read < 100 {
                        read += reader.readexactly(1).await.unwrap().len();
                    }
                }
                Err(error) => panic!("{error}"),
            }
            assert!(sent < 64 * 1024 * 1024, "nothing holds the peer up");
        }
        assert!(read > 0, "the peer was held up before anything was read");
    });
}
