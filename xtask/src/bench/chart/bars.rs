//! A bar for each peer, the best on top, with whiskers from the smallest figure to the largest.

use super::scale::Scale;
use super::svg::{Anchor, Svg, WIDTH, wrapped};
use crate::bench::results::{Measured, Results, Spread, is_ours};
use crate::bench::table::short;

const ROW: f64 = 24.0;
const LEFT: f64 = 158.0;
const RIGHT: f64 = WIDTH - 76.0;

/// The chart of one workload.
pub fn bars(measured: &Measured) -> String {
    let workload = measured.workload;
    let mut svg = Svg::new();
    let top = head(&mut svg, workload.name, workload.about);
    let scale = Scale::new(end(&measured.peers), (LEFT, RIGHT));
    let foot = top + ROW * measured.peers.len() as f64;
    axis(&mut svg, &scale, top, foot);
    for (row, peer) in measured.peers.iter().enumerate() {
        let y = top + ROW * row as f64;
        let unlike = measured.is_unlike(peer.name);
        bar(&mut svg, &scale, y, peer, unlike);
    }
    let better = match workload.figure.is_rate() {
        true => "more is better",
        false => "less is better",
    };
    let unit = format!("{} ({better})", workload.unit);
    svg.text(
        "small",
        Anchor::Middle,
        f64::midpoint(LEFT, RIGHT),
        foot + 36.0,
        &unit,
    );
    let mut height = foot + 48.0;
    let unlike = measured
        .peers
        .iter()
        .any(|peer| measured.is_unlike(peer.name));
    if unlike {
        svg.text("small", Anchor::Start, 14.0, foot + 56.0, NOT_THE_SAME);
        height += 18.0;
    }
    svg.finish(height, &format!("{}: {unit}", workload.name))
}

const NOT_THE_SAME: &str = "* not the same work, and not compared with";

/// For each workload our time by that of the best peer.
pub fn overview(results: &Results) -> String {
    let ratios: Vec<_> = results
        .workloads
        .iter()
        .filter_map(|measured| Some((measured.workload.name, measured.time_ratio()?)))
        .collect();
    let mut svg = Svg::new();
    let top = head(
        &mut svg,
        "Ouroloop's time, where the best peer takes 1",
        "Left of the dashed line Ouroloop is faster than each of its peers.",
    );
    let largest = ratios.iter().map(|(_, ratio)| *ratio).fold(1.0, f64::max);
    let scale = Scale::new(largest.min(2.0), (LEFT, RIGHT));
    let foot = top + ROW * ratios.len() as f64;
    axis(&mut svg, &scale, top, foot);
    for (row, (name, ratio)) in ratios.iter().enumerate() {
        let y = top + ROW * row as f64;
        let to = scale.place(*ratio);
        svg.text("", Anchor::End, LEFT - 8.0, y + 16.0, name);
        svg.rect("ours", LEFT, y + 4.0, to - LEFT, ROW - 8.0);
        if scale.cuts(*ratio) {
            cut(&mut svg, to, y);
        }
    }
    let one = scale.place(1.0);
    svg.path("one", &[(one, top), (one, foot)]);
    // Over the line, which some of them are in the way of.
    for (row, (_, ratio)) in ratios.iter().enumerate() {
        let (x, y) = (scale.place(*ratio) + 6.0, top + ROW * row as f64 + 16.0);
        svg.text("", Anchor::Start, x, y, &format!("{ratio:.2}"));
    }
    svg.text(
        "small",
        Anchor::Middle,
        f64::midpoint(LEFT, RIGHT),
        foot + 36.0,
        "time, relative to the best peer (less is better)",
    );
    svg.finish(
        foot + 48.0,
        "Ouroloop beside the best peer of each workload",
    )
}

/// Title and sentence; says where what follows begins.
pub fn head(svg: &mut Svg, title: &str, about: &str) -> f64 {
    svg.text("title", Anchor::Start, 14.0, 26.0, title);
    let mut y = 26.0;
    for line in wrapped(about, 70) {
        y += 18.0;
        svg.text("small", Anchor::Start, 14.0, y, &line);
    }
    y + 14.0
}

