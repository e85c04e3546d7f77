//! The threads of a pool, and the protocol by which no job waits while a thread could run it.
//!
//! # Who holds what
//!
//! - The *queue* takes jobs from any thread, without a lock.
//! - `counts` is one word with three numbers of workers. Those that *search* look for a job, and will look again before
//!   they sleep or end; they are counted by themselves, or by who wakes or starts them. Those that are *busy* run a job,
//!   and look into the queue when they are through. At most one is the *lookout*: while others are busy it looks every
//!   [`NAP`], and it will look again before it does anything else.
//! - `state` is behind a lock: who sleeps, how many threads there are, whether the pool is shut down. Nobody runs
//!   a job, or drops one, under it.
//!
//! Somebody *looks* if one searches, or if one is busy and there is a lookout.
//!
//! # The order of steps
//!
//! Submitter: (1) push; (2) fence; (3) if nobody looks, [`wake_one`](Workers::wake_one): under the lock, wake a
//! sleeper, or else start a thread, or else (all of them are busy) nothing.
//!
//! Worker without a job: (a) lock; (b) stop searching; (c) fence; (d) if the queue is not empty, search again;
//! (e) if the pool is shut down, end; (f) else sleep.
//!
//! Worker with a job: (g) be busy instead of searching; if nobody looks now: (h) fence; (i) if the queue is not empty,
//! `wake_one`.
//!
//! # Why no job is lost
//!
//! Of the fences (2) and (c) or (h), one comes first. If it is (2), the worker sees the job at (d) or (i). If it is
//! the other, the submitter sees the lowered count at (3), and wakes somebody. A worker that is busy looks into
//! the queue when it is through, so it needs no telling. At a shutdown workers end only at (e), with an empty queue; a
//! submitter that comes after the last of them finds no thread at (3), under the lock, and fails its job itself.
//!
//! # What the lookout is for
//!
//! A job may block, so a queued job must not depend on the worker that is busy with the one before. But to wake a
//! thread costs more than many jobs take. So while there is a lookout nobody is woken: it compares what waits with what
//! the others took while it napped. Only if they need longer than another nap, or stand still, it takes a job itself,
//! and is no lookout any more: then the next worker is woken at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Counter;
use std::time::{Duration, Instant};

use super::seat::Seat;
use crate::error::ExecutorError;
use crate::log;
use crate::queue::JobQueue;
use crate::sync::{
    AtomicBool, AtomicU64, Condvar, Mutex, MutexGuard, Ordering, fence, lock, spin_until, thread,
    wait,
};

/// How long a worker looks for the next job before it sleeps: about what waking it would cost.
const SPIN: Duration = Duration::from_micros(30);

/// How long the lookout sleeps between two looks: about so long a job waits if those who are awake block.
const NAP: Duration = Duration::from_micros(100);

/// After how many naps in which nothing was to do the lookout sleeps like the others.
const QUIET_NAPS: usize = if cfg!(loom) { 1 } else { 8 };

/// The numbers in `counts`.
const SEARCHING: u64 = 1;
const BUSY: u64 = 1 << 21;
const LOOKOUT: u64 = 1 << 42;

/// How many threads can be counted.
pub(crate) const THREADS_MAX: usize = (1 << 21) - 1;

/// What the workers do with the jobs; in the models, something simpler.
pub(crate) trait Crew<J>: Send + Sync + 'static {
    /// A thread begins, one of the workers at this address.
    fn begin(&self, workers: usize, seat: &Arc<Seat>);

    /// Runs a job in the worker with this seat.
    fn run(&self, seat: &Seat, job: J);

    /// The worker has nothing to do.
    fn rest(&self, seat: &Seat);

    /// Ends a job that no thread will run.
    fn refuse(&self, job: J, because: Refusal);

    /// Whether a worker may look for a while before it sleeps.
    fn spins(&self) -> bool;

    /// Whether there may be a lookout.
    fn naps(&self) -> bool;

    /// Starts the thread of a worker; without a seat, one that waits for the end of the others.
    fn start(
        &self,
        seat: Option<&Seat>,
        body: Box<dyn FnOnce() + Send>,
    ) -> io::Result<thread::JoinHandle<()>>;
}

pub(crate) enum Refusal {
    Shutdown,
    NoThread(io::ErrorKind, String),
}

/// Why the threads are not joined.
#[derive(Debug)]
pub(crate) enum NotJoined {
    /// The limit passed.
    Late,
    /// There is no thread to be had that could wait for them; a wait in this one would have no limit.
    NoThread(io::Error),
}

