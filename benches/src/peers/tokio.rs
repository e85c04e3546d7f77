//! tokio on one thread, with a `LocalSet` and as a `LocalRuntime`.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions, Runtime};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::{self, spawn_local};

use crate::peer::{ECHO_BUFFER, LINE_BUFFER};
use crate::program::say;
use crate::{Meter, Peer, Sample};

/// A runtime of the current thread with a `LocalSet`.
pub type LocalSet = Tokio<false>;

/// A `LocalRuntime`, which needs no `LocalSet`.
pub type LocalRuntime = Tokio<true>;

/// tokio; which of its two ways to run tasks that are not `Send`.
pub struct Tokio<const LOCAL_RUNTIME: bool>;

impl<const LOCAL_RUNTIME: bool> Peer for Tokio<LOCAL_RUNTIME> {
    const NAME: &'static str = match LOCAL_RUNTIME {
        true => "tokio-localrt",
        false => "tokio-localset",
    };

    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        Self::run_with_pool(None, future)
    }

    fn run_with_pool<T: 'static>(
        threads: Option<usize>,
        future: impl Future<Output = T> + 'static,
    ) -> T {
        let mut builder = Builder::new_current_thread();
        builder.enable_all();
        if let Some(threads) = threads {
            builder.max_blocking_threads(threads);
        }
        if LOCAL_RUNTIME {
            let runtime = builder.build_local(LocalOptions::default());
            return runtime.expect("there is a selector").block_on(future);
        }
        let runtime = builder.build().expect("there is a selector");
        runtime.block_on(task::LocalSet::new().run_until(future))
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future + 'static {
        spawn_local(future)
    }

    fn spawn_detached(future: impl Future<Output = ()> + 'static) {
        spawn_local(future);
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        task::yield_now()
    }

    fn sleep_until(at: Instant) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep_until(at.into())
    }

    fn timeout(after: Duration, future: impl Future + 'static) -> impl Future + 'static {
        tokio::time::timeout(after, future)
    }

    type Sender = mpsc::UnboundedSender<u64>;
    type Receiver = mpsc::UnboundedReceiver<u64>;

    fn channel() -> (Self::Sender, Self::Receiver) {
        mpsc::unbounded_channel()
    }

    fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
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
        task::spawn_blocking(call)
    }

    fn serve_echo() {
        serve::<Self>(async |mut stream: TcpStream| {
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
            let _ = reader.get_mut().write_all(&count.to_le_bytes()).await;
        });
    }

    fn other(workload: &str, count: u64, _size: u64) -> Option<Sample> {
        Some(match workload {
            "coroutine_threadsafe" if !LOCAL_RUNTIME => coroutine_threadsafe(count),
            "cross_thread_wake" => cross_thread_wake::<Self>(count),
            "lock" => lock::<Self>(count),
            _ => return None,
        })
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

/// A runtime in a thread of its own, which a plain thread hands coroutines to.
fn coroutine_threadsafe(count: u64) -> Sample {
    let runtime: Runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there is a selector");
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = thread::spawn(move || runtime.block_on(stopped));
    let meter = Meter::start();
    for value in 0..count {
        let task = handle.spawn(async move { value });
        let result = futures_lite::future::block_on(task);
        assert_eq!(result.expect("it cannot fail"), value);
    }
    let sample = meter.stop(count);
    drop(stop);
    let _ = thread.join();
    sample
}

/// A task sends a setter to a plain thread, which sets it; the task resumes.
fn cross_thread_wake<P: Peer>(count: u64) -> Sample {
    let (sender, receiver) = channel::<oneshot::Sender<u64>>();
    let thread = thread::spawn(move || {
        for setter in receiver {
            let _ = setter.send(1);
        }
    });
    let sample = P::run(async move {
        let meter = Meter::start();
        for _ in 0..count {
            let (setter, getter) = oneshot::channel();
            sender.send(setter).expect("the thread is there");
            getter.await.expect("the thread sets it");
        }
        meter.stop(count)
    });
    thread.join().expect("it only sets values");
    sample
}

/// Two tasks take turns with a lock: each has to wait for it every time.
fn lock<P: Peer>(count: u64) -> Sample {
    async fn turns(lock: Rc<Mutex<()>>, count: u64) {
        for _ in 0..count {
            let held = lock.lock().await;
            task::yield_now().await;
            drop(held);
        }
    }
    P::run(async move {
        let lock = Rc::new(Mutex::new(()));
        let meter = Meter::start();
        let tasks = [(); 2].map(|()| P::spawn(turns(lock.clone(), count / 2)));
        for task in tasks {
            let _ = task.await;
        }
        meter.stop(count)
    })
}
