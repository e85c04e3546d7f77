//! What the tests share: loops on virtual time that count and report, a log, guards, futures that
//! are polled by wakers of our own, and the wakers.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use ouroloop_core::{EventLoop, LoopRef, ScriptedSelector, VirtualClock, get_running_loop};
use ouroloop_task::{LoopTasks, TaskError, Waiter};

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

    /// Runs so many iterations that do not sleep.
    pub fn turns(&self, count: usize) {
        for _ in 0..count {
            self.event_loop.stop();
            self.event_loop.run_once().expect("the loop can run");
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

/// How many iterations the running loop has begun.
pub fn iteration() -> u64 {
    running().statistics().iterations
}

pub fn running() -> EventLoop {
    get_running_loop().expect("a loop is running")
}

/// How many iterations an await takes.
pub async fn hops<T>(future: impl IntoFuture<Output = T>) -> (u64, T) {
    let before = iteration();
    let value = future.await;
    (iteration() - before, value)
}

/// `asyncio.sleep`, which lives above this crate.
pub async fn sleep(delay: Duration) {
    let waiter = Waiter::new();
    waiter
        .fire_at(running().time() + delay)
        .expect("the loop is open");
    waiter.await;
}

/// Lets a result go, on purpose.
pub fn ignore<T>(_: T) {}

pub fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
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

    /// Writes `line` with the number of the iteration after `since`.
    pub fn stamp(&self, line: &str, since: u64) {
        self.say(format!("{line}+{}", iteration() - since));
    }

    /// Something that writes `line` when it is dropped.
    pub fn on_drop(&self, line: &'static str) -> OnDrop<impl FnOnce() + use<>> {
        let log = self.clone();
        on_drop(move || log.say(line))
    }

    /// Everything so far, separated by spaces; the log is empty then.
    pub fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

/// Runs something when it is dropped.
pub struct OnDrop<F: FnOnce()>(Option<F>);

pub fn on_drop<F: FnOnce()>(f: F) -> OnDrop<F> {
    OnDrop(Some(f))
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// Panics without a word on the standard error stream.
pub fn quiet_panic(text: &'static str) -> ! {
    resume_unwind(Box::new(text))
}

/// Whether `f` panics, and with what.
pub fn panics<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Polls its future with a waker that is not the task's.
pub struct PolledWith<F> {
    future: Pin<Box<F>>,
    waker: Waker,
}

pub fn polled_with<F: Future>(waker: Waker, future: F) -> PolledWith<F> {
    PolledWith {
        future: Box::pin(future),
        waker,
    }
}

impl<F: Future> Future for PolledWith<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.future
            .as_mut()
            .poll(&mut Context::from_waker(&this.waker))
    }
}

/// Polls `future` once, outside of any task.
pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// What is done to a waker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    Clone,
    Wake,
    Drop,
}

type Hook = Rc<dyn Fn(Deed)>;

thread_local! {
    static HOOKS: RefCell<Vec<Option<Hook>>> = const { RefCell::new(Vec::new()) };
}

/// A waker that calls a function of its thread whenever something is done to it.
///
/// Removed from that table when this is dropped; the waker does nothing from then on.
pub struct Hooked(usize);

pub fn hooked(hook: impl Fn(Deed) + 'static) -> Hooked {
    HOOKS.with_borrow_mut(|hooks| {
        hooks.push(Some(Rc::new(hook)));
        Hooked(hooks.len() - 1)
    })
}

impl Hooked {
    pub fn waker(&self) -> Waker {
        // SAFETY: the functions of the table take the data for a number, and look it up in a
        // table of the thread that calls; so they may be called anywhere, and agree.
        unsafe { Waker::from_raw(RawWaker::new(std::ptr::without_provenance(self.0), &HOOKED)) }
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        let hook = HOOKS.with_borrow_mut(|hooks| hooks[self.0].take());
        drop(hook);
    }
}

static HOOKED: RawWakerVTable = RawWakerVTable::new(
    |data| {
        call_hook(data, Deed::Clone);
        RawWaker::new(data, &HOOKED)
    },
    |data| {
        // `wake` consumes the waker, so nobody drops it afterwards.
        call_hook(data, Deed::Wake);
    },
    |data| call_hook(data, Deed::Wake),
    |data| call_hook(data, Deed::Drop),
);

fn call_hook(data: *const (), deed: Deed) {
    let hook = HOOKS
        .try_with(|hooks| hooks.borrow().get(data.addr()).cloned().flatten())
        .ok()
        .flatten();
    if let Some(hook) = hook {
        hook(deed);
    }
}

/// Counts the wakes of its waker, and passes them on to the task that it was made in, if any.
pub struct Counted {
    pub hook: Hooked,
    pub wakes: Rc<Cell<usize>>,
}

pub fn counted(pass_on: Option<Waker>) -> Counted {
    let wakes = Rc::new(Cell::new(0));
    let seen = wakes.clone();
    let hook = hooked(move |deed| {
        if deed == Deed::Wake {
            seen.set(seen.get() + 1);
            if let Some(waker) = &pass_on {
                waker.wake_by_ref();
            }
        }
    });
    Counted { hook, wakes }
}

/// The waker of the task that asks.
pub async fn own_waker() -> Waker {
    std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

/// Runs `f` in a thread with a stack of 256 KiB.
pub fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(f)
        .expect("a thread can be made");
    if let Err(payload) = thread.join() {
        resume_unwind(payload);
    }
}
