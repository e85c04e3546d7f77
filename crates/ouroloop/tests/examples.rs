//! Each example prints what its asyncio original prints, line by line, in the time that it takes.
//!
//! The examples are compiled in here, with a `print!` that keeps what it is given. `examples/*.txt`
//! is what CPython 3.13 printed, except for clock times, which begin at midnight, and for the words
//! of errors, booleans and results, which are Rust's where an example's header says so.

use std::cell::RefCell;
use std::fmt::{Arguments, Debug, Write as _};
use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ouroloop::{EventLoop, Runner, VirtualClock};

thread_local! {
    static PRINTED: RefCell<String> = const { RefCell::new(String::new()) };
}

fn keep(text: Arguments<'_>) {
    PRINTED.with_borrow_mut(|printed| printed.write_fmt(text).unwrap());
}

/// What the example printed so far, in this thread.
fn printed() -> String {
    PRINTED.take()
}

// In scope in all modules below, before those of the standard library.
macro_rules! print {
    ($($arg:tt)*) => { crate::keep(format_args!($($arg)*)) };
}
macro_rules! println {
    ($($arg:tt)*) => { crate::keep(format_args!("{}\n", format_args!($($arg)*))) };
}

#[path = "../examples"]
#[allow(dead_code, reason = "each has a `main` for those who run it alone")]
#[allow(clippy::duplicate_mod, reason = "several have the module `clock`")]
mod examples {
    #[path = "as_completed.rs"]
    pub mod as_completed;
    #[path = "await_in_turn.rs"]
    pub mod await_in_turn;
    #[path = "call_soon.rs"]
    pub mod call_soon;
    #[path = "callback_arguments.rs"]
    pub mod callback_arguments;
    #[path = "chain_coroutines.rs"]
    pub mod chain_coroutines;
    #[path = "create_task.rs"]
    pub mod create_task;
    #[path = "done_callback.rs"]
    pub mod done_callback;
    #[path = "ensure_future.rs"]
    pub mod ensure_future;
    #[path = "future.rs"]
    pub mod future;
    #[path = "gather.rs"]
    pub mod gather;
    #[path = "gather_errors.rs"]
    pub mod gather_errors;
    #[path = "gather_groups.rs"]
    pub mod gather_groups;
    #[path = "gather_return_exceptions.rs"]
    pub mod gather_return_exceptions;
    #[path = "get_event_loop.rs"]
    pub mod get_event_loop;
    #[path = "hello.rs"]
    pub mod hello;
    #[path = "http_get.rs"]
    pub mod http_get;
    #[path = "lock.rs"]
    pub mod lock;
    #[path = "making_tasks.rs"]
    pub mod making_tasks;
    #[path = "ninety_nine_tasks.rs"]
    pub mod ninety_nine_tasks;
    #[path = "queue.rs"]
    pub mod queue;
    #[path = "result_too_early.rs"]
    pub mod result_too_early;
    #[path = "return_when.rs"]
    pub mod return_when;
    #[path = "run_by_hand.rs"]
    pub mod run_by_hand;
    #[path = "run_until_complete.rs"]
    pub mod run_until_complete;
    #[path = "shield.rs"]
    pub mod shield;
    #[path = "shield_coroutine.rs"]
    pub mod shield_coroutine;
    #[path = "shield_result.rs"]
    pub mod shield_result;
    #[path = "spinner.rs"]
    pub mod spinner;
    #[path = "tasks_left_behind.rs"]
    pub mod tasks_left_behind;
    #[path = "three_ways.rs"]
    pub mod three_ways;
    #[path = "unclosed_client.rs"]
    pub mod unclosed_client;
    #[path = "wait_timeout.rs"]
    pub mod wait_timeout;
}

/// What a program returns; it is to have gone well.
trait Outcome {
    fn check(self);
}

impl Outcome for () {
    fn check(self) {}
}

impl<E: Debug> Outcome for Result<(), E> {
    fn check(self) {
        self.unwrap();
    }
}

fn loop_of(clock: &VirtualClock) -> EventLoop {
    EventLoop::builder().clock(clock.clone()).build().unwrap()
}

/// Runs an async program, and shuts its loop down; the time that this took.
fn run_async<F>(program: F) -> Duration
where
    F: Future<Output: Outcome> + 'static,
{
    let clock = VirtualClock::new();
    let mut runner = Runner::new().clock(clock.clone());
    runner.run(program).unwrap().check();
    runner.close().unwrap();
    clock.now()
}

