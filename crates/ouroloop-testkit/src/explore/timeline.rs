//! A run to look at: a line for each step and a column for each task, as text and as SVG.
//!
//! ```text
//! step  turn  time   test           | Task-2         | elsewhere
//!    1     1  0ns    *              |                |
//!    2     2  0ns                   | * read 0       |
//! ```
//!
//! A star is a step; `*2/3` is one that a seed has chosen: of the three entries that were left, the
//! one that became ready second. What the task has noted follows. Callbacks and timers share the last
//! column.

use std::fmt::Write;
use std::time::Duration;

use super::history::{History, Step};

/// The last steps of a long run are what is read.
const STEPS_SHOWN: usize = 200;
const COLUMN_MAX: usize = 40;

/// The history as text.
pub(super) fn text(history: &History) -> String {
    let columns = Columns::of(history);
    let shown = shown(history);
    let rows: Vec<Row> = shown
        .iter()
        .flat_map(|step| rows(history, &columns, step))
        .collect();
    let widths: Vec<usize> = (0..columns.titles.len())
        .map(|column| {
            let cells = rows.iter().filter(|row| row.column == column);
            let cells = cells.map(|row| row.text.chars().count());
            let title = columns.titles[column].chars().count();
            cells.chain([title]).max().unwrap_or(0).min(COLUMN_MAX)
        })
        .collect();
    let times: Vec<String> = shown.iter().map(|step| time(step.time)).collect();
    let time_width = times
        .iter()
        .map(|it| it.chars().count())
        .max()
        .unwrap_or(0)
        .max(4);

    let mut text = String::new();
    let hidden = history.steps.len() - shown.len();
    if hidden > 0 {
        let _ = writeln!(text, "({hidden} steps before these are not shown)");
    }
    let titles: Vec<_> = columns.titles.iter().zip(&widths).collect();
    let titles: Vec<_> = titles
        .iter()
        .map(|(title, width)| pad(title, **width))
        .collect();
    push_line(
        &mut text,
        &format!("step  turn  {}", pad("time", time_width)),
        &titles,
    );
    for row in &rows {
        let head = match row.step {
            Some(step) => format!(
                "{:>4}  {:>4}  {}",
                step.number,
                step.iteration,
                pad(&time(step.time), time_width)
            ),
            None => " ".repeat(12 + time_width),
        };
        let cells: Vec<_> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| match column == row.column {
                true => pad(&row.text, *width),
                false => " ".repeat(*width),
            })
            .collect();
        push_line(&mut text, &head, &cells);
    }
    text
}

/// The history as a picture.
pub(super) fn svg(history: &History) -> String {
    let columns = Columns::of(history);
    let shown = shown(history);
    let (left, width, line) = (110, 220, 18);
    let rows: Vec<Row> = shown
        .iter()
        .flat_map(|step| rows(history, &columns, step))
        .collect();
    let full_width = left + width * columns.titles.len();
    let height = line * (rows.len() + 3);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{full_width}\" height=\"{height}\" \
         font-family=\"monospace\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (column, title) in columns.titles.iter().enumerate() {
        let x = left + column * width;
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{line}\" font-weight=\"bold\">{}</text>\
             <line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{height}\" stroke=\"silver\"/>",
            escape(title),
            line + 6
        );
    }
    let mut iteration = 0;
    for (index, row) in rows.iter().enumerate() {
        let (x, y) = (left + row.column * width, line * (index + 3));
        if let Some(step) = row.step {
            if step.iteration != iteration {
                iteration = step.iteration;
                let above = y - 13;
                let _ = writeln!(
                    svg,
                    "<line x1=\"0\" y1=\"{above}\" x2=\"{full_width}\" y2=\"{above}\" \
                     stroke=\"gainsboro\"/><text x=\"4\" y=\"{y}\" fill=\"gray\">{}</text>",
                    escape(&time(step.time))
                );
            }
            let _ = writeln!(
                svg,
                "<circle cx=\"{x}\" cy=\"{}\" r=\"5\" fill=\"teal\"/>",
                y - 4
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{y}\">{}</text>",
            x + 10,
            escape(&row.text)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// A line of the table: one step, or one more note of it.
struct Row<'a> {
    step: Option<&'a Step>,
    column: usize,
    text: String,
}

/// Which column each actor has: tasks one each, all others the last.
struct Columns {
    titles: Vec<String>,
    of_actor: Vec<usize>,
}

impl Columns {
    fn of(history: &History) -> Columns {
        let takes_part = takes_part(history);
        let mut titles = Vec::new();
        let mut of_actor = vec![0; history.actors.len()];
        for (index, actor) in history.actors.iter().enumerate() {
            if actor.is_task && takes_part[index] {
                of_actor[index] = titles.len();
                titles.push(actor.name.clone());
            }
        }
        let others = titles.len();
        for (index, actor) in history.actors.iter().enumerate() {
            if !actor.is_task && takes_part[index] {
                of_actor[index] = others;
                if titles.len() == others {
                    titles.push("(loop)".to_owned());
                }
            }
        }
        Columns { titles, of_actor }
    }
}

/// Which of the actors have a step that is shown.
pub(super) fn takes_part(history: &History) -> Vec<bool> {
    let mut takes_part = vec![false; history.actors.len()];
    for step in shown(history) {
        takes_part[step.actor] = true;
    }
    takes_part
}

fn shown(history: &History) -> &[Step] {
    &history.steps[history.steps.len().saturating_sub(STEPS_SHOWN)..]
}

fn rows<'a>(history: &History, columns: &Columns, step: &'a Step) -> Vec<Row<'a>> {
    let actor = &history.actors[step.actor];
    let mut star = match (history.seed, step.left) {
        (0, _) | (_, 1) => "*".to_owned(),
        (_, left) => format!("*{}/{left}", step.index + 1),
    };
    if !actor.is_task {
        let _ = match &actor.place {
            // The callback that stops the loop is created where the run is.
            Some(place) if history.is_place_of_test(place) => write!(star, " end of the test"),
            Some(place) => write!(star, " {} of {}", actor.name, short(place)),
            None => write!(star, " {}", actor.name),
        };
    }
    let column = columns.of_actor[step.actor];
    let mut notes = step.notes.iter();
    if let Some(first) = notes.next() {
        let _ = write!(star, " {first}");
    }
    let more = notes.map(|note| Row {
        step: None,
        column,
        text: format!("  {note}"),
    });
    let first = Row {
        step: Some(step),
        column,
        text: star,
    };
    std::iter::once(first).chain(more).collect()
}

