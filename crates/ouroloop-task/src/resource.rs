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
    /// The tasks that hold it: their keys where a resource says it, their ids in a graph, which has
    /// only those of its loop.
    pub holders: Vec<u64>,
    /// The tasks that have to end, in the same way.
    pub tasks: Vec<u64>,
    /// Where it was made, if that is known.
    pub created_at: Option<&'static Location<'static>>,
    /// One of the tasks is enough.
    pub(crate) any: bool,
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
            any: false,
            address: 0,
        }
    }

    /// Says how it stands, in a few words.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> ResourceState {
        self.detail = detail.into();
        self
    }

    /// Adds the keys of the tasks that hold it: [`current_task_key`](crate::current_task_key). One of them can
    /// end the wait.
    #[must_use]
    pub fn holders(mut self, holders: impl IntoIterator<Item = u64>) -> ResourceState {
        self.holders.extend(holders);
        self
    }

    /// Adds the keys of tasks that have to end for the wait to end:
    /// [`FutureRef::task_key`](crate::FutureRef::task_key).
    #[must_use]
    pub fn tasks(mut self, tasks: impl IntoIterator<Item = u64>) -> ResourceState {
        self.tasks.extend(tasks);
        self
    }

    /// Says that one of the tasks is enough, where all of them are needed otherwise.
    #[must_use]
    pub fn any(mut self) -> ResourceState {
        self.any = true;
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
                Some(info) => {
                    let key = future.0.tasks().key_of(info.id);
                    self.tasks.push(key);
                }
                None => left.extend(future.0.awaited().depends_on().into_iter().rev()),
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
