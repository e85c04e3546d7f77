//! Contexts: the values that travel with a handle or a task, as Python's `contextvars` do.
//!
//! A [`Context`] is a shared, mutable mapping from [`ContextVar`]s to values. The thread has a
//! current one; handles and tasks copy it when they are made and run inside their copy. Most
//! programs set no variable at all, so "no context" is represented by `None` and costs nothing:
//! the first `set` makes the mapping.
//!
//! # State
//!
//! The mapping lies behind a mutex, since contexts cross threads; the map itself is shared between
//! copies and cloned at the first change after a copy, so copying is cheap. No user code runs
//! under the mutex: values are cloned and dropped outside of it.

mod var;

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use var::{ContextToken, ContextVar};

thread_local! {
    static CURRENT: Cell<Option<Context>> = const { Cell::new(None) };
    /// Whether there is one. Needs no destructor, so a look at it is one load.
    static IS_SET: Cell<bool> = const { Cell::new(false) };
}

/// Whether anything was ever set in any context. Programs that use none pay for none: those that are there
/// are empty.
static ANY_VALUE: AtomicBool = AtomicBool::new(false);

pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// A mapping from context variables to values, shared by its clones: Python's `contextvars.Context`.
///
/// Each task and each scheduled callback runs in a copy of the context that was current when it was made.
///
/// # Differences from asyncio
///
/// Running a context inside itself, or in two threads at once, is allowed.
///
/// # Examples
///
/// ```
/// use ouroloop::{Context, ContextVar, copy_context};
///
/// static USER: ContextVar<&str> = ContextVar::new("user");
///
/// USER.set("ada");
/// let snapshot = copy_context();
/// USER.set("bob");
/// assert_eq!(snapshot.run(|| USER.get()), Some("ada"));
/// assert_eq!(USER.get(), Some("bob"));
/// assert_eq!(Context::new().run(|| USER.get()), None);
/// ```
#[derive(Clone, Default)]
pub struct Context(Arc<Mutex<Arc<Map>>>);

impl Context {
    /// Makes an empty context.
    pub fn new() -> Context {
        Context::default()
    }

