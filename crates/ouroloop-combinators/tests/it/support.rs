//! What the tests share: loops on virtual time that report, a log, and guards that say when
//! they are dropped.

use std::cell::RefCell;
use std::future::pending;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_combinators::sleep;
use ouroloop_core::{EventLoop, LoopRef, ScriptedSelector, VirtualClock, get_running_loop};
use ouroloop_task::{
    LoopTasks, Task, TaskError, TaskRef, catch_cancelled, create_task, current_task,
};

/// A loop on virtual time, with what its exception handler was told.
///
/// It is closed at the end, and the test fails if there is a report that nobody has taken.
pub struct World {
    event_loop: EventLoop,
    reports: Rc<RefCell<Vec<String>>>,
}

impl World {
    pub fn new() -> World {
        let clock = VirtualClock::new();
        // Miri knows little of epoll.
        let builder = match cfg!(miri) {
            true => EventLoop::builder().selector(Box::new(ScriptedSelector::new(clock.clone()))),
            false => EventLoop::builder(),
        };
        let event_loop = builder
            .clock(clock)
            .debug(false)
            .build()
            .expect("a loop can be made");
        let reports = Rc::new(RefCell::new(Vec::new()));
        let sink = reports.clone();
        event_loop.set_exception_handler(Some(Rc::new(move |_, context| {
            sink.borrow_mut().push(context.message().to_owned());
        })));
        World {
            event_loop,
            reports,
        }
    }

    /// Runs `future` as the main task.
    pub fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        match self.event_loop.run_until_complete(future) {
            Ok(value) => value,
            Err(error) => panic!("the main task has a value: {error}"),
        }
    }

    /// The messages of the reports so far; none are left then.
    pub fn take_reports(&self) -> Vec<String> {
        self.reports.take()
    }

    pub fn close(&self) {
        self.event_loop.close().expect("the loop does not run");
    }
}

impl Deref for World {
    type Target = LoopRef;

    fn deref(&self) -> &LoopRef {
        &self.event_loop
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.close();
        assert_eq!(self.take_reports(), [""; 0], "reports that nobody took");
    }
}

/// Runs `future` as the main task of a loop on virtual time, which is closed then.
pub fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    World::new().run(future)
}

pub fn running() -> EventLoop {
    get_running_loop().expect("a loop is running")
}

pub fn now() -> Duration {
    running().time()
}

pub fn me() -> TaskRef {
    current_task().expect("this is a task")
}

/// How many iterations an await takes.
pub async fn hops<T>(future: impl IntoFuture<Output = T>) -> (u64, T) {
    let iterations = || running().statistics().iterations;
    let before = iterations();
    let value = future.await;
    (iterations() - before, value)
}

/// Lets a result go, on purpose.
pub fn ignore<T>(_: T) {}

pub fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// `value` after so many milliseconds.
pub async fn after<T>(count: u64, value: T) -> T {
    sleep(ms(count)).await;
    value
}

/// What a test calls an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Oops(pub &'static str);

/// Such an error, or what came of a task instead.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Oops(#[from] Oops),
    #[error(transparent)]
    Task(#[from] TaskError),
}

impl Failure {
    pub fn text(&self) -> String {
        self.to_string()
    }
}

/// Fails after so many milliseconds.
pub async fn fail_after(count: u64, text: &'static str) -> Result<u32, Failure> {
    sleep(ms(count)).await;
    Err(Oops(text).into())
}

pub async fn ok_after(count: u64, value: u32) -> Result<u32, Failure> {
    Ok(after(count, value).await)
}

/// A task that swallows one request and then gives `value` after so many milliseconds more.
pub fn stubborn<T: 'static>(count: u64, value: T) -> Task<T> {
    create_task(async move {
        let _ = catch_cancelled(pending::<()>()).await;
        after(count, value).await
    })
}

/// The message of a cancellation.
pub fn message_of<T>(ended: Result<T, TaskError>) -> Option<String> {
    match ended {
        Err(TaskError::Cancelled(cancelled)) => cancelled.message().map(str::to_owned),
        Err(error) => panic!("not a cancellation: {error}"),
        Ok(_) => panic!("not a cancellation but a value"),
    }
}

/// A log that many write to.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn say(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    /// Something that writes `line` when it is dropped.
    pub fn on_drop(&self, line: &str) -> OnDrop {
        OnDrop(self.clone(), line.to_owned())
    }

    /// Everything so far, separated by spaces; the log is empty then.
    pub fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

/// Writes its line when it is dropped.
pub struct OnDrop(Log, String);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.say(std::mem::take(&mut self.1));
    }
}
