//! The threads of a pool, and the protocol by which no job waits while a thread could run it.
//!
//! # Who holds what
//!
//! - The *queue* takes jobs from any thread, without a lock.
//! - `searching` counts the workers that look for a job, and will look again before they sleep or end. It is raised
//!   by the worker itself, or by who wakes or starts one; it goes down when the worker has a job, or under the lock
//!   when it sleeps or ends.
//! - `state` is behind a lock: who sleeps, how many threads there are, whether the pool is shut down. Nobody runs
//!   a job, or drops one, under it.
//!
//! # The order of steps
//!
//! Submitter: (1) push; (2) fence; (3) if `searching` is 0, [`wake_one`](Workers::wake_one): under the lock, wake a
//! sleeper, or else start a thread, or else (all of them are busy) nothing.
//!
//! Worker without a job: (a) lock; (b) lower `searching`; (c) fence; (d) if the queue is not empty, raise it and look
//! again; (e) if the pool is shut down, end; (f) else sleep.
//!
//! Worker with a job: (g) lower `searching`; if it was the last: (h) fence; (i) if the queue is not empty, `wake_one`.
//!
//! # Why no job is lost
//!
//! Of the fences (2) and (c) or (h), one comes first. If it is (2), the worker sees the job at (d) or (i). If it is
//! the other, the submitter sees the lowered count at (3), and wakes somebody. A worker that is busy looks into
//! the queue when it is through, so it needs no telling. At a shutdown workers end only at (e), with an empty queue; a
//! submitter that comes after the last of them finds no thread at (3), under the lock, and fails its job itself.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::ExecutorError;
use crate::queue::{JobQueue, Popped};
use crate::sync::{
    AtomicBool, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, fence, lock, spin_until, thread,
    wait,
};

/// How long a worker looks for the next job before it sleeps: about what waking it would cost.
const SPIN: Duration = Duration::from_micros(30);

/// What the workers do with the jobs; in the models, something simpler.
pub(crate) trait Crew<J>: Send + Sync + 'static {
    /// A thread begins, one of the workers at this address.
    fn begin(&self, workers: usize);

    /// Runs a job in the worker with this number.
    fn run(&self, worker: usize, job: J);

    /// The worker has nothing to do.
    fn rest(&self, worker: usize);

    /// Ends a job that no thread will run.
    fn refuse(&self, job: J, because: Refusal);

    /// Whether a worker may look for a while before it sleeps.
    fn spins(&self) -> bool;

    /// Starts the thread of a worker.
    fn start(
        &self,
        worker: usize,
        body: Box<dyn FnOnce() + Send>,
    ) -> io::Result<thread::JoinHandle<()>>;
}

pub(crate) enum Refusal {
    Shutdown,
    NoThread(io::ErrorKind, String),
}

pub(crate) struct Workers<Q: JobQueue, C> {
    pub(crate) queue: Q,
    pub(crate) crew: C,
    searching: AtomicUsize,
    /// A copy of the one in `state`.
    shut_down: AtomicBool,
    state: Mutex<State<Q>>,
    /// The last thread has ended after the shutdown.
    ended: Condvar,
}

struct State<Q: JobQueue> {
    sleepers: Vec<Arc<Sleeper>>,
    /// Threads that have not ended.
    threads: usize,
    shut_down: bool,
    handles: Vec<thread::JoinHandle<()>>,
    /// What the threads take that are not started yet, the first one last.
    unused: Vec<(usize, Q::Local)>,
    on_end: Vec<Box<dyn FnOnce() + Send>>,
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

impl<Q: JobQueue, C: Crew<Q::Job>> Workers<Q, C> {
    pub(crate) fn new(queue: Q, crew: C) -> Arc<Workers<Q, C>> {
        let unused = queue.locals().into_iter().enumerate().rev().collect();
        Arc::new(Workers {
            queue,
            crew,
            searching: AtomicUsize::new(0),
            shut_down: AtomicBool::new(false),
            state: Mutex::new(State {
                sleepers: Vec::new(),
                threads: 0,
                shut_down: false,
                handles: Vec::new(),
                unused,
                on_end: Vec::new(),
            }),
            ended: Condvar::new(),
        })
    }

    /// Has a thread run the job; it is refused after a shutdown, or if there is no thread to be had.
    pub(crate) fn submit(self: &Arc<Self>, job: Q::Job) {
        // A shutdown at the same time is noticed below.
        if self.shut_down.load(Ordering::Acquire) {
            return self.crew.refuse(job, Refusal::Shutdown);
        }
        self.queue.push(job);
        fence(Ordering::SeqCst);
        if self.searching.load(Ordering::Relaxed) == 0 {
            self.wake_one();
        }
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        lock(&self.state).threads
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Acquire)
    }

    /// Takes no more jobs. Those that are queued are run, and then the threads end.
    pub(crate) fn shut_down(&self) {
        let mut state = lock(&self.state);
        state.shut_down = true;
        self.shut_down.store(true, Ordering::Release);
        let sleepers = std::mem::take(&mut state.sleepers);
        self.searching.fetch_add(sleepers.len(), Ordering::Relaxed);
        let over = self.take_end(&mut state);
        drop(state);
        sleepers.iter().for_each(|sleeper| sleeper.wake());
        over.into_iter().for_each(|tell| tell());
    }

    /// Calls `tell` when the pool is shut down and its last thread is through with the queue; at once if it is.
    pub(crate) fn on_end(&self, tell: Box<dyn FnOnce() + Send>) {
        let mut state = lock(&self.state);
        if state.has_ended() {
            drop(state);
            return tell();
        }
        state.on_end.push(tell);
    }

