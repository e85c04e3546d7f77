//! A log that several places write to.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// A log that tasks, callbacks and destructors write to, to be compared as one line.
///
/// A clone writes to the same log.
///
/// # Examples
///
/// ```
/// use ouroloop::{gather, run, sleep, testkit::{Log, ms}};
///
/// run(async {
///     let log = Log::default();
///     let visit = |name: &'static str, stay| {
///         let log = log.clone();
///         async move {
///             let _guard = log.on_drop(&format!("-{name}"));
///             log.say(format!("+{name}"));
///             sleep(ms(stay)).await;
///         }
///     };
///     gather([visit("a", 20), visit("b", 10)]).values().await.unwrap();
///     assert_eq!(log.take(), "+a +b -b -a");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    /// Writes `line`.
    pub fn say(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    /// A callback that writes `line`.
    pub fn line(&self, line: &str) -> impl Fn() + use<> + 'static {
        let (log, line) = (self.clone(), line.to_owned());
        move || log.say(line.as_str())
    }

    /// Something that writes `line` when it is dropped.
    pub fn on_drop(&self, line: &str) -> OnDrop<impl FnOnce() + use<> + 'static> {
        on_drop(self.line(line))
    }

    /// Everything so far, separated by spaces; the log is empty then.
    pub fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

/// Runs something when it is dropped; made by [`on_drop`].
pub struct OnDrop<F: FnOnce()>(Option<F>);

/// Runs `f` when what it gives is dropped: to see when, where and whether a future is.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use ouroloop::{create_task, run, sleep, testkit::{ms, on_drop}};
///
/// let dropped = Rc::new(Cell::new(false));
/// let guard = on_drop({
///     let dropped = dropped.clone();
///     move || dropped.set(true)
/// });
/// run(async {
///     let task = create_task(async move {
///         let _guard = guard;
///         sleep(ms(1000)).await;
///     });
///     task.cancel();
///     assert!(task.await.is_err());
/// })?;
/// assert!(dropped.get());
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub fn on_drop<F: FnOnce()>(f: F) -> OnDrop<F> {
    OnDrop(Some(f))
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

impl<F: FnOnce()> fmt::Debug for OnDrop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDrop").finish_non_exhaustive()
    }
}
