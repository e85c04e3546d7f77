//! Control of virtual time from inside of a test.
//!
//! A loop on virtual time jumps to the next deadline when nothing is ready. A test that wants to
//! look at the moments between says `set_auto_advance(false)` to its [`virtual_clock`]: then time
//! stands still until the test calls [`advance`].

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ouroloop_core::{LoopRef, VirtualClock, with_running};

/// The clock of the running loop.
///
/// `now()` reads it. With `set_auto_advance(false)` time is paused: it moves by [`advance`] alone,
/// instead of jumping to the next deadline whenever nothing is ready.
///
/// # Panics
///
/// If no loop is running in this thread, or it runs on real time. Start the test with
/// `#[ouroloop::test(start_paused)]`, or make the loop with a [`VirtualClock`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use ouroloop::{Clock, Runner, sleep, testkit};
///
/// let mut runner = Runner::new().clock(Clock::virtual_time());
/// runner.run(async {
///     sleep(Duration::from_secs(3600)).await;
///     assert_eq!(testkit::virtual_clock().now(), Duration::from_secs(3600));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn virtual_clock() -> VirtualClock {
    match running_loop().virtual_clock() {
        Some(clock) => clock,
        None => panic!(
            "the running loop is on real time: use #[ouroloop::test(start_paused)], or give it a \
             VirtualClock"
        ),
    }
}

/// Lets `by` of virtual time pass, as if it passed by itself: from deadline to deadline, and at each
/// everything that is due runs, and what that wakes, until all tasks wait again.
///
/// The time afterwards is exactly `by` later. [`VirtualClock::advance`] is the plain jump: after it
/// all that is due runs at the new time, in one batch.
///
/// # Cancellation
///
/// Time stays where it is by then.
///
/// # Panics
///
/// As [`virtual_clock`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use ouroloop::{Clock, Runner, create_task, sleep, testkit};
///
/// let mut runner = Runner::new().clock(Clock::virtual_time());
/// runner.run(async {
///     testkit::virtual_clock().set_auto_advance(false);
///     let task = create_task(async {
///         for _ in 0..3 {
///             sleep(Duration::from_secs(10)).await;
///         }
///     });
///     testkit::advance(Duration::from_secs(29)).await;
///     assert!(!task.done());
///     testkit::advance(Duration::from_secs(1)).await;
///     assert!(task.done());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn advance(by: Duration) -> impl Future<Output = ()> {
    let (event_loop, clock) = (running_loop(), virtual_clock());
    async move {
        let target = clock.now().saturating_add(by);
        let go_to = |when: Duration| clock.advance(when.saturating_sub(clock.now()));
        loop {
            wait_all_tasks_blocked().await;
            match event_loop.next_deadline() {
                Some(when) if when <= target => go_to(when),
                _ => break,
            }
        }
        go_to(target);
        wait_all_tasks_blocked().await;
    }
}

/// Waits until every other task of the loop waits, for time to pass or for something outside:
/// trio's `wait_all_tasks_blocked`.
///
/// Whatever is ready runs first, and what it wakes. Time does not pass meanwhile. Of several tasks
/// that call this at the same time, one after the other goes on.
///
/// On real time, too. What the kernel has to deliver is not waited for.
///
/// # Cancellation
///
/// Nothing is lost.
///
/// # Panics
///
/// If no loop is running in this thread.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use ouroloop::{create_task, run, sleep, testkit};
/// use std::time::Duration;
///
/// run(async {
///     let steps = Rc::new(Cell::new(0));
///     let count = steps.clone();
///     let worker = create_task(async move {
///         for _ in 0..5 {
///             count.set(count.get() + 1);
///             sleep(Duration::ZERO).await;
///         }
///         sleep(Duration::from_secs(3600)).await;
///     });
///     testkit::wait_all_tasks_blocked().await;
///     assert_eq!(steps.get(), 5);
///     worker.cancel();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn wait_all_tasks_blocked() -> impl Future<Output = ()> {
    AllBlocked {
        event_loop: running_loop(),
        registered: false,
    }
}

/// So many milliseconds: what tests on virtual time are full of.
///
/// # Examples
///
/// ```
/// use ouroloop::testkit::ms;
///
/// assert_eq!(ms(1500).as_secs_f64(), 1.5);
/// ```
pub fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

thread_local! {
    /// How many wait in this way; each of them is ready all the time.
    static WAITING: Cell<usize> = const { Cell::new(0) };
}

struct AllBlocked {
    event_loop: LoopRef,
    registered: bool,
}

impl AllBlocked {
    fn all_blocked(&self) -> bool {
        let others = WAITING.get() - 1;
        let none_is_due = match self.event_loop.next_deadline() {
            Some(when) => when > self.event_loop.time(),
            None => true,
        };
        self.event_loop.statistics().ready <= others && none_is_due
    }
}

impl Future for AllBlocked {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.registered {
            // At least one turn, so that the loop has looked for what is due.
            self.registered = true;
            WAITING.set(WAITING.get() + 1);
        } else if self.all_blocked() {
            self.registered = false;
            WAITING.set(WAITING.get() - 1);
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for AllBlocked {
    fn drop(&mut self) {
        if self.registered {
            WAITING.set(WAITING.get() - 1);
        }
    }
}

/// The loop that is running in this thread.
///
/// `get_running_loop` for those who know that there is one; and unlike that it does not keep the
/// loop open.
///
/// # Panics
///
/// If no loop is running in this thread.
///
/// # Examples
///
/// ```
/// use ouroloop::{run, sleep, testkit::{ms, running_loop}};
///
/// run(async {
///     let before = running_loop().time();
///     sleep(ms(1)).await;
///     assert!(running_loop().time() - before >= ms(1));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn running_loop() -> LoopRef {
    match with_running(|running| running.cloned()) {
        Some(event_loop) => event_loop,
        None => panic!("no running event loop: call this from a task or a callback of a loop"),
    }
}
