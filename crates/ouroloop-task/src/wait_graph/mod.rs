//! Who waits for what: the tasks of a loop, and the edges from each to what it waits for.
//!
//! A graph is taken at one moment and does not change after that; it holds no task alive. It is
//! made from the waits that the tasks have registered below their scopes, so nothing is recorded
//! while a program runs.

mod call_graph;
mod cycles;
mod dot;
mod text;

use std::collections::HashSet;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use call_graph::{CallGraph, capture_call_graph, format_call_graph, print_call_graph};

use crate::cancel::for_each_wait;
use crate::header::TaskCellRef;
use crate::node::Target;
use crate::pool::Key;
use crate::resource::ResourceState;
use crate::scope::{RUNNING, SCHEDULED};
use crate::tasks::Tasks;

/// Who waits for what, at one moment.
///
/// [`LoopTasks::wait_graph`](crate::LoopTasks::wait_graph) takes it on demand; on virtual time, a
/// program that can never go on ends with [`RunError::Deadlock`](crate::RunError::Deadlock), which
/// holds it.
///
/// As text it names each task, where it was made and what it waits for, and each cycle; 50 tasks at
/// most, or all of them with `{:#}`. [`to_dot`](WaitGraph::to_dot) draws it. `Debug` is the same
/// text, so that a `main` which returns the error shows it readably.
///
/// # Differences from asyncio
///
/// asyncio 3.14's call graph shows who awaits one future; [`format_call_graph`] gives that view of
/// the same data. A coroutine's own frames are not known: a Rust future has no stack.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use ouroloop::{LoopTasks, TaskBuilder, bare_yield, create_future, get_running_loop};
///
/// ouroloop::run(async {
///     let promise = Rc::new(create_future::<()>());
///     let waiting = promise.clone();
///     let task = TaskBuilder::new().name("reader").create_task(async move {
///         (&*waiting).await.ok();
///     });
///     bare_yield().await;
///     let graph = get_running_loop().unwrap().wait_graph();
///     println!("{graph}");
///     assert_eq!(graph.tasks()[1].waits_for[0].kind, "Promise");
///     assert!(graph.cycles().is_empty());
///     promise.set_result(()).unwrap();
///     task.await
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct WaitGraph {
    tasks: Vec<TaskWaits>,
    cycles: Vec<Vec<u64>>,
    on_cycles: HashSet<u64>,
}

/// A task in a [`WaitGraph`], and what it waits for.
///
/// # Examples
///
/// ```
/// use ouroloop::{LoopTasks, TaskWaits, create_task, get_running_loop, sleep};
/// use std::time::Duration;
///
/// ouroloop::run(async {
///     let nap = create_task(sleep(Duration::from_secs(3600)));
///     ouroloop::bare_yield().await;
///     let graph = get_running_loop().unwrap().wait_graph();
///     let waits: &TaskWaits = graph.task(nap.id()).unwrap();
///     assert_eq!(waits.waits_for[0].kind, "sleep");
///     nap.cancel();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TaskWaits {
    /// The number of the task: [`TaskRef::id`](crate::TaskRef::id).
    pub id: u64,
    /// Its name.
    pub name: Arc<str>,
    /// Where it was made.
    pub created_at: &'static Location<'static>,
    /// Whether it waits at all.
    pub state: TaskState,
    /// What it waits for, in the order in which it began to; several things if a `join!` or the
    /// like waits in each of its branches. Empty if it waits for I/O, or for a future of another
    /// library: those keep its waker, and nothing else is known of them.
    pub waits_for: Vec<ResourceState>,
    /// A deadline of it is pending, which ends whatever it waits for.
    pub(crate) timed: bool,
}

/// What a task does at the moment: [`TaskWaits::state`].
///
/// # Examples
///
/// ```
/// use ouroloop::{LoopTasks, TaskState, create_task, get_running_loop};
///
/// ouroloop::run(async {
///     let task = create_task(async {});
///     let graph = get_running_loop().unwrap().wait_graph();
///     assert_eq!(graph.task(task.id()).unwrap().state, TaskState::Ready);
///     assert_eq!(graph.tasks()[0].state, TaskState::Running);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TaskState {
    /// It is in the ready queue.
    Ready,
    /// It is being polled: the task that asked for the graph.
    Running,
    /// It waits.
    Waiting,
}

impl WaitGraph {
    pub(crate) fn of(tasks: &Tasks) -> WaitGraph {
        let now_ns = tasks.event_loop.time_ns();
        let all: Vec<_> = tasks
            .all()
            .into_iter()
            .map(|cell| TaskWaits::of(tasks, &cell, now_ns))
            .collect();
        let cycles = cycles::find(&all);
        WaitGraph {
            on_cycles: cycles.iter().flatten().copied().collect(),
            cycles,
            tasks: all,
        }
    }

    /// Gives all tasks that are not done, oldest first.
    pub fn tasks(&self) -> &[TaskWaits] {
        &self.tasks
    }

    /// Gives the task with this number, if it was not done.
    pub fn task(&self, id: u64) -> Option<&TaskWaits> {
        let place = self.tasks.binary_search_by_key(&id, |task| task.id).ok()?;
        Some(&self.tasks[place])
    }

    /// Gives the circles of tasks each of which waits for the next, by their ids, as far as nothing is known
    /// that could end one: no deadline, no other wait of one of its tasks, no second holder that goes on.
    ///
    /// A guard that was moved to another task, or a request to cancel, may still resolve one.
    ///
    /// One for each knot of tasks that hold each other, the shortest through its oldest task.
    pub fn cycles(&self) -> &[Vec<u64>] {
        &self.cycles
    }

