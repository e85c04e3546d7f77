//! Figures as text: for the terminal and for the page.

use super::growth::{Growth, SIZES};
use super::plan::{OURS, Workload};
use super::results::{Measured, Results, Spread, is_ours};

/// A line for each workload: our figure, the best peer's, and the ratio.
pub fn overview(results: &Results) -> String {
    let mut text = format!(
        "{:21} {:>10} {:>10}  {:15} {:>7}  {}\n",
        "", OURS, "best peer", "which", "ratio", "unit"
    );
    for measured in &results.workloads {
        let [ours, best, which, ratio] = compared(measured);
        let Workload { name, unit, .. } = measured.workload;
        text += &format!("{name:21} {ours:>10} {best:>10}  {which:15} {ratio:>7}  {unit}\n");
    }
    text
}

/// The same for the page, with links to what follows.
pub fn overview_markdown(results: &Results) -> String {
    let mut text = String::from(
        "| workload | unit | ours | best peer | which | ratio |\n\
         | --- | --- | ---: | ---: | --- | ---: |\n",
    );
    for measured in &results.workloads {
        let [ours, best, which, ratio] = compared(measured);
        let Workload {
            name, unit, figure, ..
        } = measured.workload;
        let up = if figure.is_rate() {
            " (more is better)"
        } else {
            ""
        };
        text +=
            &format!("| [{name}](#{name}) | {unit}{up} | {ours} | {best} | {which} | {ratio} |\n");
    }
    text
}

fn compared(measured: &Measured) -> [String; 4] {
    let shown = |spread: Option<&Spread>| spread.map_or_else(String::new, |s| short(s.median));
    [
        shown(measured.ours()),
        shown(measured.best()),
        measured.best().map_or("", |best| best.name).to_owned(),
        measured
            .ratio()
            .map_or_else(String::new, |ratio| format!("{ratio:.2}")),
    ]
}

/// All peers of one workload, best first.
pub fn peers_markdown(measured: &Measured) -> String {
    let units = measured.workload.besides.iter().map(|(_, unit)| *unit);
    let more: String = units.clone().map(|unit| format!(" {unit} |")).collect();
    let rule: String = units.map(|_| " ---: |").collect();
    let mut text = format!(
        "| | median | min | max | to the best peer |{more}\n\
         | --- | ---: | ---: | ---: | ---: |{rule}\n"
    );
    let best = measured.best().map(|best| best.median);
    for peer in &measured.peers {
        let Spread {
            name,
            median,
            min,
            max,
            ..
        } = peer;
        let star = if measured.is_unlike(name) { "*" } else { "" };
        let ratio = best.map_or_else(String::new, |best| format!("{:.2}", median / best));
        let bold = if is_ours(name) { "**" } else { "" };
        text += &format!(
            "| {bold}{name}{bold}{star} | {} | {} | {} | {ratio} |",
            short(*median),
            short(*min),
            short(*max)
        );
        for (_, unit) in measured.workload.besides {
            let figure = peer.besides.iter().find(|(name, _)| name == unit);
            let shown = figure.map_or_else(String::new, |(_, figure)| short(*figure));
            text += &format!(" {shown} |");
        }
        text.push('\n');
    }
    text
}

/// A line for each peer over the sizes.
pub fn growth_markdown(growth: &Growth) -> String {
    let sizes: String = SIZES
        .iter()
        .map(|size| format!(" {} |", round(*size)))
        .collect();
    let rule = " ---: |".repeat(SIZES.len());
    let mut text = format!("| {} |{sizes}\n| --- |{rule}\n", growth.chart.unit);
    for (name, points) in &growth.lines {
        let bold = if is_ours(name) { "**" } else { "" };
        text += &format!("| {bold}{name}{bold} |");
        for size in SIZES {
            let point = points.iter().find(|(at, _)| *at == size);
            let shown = point.map_or_else(String::new, |(_, figure)| short(*figure));
            text += &format!(" {shown} |");
        }
        text.push('\n');
    }
    text
}

/// A power of ten.
pub fn round(size: u64) -> String {
    match size {
        1_000_000.. => format!("{}M", size / 1_000_000),
        1000.. => format!("{}k", size / 1000),
        _ => size.to_string(),
    }
}

/// A figure with three digits, or all digits before the point.
pub fn short(figure: f64) -> String {
    let size = figure.abs();
    if size >= 1e6 {
        return format!("{:.1}M", figure / 1e6);
    }
    if size >= 1e5 {
        return format!("{:.0}k", figure / 1e3);
    }
    if size >= 100.0 {
        return thousands(figure);
    }
    format!("{figure:.1}")
}

fn thousands(figure: f64) -> String {
    let whole = figure.round() as u64;
    match whole {
        0..1000 => whole.to_string(),
        _ => format!("{},{:03}", whole / 1000, whole % 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::WORKLOADS;
    use super::super::sample::Sample;
    use super::*;

    #[test]
    fn figures_are_short() {
        let shown = [5.68, 56.78, 567.8, 5678.0, 56_780.0, 567_800.0, 5_678_000.0].map(short);
        assert_eq!(
            shown,
            ["5.7", "56.8", "568", "5,678", "56,780", "568k", "5.7M"]
        );
    }

    #[test]
    fn the_overview_has_our_figure_the_best_and_the_ratio() {
        let mut results = Results::default();
        results.workloads.push(measured());
        let text = overview(&results);
        let words: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(
            words,
            [
                "yield", "10.0", "20.0", "glommio", "0.50", "ns", "per", "yield"
            ]
        );
    }

    #[test]
    fn who_does_another_work_has_a_star_and_we_are_bold() {
        let text = peers_markdown(&measured());
        let rows: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| monoio-epoll* | 5.0 | 5.0 | 5.0 | 0.25 | 4.0 |",
                "| **ouroloop** | 10.0 | 10.0 | 10.0 | 0.50 | 9.0 |",
                "| glommio | 20.0 | 20.0 | 20.0 | 1.00 | 19.0 |",
            ]
        );
    }

    fn measured() -> Measured {
        let sample = |ns: f64| {
            let line = format!("count=1 wall_ns={ns} cpu_ns={}", ns - 1.0);
            Sample::parse(&line).unwrap().unwrap()
        };
        let samples = [
            (OURS, sample(10.0)),
            ("glommio", sample(20.0)),
            ("monoio-epoll", sample(5.0)),
        ];
        let workload = WORKLOADS.iter().find(|w| w.name == "yield").unwrap();
        Measured::new(workload, &samples)
    }
}
