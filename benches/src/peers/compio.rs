//! compio, on io_uring and on its polling driver.

use std::hint::black_box;
use std::time::{Duration, Instant};

use compio::BufResult;
use compio::driver::{DriverType, ProactorBuilder};
use compio::io::{AsyncBufRead, AsyncRead, AsyncWriteExt, BufReader};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::{self, RuntimeBuilder};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::StreamExt;
use local_sync::{mpsc::unbounded as local, oneshot};
use memchr::memchr;

use crate::Peer;
use crate::peer::{ECHO_BUFFER, LINE_BUFFER};
use crate::program::say;

/// On io_uring.
pub type Uring = Compio<true>;

/// On epoll.
pub type Poll = Compio<false>;

/// compio; on which driver.
pub struct Compio<const URING: bool>;

impl<const URING: bool> Peer for Compio<URING> {
    const NAME: &'static str = match URING {
        true => "compio-uring",
        false => "compio-poll",
    };

    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        Self::run_with_pool(None, future)
    }

    fn run_with_pool<T: 'static>(
        threads: Option<usize>,
        future: impl Future<Output = T> + 'static,
    ) -> T {
        let mut proactor = ProactorBuilder::new();
        proactor.driver_type(match URING {
            true => DriverType::IoUring,
            false => DriverType::Poll,
        });
        if let Some(threads) = threads {
            proactor.thread_pool_limit(threads);
        }
        let runtime = RuntimeBuilder::new().with_proactor(proactor).build();
        runtime.expect("the kernel has the driver").block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future + 'static {
        runtime::spawn(future)
    }

    fn spawn_detached(future: impl Future<Output = ()> + 'static) {
        runtime::spawn(future).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        futures_lite::future::yield_now()
    }

    fn sleep_until(at: Instant) -> impl Future<Output = ()> + 'static {
        compio::time::sleep_until(at)
    }

    fn timeout(after: Duration, future: impl Future + 'static) -> impl Future + 'static {
        compio::time::timeout(after, future)
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
        runtime::spawn_blocking(call)
    }

    fn serve_echo() {
        serve::<Self>(async |mut stream: TcpStream| {
            stream.set_nodelay(true).expect("it is TCP");
            let mut buffer = Vec::with_capacity(ECHO_BUFFER);
            loop {
                let BufResult(read, data) = stream.read(buffer).await;
                let Ok(1..) = read else { return };
                let BufResult(written, data) = stream.write_all(data).await;
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
            let mut writer = stream.clone();
            let mut reader = BufReader::with_capacity(LINE_BUFFER, stream);
            let mut count = 0_u64;
            // It has no call that reads up to a byte.
            let mut line = Vec::new();
            loop {
                let data = reader.fill_buf().await.expect("the client sends lines");
                if data.is_empty() {
                    break;
                }
                let end = memchr(b'\n', data);
                let size = end.map_or(data.len(), |end| end + 1);
                line.extend_from_slice(&data[..size]);
                reader.consume(size);
                if end.is_some() {
                    count += 1;
                    black_box(std::mem::take(&mut line));
                }
            }
            let _ = writer.write_all(count.to_le_bytes().to_vec()).await;
        });
    }
}

fn serve<P: Peer>(handler: impl AsyncFn(TcpStream) + Copy + 'static) {
    P::run(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a port to be had");
        let port = listener.local_addr().expect("it is bound").port();
        say(&format!("port={port}"));
        while let Ok((stream, _)) = listener.accept().await {
            P::spawn_detached(async move { handler(stream).await });
        }
    });
}