    /// Calls `f` with this as the current context. What `f` sets stays in this context.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{Context, ContextVar};
    ///
    /// static USER: ContextVar<&str> = ContextVar::new("user");
    ///
    /// let context = Context::new();
    /// context.run(|| USER.set("ada"));
    /// assert_eq!(context.get(&USER), Some("ada"));
    /// assert_eq!(USER.get(), None);
    /// ```
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<Context>);
        impl Drop for Restore {
            fn drop(&mut self) {
                swap_context(self.0.take());
            }
        }
        let _restore = Restore(swap_context(Some(self.clone())));
        f()
    }

    /// Gives the value of `var` in this context; `None` if it was not set here.
    pub fn get<T: Clone + Send + Sync + 'static>(&self, var: &ContextVar<T>) -> Option<T> {
        let value = self.value(var.key())?;
        value.downcast_ref::<T>().cloned()
    }

    /// Makes an independent context with the same values.
    pub fn copy(&self) -> Context {
        Context(Arc::new(Mutex::new(Arc::clone(&self.lock()))))
    }

    /// Tells whether no variable has a value here.
    pub fn is_empty(&self) -> bool {
        self.lock().0.is_empty()
    }

    /// Counts the variables that have a value here.
    pub fn len(&self) -> usize {
        self.lock().0.len()
    }

    pub(crate) fn same_as(&self, other: &Context) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn value(&self, key: u64) -> Option<Value> {
        let map = self.lock();
        map.position(key)
            .ok()
            .map(|index| Arc::clone(&map.0[index].1))
    }

    /// Sets or removes a value and returns the one that was there, to be dropped by the caller
    /// outside of the lock.
    fn replace(&self, key: u64, value: Option<Value>) -> Option<Value> {
        let mut guard = self.lock();
        let map = Arc::make_mut(&mut guard);
        match (map.position(key), value) {
            (Ok(index), Some(value)) => Some(std::mem::replace(&mut map.0[index].1, value)),
            (Ok(index), None) => Some(map.0.remove(index).1),
            (Err(index), Some(value)) => {
                // Whoever looks at this context from another thread got it by something that orders.
                ANY_VALUE.store(true, Ordering::Relaxed);
                map.0.insert(index, (key, value));
                None
            }
            (Err(_), None) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Map>> {
        // A clone of a map that fails half-way leaves the old one in place.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// The values, sorted by key.
#[derive(Clone, Default)]
struct Map(Vec<(u64, Value)>);

impl Map {
    fn position(&self, key: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key, |entry| entry.0)
    }
}

/// Copies the thread's current context; later changes on either side stay there. Python's
/// `contextvars.copy_context`.
///
/// # Examples
///
/// ```
/// use ouroloop::{ContextVar, TaskBuilder, copy_context};
///
/// static REQUEST: ContextVar<u64> = ContextVar::new("request");
///
/// ouroloop::run(async {
///     let context = copy_context();
///     context.run(|| REQUEST.set(7));
///     let task = TaskBuilder::new().context(context).create_task(async { REQUEST.get() });
///     assert_eq!(task.await.unwrap(), Some(7));
///     assert_eq!(REQUEST.get(), None);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "the copy is what is returned; the current context stays"]
pub fn copy_context() -> Context {
    snapshot_context().unwrap_or_default()
}

/// Gives what handles and tasks keep: `None` if nothing was ever set in the current context, else an
/// independent copy of it.
///
/// [`copy_context`] without the allocation that most programs do not need.
///
/// # Examples
///
/// ```
/// use ouroloop::ContextVar;
/// use ouroloop::lowlevel::snapshot_context;
///
/// static REQUEST: ContextVar<u64> = ContextVar::new("request");
///
/// assert!(snapshot_context().is_none());
/// REQUEST.set(7);
/// assert_eq!(snapshot_context().unwrap().get(&REQUEST), Some(7));
/// ```
#[inline]
pub fn snapshot_context() -> Option<Context> {
    if !IS_SET.get() || !ANY_VALUE.load(Ordering::Relaxed) {
        return None;
    }
    with_current(|current| {
        current
            .as_ref()
            .filter(|context| !context.is_empty())
            .map(Context::copy)
    })
}

/// Makes `new` the thread's current context, and returns the one that was.
///
/// `None` stands for an empty context that is made when something is first set. Whoever runs code
/// in a context brackets it with two calls of this; what the second one returns holds what the
/// code has set.
///
/// # Examples
///
/// ```
/// use ouroloop::ContextVar;
/// use ouroloop::lowlevel::swap_context;
///
/// static REQUEST: ContextVar<u64> = ContextVar::new("request");
///
/// let outer = swap_context(None);
/// REQUEST.set(7);
/// let inner = swap_context(outer).unwrap();
/// assert_eq!(inner.get(&REQUEST), Some(7));
/// assert_eq!(REQUEST.get(), None);
/// ```
#[inline]
pub fn swap_context(new: Option<Context>) -> Option<Context> {
    // The common case, twice in every step of a task: nobody uses contexts.
    if new.is_none() && !IS_SET.get() {
        return None;
    }
    let is_set = new.is_some();
    // When the thread is being torn down there is no context any more, and nothing to restore.
    let before = CURRENT.try_with(|current| current.replace(new));
    IS_SET.set(is_set && before.is_ok());
    before.unwrap_or(None)
}

/// Tells whether the thread has a current context, which may be empty: whether [`swap_context`] with `None` would
/// return one. It is one load.
///
/// # Examples
///
/// ```
/// use ouroloop::ContextVar;
/// use ouroloop::lowlevel::has_context;
///
/// static REQUEST: ContextVar<u64> = ContextVar::new("request");
///
/// assert!(!has_context());
/// REQUEST.set(7);
/// assert!(has_context());
/// ```
#[inline]
pub fn has_context() -> bool {
    IS_SET.get()
}

/// Looks at the current context. `f` must not run user code: meanwhile the context is not in its
/// place.
fn with_current<R>(f: impl FnOnce(&mut Option<Context>) -> R) -> R {
    let mut current = swap_context(None);
    let result = f(&mut current);
    if current.is_some() {
        swap_context(current);
    }
    result
}

fn current_value(key: u64) -> Option<Value> {
    with_current(|current| current.as_ref().and_then(|context| context.value(key)))
}

/// The current context; made if there is none.
fn current_or_new() -> Context {
    with_current(|current| current.get_or_insert_with(Context::new).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    static A: ContextVar<u32> = ContextVar::new("a");
    static B: ContextVar<String> = ContextVar::new("b");

    #[test]
    fn nothing_set_means_no_snapshot() {
        swap_context(None);
        assert!(snapshot_context().is_none());
        A.set(1);
        assert!(snapshot_context().is_some());
        swap_context(None);
    }

    #[test]
    fn a_copy_is_independent_on_both_sides() {
        Context::new().run(|| {
            A.set(1);
            let copy = copy_context();
            A.set(2);
            copy.run(|| B.set("in the copy".into()));
            assert_eq!(copy.get(&A), Some(1));
            assert_eq!(copy.get(&B).as_deref(), Some("in the copy"));
            assert_eq!(B.get(), None);
            assert_eq!(A.get(), Some(2));
        });
    }

    #[test]
    fn run_restores_the_context_when_it_unwinds() {
        Context::new().run(|| {
            A.set(1);
            let inner = Context::new();
            let panicked = std::panic::catch_unwind(|| {
                inner.run(|| {
                    A.set(5);
                    std::panic::resume_unwind(Box::new(()));
                })
            });
            assert!(panicked.is_err());
            assert_eq!(A.get(), Some(1));
            assert_eq!(inner.get(&A), Some(5));
        });
    }

    #[test]
    fn a_context_crosses_threads() {
        let context = Context::new();
        context.run(|| A.set(9));
        let seen = {
            let context = context.clone();
            std::thread::spawn(move || context.run(|| A.get())).join()
        };
        assert_eq!(seen.ok().flatten(), Some(9));
    }

    #[test]
    fn many_variables_are_found_again() {
        let vars: Vec<ContextVar<usize>> =
            (0..40).map(|_| ContextVar::new("one of many")).collect();
        Context::new().run(|| {
            for (value, var) in vars.iter().enumerate().rev() {
                var.set(value);
            }
            for (value, var) in vars.iter().enumerate() {
                assert_eq!(var.get(), Some(value));
            }
            assert_eq!(copy_context().len(), 40);
        });
    }
}
