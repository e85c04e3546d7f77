//! The options of a pool.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::ThreadPoolExecutor;
use crate::error::ExecutorError;

/// Makes a [`ThreadPoolExecutor`].
///
/// # Examples
///
/// ```
/// use ouroloop::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::builder()
///     .max_workers(1)
///     .thread_name_prefix("disk")
///     .stack_size(256 * 1024)
///     .build()?;
/// let name = pool.submit(|| std::thread::current().name().map(str::to_owned));
/// assert_eq!(name.result(None)?.as_deref(), Some("disk_0"));
/// # Ok::<(), ouroloop::ExecutorError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "this makes nothing before `build`"]
pub struct ThreadPoolBuilder {
    /// `None` is the default; the error of a zero waits for `build`.
    pub(super) max_workers: Option<NonZeroUsize>,
    has_no_workers: bool,
    pub(super) thread_name_prefix: Arc<str>,
    pub(super) stack_size: Option<usize>,
}

impl Default for ThreadPoolBuilder {
    fn default() -> ThreadPoolBuilder {
        ThreadPoolBuilder {
            max_workers: None,
            has_no_workers: false,
            thread_name_prefix: "ouroloop".into(),
            stack_size: None,
        }
    }
}

impl ThreadPoolBuilder {
    /// How many threads there may be. Without this, one for each processor and 4 more, at most 32.
    pub fn max_workers(mut self, max_workers: usize) -> ThreadPoolBuilder {
        self.max_workers = NonZeroUsize::new(max_workers);
        self.has_no_workers = max_workers == 0;
        self
    }

    /// What the names of the threads begin with: `prefix_0`, `prefix_1` and so on. `ouroloop` without this.
    pub fn thread_name_prefix(mut self, prefix: impl Into<Arc<str>>) -> ThreadPoolBuilder {
        self.thread_name_prefix = prefix.into();
        self
    }

    /// The size of each thread's stack in bytes; what std gives a thread without this.
    pub fn stack_size(mut self, stack_size: usize) -> ThreadPoolBuilder {
        self.stack_size = Some(stack_size);
        self
    }

    /// The pool. It has no thread yet.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::NoWorkers`] if there may be no thread; [`ExecutorError::InvalidThreadName`] if the prefix of
    /// their names holds a zero byte.
    pub fn build(self) -> Result<ThreadPoolExecutor, ExecutorError> {
        if self.has_no_workers {
            return Err(ExecutorError::NoWorkers);
        }
        // With such a name std would panic when the first thread is started.
        if self.thread_name_prefix.contains('\0') {
            return Err(ExecutorError::InvalidThreadName);
        }
        Ok(ThreadPoolExecutor::with_options(self))
    }
}