    /// Waits until the last thread is through, and joins them all; false if the limit passed first.
    pub(crate) fn join(&self, limit: Option<Duration>) -> bool {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut state = lock(&self.state);
        while !state.has_ended() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            state = wait(&self.ended, state, left);
        }
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        for handle in handles {
            // A worker contains the panics of its jobs; one of its own was printed by the hook.
            let _ = handle.join();
        }
        true
    }

    /// Wakes a worker that sleeps, or starts one, or leaves the job to those that are busy.
    #[cold]
    fn wake_one(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if self.searching.load(Ordering::Relaxed) != 0 {
            return;
        }
        if let Some(sleeper) = state.sleepers.pop() {
            self.searching.fetch_add(1, Ordering::Relaxed);
            drop(state);
            return sleeper.wake();
        }
        if state.shut_down && state.threads == 0 {
            // The last worker has gone without having seen this job.
            return self.refuse_all(state, || Refusal::Shutdown);
        }
        let Some((number, local)) = state.unused.pop() else {
            return;
        };
        if let Err((error, state)) = self.start(state, number, local) {
            let (kind, text) = (error.kind(), error.to_string());
            self.refuse_all(state, || Refusal::NoThread(kind, text.clone()));
        }
    }

    /// Starts a thread, under the lock: whoever joins the threads finds all of them.
    ///
    /// If that fails and there is no other thread that comes to the queue, gives the lock back.
    fn start<'a>(
        self: &Arc<Self>,
        mut state: MutexGuard<'a, State<Q>>,
        number: usize,
        local: Q::Local,
    ) -> Result<(), (io::Error, MutexGuard<'a, State<Q>>)> {
        // What a body that never runs was given is lost, so it is kept where both can reach it.
        let seat = Arc::new(Mutex::new(Some(local)));
        let (workers, taken) = (self.clone(), seat.clone());
        let body = move || {
            let local = lock(&taken).take();
            if let Some(local) = local {
                workers.work(number, &local);
            }
        };
        self.searching.fetch_add(1, Ordering::Relaxed);
        match self.crew.start(number, Box::new(body)) {
            Ok(handle) => {
                state.threads += 1;
                state.handles.push(handle);
                Ok(())
            }
            Err(error) => {
                self.searching.fetch_sub(1, Ordering::Relaxed);
                let local = lock(&seat).take();
                state.unused.extend(local.map(|local| (number, local)));
                if state.threads > 0 {
                    tracing::warn!(target: "ouroloop::executor", %error, "no further thread for the pool; the others come to the job later");
                    return Ok(());
                }
                Err((error, state))
            }
        }
    }

    /// Ends all jobs that are queued: there is no thread for them.
    fn refuse_all(&self, mut state: MutexGuard<'_, State<Q>>, because: impl Fn() -> Refusal) {
        let refused = self.queue.drain();
        let over = self.take_end(&mut state);
        drop(state);
        for job in refused {
            self.crew.refuse(job, because());
        }
        over.into_iter().for_each(|tell| tell());
    }

    /// The life of a worker. It begins as one that searches.
    fn work(self: &Arc<Self>, number: usize, local: &Q::Local) {
        let sleeper = Arc::new(Sleeper::default());
        self.crew.begin(Arc::as_ptr(self).addr());
        let mut searching = true;
        loop {
            if let Some(Popped { job, moved }) = self.queue.pop(local) {
                if searching {
                    searching = false;
                    self.stop_searching();
                } else if moved {
                    fence(Ordering::SeqCst);
                    if self.searching.load(Ordering::Relaxed) == 0 {
                        self.wake_one();
                    }
                }
                self.crew.run(number, job);
                continue;
            }
            if !searching {
                searching = true;
                let others = self.searching.fetch_add(1, Ordering::Relaxed);
                // One that looks is enough.
                if others == 0 && self.spin() {
                    continue;
                }
            }
            self.crew.rest(number);
            match self.rest(&sleeper) {
                Rest::LookAgain => {}
                Rest::End => return,
            }
        }
    }

    fn stop_searching(self: &Arc<Self>) {
        if self.searching.fetch_sub(1, Ordering::Relaxed) == 1 {
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

    /// Sleeps until somebody wakes this worker, which then searches.
    fn rest(&self, sleeper: &Arc<Sleeper>) -> Rest {
        let mut state = lock(&self.state);
        self.searching.fetch_sub(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !self.queue.is_empty() {
            self.searching.fetch_add(1, Ordering::Relaxed);
            return Rest::LookAgain;
        }
        if state.shut_down {
            state.threads -= 1;
            let over = self.take_end(&mut state);
            drop(state);
            over.into_iter().for_each(|tell| tell());
            return Rest::End;
        }
        state.sleepers.push(sleeper.clone());
        drop(state);
        sleeper.sleep();
        Rest::LookAgain
    }

    /// If this was the end, wakes those who join, and returns whom to tell.
    fn take_end(&self, state: &mut State<Q>) -> Vec<Box<dyn FnOnce() + Send>> {
        if !state.has_ended() {
            return Vec::new();
        }
        self.ended.notify_all();
        std::mem::take(&mut state.on_end)
    }
}

impl<Q: JobQueue> State<Q> {
    fn has_ended(&self) -> bool {
        self.shut_down && self.threads == 0
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
}

impl From<Refusal> for ExecutorError {
    fn from(refusal: Refusal) -> ExecutorError {
        match refusal {
            Refusal::Shutdown => ExecutorError::Shutdown,
            Refusal::NoThread(kind, text) => ExecutorError::ThreadStart(io::Error::new(kind, text)),
        }
    }
}