pub(crate) struct Workers<Q: JobQueue, C> {
    pub(crate) queue: Q,
    pub(crate) crew: C,
    counts: AtomicU64,
    /// A copy of the one in `state`.
    shut_down: AtomicBool,
    /// A copy of the one in `state`, for those who only want to know.
    threads: Counter,
    state: Mutex<State>,
    /// The last thread is through after the shutdown, or they are joined.
    ended: Condvar,
}

struct State {
    sleepers: Vec<Arc<Sleeper>>,
    lookout: Option<Arc<Sleeper>>,
    /// Threads that are not through.
    threads: usize,
    max_threads: usize,
    shut_down: bool,
    /// Of the threads that were started.
    seats: Vec<Arc<Seat>>,
    handles: Vec<thread::JoinHandle<()>>,
    /// Somebody joins the threads.
    joining: bool,
}

#[derive(Default)]
struct Sleeper {
    woken: Mutex<bool>,
    changed: Condvar,
}

enum Rest {
    LookAgain,
    End,
}

#[derive(PartialEq)]
enum Role {
    Searching,
    Busy,
}

fn searching(counts: u64) -> u64 {
    counts % BUSY
}

fn busy(counts: u64) -> u64 {
    counts % LOOKOUT / BUSY
}

fn somebody_looks(counts: u64) -> bool {
    searching(counts) > 0 || (counts >= LOOKOUT && busy(counts) > 0)
}

impl<Q: JobQueue, C: Crew<Q::Job>> Workers<Q, C> {
    pub(crate) fn new(queue: Q, crew: C, max_threads: usize) -> Arc<Workers<Q, C>> {
        Arc::new(Workers {
            queue,
            crew,
            counts: AtomicU64::new(0),
            shut_down: AtomicBool::new(false),
            threads: Counter::new(0),
            state: Mutex::new(State {
                sleepers: Vec::new(),
                lookout: None,
                threads: 0,
                max_threads,
                shut_down: false,
                seats: Vec::new(),
                handles: Vec::new(),
                joining: false,
            }),
            ended: Condvar::new(),
        })
    }

    /// Has a thread run the job; it is refused after a shutdown, or if there is no thread to be had.
    pub(crate) fn submit(self: &Arc<Self>, job: Q::Job) {
        // A shutdown at the same time is noticed below.
        if self.is_shut_down() {
            return self.crew.refuse(job, Refusal::Shutdown);
        }
        self.queue.push(job);
        fence(Ordering::SeqCst);
        if !somebody_looks(self.counts.load(Ordering::Relaxed)) {
            self.wake_one();
        }
    }