fn axis(svg: &mut Svg, scale: &Scale, top: f64, foot: f64) {
    for (figure, label) in scale.ticks() {
        let x = scale.place(figure);
        svg.path("grid", &[(x, top), (x, foot)]);
        svg.text("small", Anchor::Middle, x, foot + 17.0, &label);
    }
}

fn bar(svg: &mut Svg, scale: &Scale, y: f64, peer: &Spread, unlike: bool) {
    let ours = is_ours(peer.name);
    let name = format!("{}{}", peer.name, if unlike { "*" } else { "" });
    let (fill, label) = match (ours, unlike) {
        (true, _) => ("ours", "strong"),
        (false, true) => ("unlike", ""),
        (false, false) => ("bar", ""),
    };
    let middle = y + ROW / 2.0;
    let to = scale.place(peer.median);
    svg.text(label, Anchor::End, LEFT - 8.0, y + 16.0, &name);
    svg.rect(fill, LEFT, y + 4.0, to - LEFT, ROW - 8.0);
    let (from, until) = (scale.place(peer.min), scale.place(peer.max));
    if until - from > 2.0 && !scale.cuts(peer.median) {
        svg.path("whisker", &[(from, middle), (until, middle)]);
        for x in [from, until] {
            svg.path("whisker", &[(x, middle - 3.0), (x, middle + 3.0)]);
        }
    }
    if scale.cuts(peer.median) {
        cut(svg, to, y);
    }
    svg.text(
        label,
        Anchor::Start,
        to.max(until) + 6.0,
        y + 16.0,
        &short(peer.median),
    );
}

/// Two strokes that say that the bar is longer than it is drawn.
fn cut(svg: &mut Svg, to: f64, y: f64) {
    for x in [to - 22.0, to - 14.0] {
        svg.path("cut", &[(x, y + ROW - 2.0), (x + 6.0, y + 2.0)]);
    }
}

/// Where the axis ends: at the largest figure, but for those that would make all others too small to see.
fn end(peers: &[Spread]) -> f64 {
    let mut medians: Vec<_> = peers.iter().map(|peer| peer.median).collect();
    medians.sort_by(f64::total_cmp);
    let middle = medians.get(medians.len() / 2).copied().unwrap_or(1.0);
    let shown = peers.iter().filter(|peer| peer.median <= 8.0 * middle);
    shown
        .map(|peer| peer.max.min(1.5 * peer.median))
        .fold(f64::MIN_POSITIVE, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::WORKLOADS;
    use crate::bench::sample::Sample;

    fn chart(figures: &[(&'static str, f64)]) -> String {
        let sample = |ns: f64| {
            let line = format!("count=1 wall_ns={ns} cpu_ns=0");
            Sample::parse(&line).unwrap().unwrap()
        };
        let samples: Vec<_> = figures
            .iter()
            .map(|(name, ns)| (*name, sample(*ns)))
            .collect();
        bars(&Measured::new(
            WORKLOADS.iter().find(|w| w.name == "yield").unwrap(),
            &samples,
        ))
    }

    #[test]
    fn our_bar_stands_out_and_another_work_has_a_star() {
        let svg = chart(&[
            ("ouroloop", 10.0),
            ("monoio-epoll", 20.0),
            ("glommio", 30.0),
        ]);
        assert_eq!(svg.matches(r#"<rect class="ours""#).count(), 1);
        assert_eq!(svg.matches(r#"<rect class="unlike""#).count(), 1);
        assert_eq!(svg.matches(r#"<rect class="bar""#).count(), 1);
        assert!(
            svg.contains("monoio-epoll*") && svg.contains(NOT_THE_SAME),
            "{svg}"
        );
    }

    #[test]
    fn a_figure_far_from_all_others_is_cut_and_written_in_full() {
        let svg = chart(&[
            ("ouroloop", 10.0),
            ("glommio", 20.0),
            ("smol", 30.0),
            ("compio-poll", 3000.0),
        ]);
        assert_eq!(svg.matches(r#"class="cut""#).count(), 2);
        assert!(svg.contains(">3,000</text>"), "{svg}");
    }
}