/// The end of a path: the file's name, line and column.
fn short(place: &str) -> &str {
    place.rsplit(['/', '\\']).next().unwrap_or(place)
}

fn time(time: Duration) -> String {
    format!("{time:?}")
}

/// Exactly `width` wide, cut with a tilde if need be.
fn pad(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return format!("{text}{}", " ".repeat(width - length));
    }
    let cut: String = text.chars().take(width - 1).collect();
    cut + "~"
}

fn push_line(text: &mut String, head: &str, cells: &[String]) {
    let line = format!("{head}  {}", cells.join(" | "));
    text.push_str(line.trim_end_matches([' ', '|']));
    text.push('\n');
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::history::Actor;
    use super::*;

    fn step(number: u64, actor: usize, (index, left): (usize, usize), notes: &[&str]) -> Step {
        Step {
            number,
            iteration: number.div_ceil(2),
            time: Duration::from_millis(number),
            actor,
            index,
            left,
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
        }
    }

    fn history() -> History {
        History {
            seed: 3,
            steps_left_out: 0,
            actors: vec![
                Actor::described("task \"test\" created at src/a.rs:1:2"),
                Actor::described("<Handle created at src/b.rs:3:4>"),
                Actor::described("task \"b<c\" created at src/a.rs:5:6"),
            ],
            steps: vec![
                step(1, 0, (0, 1), &[]),
                step(2, 2, (1, 3), &["reads", "writes"]),
                step(3, 1, (0, 2), &[]),
            ],
        }
    }

    #[test]
    fn each_task_has_a_column_and_the_loop_the_last() {
        let wanted = "\
step  turn  time  test | b<c        | (loop)
   1     1  1ms   *
   2     1  2ms        | *2/3 reads
                       |   writes
   3     2  3ms        |            | *1/2 callback of b.rs:3:4
";
        assert_eq!(text(&history()), wanted);
    }

    #[test]
    fn a_long_run_is_shown_from_its_end() {
        let mut history = history();
        history.steps = (1..=1_000)
            .map(|number| step(number, 0, (0, 1), &[]))
            .collect();
        let text = text(&history);
        assert!(
            text.starts_with("(800 steps before these are not shown)\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 202);
        assert!(!text.contains("b<c"), "who took no part has no column");
    }

    #[test]
    fn a_note_that_is_too_long_is_cut() {
        let mut history = history();
        history.steps[1].notes = vec!["x".repeat(100)];
        let text = text(&history);
        assert!(text.contains("xxx~"), "{text}");
        assert!(text.lines().all(|line| line.len() < 120), "{text}");
    }

    #[test]
    fn a_picture_has_a_dot_for_each_step_and_no_loose_brackets() {
        let svg = svg(&history());
        assert_eq!(svg.matches("<circle").count(), 3);
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert!(svg.contains("b&lt;c") && svg.ends_with("</svg>\n"), "{svg}");
    }
}
