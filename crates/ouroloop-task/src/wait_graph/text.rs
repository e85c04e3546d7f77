//! The wait graph as text.

use std::fmt::{self, Formatter};

use super::{TaskState, TaskWaits, WaitGraph};
use crate::resource::ResourceState;

/// How many tasks, and how many of each list, are written unless all are asked for.
const TASKS_MAX: usize = 50;
const LIST_MAX: usize = 10;

pub(super) fn write(graph: &WaitGraph, f: &mut Formatter<'_>) -> fmt::Result {
    let (tasks_max, list_max) = match f.alternate() {
        true => (usize::MAX, usize::MAX),
        false => (TASKS_MAX, LIST_MAX),
    };
    if graph.tasks.is_empty() {
        return f.write_str("no tasks");
    }
    // Those on a cycle come first: they are what one looks for.
    let (knotted, others): (Vec<_>, Vec<_>) = graph
        .tasks
        .iter()
        .partition(|task| graph.is_on_cycle(task.id));
    for (place, task) in knotted.iter().chain(&others).take(tasks_max).enumerate() {
        if place > 0 {
            f.write_str("\n")?;
        }
        write_task(graph, task, list_max, f)?;
    }
    if graph.tasks.len() > tasks_max {
        let more = graph.tasks.len() - tasks_max;
        write!(f, "\n... and {more} more tasks; `{{:#}}` writes all")?;
    }
    for cycle in graph.cycles.iter().take(list_max) {
        write_cycle(graph, cycle, list_max, f)?;
    }
    if graph.cycles.len() > list_max {
        write!(f, "\n... and {} more cycles", graph.cycles.len() - list_max)?;
    }
    Ok(())
}

fn write_task(
    graph: &WaitGraph,
    task: &TaskWaits,
    list_max: usize,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    write!(f, "task {:?} created at {}", task.name, task.created_at)?;
    match task.state {
        TaskState::Ready => return f.write_str("\n    is ready to run"),
        TaskState::Running => return f.write_str("\n    is running"),
        TaskState::Waiting => {}
    }
    if task.waits_for.is_empty() {
        f.write_str("\n    waits for I/O, or for a future of another library")?;
    }
    for wait in task.waits_for.iter().take(list_max) {
        f.write_str("\n    waits for ")?;
        write_wait(graph, wait, list_max, f)?;
    }
    if task.waits_for.len() > list_max {
        write!(
            f,
            "\n    ... and for {} more",
            task.waits_for.len() - list_max
        )?;
    }
    Ok(())
}

fn write_wait(
    graph: &WaitGraph,
    wait: &ResourceState,
    list_max: usize,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    if let ("Task", [id]) = (wait.kind, &wait.tasks[..]) {
        return write!(f, "task {}", quoted_name(graph, *id));
    }
    write!(f, "{wait}")?;
    write_names(graph, ", which waits for ", &wait.tasks, list_max, f)?;
    write_names(graph, ", held by ", &wait.holders, list_max, f)
}

fn write_names(
    graph: &WaitGraph,
    before: &str,
    ids: &[u64],
    list_max: usize,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    for (place, id) in ids.iter().take(list_max).enumerate() {
        let before = if place == 0 { before } else { ", " };
        write!(f, "{before}{}", quoted_name(graph, *id))?;
    }
    if ids.len() > list_max {
        write!(f, " and {} more", ids.len() - list_max)?;
    }
    Ok(())
}

/// `"ann" -> Lock -> "ben" -> "cleo" -> Event -> "ann"`; the lines of the tasks have the rest.
fn write_cycle(
    graph: &WaitGraph,
    cycle: &[u64],
    list_max: usize,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    f.write_str("\ncycle, each waits for the next: ")?;
    f.write_str(&quoted_name(graph, cycle[0]))?;
    let followers = cycle.iter().skip(1).chain(&cycle[..1]);
    for (id, next) in cycle.iter().zip(followers).take(list_max) {
        let through = graph.task(*id).and_then(|task| {
            let leads_on =
                |wait: &&ResourceState| wait.holders.contains(next) || wait.tasks.contains(next);
            task.waits_for.iter().find(leads_on)
        });
        match through {
            Some(wait) if wait.kind != "Task" => write!(f, " -> {}", wait.kind)?,
            _ => {}
        }
        write!(f, " -> {}", quoted_name(graph, *next))?;
    }
    if cycle.len() > list_max {
        write!(f, " -> ... -> {}", quoted_name(graph, cycle[0]))?;
    }
    Ok(())
}

/// The name of a task in quotes, or its number if it is done: what it held is lost.
fn quoted_name(graph: &WaitGraph, id: u64) -> String {
    match graph.task(id) {
        Some(task) => format!("{:?}", task.name),
        None => done_name(id),
    }
}

/// What a task is called that the graph does not have.
pub(super) fn done_name(id: u64) -> String {
    format!("task {id}, which is done")
}
