//! The threads that wait for the resolver: a pool of the executor's, with bounds of its own.
//!
//! Not the loop's default pool, whose few threads a resolver that does not answer would take away from all other work.
//!
//! # Bounds
//!
//! At most [`ASKED_MAX`] questions that somebody waits for are with the resolver; the others wait in the loop, in their order.
//! Whoever gives up makes room at once, although the thread may stay with the resolver for long: the next question
//! gets another thread, up to [`THREADS_MAX`] of them.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::net::SocketAddr;

use ouroloop_executor::{ExecutorError, ThreadPoolExecutor, run_in_executor};
use ouroloop_sync::Semaphore;
use ouroloop_task::TaskError;

use super::Resolver;

const ASKED_MAX: usize = 16;
const THREADS_MAX: usize = 64;

/// The questions of one loop.
pub(crate) struct Lookups {
    turns: Semaphore,
    pool: OnceCell<ThreadPoolExecutor>,
    resolver: RefCell<Resolver>,
}

impl Lookups {
    pub(crate) fn new() -> Lookups {
        Lookups {
            turns: Semaphore::new(ASKED_MAX),
            pool: OnceCell::new(),
            resolver: RefCell::new(Resolver::system()),
        }
    }

    pub(super) fn set_resolver(&self, resolver: Resolver) {
        self.resolver.replace(resolver);
    }

    /// Asks the resolver. Dropped before it was asked, it never is.
    pub(super) async fn ask(
        &self,
        host: &str,
        port: u16,
    ) -> Result<io::Result<Vec<SocketAddr>>, TaskError> {
        let resolver = self.resolver.borrow().clone();
        let host = host.to_owned();
        let _turn = self.turns.acquire().await;
        let pool = self.pool()?;
        run_in_executor(&pool, move || resolver.resolve(&host, port)).await
    }

    /// Forgets the questions that nobody has asked yet. Those that are asked end when the resolver says so.
    pub(crate) fn close(&self) {
        if let Some(pool) = self.pool.get() {
            // It does not wait, so it cannot wait for itself.
            let _ = pool.shutdown(false, true);
        }
    }

    fn pool(&self) -> Result<ThreadPoolExecutor, TaskError> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool.clone());
        }
        let builder = ThreadPoolExecutor::builder().thread_name_prefix("ouroloop-getaddrinfo");
        let pool = builder.max_workers(THREADS_MAX).build();
        let pool = pool.map_err(|error: ExecutorError| TaskError::failed(error))?;
        Ok(self.pool.get_or_init(|| pool).clone())
    }
}
