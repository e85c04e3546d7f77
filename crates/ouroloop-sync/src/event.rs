//! `Event`: a flag that tasks wait for.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use ouroloop_task::{Place, Resource, ResourceState, WaitQueue, WaitSource};

use crate::statistics::EventStatistics;

/// A flag that is set once for all who wait: asyncio's `Event`.
///
/// # Ordering
///
/// Setting it releases all who wait at that moment, in the order in which they came; they resume in
/// the next iteration. Clearing it at once does not call them back, so they may find it unset.
///
/// # Differences from asyncio
///
/// It is bound to no loop: tasks of several loops of one thread may wait for it.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use ouroloop::{Event, create_task};
///
/// ouroloop::run(async {
///     let event = Rc::new(Event::new());
///     let waiter = create_task({
///         let event = event.clone();
///         async move { event.wait().await }
///     });
///     event.set();
///     waiter.await.unwrap();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct Event {
    state: Rc<EventState>,
}

impl Event {
    /// An event that is not set.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!ouroloop::Event::new().is_set());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new() -> Event {
        Event {
            state: Rc::new(EventState {
                set: Cell::new(false),
                waiters: WaitQueue::new(),
                created_at: Location::caller(),
            }),
        }
    }

    /// Whether it is set.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = ouroloop::Event::new();
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.state.set.get()
    }

    /// Sets it, and wakes all who wait.
    ///
    /// # Examples
    ///
    /// ```
    /// ouroloop::run(async {
    ///     let event = ouroloop::Event::new();
    ///     event.set();
    ///     event.wait().await; // at once
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn set(&self) {
        if !self.state.set.replace(true) {
            self.state.waiters.choose_all();
        }
    }

    /// Unsets it: whoever waits from now on waits for the next `set`.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = ouroloop::Event::new();
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// ```
    pub fn clear(&self) {
        self.state.set.set(false);
    }

    /// Waits until it is set; does not suspend if it is.
    ///
    /// # Cancellation
    ///
    /// Dropping it gives the place up; nothing is lost, since the flag stays as it is.
    ///
    /// # Panics
    ///
    /// If it has to wait and no loop is running in this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use ouroloop::{Event, timeout};
    ///
    /// ouroloop::run(async {
    ///     let event = Event::new();
    ///     assert!(timeout(Duration::from_millis(1), event.wait()).await.is_err());
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub async fn wait(&self) {
        if !self.is_set() {
            Place::new(&*self.state, self.state.clone()).await;
        }
    }

    /// How it stands.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(ouroloop::Event::new().statistics().tasks_waiting, 0);
    /// ```
    #[must_use]
    pub fn statistics(&self) -> EventStatistics {
        EventStatistics {
            tasks_waiting: self.state.waiters.len(),
        }
    }
}

impl Default for Event {
    #[track_caller]
    fn default() -> Event {
        Event::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .field("waiters", &self.state.waiters.len())
            .finish()
    }
}

struct EventState {
    set: Cell<bool>,
    waiters: WaitQueue,
    created_at: &'static Location<'static>,
}

impl WaitSource for EventState {
    fn queue(&self) -> &WaitQueue {
        &self.waiters
    }

    /// Each is told of its own: there is nothing to pass on.
    fn give_back(&self, _chosen: bool) {}
}

impl Resource for EventState {
    fn state(&self) -> ResourceState {
        let detail = if self.set.get() { "set" } else { "unset" };
        ResourceState::new("Event", self.created_at).detail(detail)
    }
}
