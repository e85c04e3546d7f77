//! The wait graph seen from one task: asyncio 3.14's call graph.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{TaskWaits, WaitGraph};
use crate::task_ref::TaskRef;

/// Who awaits a task, who awaits those, and so on.
///
/// # Differences from asyncio
///
/// A Rust future has no stack, so there are no frames: each task is shown with the place where it
/// was made, and with what it waits for. Who awaits whom is taken from the waits themselves, so
/// there is nothing to register.
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

/// asyncio's `capture_call_graph`: who awaits `task`, directly or through others.
///
/// `None` if the task is done.
pub fn capture_call_graph(task: &TaskRef) -> Option<CallGraph> {
    let graph = WaitGraph::of(task.tasks());
    let mut awaited_by: HashMap<u64, Vec<u64>> = HashMap::new();
    for waiting in &graph.tasks {
        for id in waiting.edges() {
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

/// asyncio's `format_call_graph`: the same as text, a task a line, those who await it below it.
///
/// # Examples
///
/// ```
/// use ouroloop::{create_task, current_task, format_call_graph, sleep, TaskBuilder};
/// use std::time::Duration;
///
/// ouroloop::run(async {
///     let outer = TaskBuilder::new().name("outer").create_task(async {
///         let inner = TaskBuilder::new().name("inner").create_task(async {
///             sleep(Duration::from_millis(1)).await;
///             let me = current_task().unwrap();
///             format_call_graph(&me)
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

/// asyncio's `print_call_graph`: writes it to the standard error stream.
pub fn print_call_graph(task: &TaskRef) {
    eprintln!("{}", format_call_graph(task));
}

impl CallGraph {
    /// The tasks that it shows, nearest first, each with its distance from the first.
    pub fn tasks(&self) -> impl Iterator<Item = (usize, &TaskWaits)> {
        let first_time = self.entries.iter().filter(|entry| !entry.again);
        first_time.map(|entry| (entry.depth, &entry.task))
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
