//! monoio, on io_uring and on epoll.

use std::hint::black_box;
use std::time::{Duration, Instant};

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::StreamExt;
use local_sync::{mpsc::unbounded as local, oneshot};
use monoio::blocking::DefaultThreadPool;
use monoio::io::{AsyncBufReadExt, AsyncReadRent, AsyncWriteRentExt, BufReader};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

use crate::Peer;
use crate::peer::{ECHO_BUFFER, LINE_BUFFER};
use crate::program::say;

/// On io_uring.
pub type Uring = Monoio<true>;

/// On epoll.
pub type Epoll = Monoio<false>;

/// monoio; on which driver.
pub struct Monoio<const URING: bool>;

/// Builds a runtime on a driver, with a pool if there is to be one, and runs a future in it.
macro_rules! run_on {
    ($driver:ty, $threads:expr, $future:expr) => {{
        let mut builder = RuntimeBuilder::<$driver>::new();
        if let Some(threads) = $threads {
            builder = builder.attach_thread_pool(Box::new(DefaultThreadPool::new(threads)));
        }
        let runtime = builder.enable_timer().build();
        runtime
            .expect("the kernel has the driver")
            .block_on($future)
    }};
}

impl<const URING: bool> Peer for Monoio<URING> {
    const NAME: &'static str = match URING {
        true => "monoio-uring",
        false => "monoio-epoll",
    };

    // Its users say how many threads there are; there is no default.
    const LACKS: &'static [&'static str] = &["blocking_def", "blocking_one"];

    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        Self::run_with_pool(None, future)
    }

    fn run_with_pool<T: 'static>(
        threads: Option<usize>,
        future: impl Future<Output = T> + 'static,
    ) -> T {
        match URING {
            true => run_on!(IoUringDriver, threads, future),
            false => run_on!(LegacyDriver, threads, future),
        }
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future + 'static {
        monoio::spawn(future)
    }

    fn spawn_detached(future: impl Future<Output = ()> + 'static) {
        monoio::spawn(future);
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        // It has none of its own; this is the usual stand-in.
        futures_lite::future::yield_now()
    }

    fn sleep_until(at: Instant) -> impl Future<Output = ()> + 'static {
        monoio::time::sleep_until(at.into())
    }

    fn timeout(after: Duration, future: impl Future + 'static) -> impl Future + 'static {
        monoio::time::timeout(after, future)
    }

    type Sender = local::Tx<u64>;
    type Receiver = local::Rx<u64>;

    fn channel() -> (Self::Sender, Self::Receiver) {
        local::channel()
    }

    fn send(sender: &Self::Sender, value: u64) {
        let _ = sender.send(value);
    }

    async fn receive(receiver: &mut Self::Receiver) -> u64 {
        receiver.recv().await.expect("the sender is there")
    }

    type RemoteSender = UnboundedSender<u64>;
    type RemoteReceiver = UnboundedReceiver<u64>;

    fn remote_channel() -> (Self::RemoteSender, Self::RemoteReceiver) {
        unbounded()
    }

    fn remote_send(sender: &Self::RemoteSender, value: u64) {
        sender.unbounded_send(value).expect("the loop is there");
    }

    async fn remote_receive(receiver: &mut Self::RemoteReceiver) -> u64 {
        receiver.next().await.expect("the thread is there")
    }

    type Setter = oneshot::Sender<u64>;

    fn oneshot() -> (Self::Setter, impl IntoFuture + 'static) {
        oneshot::channel()
    }

    fn set(setter: Self::Setter, value: u64) {
        let _ = setter.send(value);
    }

    fn call_in_pool(call: impl FnOnce() -> u64 + Send + 'static) -> impl Future + 'static {
        monoio::spawn_blocking(call)
    }

    fn serve_echo() {
        serve::<Self>(async |mut stream: TcpStream| {
            stream.set_nodelay(true).expect("it is TCP");
            let mut buffer = Vec::with_capacity(ECHO_BUFFER);
            loop {
                let (read, data) = stream.read(buffer).await;
                let Ok(1..) = read else { return };
                let (written, data) = stream.write_all(data).await;
                if written.is_err() {
                    return;
                }
                buffer = data;
                buffer.clear();
            }
        });
    }

    fn serve_lines() {
        serve::<Self>(async |stream| {
            let mut reader = BufReader::with_capacity(LINE_BUFFER, stream);
            let mut count = 0_u64;
            loop {
                let mut line = Vec::new();
                let read = reader.read_until(b'\n', &mut line).await;
                if read.expect("the client sends lines") == 0 {
                    break;
                }
                count += 1;
                black_box(line);
            }
            let answer = count.to_le_bytes().to_vec();
            let _ = reader.into_inner().write_all(answer).await;
        });
    }
}

fn serve<P: Peer>(handler: impl AsyncFn(TcpStream) + Copy + 'static) {
    P::run(async move {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port to be had");
        let port = listener.local_addr().expect("it is bound").port();
        say(&format!("port={port}"));
        while let Ok((stream, _)) = listener.accept().await {
            P::spawn_detached(async move { handler(stream).await });
        }
    });
}
