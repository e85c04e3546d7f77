//! A line for each peer over sizes that grow by tens.

use super::bars::head;
use super::scale::Scale;
use super::svg::{Anchor, Svg, WIDTH};
use crate::bench::growth::{Growth, SIZES};
use crate::bench::results::is_ours;

const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 118.0;
const HEIGHT: f64 = 210.0;

/// The chart.
pub fn lines(growth: &Growth) -> String {
    let chart = growth.chart;
    let mut svg = Svg::new();
    let top = head(&mut svg, chart.title, chart.about) + 24.0;
    let foot = top + HEIGHT;
    let figures = growth.lines.iter().flat_map(|(_, points)| points);
    let largest = figures.map(|(_, figure)| *figure).fold(1.0, f64::max);
    let scale = Scale::new(largest, (foot, top));
    for (figure, label) in scale.ticks() {
        let y = scale.place(figure);
        svg.path("grid", &[(LEFT, y), (RIGHT, y)]);
        svg.text("small", Anchor::End, LEFT - 6.0, y + 4.0, &label);
    }
    svg.text("small", Anchor::Start, 14.0, top - 12.0, chart.unit);
    for (size, label) in SIZES.into_iter().zip(LABELS) {
        svg.text("small", Anchor::Middle, across(size), foot + 18.0, label);
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    svg.text("small", Anchor::Middle, middle, foot + 38.0, chart.axis);
    // Ours last, so that it lies on top.
    for (at, (_, points)) in growth.lines.iter().enumerate().rev() {
        let points: Vec<_> = points
            .iter()
            .map(|(size, figure)| (across(*size), scale.place(*figure)))
            .collect();
        svg.path(&format!("line l{at}"), &points);
        for (x, y) in points {
            svg.dot(&format!("d{at}"), x, y);
        }
    }
    for (at, y) in label_places(growth, &scale, (top, foot)) {
        let name = growth.lines[at].0;
        let class = if is_ours(name) { "strong" } else { "" };
        svg.dot(&format!("d{at}"), RIGHT + 12.0, y - 4.0);
        svg.text(class, Anchor::Start, RIGHT + 18.0, y, name);
    }
    svg.finish(foot + 50.0, &format!("{}: {}", chart.title, chart.unit))
}

const LABELS: [&str; 7] = ["1", "10", "100", "1k", "10k", "100k", "1M"];

fn across(size: u64) -> f64 {
    let last = SIZES[SIZES.len() - 1] as f64;
    LEFT + 8.0 + (RIGHT - LEFT - 16.0) * (size as f64).log10() / last.log10()
}

/// Where to write the name of each line: beside its end, but not upon another name.
fn label_places(growth: &Growth, scale: &Scale, (top, foot): (f64, f64)) -> Vec<(usize, f64)> {
    const APART: f64 = 17.0;
    let ends = growth.lines.iter().enumerate();
    let mut places: Vec<_> = ends
        .filter_map(|(at, (_, points))| Some((at, scale.place(points.last()?.1) + 4.0)))
        .collect();
    places.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut free = foot + 4.0;
    for (_, y) in &mut places {
        *y = y.min(free);
        free = *y - APART;
    }
    // What was pushed out at the top goes down again.
    let mut free = top + 4.0;
    for (_, y) in places.iter_mut().rev() {
        *y = y.max(free);
        free = *y + APART;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::growth::CHARTS;

    fn growth(ends: &[f64]) -> Growth {
        let line = |(at, end): (usize, &f64)| {
            let name = ["ouroloop", "smol", "glommio", "tokio-localset"][at];
            (name, vec![(1, 10.0), (1_000_000, *end)])
        };
        Growth {
            chart: &CHARTS[0],
            lines: ends.iter().enumerate().map(line).collect(),
        }
    }

    #[test]
    fn names_of_lines_that_end_together_do_not_cover_each_other() {
        for ends in [[5.0; 4], [100.0; 4], [0.0, 1.0, 99.0, 100.0]] {
            let scale = Scale::new(100.0, (210.0, 0.0));
            let places = label_places(&growth(&ends), &scale, (0.0, 210.0));
            let mut found: Vec<_> = places.iter().map(|(_, y)| *y).collect();
            found.sort_by(f64::total_cmp);
            assert!(
                found.windows(2).all(|pair| pair[1] - pair[0] >= 16.9),
                "{found:?}"
            );
            assert!(found[0] >= 0.0 && found[3] <= 220.0, "{found:?}");
        }
    }

    #[test]
    fn each_line_has_its_name_and_ours_is_on_top() {
        let svg = lines(&growth(&[10.0, 50.0]));
        assert!(
            svg.contains(">ouroloop</text>") && svg.contains(">smol</text>"),
            "{svg}"
        );
        assert!(svg.find("line l1").unwrap() < svg.find("line l0").unwrap());
    }
}
