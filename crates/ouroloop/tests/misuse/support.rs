//! Catching what a user would read.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use ouroloop::{LoopRef, RunError, Runner, VirtualClock};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs `main` on virtual time to its end and its loop's close. What it gives, and what went to the
/// exception handler meanwhile.
pub fn run_reported<F>(main: F) -> (Result<F::Output, RunError>, Vec<String>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    catch_quietly();
    let mut runner = Runner::new().clock(VirtualClock::new()).debug(false);
    let reports = reports_of(runner.event_loop().unwrap());
    let result = runner.run(main);
    let closed = runner.close();
    let texts = reports.take();
    (result.and_then(|value| closed.map(|()| value)), texts)
}

/// Keeps what goes to the exception handler of a loop.
pub fn reports_of(event_loop: &LoopRef) -> Rc<RefCell<Vec<String>>> {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let sink = reports.clone();
    event_loop.set_exception_handler(Some(Rc::new(move |_, context| {
        sink.borrow_mut().push(without_lines(&context.to_string()));
    })));
    reports
}

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps panics from the terminal; the last one of each thread is remembered.
fn catch_quietly() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let payload = info.payload();
            let text = match payload.downcast_ref::<String>() {
                Some(text) => text.clone(),
                None => payload
                    .downcast_ref::<&str>()
                    .copied()
                    .unwrap_or_default()
                    .to_owned(),
            };
            if text.starts_with("assertion") {
                print(info);
            }
            let place = info.location().map_or(String::new(), ToString::to_string);
            LAST_PANIC.set(format!("{place}: {text}"));
        }));
    });
}

/// The panic of `f`, with the line that the user is shown for it.
pub fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    catch_quietly();
    let result = panic::catch_unwind(AssertUnwindSafe(|| drop(f())));
    assert!(result.is_err(), "this ought to panic");
    without_lines(&LAST_PANIC.take())
}

/// An error with all its causes.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    without_lines(&text)
}

/// What `f` logs at the level of warnings or above.
pub fn warnings(f: impl FnOnce()) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    tracing::subscriber::with_default(Keep(lines.clone()), f);
    let lines = lines.lock().unwrap();
    lines.iter().map(|line| without_lines(line)).collect()
}

struct Keep(Arc<Mutex<Vec<String>>>);

impl Subscriber for Keep {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// `crates/ouroloop/tests/misuse/loops.rs:12:5` becomes `misuse/loops.rs:_`.
pub fn without_lines(text: &str) -> String {
    let mut short = text.replace("crates/ouroloop/tests/", "");
    let mut from = 0;
    while let Some(found) = short[from..].find(".rs:") {
        let start = from + found + ".rs:".len();
        let digits = short[start..]
            .find(|c: char| !c.is_ascii_digit() && c != ':')
            .unwrap_or(short.len() - start);
        let number = short[start..start + digits].trim_end_matches(':').len();
        short.replace_range(start..start + number, "_");
        from = start;
    }
    short
}

#[test]
fn a_line_is_a_placeholder() {
    assert_eq!(
        without_lines("at crates/ouroloop/tests/misuse/a.rs:1:23: no, b.rs:4"),
        "at misuse/a.rs:_: no, b.rs:_"
    );
}
