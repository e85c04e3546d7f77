//! The wait graph as a drawing for Graphviz.

use std::collections::HashMap;
use std::fmt::Write;

use super::WaitGraph;
use super::text::name;
use crate::resource::ResourceState;

pub(super) fn draw(graph: &WaitGraph) -> String {
    let mut dot = String::from("digraph wait_graph {\n    node [fontname=\"sans-serif\"];\n");
    let mut resources = Resources::default();
    let mut line = |text: std::fmt::Arguments<'_>| {
        writeln!(dot, "    {text}").expect("a string takes everything");
    };
    for task in &graph.tasks {
        let color = color(graph.is_on_cycle(task.id));
        let label = escape(&format!("{}\n{}", task.name, task.created_at));
        line(format_args!(
            "t{} [shape=box, label=\"{label}\"{color}];",
            task.id
        ));
        for wait in &task.waits_for {
            if wait.kind == "Task" {
                for id in &wait.tasks {
                    let color = edge_color(graph, task.id, *id);
                    line(format_args!("t{} -> t{id}{color};", task.id));
                }
                continue;
            }
            let (number, is_new) = resources.number(wait);
            line(format_args!("t{} -> r{number};", task.id));
            if !is_new {
                continue;
            }
            let label = escape(&wait.to_string().replace(" created at ", "\n"));
            line(format_args!(
                "r{number} [shape=ellipse, label=\"{label}\"];"
            ));
            for id in wait.holders.iter().chain(&wait.tasks) {
                if graph.task(*id).is_none() {
                    let label = escape(&name(graph, *id));
                    line(format_args!(
                        "t{id} [shape=box, style=dashed, label=\"{label}\"];"
                    ));
                }
                line(format_args!("r{number} -> t{id};"));
            }
        }
    }
    dot.push_str("}\n");
    dot
}

/// Numbers what is waited for, so that a lock that many wait for is drawn once.
#[derive(Default)]
struct Resources {
    by_address: HashMap<usize, usize>,
    count: usize,
}

impl Resources {
    fn number(&mut self, wait: &ResourceState) -> (usize, bool) {
        let next = self.count;
        let number = match wait.address {
            0 => next,
            address => *self.by_address.entry(address).or_insert(next),
        };
        if number == next {
            self.count += 1;
        }
        (number, number == next)
    }
}

fn color(on_cycle: bool) -> &'static str {
    if on_cycle { ", color=red" } else { "" }
}

fn edge_color(graph: &WaitGraph, from: u64, to: u64) -> &'static str {
    match graph.is_on_cycle(from) && graph.is_on_cycle(to) {
        true => " [color=red]",
        false => "",
    }
}

/// A quoted string of the DOT language, without its quotes.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
