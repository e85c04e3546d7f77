//! Circles of tasks that wait for each other.
//!
//! Strongly connected components by Tarjan's algorithm (R. Tarjan, "Depth-first search and linear
//! graph algorithms", SIAM Journal on Computing 1(2), 1972), with an explicit stack: a chain of
//! tasks may be long.

use std::collections::{HashMap, VecDeque};

use super::{TaskState, TaskWaits};
use crate::resource::ResourceState;

/// For each knot, the ids on the shortest circle through its oldest task.
pub(super) fn find(tasks: &[TaskWaits]) -> Vec<Vec<u64>> {
    let places: HashMap<u64, usize> = tasks
        .iter()
        .enumerate()
        .map(|(place, task)| (task.id, place))
        .collect();
    let stuck = stuck(tasks, &places);
    let edges: Vec<Vec<usize>> = tasks
        .iter()
        .enumerate()
        .map(|(from, task)| {
            let targets = task.edges().filter_map(|id| places.get(&id).copied());
            targets.filter(|to| stuck[from] && stuck[*to]).collect()
        })
        .collect();
    let knots = components(&edges);
    let mut cycles = Vec::new();
    let mut seen = vec![false; tasks.len()];
    for place in 0..tasks.len() {
        if !std::mem::replace(&mut seen[knots[place]], true) {
            if let Some(circle) = shortest_circle(&edges, &knots, place) {
                cycles.push(circle.into_iter().map(|place| tasks[place].id).collect());
            }
        }
    }
    cycles
}

/// Which tasks nothing is known to release: each wait of one is for tasks that are stuck themselves.
///
/// By elimination: whoever can go on is taken out, and then whoever waited for that.
fn stuck(tasks: &[TaskWaits], places: &HashMap<u64, usize>) -> Vec<bool> {
    /// How many of a wait's tasks are stuck, and how many have to be for the wait to be.
    struct Wait {
        of: usize,
        stuck: usize,
        needed: usize,
    }
    let mut waits = Vec::new();
    let mut waited_for_by = vec![Vec::new(); tasks.len()];
    let mut stuck = vec![true; tasks.len()];
    let mut free = Vec::new();
    for (place, task) in tasks.iter().enumerate() {
        let known = |wait: &ResourceState| !wait.holders.is_empty() || !wait.tasks.is_empty();
        let waiting = task.state == TaskState::Waiting && !task.waits_for.is_empty();
        if !waiting || task.timed || !task.waits_for.iter().all(known) {
            stuck[place] = false;
            free.push(place);
            continue;
        }
        for wait in &task.waits_for {
            let enough = wait.any || !wait.holders.is_empty();
            let all: Vec<_> = wait.holders.iter().chain(&wait.tasks).collect();
            for id in &all {
                if let Some(to) = places.get(id) {
                    waited_for_by[*to].push(waits.len());
                }
            }
            waits.push(Wait {
                of: place,
                stuck: all.len(),
                needed: if enough { all.len() } else { 1 },
            });
        }
    }
    while let Some(place) = free.pop() {
        for number in &waited_for_by[place] {
            let wait = &mut waits[*number];
            wait.stuck -= 1;
            if wait.stuck < wait.needed && std::mem::replace(&mut stuck[wait.of], false) {
                free.push(wait.of);
            }
        }
    }
    stuck
}

/// To which component each vertex belongs.
fn components(edges: &[Vec<usize>]) -> Vec<usize> {
    const NEW: usize = usize::MAX;
    let mut index = vec![NEW; edges.len()];
    let mut low = vec![0; edges.len()];
    let mut component = vec![NEW; edges.len()];
    let mut open = Vec::new();
    let (mut next_index, mut next_component) = (0, 0);
    for start in 0..edges.len() {
        if index[start] != NEW {
            continue;
        }
        // A vertex, and how many of its edges were followed.
        let mut path = vec![(start, 0)];
        while let Some((vertex, followed)) = path.last_mut() {
            let vertex = *vertex;
            if *followed == 0 {
                index[vertex] = next_index;
                low[vertex] = next_index;
                next_index += 1;
                open.push(vertex);
            }
            if let Some(&to) = edges[vertex].get(*followed) {
                *followed += 1;
                if index[to] == NEW {
                    path.push((to, 0));
                } else if component[to] == NEW {
                    low[vertex] = low[vertex].min(index[to]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                low[*parent] = low[*parent].min(low[vertex]);
            }
            if low[vertex] == index[vertex] {
                while let Some(member) = open.pop() {
                    component[member] = next_component;
                    if member == vertex {
                        break;
                    }
                }
                next_component += 1;
            }
        }
    }
    component
}

/// By breadth, within the component of `start`.
fn shortest_circle(edges: &[Vec<usize>], knots: &[usize], start: usize) -> Option<Vec<usize>> {
    let mut came_from = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(vertex) = queue.pop_front() {
        for &to in &edges[vertex] {
            if to == start {
                let mut circle = vec![vertex];
                while let Some(&before) = came_from.get(circle.last()?) {
                    circle.push(before);
                }
                circle.reverse();
                return Some(circle);
            }
            if knots[to] == knots[start] && !came_from.contains_key(&to) {
                came_from.insert(to, vertex);
                queue.push_back(to);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_chain_has_one_component_a_vertex() {
        let length = if cfg!(miri) { 100 } else { 200_000 };
        let edges: Vec<Vec<usize>> = (0..length)
            .map(|place| {
                (place + 1 < length)
                    .then_some(place + 1)
                    .into_iter()
                    .collect()
            })
            .collect();
        let mut found = components(&edges);
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), length);
    }

    #[test]
    fn the_shortest_circle_of_a_knot_is_found() {
        // 0 -> 1 -> 2 -> 0, 0 -> 3 -> 0, 4 -> 0, 5 -> 5
        let edges = [vec![1, 3], vec![2], vec![0], vec![0], vec![0], vec![5]];
        let knots = components(&edges);
        assert_eq!(knots[0], knots[2]);
        assert_eq!(knots[0], knots[3]);
        assert_ne!(knots[0], knots[4]);
        assert_eq!(shortest_circle(&edges, &knots, 0), Some(vec![0, 3]));
        assert_eq!(shortest_circle(&edges, &knots, 1), Some(vec![1, 2, 0]));
        assert_eq!(shortest_circle(&edges, &knots, 4), None);
        assert_eq!(shortest_circle(&edges, &knots, 5), Some(vec![5]));
    }
}
