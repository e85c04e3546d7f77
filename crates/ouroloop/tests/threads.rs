//! The examples with threads print what their asyncio originals print.
//!
//! They are compiled in here, with a `println!` that keeps what it is given, whichever thread prints. Their seconds are short
//! here, and real: the threads sleep.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static PRINTED: Mutex<String> = Mutex::new(String::new());
static BEGUN: Condvar = Condvar::new();
static TURN: Mutex<()> = Mutex::new(());

const SECOND: Duration = Duration::from_millis(40);

/// A limit for what is to happen soon; whoever reaches it has failed.
const SOON: Duration = Duration::from_secs(60);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(line: &str) {
    let mut printed = lock(&PRINTED);
    printed.push_str(line);
    printed.push('\n');
    if line.starts_with("start ") {
        BEGUN.notify_all();
        // Goes on when the other one has begun, however late its thread is.
        let alone = |printed: &mut String| begun(printed) < 2;
        drop(BEGUN.wait_timeout_while(printed, SOON, alone));
    }
}

/// How many of the two jobs in `executors` have begun; no other example prints such lines.
fn begun(printed: &str) -> usize {
    let lines = printed.lines();
    lines.filter(|line| line.starts_with("start ")).count()
}

// In scope in all modules below, before that of the standard library.
macro_rules! println {
    ($($arg:tt)*) => {{
        // What is printed may be awaited: not under the lock.
        let line = format!($($arg)*);
        crate::keep(&line);
    }};
}

#[path = "../examples"]
#[allow(dead_code, reason = "each has a `main` for those who run it alone")]
mod examples {
    #[path = "blocking_call.rs"]
    pub mod blocking_call;
    #[path = "executors.rs"]
    pub mod executors;
    #[path = "futures_and_tasks.rs"]
    pub mod futures_and_tasks;
    #[path = "loop_in_thread.rs"]
    pub mod loop_in_thread;
    #[path = "responsive.rs"]
    pub mod responsive;
    #[path = "thread_pool.rs"]
    pub mod thread_pool;
    #[path = "thread_sets_future.rs"]
    pub mod thread_sets_future;
    #[path = "wrap_future.rs"]
    pub mod wrap_future;
}

/// What `program` prints; one after the other, since there is one place for it.
fn printed_by(program: impl FnOnce()) -> String {
    let _turn = lock(&TURN);
    lock(&PRINTED).clear();
    program();
    std::mem::take(&mut *lock(&PRINTED))
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// The block of text in the header of an example.
fn header(source: &str) -> String {
    let lines = source.lines().filter_map(|line| line.strip_prefix("//!"));
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let block = lines.skip_while(|line| *line != "```text").skip(1);
    let block = block.take_while(|line| *line != "```");
    block.map(|line| format!("{line}\n")).collect()
}

#[test]
fn thread_sets_future() {
    use examples::thread_sets_future::{program, program_threadsafe};
    let expected = header(include_str!("../examples/thread_sets_future.rs"));
    assert_eq!(sorted(&expected), ["1", "thread task done"]);
    let output = printed_by(|| ouroloop::run(program(SECOND)).unwrap().unwrap());
    assert_eq!(sorted(&output), sorted(&expected));
    let output = printed_by(|| ouroloop::run(program_threadsafe(SECOND)).unwrap().unwrap());
    assert_eq!(sorted(&output), sorted(&expected));
}

#[test]
fn loop_in_thread() {
    let output = printed_by(|| examples::loop_in_thread::program(SECOND).unwrap());
    assert_eq!(output, "1\n");
    assert_eq!(
        header(include_str!("../examples/loop_in_thread.rs")),
        output
    );
}

#[test]
fn blocking_call() {
    let program = examples::blocking_call::program(SECOND);
    let output = printed_by(|| ouroloop::run(program).unwrap().unwrap());
    assert_eq!(output, header(include_str!("../examples/blocking_call.rs")));
}

#[test]
fn thread_pool() {
    let output = printed_by(|| {
        let event_loop = ouroloop::new_event_loop().unwrap();
        examples::thread_pool::program(event_loop, SECOND / 40).unwrap();
    });
    assert_eq!(output, header(include_str!("../examples/thread_pool.rs")));
}

#[test]
fn futures_and_tasks() {
    let program = examples::futures_and_tasks::program(SECOND);
    let output = printed_by(|| ouroloop::run(program).unwrap().unwrap());
    assert_eq!(
        output,
        header(include_str!("../examples/futures_and_tasks.rs"))
    );
}

#[test]
fn executors() {
    let output = printed_by(|| {
        ouroloop::run(examples::executors::program(SECOND))
            .unwrap()
            .unwrap();
    });
    let expected = header(include_str!("../examples/executors.rs"));
    assert_eq!(sorted(&output), sorted(&expected));
    // Neither begins after the other has ended.
    let first: String = output.split_inclusive('\n').take(2).collect();
    assert_eq!(begun(&first), 2, "{output}");
}

#[test]
fn wrap_future() {
    let output = printed_by(|| examples::wrap_future::program(SECOND).unwrap());
    assert_eq!(output, header(include_str!("../examples/wrap_future.rs")));
}

/// How late the ticks are is a matter of the machine: the example asserts that, and this that they go on.
#[test]
fn responsive() {
    let mut ticks = 0;
    let output = printed_by(|| {
        let late = ouroloop::run(examples::responsive::program(SECOND / 4)).unwrap();
        ticks = late.unwrap().ticks();
    });
    assert!(ticks >= 1, "the loop ticked while its threads worked");
    assert!(
        output.contains("333333283333335000000") && output.contains("done: 20"),
        "{output}"
    );
}
