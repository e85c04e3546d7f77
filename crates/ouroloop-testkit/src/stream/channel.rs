//! One direction of a memory stream: a bounded pipe whose bytes may take their time.
//!
//! # State
//!
//! Bytes are *in flight* from the write on, and *arrived* when the latency has passed; the end of the
//! stream travels behind them. Both kinds take room. A reset empties the pipe for good.
//!
//! # Invariants
//!
//! - No borrow is held while a waker is woken.
//! - At most one timer is pending, and only while something is in flight; it goes with the pipe.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker, ready};
use std::time::Duration;

use ouroloop_core::{TimerHandle, with_running};

/// What is wrong with one direction.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) latency: Duration,
    pub(super) read_max: usize,
    pub(super) write_max: usize,
    pub(super) reads_stalled: bool,
    pub(super) writes_stalled: bool,
    /// So many more bytes are taken; then both directions are reset.
    pub(super) reset_after: Option<usize>,
}

impl Default for Trouble {
    fn default() -> Trouble {
        Trouble {
            latency: Duration::ZERO,
            read_max: usize::MAX,
            write_max: usize::MAX,
            reads_stalled: false,
            writes_stalled: false,
            reset_after: None,
        }
    }
}

pub(super) struct Channel {
    state: RefCell<State>,
}

struct State {
    capacity: usize,
    in_flight: VecDeque<Parcel>,
    bytes_in_flight: usize,
    arrived: VecDeque<u8>,
    /// Nothing more is written; the end may still be in flight.
    write_closed: bool,
    end_arrived: bool,
    reader_gone: bool,
    reset: bool,
    trouble: Trouble,
    timer: Option<TimerHandle>,
    read_waker: Option<Waker>,
    write_waker: Option<Waker>,
}

/// What was written at once; no bytes stand for the end.
struct Parcel {
    arrives_at: Duration,
    bytes: Vec<u8>,
}

impl Channel {
    pub(super) fn new(capacity: usize, latency: Duration) -> Rc<Channel> {
        Rc::new(Channel {
            state: RefCell::new(State {
                capacity,
                in_flight: VecDeque::new(),
                bytes_in_flight: 0,
                arrived: VecDeque::new(),
                write_closed: false,
                end_arrived: false,
                reader_gone: false,
                reset: false,
                trouble: Trouble {
                    latency,
                    ..Trouble::default()
                },
                timer: None,
                read_waker: None,
                write_waker: None,
            }),
        })
    }

    /// Reads what has arrived, as far as it goes; 0 is the end.
    pub(super) fn poll_read(&self, target: &mut [u8], waker: &Waker) -> Poll<io::Result<usize>> {
        if target.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let take = |state: &mut State| -> Poll<io::Result<usize>> {
            ready!(state.can_be_read())?;
            let count = target
                .len()
                .min(state.trouble.read_max)
                .min(state.arrived.len());
            for (place, byte) in target.iter_mut().zip(state.arrived.drain(..count)) {
                *place = byte;
            }
            Poll::Ready(Ok(count))
        };
        let count = ready!(self.poll_until(take, |state| &mut state.read_waker, waker))?;
        self.wake_writer(count);
        Poll::Ready(Ok(count))
    }

    /// When something has arrived, if only the end: copies it to `buffer` if that is empty, as far as
    /// one read goes, and gives how many bytes a read may take. What is lent takes room until it is
    /// [consumed](Self::consume).
    pub(super) fn poll_lend(&self, buffer: &mut Vec<u8>, waker: &Waker) -> Poll<io::Result<usize>> {
        let lend = |state: &mut State| -> Poll<io::Result<usize>> {
            ready!(state.can_be_read())?;
            let read_max = state.trouble.read_max;
            if buffer.is_empty() {
                let count = read_max.min(state.arrived.len());
                buffer.extend(state.arrived.range(..count));
            }
            Poll::Ready(Ok(read_max))
        };
        self.poll_until(lend, |state| &mut state.read_waker, waker)
    }

    /// Ends the stay of the first bytes that have arrived; after a reset there are none.
    pub(super) fn consume(&self, count: usize) {
        let mut state = self.state.borrow_mut();
        let count = count.min(state.arrived.len());
        state.arrived.drain(..count);
        drop(state);
        self.wake_writer(count);
    }

    /// Takes as much of `data` as there is room for. `Ok(None)`: this was the byte that the
    /// connection was to be reset after.
    pub(super) fn poll_write(
        self: &Rc<Self>,
        data: &[u8],
        waker: &Waker,
    ) -> Poll<io::Result<Option<usize>>> {
        let take = |state: &mut State| state.make_room(data.len());
        let found = ready!(self.poll_until(take, |state| &mut state.write_waker, waker))?;
        if let Some(count) = found.filter(|count| *count > 0) {
            self.send(data[..count].to_vec());
        }
        Poll::Ready(Ok(found))
    }

