//! What a wait waits for, in words: the vertices of the wait graph.

use std::fmt;
use std::panic::Location;

use crate::task_ref::FutureRef;

/// Something that tasks wait for through a [`Waiter`](crate::Waiter), and that can say what it is.
///
/// Locks, queues and the combinators implement it, so that [`wait_graph`](crate::LoopTasks::wait_graph)
/// and the report of a deadlock name them. It is asked when such a report is made, and at no other
/// time.
///
/// # Examples
///
/// ```
/// use std::panic::Location;
/// use std::rc::Rc;
/// use ouroloop::lowlevel::{Resource, ResourceState, Waiter};
/// use ouroloop::{LoopTasks, bare_yield, create_task, get_running_loop};
///
/// struct Gate(&'static Location<'static>);
///
/// impl Resource for Gate {
///     fn state(&self) -> ResourceState {
///         ResourceState::new("Gate", self.0).detail("shut")
///     }
/// }
///
/// ouroloop::run(async {
///     let gate = Rc::new(Gate(Location::caller()));
///     let visitor = create_task(async move { Waiter::on(gate).await });
///     bare_yield().await;
///     let graph = get_running_loop().unwrap().wait_graph();
///     assert!(graph.to_string().contains("waits for Gate (shut)"), "{graph}");
///     visitor.cancel();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub trait Resource {
    /// Tells what it is, and how it stands now.
    fn state(&self) -> ResourceState;
}

/// What a task waits for: one edge of a [`WaitGraph`](crate::WaitGraph).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ResourceState {
    /// What it is, by the name of its type or function: `Lock`, `Queue`, `gather`, `Task`, `sleep`.
    pub kind: &'static str,
    /// How it stands, in a few words: `locked`, `empty`, `2 of 5 done`. May be empty.
    pub detail: String,
    /// The ids of the tasks that hold it.
    pub holders: Vec<u64>,
    /// The ids of the tasks that have to end.
    pub tasks: Vec<u64>,
    /// Where it was made, if that is known.
    pub created_at: Option<&'static Location<'static>>,
    /// Two waits for one thing have the same.
    pub(crate) address: usize,
}

impl ResourceState {
    /// Makes the state of a resource of some kind, with the place where it was made if that is known.
    pub fn new(
        kind: &'static str,
        created_at: impl Into<Option<&'static Location<'static>>>,
    ) -> ResourceState {
        ResourceState {
            kind,
            detail: String::new(),
            holders: Vec::new(),
            tasks: Vec::new(),
            created_at: created_at.into(),
            address: 0,
        }
    }

    /// Says how it stands, in a few words.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> ResourceState {
        self.detail = detail.into();
        self
    }

    /// Adds the ids of the tasks that hold it: [`TaskRef::id`](crate::TaskRef::id).
    #[must_use]
    pub fn holders(mut self, holders: impl IntoIterator<Item = u64>) -> ResourceState {
        self.holders.extend(holders);
        self
    }

    /// Adds the ids of tasks that have to end for the wait to end.
    #[must_use]
    pub fn tasks(mut self, tasks: impl IntoIterator<Item = u64>) -> ResourceState {
        self.tasks.extend(tasks);
        self
    }

    /// Adds tasks, promises and gathers that have to end for the wait to end. Those that are done
    /// already do not count.
    #[must_use]
    pub fn futures(mut self, futures: impl IntoIterator<Item = FutureRef>) -> ResourceState {
        let mut left: Vec<_> = futures.into_iter().collect();
        left.reverse();
        while let Some(future) = left.pop() {
            if future.done() {
                continue;
            }
            match future.0.task() {
                Some(info) => self.tasks.push(info.id),
                None => left.extend(future.0.depends_on().into_iter().rev()),
            }
        }
        self
    }
}

impl fmt::Display for ResourceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        match self.created_at {
            Some(place) => write!(f, " created at {place}"),
            None => Ok(()),
        }
    }
}
