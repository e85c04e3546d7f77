//! The threads that wait for the resolver.
//!
//! # State
//!
//! Questions are in the queue, or with a thread. A thread is started when a question finds none idle
//! and there are fewer than [`THREADS_MAX`]; it ends when it was idle for [`IDLE_MAX`], or the loop is
//! closed.
//!
//! # Invariants
//!
//! - The lock is not held while a resolver runs, or a setter is used or dropped.
//! - Whoever gave up is not in the queue any more, so it does not grow without bound.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ouroloop_task::RemotePromise;

use super::Resolver;

const THREADS_MAX: usize = 16;
const IDLE_MAX: Duration = Duration::from_secs(10);

/// The questions of one loop.
pub(crate) struct Lookups {
    shared: Arc<Shared>,
    resolver: RefCell<Resolver>,
}

struct Shared {
    state: Mutex<State>,
    /// A question came, or the end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Question>,
    last_number: u64,
    threads: usize,
    idle: usize,
    closed: bool,
}

struct Question {
    number: u64,
    host: String,
    port: u16,
    resolver: Resolver,
    answer: RemotePromise<Vec<SocketAddr>>,
}

impl Lookups {
    pub(crate) fn new() -> Lookups {
        Lookups {
            shared: Arc::new(Shared {
                state: Mutex::new(State::default()),
                changed: Condvar::new(),
            }),
            resolver: RefCell::new(Resolver::system()),
        }
    }

    pub(super) fn set_resolver(&self, resolver: Resolver) {
        self.resolver.replace(resolver);
    }

    /// Queues a question. Dropping the place takes it out again, if nobody has begun to ask.
    pub(super) fn ask(
        &self,
        host: &str,
        port: u16,
        answer: RemotePromise<Vec<SocketAddr>>,
    ) -> io::Result<Place> {
        let resolver = self.resolver.borrow().clone();
        let mut state = self.shared.lock();
        state.last_number += 1;
        let number = state.last_number;
        state.queue.push_back(Question {
            number,
            host: host.into(),
            port,
            resolver,
            answer,
        });
        let wants_thread = state.queue.len() > state.idle && state.threads < THREADS_MAX;
        if wants_thread {
            state.threads += 1;
        }
        drop(state);
        let place = Place {
            shared: self.shared.clone(),
            number,
        };
        if wants_thread {
            self.start_thread()?;
        }
        self.shared.changed.notify_one();
        Ok(place)
    }

    /// Drops the questions that nobody has asked yet, and ends the threads as they come back.
    pub(crate) fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let queue = mem::take(&mut state.queue);
        drop(state);
        self.shared.changed.notify_all();
        drop(queue);
    }

    fn start_thread(&self) -> io::Result<()> {
        let shared = self.shared.clone();
        let started = thread::Builder::new()
            .name("ouroloop-getaddrinfo".into())
            .spawn(move || shared.work());
        if let Err(error) = started {
            let mut state = self.shared.lock();
            state.threads -= 1;
            if state.threads == 0 {
                return Err(error);
            }
            // Slower, but one of the others comes to it.
            tracing::debug!(target: "ouroloop::net", %error, "no further thread for look-ups");
        }
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(question) = self.next() {
            let Question {
                host,
                port,
                resolver,
                answer,
                ..
            } = question;
            let resolved = catch_unwind(AssertUnwindSafe(|| resolver.resolve(&host, port)));
            // Each of them fails only if the loop is closed: nobody waits any more.
            let _ = match resolved {
                Ok(Ok(addrs)) => answer.set_result(addrs),
                Ok(Err(error)) => answer.set_exception(error),
                Err(_) => {
                    drop(answer);
                    Ok(())
                }
            };
        }
    }

    /// The next question; `None` when the thread is to end.
    fn next(&self) -> Option<Question> {
        let mut state = self.lock();
        loop {
            if let Some(question) = state.queue.pop_front() {
                return Some(question);
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (guard, waited) = self
                .changed
                .wait_timeout(state, IDLE_MAX)
                .unwrap_or_else(PoisonError::into_inner);
            state = guard;
            state.idle -= 1;
            if waited.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        None
    }
}

/// A question's place in the queue.
pub(super) struct Place {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let at = state.queue.iter().position(|it| it.number == self.number);
        let question = at.and_then(|at| state.queue.remove(at));
        drop(state);
        drop(question);
    }
}