    /// # Errors
    ///
    /// The connection was reset.
    pub(super) fn check_reset(&self) -> io::Result<()> {
        match self.state.borrow().reset {
            true => Err(ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }

    /// Sends the end behind what was written.
    pub(super) fn close_write(self: &Rc<Self>) {
        let closed = mem::replace(&mut self.state.borrow_mut().write_closed, true);
        if !closed {
            self.send(Vec::new());
        }
    }

    /// Nobody will read any more: what is here is dropped, and writes fail.
    pub(super) fn close_read(&self) {
        let mut state = self.state.borrow_mut();
        state.reader_gone = true;
        state.empty();
        drop(state);
        self.wake_all();
    }

    pub(super) fn reset(&self) {
        let mut state = self.state.borrow_mut();
        state.reset = true;
        state.empty();
        drop(state);
        self.wake_all();
    }

    /// Changes what is wrong, and lets both ends look again.
    pub(super) fn trouble(&self, change: impl FnOnce(&mut Trouble)) {
        change(&mut self.state.borrow_mut().trouble);
        self.wake_all();
    }

    fn send(self: &Rc<Self>, bytes: Vec<u8>) {
        let mut state = self.state.borrow_mut();
        if state.reset || state.reader_gone {
            return;
        }
        let now = with_running(|running| running.map(|event_loop| event_loop.time()));
        // Outside of a loop, as in a destructor, there is no time that could pass.
        let latency = now.map_or(Duration::ZERO, |_| state.trouble.latency);
        if latency.is_zero() && state.in_flight.is_empty() {
            state.arrive(bytes);
            let waker = state.read_waker.take();
            drop(state);
            return wake(waker);
        }
        // None overtakes another, whatever the latency has been changed to.
        let last = state.in_flight.back().map(|parcel| parcel.arrives_at);
        let arrives_at = now
            .unwrap_or_default()
            .saturating_add(latency)
            .max(last.unwrap_or_default());
        state.bytes_in_flight += bytes.len();
        state.in_flight.push_back(Parcel { arrives_at, bytes });
        if state.timer.is_none() {
            state.timer = self.timer_for(arrives_at);
        }
    }

    fn timer_for(self: &Rc<Self>, when: Duration) -> Option<TimerHandle> {
        let channel: Weak<Channel> = Rc::downgrade(self);
        let deliver = move || {
            if let Some(channel) = channel.upgrade() {
                channel.deliver();
            }
        };
        // A loop that runs is open.
        with_running(|running| running?.call_at(when, deliver).ok())
    }

    /// The timer has fired: what is due has arrived.
    fn deliver(self: &Rc<Self>) {
        let now = with_running(|running| running.map(|event_loop| event_loop.time()));
        let now = now.unwrap_or(Duration::MAX);
        let mut state = self.state.borrow_mut();
        state.timer = None;
        while state
            .in_flight
            .front()
            .is_some_and(|parcel| parcel.arrives_at <= now)
        {
            let Some(parcel) = state.in_flight.pop_front() else {
                break;
            };
            state.bytes_in_flight -= parcel.bytes.len();
            state.arrive(parcel.bytes);
        }
        if let Some(next) = state.in_flight.front() {
            state.timer = self.timer_for(next.arrives_at);
        }
        let waker = state.read_waker.take();
        drop(state);
        wake(waker);
    }

    /// Ready when `take` is, which finds what it takes; until then `waker` has its place.
    fn poll_until<T>(
        &self,
        mut take: impl FnMut(&mut State) -> Poll<T>,
        place: impl Fn(&mut State) -> &mut Option<Waker>,
        waker: &Waker,
    ) -> Poll<T> {
        let found = take(&mut self.state.borrow_mut());
        if found.is_ready() {
            return found;
        }
        // To clone a foreign waker, or to drop one, may run anything: so look once more in between.
        let waker = waker.clone();
        let mut state = self.state.borrow_mut();
        let found = take(&mut state);
        let unused = match found.is_ready() {
            true => Some(waker),
            false => place(&mut state).replace(waker),
        };
        drop(state);
        drop(unused);
        found
    }

    fn wake_writer(&self, count: usize) {
        if count > 0 {
            let waker = self.state.borrow_mut().write_waker.take();
            wake(waker);
        }
    }

    fn wake_all(&self) {
        let mut state = self.state.borrow_mut();
        let wakers = [state.read_waker.take(), state.write_waker.take()];
        drop(state);
        wakers.into_iter().for_each(wake);
    }
}

impl State {
    fn can_be_read(&self) -> Poll<io::Result<()>> {
        if self.reset {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        let something = !self.arrived.is_empty() || self.end_arrived;
        match something && !self.trouble.reads_stalled {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    /// How many of so many bytes are written now; `None`: the connection is to be reset.
    fn make_room(&mut self, wanted: usize) -> Poll<io::Result<Option<usize>>> {
        if self.reset {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if self.write_closed || self.reader_gone {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if wanted == 0 {
            return Poll::Ready(Ok(Some(0)));
        }
        let left = self.trouble.reset_after.unwrap_or(usize::MAX);
        if left == 0 {
            // That needs no room.
            return Poll::Ready(Ok(None));
        }
        let room = self.capacity - self.bytes_in_flight - self.arrived.len();
        if room == 0 || self.trouble.writes_stalled {
            return Poll::Pending;
        }
        let count = wanted.min(room).min(self.trouble.write_max).min(left);
        if let Some(left) = &mut self.trouble.reset_after {
            *left -= count;
        }
        Poll::Ready(Ok(Some(count)))
    }

    fn arrive(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            self.end_arrived = true;
        }
        self.arrived.extend(bytes);
    }

    fn empty(&mut self) {
        self.in_flight.clear();
        self.bytes_in_flight = 0;
        self.arrived.clear();
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.empty();
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