    /// Draws the graph in the DOT language of [Graphviz](https://graphviz.org/doc/info/lang.html): tasks
    /// as boxes, what they wait for as ellipses, cycles in red.
    pub fn to_dot(&self) -> String {
        dot::draw(self)
    }

    fn is_on_cycle(&self, id: u64) -> bool {
        self.on_cycles.contains(&id)
    }
}

impl fmt::Display for WaitGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}

impl fmt::Debug for WaitGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}

impl TaskWaits {
    fn of(tasks: &Tasks, cell: &TaskCellRef, now_ns: u64) -> TaskWaits {
        let info = cell.info();
        let root = info.root.get();
        let mut targets = Vec::new();
        let scopes = &tasks.scopes;
        for_each_wait(scopes, &tasks.nodes, root, |_, node| {
            if node.is_awaited(scopes) {
                targets.push(node.target());
            }
            false
        });
        let timed = scopes.get(root).is_some()
            && (scopes.below(root).iter()).any(|it| scopes.at(it.index()).timer.get().is_some());
        let state = match scopes.get(root) {
            Some(record) if record.has(RUNNING) => TaskState::Running,
            Some(record) if record.has(SCHEDULED) => TaskState::Ready,
            _ => TaskState::Waiting,
        };
        TaskWaits {
            id: info.id,
            name: info.name().as_ref().into(),
            created_at: info.created_at,
            state,
            // No table is borrowed here: a resource may be anybody's.
            waits_for: targets
                .iter()
                .map(|it| of_this_loop(tasks, describe(it, now_ns)))
                .collect(),
            timed,
        }
    }

    /// The ids of the tasks that it waits for, directly or through what they hold.
    fn edges(&self) -> impl Iterator<Item = u64> + '_ {
        self.waits_for
            .iter()
            .flat_map(|wait| wait.holders.iter().chain(&wait.tasks).copied())
    }
}

/// After so many tasks nobody looks further for a circle at an await.
const WATCHED_TASKS_MAX: usize = 1_000;

/// Debug mode: warns if the current task has just begun to wait for itself, through others.
///
/// No more than a warning, since a task that waits for several things may be woken by another one. Only
/// awaits are followed, not what a lock is held by.
pub(crate) fn warn_of_circle(tasks: &Tasks) {
    let Some(current) = tasks.current_cell() else {
        return;
    };
    let me = current.info().id;
    // A task, and the place in this list of the one that waits for it.
    let mut found: Vec<(TaskCellRef, usize)> = vec![(current, 0)];
    let mut seen = HashSet::from([me]);
    let mut next = 0;
    while next < found.len() && found.len() < WATCHED_TASKS_MAX {
        let place = next;
        next += 1;
        for cell in awaited_by(tasks, found[place].0.info().root.get()) {
            if cell.info().id == me {
                return warn(tasks, &found, place);
            }
            if seen.insert(cell.info().id) {
                found.push((cell, place));
            }
        }
    }
}

/// The tasks of this loop that a task awaits, directly or through promises that stand for them.
fn awaited_by(tasks: &Tasks, root: Key) -> Vec<TaskCellRef> {
    let mut left = Vec::new();
    for_each_wait(&tasks.scopes, &tasks.nodes, root, |_, node| {
        if node.is_awaited(&tasks.scopes) {
            left.extend(node.other());
        }
        false
    });
    let mut cells = Vec::new();
    while let Some(awaited) = left.pop() {
        match awaited.task() {
            Some(info) if std::ptr::eq(&**awaited.tasks(), tasks) => {
                cells.extend(tasks.cell_of(info.root.get()));
            }
            Some(_) => {}
            None => left.extend(
                awaited
                    .awaited()
                    .depends_on()
                    .into_iter()
                    .map(|future| future.0),
            ),
        }
    }
    cells
}

fn warn(tasks: &Tasks, found: &[(TaskCellRef, usize)], last: usize) {
    let mut circle = vec![last];
    while circle[circle.len() - 1] != 0 {
        circle.push(found[circle[circle.len() - 1]].1);
    }
    circle.reverse();
    circle.push(0);
    let names: Vec<_> = circle
        .into_iter()
        .map(|place| {
            let info = found[place].0.info();
            format!("{:?} created at {}", info.name(), info.created_at)
        })
        .collect();
    tasks.event_loop.warn(&format!(
        "tasks wait for each other in a circle: {}; none of them will end unless something \
         else wakes one: break the circle",
        names.join(" -> ")
    ));
}

/// The same with the numbers of tasks instead of their keys; those of other loops are only told of.
fn of_this_loop(tasks: &Tasks, mut state: ResourceState) -> ResourceState {
    let before = state.holders.len() + state.tasks.len();
    for keys in [&mut state.holders, &mut state.tasks] {
        *keys = keys.iter().filter_map(|key| tasks.id_of(*key)).collect();
    }
    if state.holders.len() + state.tasks.len() < before {
        if !state.detail.is_empty() {
            state.detail.push_str(", ");
        }
        state.detail.push_str("by a task of another loop");
    }
    state
}

fn describe(target: &Target, now_ns: u64) -> ResourceState {
    match target {
        Target::Itself => ResourceState::new("Waiter", None),
        Target::Timer(when_ns) => {
            let left = Duration::from_nanos(when_ns.saturating_sub(now_ns));
            ResourceState::new("sleep", None).detail(format!("{left:.3?} left"))
        }
        Target::Resource(resource) => ResourceState {
            address: Rc::as_ptr(resource).addr(),
            ..resource.state()
        },
        Target::Other(other) => ResourceState {
            address: other.address(),
            ..match other.task() {
                Some(info) => ResourceState {
                    tasks: vec![other.tasks().key_of(info.id)],
                    ..ResourceState::new("Task", info.created_at)
                },
                None => other.awaited().state(),
            }
        },
    }
}
