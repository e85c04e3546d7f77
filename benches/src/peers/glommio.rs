//! glommio, which is on io_uring only.

use std::hint::black_box;
use std::time::{Duration, Instant};

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_channel::oneshot;
use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use futures_util::StreamExt;
use glommio::channels::local_channel::{LocalReceiver, LocalSender, new_unbounded};
use glommio::net::{TcpListener, TcpStream};
use glommio::timer::Timer;
use glommio::{
    GlommioError, LocalExecutorBuilder, Placement, PoolPlacement, executor, spawn_local,
};

use crate::Peer;
use crate::peer::{ECHO_BUFFER, LINE_BUFFER};
use crate::program::say;

/// glommio.
pub struct Glommio;

impl Peer for Glommio {
    const NAME: &'static str = "glommio";

    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        Self::run_with_pool(None, future)
    }

    fn run_with_pool<T: 'static>(
        threads: Option<usize>,
        future: impl Future<Output = T> + 'static,
    ) -> T {
        let mut builder = LocalExecutorBuilder::new(Placement::Unbound);
        if let Some(threads) = threads {
            builder = builder.blocking_thread_pool_placement(PoolPlacement::Unbound(threads));
        }
        builder.make().expect("the kernel has io_uring").run(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future + 'static {
        spawn_local(future)
    }

    fn spawn_detached(future: impl Future<Output = ()> + 'static) {
        spawn_local(future).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        futures_lite::future::yield_now()
    }

    async fn sleep_until(at: Instant) {
        Timer::new(at.saturating_duration_since(Instant::now())).await;
    }

    fn timeout(after: Duration, future: impl Future + 'static) -> impl Future + 'static {
        let future = async move { Ok::<_, GlommioError<()>>(future.await) };
        glommio::timer::timeout(after, future)
    }

    type Sender = LocalSender<u64>;
    type Receiver = LocalReceiver<u64>;

    fn channel() -> (Self::Sender, Self::Receiver) {
        new_unbounded()
    }

    fn send(sender: &Self::Sender, value: u64) {
        let _ = sender.try_send(value);
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
        // Its own future goes to the pool only when it is polled; a task polls it at once.
        spawn_local(async move { executor().spawn_blocking(call).await })
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
    Glommio::run(async move {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port to be had");
        let port = listener.local_addr().expect("it is bound").port();
        say(&format!("port={port}"));
        while let Ok(stream) = listener.accept().await {
            Glommio::spawn_detached(async move { handler(stream).await });
        }
    });
}
