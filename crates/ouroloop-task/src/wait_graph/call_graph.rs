//! The wait graph seen from one task: asyncio 3.14's call graph.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io::{self, Write};

use super::{TaskWaits, WaitGraph};
use crate::task_ref::TaskRef;

/// Who awaits a task, who awaits those, and so on: what [`capture_call_graph`] gives.
///
/// As text, it is what [`format_call_graph`] gives.
///
/// # Differences from asyncio
///
/// A Rust future has no stack, so there are no frames: each task is shown with the place where it
/// was made, and with what it waits for. Who awaits whom is taken from the waits themselves, so
/// there is nothing to register.
///
/// # Examples
///
/// ```
/// use ouroloop::{bare_yield, capture_call_graph, create_task};
/// use std::future::pending;
///
/// ouroloop::run(async {
///     let inner = create_task(pending::<()>());
///     let below = inner.as_task_ref();
///     let outer = create_task(async move { inner.await });
///     bare_yield().await;
///     let graph = capture_call_graph(&below).expect("it is not done");
///     let ids: Vec<_> = graph.tasks().map(|(distance, task)| (distance, task.id)).collect();
///     assert_eq!(ids, [(0, below.id()), (1, outer.id())]);
///     outer.cancel();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CallGraph {
    entries: Vec<Entry>,
}

/// One task of a [`CallGraph`], and how far it is from the first.
#[derive(Clone, Debug)]
struct Entry {
    depth: usize,
    task: TaskWaits,
    /// It was shown above, with all who await it.
    again: bool,
}

/// Gives who awaits `task`, directly or through others: asyncio's `capture_call_graph`.
///
/// `None` if the task is done.
///
/// # Differences from asyncio
///
/// It wants a task; asyncio takes the current one if none is given. [`CallGraph`] has more, and an example.
pub fn capture_call_graph(task: &TaskRef) -> Option<CallGraph> {
    let graph = WaitGraph::of(task.tasks());
    let mut awaited_by: HashMap<u64, Vec<u64>> = HashMap::new();
    for waiting in &graph.tasks {
        // Not who holds what it waits for: a lock is not awaited through its holder.
        for &id in waiting.waits_for.iter().flat_map(|wait| &wait.tasks) {
            awaited_by.entry(id).or_default().push(waiting.id);
        }
    }
    graph.task(task.id())?;
    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    let mut left = vec![(0, task.id())];
    while let Some((depth, id)) = left.pop() {
        let Some(found) = graph.task(id) else {
            continue;
        };
        let again = !seen.insert(id);
        entries.push(Entry {
            depth,
            task: found.clone(),
            again,
        });
        let who = awaited_by.get(&id).filter(|_| !again);
        left.extend(who.into_iter().flatten().rev().map(|id| (depth + 1, *id)));
    }
    Some(CallGraph { entries })
}

/// Gives who awaits `task` as text, a task a line, those who await it below it: asyncio's
/// `format_call_graph`.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskBuilder, current_task, format_call_graph};
///
/// ouroloop::run(async {
///     let outer = TaskBuilder::new().name("outer").create_task(async {
///         let inner = TaskBuilder::new().name("inner").create_task(async {
///             ouroloop::bare_yield().await;
///             format_call_graph(&current_task().unwrap())
///         });
///         inner.await.unwrap()
///     });
///     let text = outer.await.unwrap();
///     assert!(text.starts_with("* task \"inner\""));
///     assert!(text.contains("\n  + awaited by:\n    * task \"outer\""), "{text}");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub fn format_call_graph(task: &TaskRef) -> String {
    match capture_call_graph(task) {
        Some(graph) => graph.to_string(),
        None => format!("* task {:?} is done", task.name()),
    }
}

/// Writes who awaits `task` to the standard error stream: asyncio's `print_call_graph`.
///
/// [`format_call_graph`] has an example.
pub fn print_call_graph(task: &TaskRef) {
    // `eprintln!` would panic if it cannot be written.
    let _ = writeln!(io::stderr(), "{}", format_call_graph(task));
}

impl CallGraph {
    /// Gives the tasks that it shows, nearest first, each with its distance from the first.
    pub fn tasks(&self) -> impl Iterator<Item = (usize, &TaskWaits)> {
        let mut nearest: BTreeMap<u64, &Entry> = BTreeMap::new();
        for entry in &self.entries {
            let place = nearest.entry(entry.task.id).or_insert(entry);
            if entry.depth < place.depth {
                *place = entry;
            }
        }
        let mut tasks: Vec<_> = nearest.into_values().collect();
        tasks.sort_by_key(|entry| entry.depth);
        tasks.into_iter().map(|entry| (entry.depth, &entry.task))
    }
}

impl fmt::Display for CallGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut depth_before = 0;
        for (place, entry) in self.entries.iter().enumerate() {
            let indent = 4 * entry.depth.min(DEPTH_MAX);
            if entry.depth > depth_before && entry.depth <= DEPTH_MAX {
                write!(f, "\n{:1$}+ awaited by:", "", indent - 2)?;
            }
            depth_before = entry.depth;
            if place > 0 {
                f.write_str("\n")?;
            }
            let task = &entry.task;
            write!(f, "{:1$}* task {2:?}", "", indent, task.name)?;
            match entry.again {
                true => f.write_str(" (see above)")?,
                false => write!(f, " created at {}", task.created_at)?,
            }
        }
        Ok(())
    }
}

/// Deeper tasks are not indented further.
const DEPTH_MAX: usize = 25;
