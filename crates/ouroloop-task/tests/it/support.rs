//! What only these tests need: a sleep, wakers whose clone and drop can be hostile, futures that are
//! polled by them, small stacks.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use ouroloop_task::Waiter;
use ouroloop_testkit::{Log, TestLoop, iteration, running_loop};

/// Runs `future` as the main task of a loop on virtual time, which is closed then.
pub fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    TestLoop::new().run(future)
}

/// `asyncio.sleep`, which lives above this crate.
pub async fn sleep(delay: Duration) {
    let waiter = Waiter::new();
    waiter
        .fire_at(running_loop().time() + delay)
        .expect("the loop is open");
    waiter.await;
}

/// Lets a result go, on purpose.
pub fn ignore<T>(_: T) {}

/// Writes `line` to the log, with the number of the iteration after `since`.
pub fn stamp(log: &Log, line: &str, since: u64) {
    log.say(format!("{line}+{}", iteration() - since));
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
