//! `sleep`.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ouroloop_task::{BareYield, Waiter, bare_yield};

use crate::caller::Caller;
use crate::timeout::from_now;

/// Waits until `delay` has gone by: asyncio's `sleep`. A delay of nothing gives the others a turn.
///
/// The time runs from the first poll, on the clock of the loop, to the nanosecond.
///
/// # Cancellation
///
/// The timer is removed, and the task unwinds.
///
/// # Ordering
///
/// A delay of nothing is one iteration, without a timer. Any other is as many as it takes for the
/// timer to be due, and one more: the timer wakes the task, which resumes in the next iteration.
/// Sleeps that end at the same time end in the order in which they began. None ends early.
///
/// # Panics
///
/// When it is first polled, if no loop is running in this thread.
///
/// # Differences from asyncio
///
/// There is no result to pass through: await, and then use the value.
///
/// # Examples
///
/// ```
/// use ouroloop::{Runner, VirtualClock, get_running_loop, sleep};
/// use std::time::Duration;
///
/// // A clock that jumps to the next deadline: an hour takes no time.
/// Runner::new().clock(VirtualClock::new()).run(async {
///     let event_loop = get_running_loop().unwrap();
///     let before = event_loop.time();
///     sleep(Duration::from_secs(3600)).await;
///     assert_eq!(event_loop.time() - before, Duration::from_secs(3600));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn sleep(delay: Duration) -> Sleep {
    let delay_ns = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
    let place = Location::caller();
    Sleep {
        state: State::Early(Early::New { delay_ns, place }),
    }
}

/// The future of [`sleep`].
///
/// # Cancellation
///
/// As described for [`sleep`]: dropping it removes the timer.
///
/// # Panics
///
/// When it is first polled, if no loop is running in this thread.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep {
    state: State,
}

/// Sleeping tasks come in millions: the waiter leaves room for the rest, which so takes none.
enum State {
    Timed(Waiter),
    Early(Early),
}

enum Early {
    New {
        delay_ns: u64,
        place: &'static Location<'static>,
    },
    Turn(BareYield),
}

const _: () = assert!(size_of::<Sleep>() == size_of::<Waiter>());

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Early(Early::New { delay_ns, place }) = self.state {
            self.state = begin(delay_ns, place);
        }
        match &mut self.state {
            State::Timed(waiter) => Pin::new(waiter).poll(cx),
            State::Early(Early::Turn(turn)) => Pin::new(turn).poll(cx),
            State::Early(Early::New { .. }) => unreachable!("begin leaves that state"),
        }
    }
}

fn begin(delay_ns: u64, place: &'static Location<'static>) -> State {
    if delay_ns == 0 {
        return State::Early(Early::Turn(bare_yield()));
    }
    let caller = Caller {
        function: "sleep",
        place,
    };
    caller.check_running();
    let when = from_now(Duration::from_nanos(delay_ns));
    let waiter = Waiter::new();
    // The loop is running, so it is not closed.
    let _ = waiter.fire_at(when);
    State::Timed(waiter)
}
