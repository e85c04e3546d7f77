//! What only these tests need: a connection whose other end is the test itself, and its pace.

use std::fmt;
use std::future::Future;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use ouroloop_combinators::timeout;
use ouroloop_core::{EventLoop, get_running_loop, new_event_loop};
use ouroloop_net::{NetError, StreamReader, StreamWriter, open_connection};
use ouroloop_task::LoopTasks;
use ouroloop_testkit::logged;
use socket2::SockRef;

/// Nothing here takes as long, unless it hangs.
const HANGS: Duration = Duration::from_secs(30);

/// Runs a test on a loop of its own.
#[track_caller]
pub fn run<F>(test: F) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    let event_loop = new_event_loop().unwrap();
    let output = run_on(&event_loop, test);
    event_loop.close().unwrap();
    output
}

#[track_caller]
pub fn run_on<F>(event_loop: &EventLoop, test: F) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    event_loop
        .run_until_complete(timeout(HANGS, test))
        .expect("the test ran to its end")
        .expect("the test does not hang")
}

/// A connection to a socket of the standard library. What that writes is here at once.
pub async fn pair() -> (StreamReader, StreamWriter, TcpStream) {
    pair_with_limit(ouroloop_net::DEFAULT_LIMIT).await
}

pub async fn pair_with_limit(limit: usize) -> (StreamReader, StreamWriter, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (reader, writer) = open_connection("127.0.0.1", port)
        .limit(limit)
        .await
        .unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_nodelay(true).unwrap();
    (reader, writer, peer)
}

/// Closes a socket by a reset.
pub fn reset(peer: TcpStream) {
    SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// Lets the loop look for events, and run what they wake, a few times.
pub async fn turns() {
    for _ in 0..6 {
        ouroloop_combinators::sleep(Duration::from_millis(1)).await;
    }
}

/// Writes until the kernel takes no more and something is queued.
pub async fn fill(writer: &StreamWriter) -> usize {
    let chunk = vec![b'.'; 64 * 1024];
    let mut written = 0;
    while writer.write_buffer_size() == 0 {
        writer.write(&chunk).unwrap();
        written += chunk.len();
        // The kernel may move some of it to the peer's side.
        turns().await;
    }
    written
}

/// Reads all that comes until the end, or a pause.
pub fn read_available(mut peer: &TcpStream) -> Vec<u8> {
    peer.set_nonblocking(true).unwrap();
    let mut all = Vec::new();
    let result = peer.read_to_end(&mut all);
    peer.set_nonblocking(false).unwrap();
    match result {
        Ok(_) => all,
        Err(error) if error.kind() == ErrorKind::WouldBlock => all,
        Err(error) => panic!("the peer cannot read: {error}"),
    }
}

/// What the peer gets, which has been sent by now or is being sent by the loop; the kernel may take
/// its time.
#[track_caller]
pub fn assert_receives(mut peer: &TcpStream, expected: &[u8]) {
    peer.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut received = vec![0; expected.len()];
    peer.read_exact(&mut received).unwrap();
    assert_eq!(received, expected);
}

/// The same for what the loop has yet to answer.
pub async fn receive(peer: &TcpStream, count: usize) -> Vec<u8> {
    let mut received = Vec::new();
    while received.len() < count {
        turns().await;
        received.extend(read_available(peer));
    }
    received
}

/// How many times the loop has polled.
pub fn polls() -> u64 {
    get_running_loop().unwrap().statistics().polls
}

/// Fails if the loop does not come to rest: in a pause of 20 ms there is nothing to poll for.
pub async fn assert_rests(what: &str) {
    let before = polls();
    ouroloop_combinators::sleep(Duration::from_millis(20)).await;
    let polls = polls() - before;
    assert!(polls <= 6, "{what}: {polls} polls while nothing happened");
}

#[track_caller]
pub fn incomplete<T: fmt::Debug>(result: Result<T, NetError>) -> (Vec<u8>, Option<usize>) {
    match result {
        Err(NetError::IncompleteRead { partial, expected }) => (partial, expected),
        other => panic!("not an incomplete read: {other:?}"),
    }
}

#[track_caller]
pub fn overrun<T: fmt::Debug>(result: Result<T, NetError>) -> usize {
    match result {
        Err(NetError::LimitOverrun { consumed }) => consumed,
        other => panic!("not a limit overrun: {other:?}"),
    }
}

/// Runs a test in a process of its own, where nobody else opens descriptors; with a limit of them,
/// if given.
pub fn alone(name: &str, descriptors: Option<u32>, test: impl FnOnce()) {
    const MARK: &str = "OUROLOOP_NET_TEST_ALONE";
    if std::env::var_os(MARK).is_some_and(|it| it == name) {
        return test();
    }
    let limit = descriptors.map_or("unlimited".into(), |it| it.to_string());
    let script = match descriptors {
        Some(_) => "ulimit -n \"$1\" && shift && exec \"$@\"",
        None => "shift && exec \"$@\"",
    };
    let output = Command::new("sh")
        .args(["-c", script, "sh", &limit])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1", "--nocapture"])
        .env(MARK, name)
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(
        stdout.contains("1 passed"),
        "no such test: {name}\n{stdout}"
    );
}

/// What a test of this name says on its standard error stream, in a process of its own, where it
/// is run; nothing in that process.
pub fn said_alone(name: &str, test: impl FnOnce()) -> Option<String> {
    const MARK: &str = "OUROLOOP_NET_TEST_SAID";
    if std::env::var_os(MARK).is_some() {
        test();
        return None;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1", "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "no such test: {name}");
    Some(stderr)
}

/// How many descriptors this process has.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What this crate logs during `f`, as a warning or an error.
pub fn warnings_of(f: impl FnOnce()) -> Vec<String> {
    logged(f)
        .into_iter()
        .filter(|line| line.target() == "ouroloop::net")
        .map(|line| line.message().to_owned())
        .collect()
}