    /// Takes all jobs that wait.
    pub(crate) fn drain(&self) -> Vec<Q::Job> {
        std::iter::from_fn(|| self.queue.pop()).collect()
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        self.threads.load(Ordering::Relaxed)
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Acquire)
    }

    /// The seats of the threads that were started.
    pub(crate) fn seats(&self) -> Vec<Arc<Seat>> {
        lock(&self.state).seats.clone()
    }

    /// Takes no more jobs. Those that are queued are run, and then the threads end.
    pub(crate) fn shut_down(&self) {
        let mut state = lock(&self.state);
        state.shut_down = true;
        self.shut_down.store(true, Ordering::Release);
        let sleepers = std::mem::take(&mut state.sleepers);
        self.counts
            .fetch_add(SEARCHING * sleepers.len() as u64, Ordering::AcqRel);
        let lookout = state.lookout.clone();
        self.tell_end(&state);
        drop(state);
        sleepers
            .iter()
            .chain(&lookout)
            .for_each(|sleeper| sleeper.wake());
    }

    /// Whether nothing is left to wait for: the pool is shut down, and its threads have ended.
    pub(crate) fn has_joined(&self) -> bool {
        lock(&self.state).has_joined()
    }

    /// Waits until the threads have ended, with the destructors of their thread-locals.
    ///
    /// Those have no limit of their own, and no join has one. So with a limit another thread joins them.
    pub(crate) fn join(self: &Arc<Self>, limit: Option<Duration>) -> Result<(), NotJoined> {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut state = lock(&self.state);
        while !state.has_joined() {
            if state.has_ended() && !state.joining {
                state.joining = true;
                let handles = std::mem::take(&mut state.handles);
                drop(state);
                match deadline {
                    None => self.join_all(handles),
                    Some(_) => self.have_joined(handles)?,
                }
                state = lock(&self.state);
                continue;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(NotJoined::Late);
            }
            state = wait(&self.ended, state, left);
        }
        Ok(())
    }

    /// Joins the threads if that needs no waiting; whether they are joined.
    pub(crate) fn try_join(&self) -> bool {
        let mut state = lock(&self.state);
        let gone = state.has_ended() && state.seats.iter().all(|seat| seat.is_gone());
        if !gone || state.joining {
            return false;
        }
        state.joining = true;
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        self.join_all(handles);
        true
    }

    fn join_all(&self, handles: Vec<thread::JoinHandle<()>>) {
        for handle in handles {
            // A worker contains the panics of its jobs; one of its own was printed by the hook.
            let _ = handle.join();
        }
        let mut state = lock(&self.state);
        state.joining = false;
        self.ended.notify_all();
    }

    /// The same in a thread that nobody waits for.
    fn have_joined(
        self: &Arc<Self>,
        handles: Vec<thread::JoinHandle<()>>,
    ) -> Result<(), NotJoined> {
        // What a body that never runs was given is lost, so it is kept where both can reach it.
        let kept = Arc::new(Mutex::new(handles));
        let (workers, taken) = (self.clone(), kept.clone());
        let body = move || {
            let handles = std::mem::take(&mut *lock(&taken));
            workers.join_all(handles);
        };
        let Err(error) = self.crew.start(None, Box::new(body)) else {
            return Ok(());
        };
        let mut state = lock(&self.state);
        state.handles = std::mem::take(&mut *lock(&kept));
        state.joining = false;
        self.ended.notify_all();
        Err(NotJoined::NoThread(error))
    }

    /// Wakes a worker that sleeps, or starts one, or leaves the job to those that are busy.
    #[cold]
    fn wake_one(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if somebody_looks(self.counts.load(Ordering::Relaxed)) {
            return;
        }
        if let Some(sleeper) = state.sleepers.pop() {
            self.counts.fetch_add(SEARCHING, Ordering::AcqRel);
            drop(state);
            return sleeper.wake();
        }
        if state.shut_down && state.threads == 0 {
            // The last worker has gone without having seen this job.
            return self.refuse_all(state, || Refusal::Shutdown);
        }
        if state.seats.len() == state.max_threads {
            return;
        }
        if let Err((error, state)) = self.start(state) {
            let (kind, text) = (error.kind(), error.to_string());
            self.refuse_all(state, || Refusal::NoThread(kind, text.clone()));
        }
    }

    /// Starts a thread, under the lock: whoever joins the threads finds all of them.
    ///
    /// If that fails and there is no other thread that comes to the queue, gives the lock back.
    fn start<'a>(
        self: &Arc<Self>,
        mut state: MutexGuard<'a, State>,
    ) -> Result<(), (io::Error, MutexGuard<'a, State>)> {
        let seat = Arc::new(Seat::new(state.seats.len()));
        let (workers, own) = (self.clone(), seat.clone());
        let body = move || workers.work(&own);
        self.counts.fetch_add(SEARCHING, Ordering::AcqRel);
        match self.crew.start(Some(&seat), Box::new(body)) {
            Ok(handle) => {
                state.threads += 1;
                self.threads.store(state.threads, Ordering::Relaxed);
                state.seats.push(seat);
                state.handles.push(handle);
                Ok(())
            }
            Err(error) => {
                self.counts.fetch_sub(SEARCHING, Ordering::AcqRel);
                if state.threads > 0 {
                    // Who listens to it may come back to this pool.
                    drop(state);
                    log::warn(&format!(
                        "no further thread for the pool; the others come to the job later: {error}"
                    ));
                    return Ok(());
                }
                Err((error, state))
            }
        }
    }

    /// Ends all jobs that are queued: there is no thread for them.
    fn refuse_all(&self, state: MutexGuard<'_, State>, because: impl Fn() -> Refusal) {
        let refused = self.drain();
        drop(state);
        for job in refused {
            self.crew.refuse(job, because());
        }
    }

    /// The life of a worker. It begins as one that searches.
    fn work(self: &Arc<Self>, seat: &Arc<Seat>) {
        let sleeper = Arc::new(Sleeper::default());
        self.crew.begin(Arc::as_ptr(self).addr(), seat);
        let mut role = Role::Searching;
        loop {
            if let Some(job) = self.queue.pop() {
                if role == Role::Searching {
                    self.be_busy();
                    role = Role::Busy;
                }
                seat.count_taken();
                self.crew.run(seat, job);
                continue;
            }
            if role == Role::Busy {
                role = Role::Searching;
                let before = self
                    .counts
                    .fetch_add(SEARCHING.wrapping_sub(BUSY), Ordering::AcqRel);
                // One that looks without a break is enough.
                if searching(before) == 0 && self.spin() {
                    continue;
                }
            }
            self.crew.rest(seat);
            if self.look_out(&sleeper) {
                continue;
            }
            match self.rest(&sleeper) {
                Rest::LookAgain => {}
                Rest::End => {
                    seat.leave();
                    return;
                }
            }
        }
    }

    fn be_busy(self: &Arc<Self>) {
        let change = BUSY.wrapping_sub(SEARCHING);
        let before = self.counts.fetch_add(change, Ordering::AcqRel);
        if !somebody_looks(before.wrapping_add(change)) {
            fence(Ordering::SeqCst);
            if !self.queue.is_empty() {
                self.wake_one();
            }
        }
    }

    /// Looks for a short time whether a job comes; true if one did.
    fn spin(&self) -> bool {
        if !self.crew.spins() {
            return false;
        }
        spin_until(SPIN, || !self.queue.is_empty() || self.is_shut_down())
    }

    /// Is the lookout for a while, if others work and none is there; true if there is a job that they do not come to.
    ///
    /// Both before and after, this worker searches.
    fn look_out(&self, sleeper: &Arc<Sleeper>) -> bool {
        if !self.crew.naps() || !self.begin_lookout(sleeper) {
            return false;
        }
        let (mut quiet, mut taken) = (0, self.taken());
        let helps = loop {
            sleeper.nap();
            let (waiting, before) = (self.queue.waiting(), taken);
            taken = self.taken();
            if self.is_shut_down() {
                break true;
            }
            if waiting > 0 {
                quiet = 0;
                if waiting > taken.wrapping_sub(before) {
                    break true;
                }
                continue;
            }
            quiet += 1;
            let counts = self.counts.load(Ordering::Relaxed);
            if quiet >= QUIET_NAPS || (busy(counts) == 0 && searching(counts) == 0) {
                break false;
            }
        };
        let mut state = lock(&self.state);
        state.lookout = None;
        self.counts
            .fetch_add(SEARCHING.wrapping_sub(LOOKOUT), Ordering::AcqRel);
        helps
    }

    fn begin_lookout(&self, sleeper: &Arc<Sleeper>) -> bool {
        let mut state = lock(&self.state);
        let counts = self.counts.load(Ordering::Relaxed);
        let others_work = busy(counts) > 0 || searching(counts) > 1;
        if state.lookout.is_some() || state.shut_down || !others_work {
            return false;
        }
        state.lookout = Some(sleeper.clone());
        self.counts
            .fetch_add(LOOKOUT.wrapping_sub(SEARCHING), Ordering::AcqRel);
        true
    }

    /// How many jobs were taken so far.
    fn taken(&self) -> usize {
        let state = lock(&self.state);
        let taken = state.seats.iter().map(|seat| seat.taken());
        taken.fold(0, usize::wrapping_add)
    }

    /// Sleeps until somebody wakes this worker, which then searches.
    fn rest(&self, sleeper: &Arc<Sleeper>) -> Rest {
        let mut state = lock(&self.state);
        self.counts.fetch_sub(SEARCHING, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        if !self.queue.is_empty() {
            self.counts.fetch_add(SEARCHING, Ordering::AcqRel);
            return Rest::LookAgain;
        }
        if state.shut_down {
            state.threads -= 1;
            self.threads.store(state.threads, Ordering::Relaxed);
            self.tell_end(&state);
            return Rest::End;
        }
        state.sleepers.push(sleeper.clone());
        drop(state);
        sleeper.sleep();
        Rest::LookAgain
    }

    /// If this was the end, wakes those who wait for it.
    fn tell_end(&self, state: &State) {
        if state.has_ended() {
            self.ended.notify_all();
        }
    }
}

impl State {
    /// No thread comes to the queue any more.
    fn has_ended(&self) -> bool {
        self.shut_down && self.threads == 0
    }

    fn has_joined(&self) -> bool {
        self.has_ended() && self.handles.is_empty() && !self.joining
    }
}

impl Sleeper {
    fn wake(&self) {
        *lock(&self.woken) = true;
        self.changed.notify_one();
    }

    fn sleep(&self) {
        let mut woken = lock(&self.woken);
        while !*woken {
            woken = wait(&self.changed, woken, None);
        }
        *woken = false;
    }

    /// Sleeps for a short time; not so long if it is woken.
    fn nap(&self) {
        if cfg!(loom) {
            // It has no time.
            return thread::yield_now();
        }
        let mut woken = lock(&self.woken);
        if !*woken {
            woken = wait(&self.changed, woken, Some(NAP));
        }
        *woken = false;
    }
}

impl From<Refusal> for ExecutorError {
    fn from(refusal: Refusal) -> ExecutorError {
        match refusal {
            Refusal::Shutdown => ExecutorError::Shutdown,
            Refusal::NoThread(kind, text) => ExecutorError::ThreadStart(io::Error::new(kind, text)),
        }
    }
}
