//! This project: tasks, queues, promises and streams; and bare callbacks, where sockets are concerned.

use std::hint::black_box;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::StreamExt;
use ouroloop::{
    Lock, LoopExecutor, LoopRef, LoopThread, Promise, Queue, RemotePromise, Runner, StreamReader,
    StreamWriter, ThreadPoolExecutor, create_future, create_task, get_running_loop, new_event_loop,
    run_coroutine_threadsafe, run_in_executor, start_server,
};

use crate::peer::ECHO_BUFFER;
use crate::program::say;
use crate::{Entry, Meter, Peer, Sample, scale};

/// Tasks and streams.
pub struct Ouroloop;

impl Peer for Ouroloop {
    const NAME: &'static str = "ouroloop";

    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let with_socket = async move {
            if let Some(socket) = SOCKET.get() {
                let event_loop = get_running_loop().expect("it runs this");
                let watched = event_loop.add_reader(socket.as_raw_fd(), || {});
                watched.expect("it is a socket");
            }
            future.await
        };
        Runner::new().run(with_socket).expect("no loop runs here")
    }

    fn run_with_pool<T: 'static>(
        threads: Option<usize>,
        future: impl Future<Output = T> + 'static,
    ) -> T {
        Self::run(async move {
            if let Some(threads) = threads {
                let pool = ThreadPoolExecutor::builder().max_workers(threads).build();
                let event_loop = get_running_loop().expect("it runs this");
                event_loop
                    .set_default_executor(&pool.expect("there are threads to be had"))
                    .expect("nobody has used one yet");
            }
            future.await
        })
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future + 'static {
        create_task(future).into_future()
    }

    fn spawn_detached(future: impl Future<Output = ()> + 'static) {
        drop(create_task(future));
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        ouroloop::bare_yield()
    }

    fn sleep_until(at: Instant) -> impl Future<Output = ()> + 'static {
        ouroloop::sleep(at.saturating_duration_since(Instant::now()))
    }

    fn timeout(after: Duration, future: impl Future + 'static) -> impl Future + 'static {
        ouroloop::timeout(after, future)
    }

    type Sender = Rc<Queue<u64>>;
    type Receiver = Rc<Queue<u64>>;

    fn channel() -> (Self::Sender, Self::Receiver) {
        let queue = Rc::new(Queue::new(0));
        (queue.clone(), queue)
    }

    fn send(sender: &Self::Sender, value: u64) {
        sender.put_nowait(value).expect("it has no limit");
    }

    async fn receive(receiver: &mut Self::Receiver) -> u64 {
        receiver.get().await.expect("nobody shuts it down")
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

    type Setter = Promise<u64>;

    fn oneshot() -> (Self::Setter, impl IntoFuture + 'static) {
        let promise = create_future();
        let future = promise.future();
        (promise, future)
    }

    fn set(setter: Self::Setter, value: u64) {
        let _ = setter.set_result(value);
    }

    fn call_in_pool(call: impl FnOnce() -> u64 + Send + 'static) -> impl Future + 'static {
        run_in_executor(None, call).into_future()
    }

    fn serve_echo() {
        serve(|mut reader, writer| async move {
            while let Ok(data) = reader.read(ECHO_BUFFER).await {
                let sent = !data.is_empty() && writer.write(&data).is_ok();
                if !sent || writer.drain().await.is_err() {
                    return;
                }
            }
        });
    }

    fn serve_lines() {
        serve(|mut reader, writer| async move {
            let mut count = 0_u64;
            loop {
                let line = reader.readline().await.expect("the client sends lines");
                if line.is_empty() {
                    break;
                }
                count += 1;
                black_box(line);
            }
            let _ = writer.write(&count.to_le_bytes());
            let _ = writer.drain().await;
        });
    }

    fn other(workload: &str, count: u64, size: u64) -> Option<Sample> {
        Some(match workload {
            "call_soon" => call_soon(count),
            "coroutine_threadsafe" => coroutine_threadsafe(count),
            "cross_thread_wake" => cross_thread_wake(count),
            "lock" => lock(count),
            // The size is that of the scenario; counting no operations means to look at each step.
            other => return scale::sample(other, size, count == 0),
        })
    }
}

fn serve<F: Future<Output = ()> + 'static>(
    handler: impl Fn(StreamReader, StreamWriter) -> F + 'static,
) {
    Ouroloop::run(async {
        let server = start_server(handler, "127.0.0.1", 0).await;
        let server = server.expect("there is a port to be had");
        say(&format!("port={}", server.local_addrs()[0].port()));
        let _ = server.serve_forever().await;
    });
}

/// Callbacks without tasks: each schedules the next.
fn call_soon(count: u64) -> Sample {
    fn again(event_loop: &LoopRef, left: u64) {
        if left == 0 {
            event_loop.stop();
            return;
        }
        let own = event_loop.clone();
        event_loop
            .call_soon(move || again(&own, left - 1))
            .expect("it is open");
    }
    let event_loop = new_event_loop().expect("there is a selector");
    let meter = Meter::start();
    again(&event_loop, count);
    event_loop.run_forever().expect("nothing else runs");
    meter.stop(count)
}

/// A plain thread hands coroutines to a loop in another thread, and blocks for the result of each.
fn coroutine_threadsafe(count: u64) -> Sample {
    let thread = LoopThread::start().expect("there are threads to be had");
    let meter = Meter::start();
    for value in 0..count {
        let future = run_coroutine_threadsafe(thread.remote(), move || async move { value });
        assert_eq!(future.result(None).expect("it cannot fail"), value);
    }
    let sample = meter.stop(count);
    thread.stop().expect("it runs");
    thread.join(None).expect("it was stopped");
    thread.close().expect("it has ended");
    sample
}

/// A task sends a setter to a plain thread, which sets it; the task resumes.
fn cross_thread_wake(count: u64) -> Sample {
    let (sender, receiver) = channel::<RemotePromise<u64>>();
    let thread = std::thread::spawn(move || {
        for setter in receiver {
            let _ = setter.set_result(1);
        }
    });
    let sample = Ouroloop::run(async move {
        let meter = Meter::start();
        for _ in 0..count {
            let promise = create_future();
            sender.send(promise.remote()).expect("the thread is there");
            promise.await.expect("the thread sets it");
        }
        meter.stop(count)
    });
    thread.join().expect("it only sets promises");
    sample
}

/// Two tasks take turns with a lock: each has to wait for it every time.
fn lock(count: u64) -> Sample {
    async fn turns(lock: Rc<Lock>, count: u64) {
        for _ in 0..count {
            let held = lock.acquire().await;
            ouroloop::bare_yield().await;
            drop(held);
        }
    }
    Ouroloop::run(async move {
        let lock = Rc::new(Lock::new());
        let meter = Meter::start();
        let tasks = [(); 2].map(|()| create_task(turns(lock.clone(), count / 2)));
        for task in tasks {
            task.await.expect("it only takes turns");
        }
        meter.stop(count)
    })
}

/// Tasks in a loop that watches a socket, as that of a program that does I/O does. A loop takes its
/// epoll for the first descriptor, and while it watches none it sleeps on a condition, which other threads wake at less cost.
pub const WITH_SOCKET: Entry = Entry {
    name: "ouroloop-socket",
    sample: |workload, count, size| {
        if !["xthread_1core", "cross_thread_wake", "idle"].contains(&workload) {
            return None;
        }
        let (silent, other) = UnixStream::pair().expect("there are sockets to be had");
        // Nothing ever comes.
        std::mem::forget(other);
        SOCKET.set(silent).expect("this is the only sample");
        crate::workloads::sample::<Ouroloop>(workload, count, size)
    },
};

/// What each loop watches, if it is there.
static SOCKET: OnceLock<UnixStream> = OnceLock::new();

/// Callbacks of the loop, without tasks.
pub const CALLBACK: Entry = Entry {
    name: "ouroloop-callback",
    sample: |workload, _, _| {
        if workload == "echo" {
            serve_with_callbacks();
        }
        None
    },
};

fn serve_with_callbacks() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port to be had");
    let port = listener.local_addr().expect("it is bound").port();
    say(&format!("port={port}"));
    listener.set_nonblocking(true).expect("it is a socket");
    let event_loop = new_event_loop().expect("there is a selector");
    let own = event_loop.downgrade();
    let descriptor = listener.as_raw_fd();
    let accept = move || {
        while let Ok((stream, _)) = listener.accept() {
            echo_on(&own, stream);
        }
    };
    event_loop
        .add_reader(descriptor, accept)
        .expect("it is open");
    event_loop.run_forever().expect("nothing else runs");
}

fn echo_on(event_loop: &LoopRef, stream: TcpStream) {
    stream.set_nonblocking(true).expect("it is a socket");
    stream.set_nodelay(true).expect("it is TCP");
    let descriptor = stream.as_raw_fd();
    let own = event_loop.clone();
    let mut stream = Some(stream);
    let mut buffer = vec![0; ECHO_BUFFER];
    let read = move || {
        let Some(open) = stream.as_mut() else { return };
        let alive = match open.read(&mut buffer) {
            Ok(0) => false,
            Ok(size) => open.write_all(&buffer[..size]).is_ok(),
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        if !alive {
            own.remove_reader(descriptor);
            stream = None;
        }
    };
    event_loop.add_reader(descriptor, read).expect("it is open");
}
