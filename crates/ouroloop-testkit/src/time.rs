//! Control of virtual time from inside of a test.
//!
//! A loop on virtual time jumps to the next deadline when nothing is ready. A test that wants to
//! look at the moments between says `set_auto_advance(false)` to its [`virtual_clock`]: then time
//! stands still until the test calls [`advance`].

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_core::{LoopId, LoopRef, VirtualClock, with_running};
use ouroloop_task::{Resource, ResourceState, Waiter, WaiterKey};

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
/// Whatever is ready runs first, and what it wakes. Time does not pass meanwhile. Of several calls
/// at the same time, in one task or in many, one after the other goes on, in the order in which they
/// came: each when all is at rest again.
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
    // Who calls this outside of a loop is told here, by the line of the call.
    drop(running_loop());
    async {
        let waiter = Waiter::on(Rc::new(AllOthers));
        Watch::join(&running_loop(), waiter.key());
        waiter.await;
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
    /// Who waits in which loop for all others of that loop. A loop is here while its watch is.
    static WAITING: RefCell<HashMap<LoopId, VecDeque<WaiterKey>>> = RefCell::default();
}

/// A callback that comes in each turn of a loop while somebody waits in this way, and looks whether
/// it is alone.
///
/// Those who wait are not ready meanwhile, so there is nobody to be told from the others: neither by
/// loop nor by task.
struct Watch(LoopId);

impl Watch {
    fn join(event_loop: &LoopRef, key: WaiterKey) {
        let id = event_loop.id();
        let is_watched = WAITING.with_borrow_mut(|waiting| {
            let is_watched = waiting.contains_key(&id);
            waiting.entry(id).or_default().push_back(key);
            is_watched
        });
        if !is_watched {
            Watch(id).look_soon(event_loop);
        }
    }

    fn look_soon(self, event_loop: &LoopRef) {
        // A closed loop drops it, and with it those who wait for nothing any more.
        let _ = event_loop.call_soon(move || self.look());
    }

    fn look(self) {
        let event_loop = running_loop();
        let none_is_due = match event_loop.next_deadline() {
            Some(when) => when > event_loop.time(),
            None => true,
        };
        if event_loop.statistics().ready == 0 && none_is_due {
            while let Some(key) = self.next() {
                if key.fire() {
                    break;
                }
            }
        }
        let somebody_waits = WAITING.with_borrow(|waiting| {
            let mut keys = waiting.get(&self.0).into_iter().flatten();
            keys.any(WaiterKey::is_pending)
        });
        if somebody_waits {
            self.look_soon(&event_loop);
        }
    }

    fn next(&self) -> Option<WaiterKey> {
        WAITING.with_borrow_mut(|waiting| waiting.get_mut(&self.0)?.pop_front())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // With the thread they are gone anyway.
        let keys = WAITING.try_with(|waiting| waiting.borrow_mut().remove(&self.0));
        drop(keys);
    }
}

/// What is waited for, as wait graphs name it.
struct AllOthers;

impl Resource for AllOthers {
    fn state(&self) -> ResourceState {
        ResourceState::new("wait_all_tasks_blocked", None)
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
