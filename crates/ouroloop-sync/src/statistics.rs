//! What each primitive says of itself: for tests, metrics and debuggers.

/// What [`Lock::statistics`](crate::Lock::statistics) says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LockStatistics {
    /// Whether it is held.
    pub locked: bool,
    /// The id of the task that acquired it; `None` if that was no task.
    pub owner: Option<u64>,
    /// How many are in its queue.
    pub tasks_waiting: usize,
}

/// What [`Event::statistics`](crate::Event::statistics) says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct EventStatistics {
    /// How many are in its queue.
    pub tasks_waiting: usize,
}

/// What [`Condition::statistics`](crate::Condition::statistics) says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConditionStatistics {
    /// How many wait to be notified.
    pub tasks_waiting: usize,
    /// Of its lock.
    pub lock: LockStatistics,
}

/// What [`Semaphore::statistics`](crate::Semaphore::statistics) says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SemaphoreStatistics {
    /// How many permits are free.
    pub value: usize,
    /// How many are in its queue.
    pub tasks_waiting: usize,
}

/// What [`Barrier::statistics`](crate::Barrier::statistics) says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BarrierStatistics {
    /// How many it takes to open it.
    pub parties: usize,
    /// How many are inside of it, on their way in or out.
    pub tasks_inside: usize,
    /// Whether it was aborted.
    pub broken: bool,
}

/// What [`Queue::statistics`](crate::Queue::statistics) says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct QueueStatistics {
    /// How many items are in it.
    pub qsize: usize,
    /// How many it takes; 0 for any number.
    pub maxsize: usize,
    /// How many items were put and are not done.
    pub unfinished: usize,
    /// How many wait in `get`.
    pub tasks_waiting_get: usize,
    /// How many wait in `put`.
    pub tasks_waiting_put: usize,
    /// How many wait in `join`.
    pub tasks_waiting_join: usize,
    /// Whether it was shut down.
    pub shut_down: bool,
}