/// Runs a program that runs its loop by itself; the time that this took.
fn run_sync<O: Outcome>(program: fn(EventLoop) -> O) -> Duration {
    let clock = VirtualClock::new();
    program(loop_of(&clock)).check();
    clock.now()
}

/// The n-th block of text in the header of an example.
fn block(source: &str, n: usize) -> String {
    let header = source.lines().map_while(|line| line.strip_prefix("//!"));
    let mut blocks = header.map(|line| line.strip_prefix(' ').unwrap_or(line));
    for _ in 0..n {
        blocks.by_ref().find(|line| *line == "```text");
        blocks.by_ref().find(|line| *line == "```");
    }
    blocks.by_ref().find(|line| *line == "```text");
    let lines = blocks.take_while(|line| *line != "```");
    lines.map(|line| format!("{line}\n")).collect()
}

/// Whether a block of a header shows an output: all of it, or with gaps (`...`).
fn shows(block: &str, output: &str) -> bool {
    let Some((first, rest)) = block.split_once("...\n") else {
        return block == output;
    };
    let Some(mut left) = output.strip_prefix(first) else {
        return false;
    };
    let mut rest = rest.split("...\n").peekable();
    while let Some(part) = rest.next() {
        if rest.peek().is_none() {
            return left.ends_with(part);
        }
        let Some(place) = left.find(part) else {
            return false;
        };
        left = &left[place + part.len()..];
    }
    false
}

/// One test for each example: how to run its `program`, and the milliseconds that it takes.
macro_rules! examples_print {
    ($($name:ident: $run:expr, $ms:literal;)*) => {$(
        #[test]
        fn $name() {
            use examples::$name::program;
            let took: Duration = $run;
            let output = printed();
            assert_eq!(output, include_str!(concat!("examples/", stringify!($name), ".txt")));
            assert_eq!(took, Duration::from_millis($ms));
            let source = include_str!(concat!("../examples/", stringify!($name), ".rs"));
            assert!(shows(&block(source, 0), &output), "the header shows something else");
        }
    )*};
}

mod prints_what_asyncio_prints {
    use super::*;

    examples_print! {
        as_completed: run_async(program()), 2_000;
        await_in_turn: run_async(program()), 2_000;
        call_soon: run_sync(program), 3_000;
        callback_arguments: run_async(program()), 2_000;
        chain_coroutines: run_sync(program), 1_000;
        create_task: run_async(program()), 2_000;
        done_callback: run_sync(program), 1_000;
        ensure_future: run_async(program()), 1_000;
        future: run_async(program()), 2_000;
        gather: run_async(program()), 1_000;
        gather_errors: run_async(program()), 3_000;
        gather_groups: run_async(program()), 2_000;
        gather_return_exceptions: run_async(program()), 2_000;
        get_event_loop: run_sync(program), 0;
        hello: run_async(program()), 1_000;
        lock: run_async(program()), 1_000;
        making_tasks: run_sync(program), 2_000;
        ninety_nine_tasks: run_sync(program), 6_000;
        queue: run_async(program()), 3_000;
        result_too_early: run_async(program()), 1_000;
        return_when: run_async(program()), 6_000;
        run_by_hand: run_in_both_ways(program), 2_000;
        run_until_complete: run_sync(program), 4_000;
        shield: run_async(program()), 2_000;
        shield_coroutine: run_async(program()), 1_000;
        shield_result: run_async(program()), 1_000;
        tasks_left_behind: run_async(program()), 100;
        three_ways: run_async(program()), 10_000;
        wait_timeout: run_async(program()), 2_000;
    }

    fn run_in_both_ways<O: Outcome>(program: fn(EventLoop, Runner) -> O) -> Duration {
        let clock = VirtualClock::new();
        program(loop_of(&clock), Runner::new().clock(clock.clone())).check();
        clock.now()
    }
}

/// Where asyncio hangs. These are run as a user runs them: it is their end that matters.
mod fails_and_says_who_waits_for_what {
    use std::env;
    use std::path::Path;
    use std::process::Command;

    use super::block;

    /// Runs an example; its status and what it prints, with places as its header has them.
    fn run(name: &str) -> (Option<i32>, String) {
        let test = env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let example = profile.join("examples").join(name);
        assert!(
            example.exists(),
            "build it first: cargo build --example {name}"
        );
        let output = Command::new(example).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        (
            output.status.code(),
            text.replace("crates/ouroloop/examples/", "examples/"),
        )
    }

