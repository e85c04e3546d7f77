//! smol: a `LocalExecutor` on the reactor of async-io.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use async_executor::{LocalExecutor, Task};
use async_io::Timer;
use async_net::{TcpListener, TcpStream};
use futures_channel::oneshot;
use futures_lite::future::or;
use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use crate::Peer;
use crate::peer::{ECHO_BUFFER, LINE_BUFFER};
use crate::program::say;

/// smol.
pub struct Smol;

thread_local! {
    /// The executor that runs: what its users keep in an `Rc`.
    static EXECUTOR: RefCell<Option<&'static LocalExecutor<'static>>> = const { RefCell::new(None) };
}

fn start<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    EXECUTOR.with_borrow(|executor| executor.expect("it runs this").spawn(future))
}

impl Peer for Smol {
    const NAME: &'static str = "smol";

    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        // Never freed, so that a spawn counts no references. smol's start and stop are not comparable anyhow, as its
        // reactor is one for the process.
        let executor: &'static LocalExecutor<'static> = Box::leak(Box::default());
        EXECUTOR.set(Some(executor));
        let output = async_io::block_on(executor.run(future));
        EXECUTOR.set(None);
        output
    }

    fn run_with_pool<T: 'static>(
        _threads: Option<usize>,
        future: impl Future<Output = T> + 'static,
    ) -> T {
        // The pool is one for the process; `cargo xtask bench` sets its size through the environment.
        Self::run(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future + 'static {
        start(future)
    }

    fn spawn_detached(future: impl Future<Output = ()> + 'static) {
        start(future).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        futures_lite::future::yield_now()
    }

    async fn sleep_until(at: Instant) {
        Timer::at(at).await;
    }

    fn timeout(after: Duration, future: impl Future + 'static) -> impl Future + 'static {
        let waiting = async move {
            Timer::after(after).await;
            None
        };
        or(async { Some(future.await) }, waiting)
    }

    type Sender = async_channel::Sender<u64>;
    type Receiver = async_channel::Receiver<u64>;

    fn channel() -> (Self::Sender, Self::Receiver) {
        async_channel::unbounded()
    }

    fn send(sender: &Self::Sender, value: u64) {
        sender.try_send(value).expect("it has no limit");
    }

    async fn receive(receiver: &mut Self::Receiver) -> u64 {
        receiver.recv().await.expect("the sender is there")
    }

    type RemoteSender = Self::Sender;
    type RemoteReceiver = Self::Receiver;

    fn remote_channel() -> (Self::RemoteSender, Self::RemoteReceiver) {
        Self::channel()
    }

    fn remote_send(sender: &Self::RemoteSender, value: u64) {
        Self::send(sender, value);
    }

    async fn remote_receive(receiver: &mut Self::RemoteReceiver) -> u64 {
        Self::receive(receiver).await
    }

    type Setter = oneshot::Sender<u64>;

    fn oneshot() -> (Self::Setter, impl IntoFuture + 'static) {
        oneshot::channel()
    }

    fn set(setter: Self::Setter, value: u64) {
        let _ = setter.send(value);
    }

    fn call_in_pool(call: impl FnOnce() -> u64 + Send + 'static) -> impl Future + 'static {
        blocking::unblock(call)
    }

    fn serve_echo() {
        serve(async |mut stream: TcpStream| {
            stream.set_nodelay(true).expect("it is TCP");
            let mut buffer = vec![0; ECHO_BUFFER];
            while let Ok(size @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..size]).await.is_err() {
                    return;
                }
            }
        });
    }

    fn serve_lines() {
        serve(async |stream| {
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
            let _ = reader.get_mut().write_all(&count.to_le_bytes()).await;
        });
    }
}

fn serve(handler: impl AsyncFn(TcpStream) + Copy + 'static) {
    Smol::run(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a port to be had");
        let port = listener.local_addr().expect("it is bound").port();
        say(&format!("port={port}"));
        while let Ok((stream, _)) = listener.accept().await {
            Smol::spawn_detached(async move { handler(stream).await });
        }
    });
}
