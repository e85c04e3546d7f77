//! The wait graph as a drawing for Graphviz.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use super::WaitGraph;
use super::text::done_name;
use crate::resource::ResourceState;

pub(super) fn draw(graph: &WaitGraph) -> String {
    let mut dot = String::from("digraph wait_graph {\n    node [fontname=\"sans-serif\"];\n");
    let mut line = |text: std::fmt::Arguments<'_>| {
        writeln!(dot, "    {text}").expect("a string takes everything");
    };
    let knots = Knots::of(graph);
    let mut resources = Resources::default();
    let mut done = HashSet::new();
    for task in &graph.tasks {
        let color = color(graph.is_on_cycle(task.id));
        let label = escape(&format!("{}\n{}", task.name, task.created_at));
        let id = task.id;
        line(format_args!("t{id} [shape=box, label=\"{label}\"{color}];"));
        for wait in &task.waits_for {
            let all = || wait.holders.iter().chain(&wait.tasks).copied();
            done.extend(all().filter(|id| graph.task(*id).is_none()));
            if wait.kind == "Task" {
                for to in all() {
                    let color = edge_color(knots.joins(id, to));
                    line(format_args!("t{id} -> t{to}{color};"));
                }
                continue;
            }
            let number = resources.number(wait);
            let mut knotted = false;
            for to in all() {
                let joins = knots.joins(id, to);
                knotted |= joins;
                resources.add_edge(number, to, joins);
            }
            let color = edge_color(knotted);
            line(format_args!("t{id} -> r{number}{color};"));
        }
    }
    for (number, resource) in resources.all.iter().enumerate() {
        let label = escape(&resource.label);
        let color = color(resource.edges.iter().any(|(_, knotted)| *knotted));
        line(format_args!(
            "r{number} [shape=ellipse, label=\"{label}\"{color}];"
        ));
        for (id, knotted) in &resource.edges {
            let color = edge_color(*knotted);
            line(format_args!("r{number} -> t{id}{color};"));
        }
    }
    let mut done = Vec::from_iter(done);
    done.sort_unstable();
    for id in done {
        let label = done_name(id);
        line(format_args!(
            "t{id} [shape=box, style=dashed, label=\"{label}\"];"
        ));
    }
    dot.push_str("}\n");
    dot
}

/// Which task of a cycle waits for which.
struct Knots(HashSet<(u64, u64)>);

impl Knots {
    fn of(graph: &WaitGraph) -> Knots {
        let steps = graph.cycles.iter().flat_map(|cycle| {
            let followers = cycle.iter().skip(1).chain(&cycle[..1]);
            cycle.iter().copied().zip(followers.copied())
        });
        Knots(steps.collect())
    }

    fn joins(&self, from: u64, to: u64) -> bool {
        self.0.contains(&(from, to))
    }
}

/// What is waited for. A lock that many wait for is drawn once.
#[derive(Default)]
struct Resources {
    by_address: HashMap<usize, usize>,
    all: Vec<Resource>,
}

struct Resource {
    label: String,
    /// To whom, and whether on a cycle.
    edges: Vec<(u64, bool)>,
}

impl Resources {
    fn number(&mut self, wait: &ResourceState) -> usize {
        let next = self.all.len();
        let number = match wait.address {
            0 => next,
            address => *self.by_address.entry(address).or_insert(next),
        };
        if number == next {
            self.all.push(Resource {
                label: wait.to_string().replace(" created at ", "\n"),
                edges: Vec::new(),
            });
        }
        number
    }

    fn add_edge(&mut self, number: usize, to: u64, knotted: bool) {
        let edges = &mut self.all[number].edges;
        match edges.iter_mut().find(|(id, _)| *id == to) {
            Some((_, before)) => *before |= knotted,
            None => edges.push((to, knotted)),
        }
    }
}

fn color(on_cycle: bool) -> &'static str {
    if on_cycle { ", color=red" } else { "" }
}

fn edge_color(on_cycle: bool) -> &'static str {
    if on_cycle { " [color=red]" } else { "" }
}

/// A quoted string of the DOT language, without its quotes.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