    #[test]
    fn deadlock() {
        let (status, text) = run("deadlock");
        assert_eq!(text, block(include_str!("../examples/deadlock.rs"), 0));
        assert_eq!(status, Some(1));
    }

    #[test]
    fn own_callback() {
        let (status, text) = run("own_callback");
        assert_eq!(text, block(include_str!("../examples/own_callback.rs"), 0));
        assert_eq!(status, Some(1));
    }
}

mod spinner {
    use super::*;
    use examples::spinner::{program, program_within_run};

    const SOURCE: &str = include_str!("../examples/spinner.rs");
    const WIPE: &str = "           \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08";

    /// What the spinner writes in two seconds.
    fn frames() -> String {
        let chars = "|/-\\".chars().cycle().take(20);
        chars
            .map(|char| format!("{char} thinking!{}", "\x08".repeat(11)))
            .collect()
    }

    /// What is left to see, on a terminal, of what was written.
    fn screen(output: &str) -> String {
        let mut lines = vec![Vec::new()];
        let mut column = 0;
        for char in output.chars() {
            let line = lines.last_mut().expect("there is one from the beginning");
            match char {
                '\n' => {
                    lines.push(Vec::new());
                    column = 0;
                }
                '\x08' => column -= 1,
                _ => {
                    line.resize(line.len().max(column + 1), ' ');
                    line[column] = char;
                    column += 1;
                }
            }
        }
        let lines: Vec<_> = lines.into_iter().map(String::from_iter).collect();
        format!("{}\n", lines.join("\n").trim_end())
    }

    #[test]
    fn wipes_its_line_before_a_result_that_is_printed_outside_of_the_loop() {
        let took = run_sync(program);
        let output = printed();
        assert_eq!(output, format!("{}{WIPE}42\n", frames()));
        assert_eq!(took, Duration::from_secs(2));
        assert_eq!(screen(&output), block(SOURCE, 0));
    }

    #[test]
    fn wipes_its_line_after_a_result_that_is_printed_within_the_loop() {
        let took = run_async(program_within_run());
        let output = printed();
        assert_eq!(output, format!("{}42\n{WIPE}", frames()));
        assert_eq!(took, Duration::from_secs(2));
        assert_eq!(screen(&output), block(SOURCE, 1));
    }
}

mod in_real_time {
    use super::*;

    fn listen() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    /// The lines of a request.
    fn request(stream: &TcpStream) -> Vec<String> {
        let lines = BufReader::new(stream).lines().map(Result::unwrap);
        lines.take_while(|line| !line.is_empty()).collect()
    }

    /// Waits until the client has closed its side.
    fn wait_closed(mut stream: &TcpStream) {
        let count = stream.read(&mut [0]).unwrap();
        assert_eq!(count, 0, "it has nothing more to say");
    }

    #[test]
    fn http_get_prints_pages_in_the_order_in_which_they_are_complete() {
        let (listener, port) = listen();
        // The last one asked for is the first to be answered.
        let server = thread::spawn(move || {
            let streams: Vec<_> = listener.incoming().take(20).map(Result::unwrap).collect();
            for (n, mut stream) in streams.into_iter().enumerate().rev() {
                let host = "Host:127.0.0.1";
                assert_eq!(
                    request(&stream),
                    ["GET /page HTTP/1.1", host, "Connection:Close"]
                );
                write!(stream, "HTTP/1.1 200 OK\r\n\r\npage {n}\n").unwrap();
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                wait_closed(&stream);
            }
        });
        let url = format!("http://127.0.0.1:{port}/page");
        let program = examples::http_get::program(url.parse().unwrap());
        ouroloop::run(program).unwrap().unwrap();
        server.join().unwrap();

        let pages = (0..20).rev();
        let expected: String = pages
            .map(|n| format!("HTTP/1.1 200 OK\r\n\n\r\n\npage {n}\n\n"))
            .collect();
        assert_eq!(printed(), expected);
    }

    #[test]
    fn unclosed_client_is_told_that_its_loop_is_closed() {
        let (listener, port) = listen();
        let server = thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                let mut stream = stream.unwrap();
                assert_eq!(request(&stream), ["HEAD / HTTP/1.1", "Host:127.0.0.1"]);
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                wait_closed(&stream);
            }
        });
        examples::unclosed_client::program("127.0.0.1", port).unwrap();
        server.join().unwrap();
        let source = include_str!("../examples/unclosed_client.rs");
        assert_eq!(printed(), block(source, 0));
    }
}
