//! What a workload needs of an event loop.

use std::time::{Duration, Instant};

use crate::Sample;

/// An event loop, by what each of the workloads asks of it.
///
/// Each function is the loop's own, or what its users take for want of one. Nothing here is `Send` but what
/// crosses threads.
pub trait Peer: Sized + 'static {
    /// What it is called in tables.
    const NAME: &'static str;

    /// The workloads that it cannot do.
    const LACKS: &'static [&'static str] = &[];

    /// Makes a loop, runs the future in it, and ends the loop.
    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T;

    /// The same, where blocking calls get so many threads; `None` is the loop's own default.
    fn run_with_pool<T: 'static>(
        threads: Option<usize>,
        future: impl Future<Output = T> + 'static,
    ) -> T;

    /// Starts a task that is going to be awaited.
    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future + 'static;

    /// Starts a task that nobody awaits.
    fn spawn_detached(future: impl Future<Output = ()> + 'static);

    /// Lets the others run.
    fn yield_now() -> impl Future<Output = ()> + 'static;

    /// Waits until then.
    fn sleep_until(at: Instant) -> impl Future<Output = ()> + 'static;

    /// The future, or nothing when the time is over.
    fn timeout(after: Duration, future: impl Future + 'static) -> impl Future + 'static;

    /// The one end of an unbounded queue between tasks.
    type Sender: 'static;
    /// The other end.
    type Receiver: 'static;
    /// A queue between the tasks of one loop.
    fn channel() -> (Self::Sender, Self::Receiver);
    /// Puts a value into it.
    fn send(sender: &Self::Sender, value: u64);
    /// Takes the oldest value out, waiting for one.
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = u64>;

    /// The end of an unbounded queue that another thread has.
    type RemoteSender: Send + 'static;
    /// The end that the loop has.
    type RemoteReceiver: 'static;
    /// A queue from another thread to the loop.
    fn remote_channel() -> (Self::RemoteSender, Self::RemoteReceiver);
    /// Puts a value into it and wakes the loop.
    fn remote_send(sender: &Self::RemoteSender, value: u64);
    /// Takes the oldest value out, waiting for one.
    fn remote_receive(receiver: &mut Self::RemoteReceiver) -> impl Future<Output = u64>;

    /// Sets a value once.
    type Setter: 'static;
    /// A value that is set once, and the future that waits for it.
    fn oneshot() -> (Self::Setter, impl IntoFuture + 'static);
    /// Sets it.
    fn set(setter: Self::Setter, value: u64);

    /// Starts a blocking call in another thread at once; the future waits for its result.
    fn call_in_pool(call: impl FnOnce() -> u64 + Send + 'static) -> impl Future + 'static;

    /// Serves until the process is killed: each connection gets back what it sends.
    fn serve_echo();

    /// Serves until the process is killed: counts the lines of each connection, an owned buffer for each line, and
    /// sends the count back at the end.
    fn serve_lines();

    /// What only this peer, or few of them, can do; `None` for any other name.
    fn other(_workload: &str, _count: u64, _size: u64) -> Option<Sample> {
        None
    }
}

/// A peer in the list of a program.
pub struct Entry {
    /// What it is called.
    pub name: &'static str,
    /// Takes a sample of a workload with so many operations and, where it has one, this size. `None`: it has no
    /// such workload.
    pub sample: fn(workload: &str, count: u64, size: u64) -> Option<Sample>,
}

impl Entry {
    /// For a peer with an adapter.
    pub const fn of<P: Peer>() -> Entry {
        Entry {
            name: P::NAME,
            sample: crate::workloads::sample::<P>,
        }
    }
}

/// What a server reads at once.
pub const ECHO_BUFFER: usize = 4096;

/// What a server of lines buffers, where the peer lets it choose.
pub const LINE_BUFFER: usize = 64 * 1024;
