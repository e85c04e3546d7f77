//! The page of the documentation, and the files of its charts.

use super::chart;
use super::gate;
use super::growth::Growth;
use super::machine::Machine;
use super::plan::{Effort, PEERS};
use super::results::{Measured, Results};
use super::scale::{self, Row};
use super::table;

/// The page's name.
pub const NAME: &str = "performance.md";

/// The folder of its charts, beside it.
pub const CHARTS: &str = "performance";

/// All files, each with its text.
pub fn files(
    results: &Results,
    growth: &[Growth],
    scale: &[Row],
    machine: &Machine,
    effort: &Effort,
) -> Vec<(String, String)> {
    let mut files = vec![
        (
            NAME.to_owned(),
            page(results, growth, scale, machine, effort.repeats),
        ),
        (format!("{CHARTS}/overview.svg"), chart::overview(results)),
    ];
    for measured in &results.workloads {
        let name = measured.workload.name;
        files.push((format!("{CHARTS}/{name}.svg"), chart::bars(measured)));
    }
    for growth in growth {
        let name = growth.chart.workload;
        files.push((format!("{CHARTS}/{name}.svg"), chart::lines(growth)));
    }
    files
}

fn page(
    results: &Results,
    growth: &[Growth],
    scale: &[Row],
    machine: &Machine,
    repeats: usize,
) -> String {
    let machine = format!(
        "{}; {}; {}.\n{}.",
        machine.processor, machine.kernel, machine.rustc, machine.versions
    );
    let peers: Vec<_> = PEERS
        .iter()
        .map(|(name, about)| format!("- `{name}`: {about}"))
        .collect();
    let growth: Vec<_> = growth.iter().map(growth_section).collect();
    let workloads: Vec<_> = results.workloads.iter().map(section).collect();
    let fields = [
        ("machine", machine),
        ("overview", table::overview_markdown(results)),
        ("peers", peers.join("\n")),
        ("growth", growth.join("\n\n")),
        ("scale", scale::markdown(scale)),
        ("workloads", workloads.join("\n\n")),
        ("repeats", repeats.to_string()),
        ("gate", gate::LIMIT_PERCENT.to_string()),
        ("file", gate::FILE.to_owned()),
    ];
    let mut text = include_str!("page.md").to_owned();
    for (name, value) in fields {
        text = text.replace(&format!("{{{name}}}"), value.trim_end());
    }
    text
}

fn section(measured: &Measured) -> String {
    let (name, about) = (measured.workload.name, measured.workload.about);
    let table = table::peers_markdown(measured);
    format!("### {name}\n\n{about}\n\n![{name}]({CHARTS}/{name}.svg)\n\n{table}")
}

fn growth_section(growth: &Growth) -> String {
    let chart = growth.chart;
    let name = chart.workload;
    let table = table::growth_markdown(growth);
    format!(
        "**{}.** {}\n\n![{}]({CHARTS}/{name}.svg)\n\n{table}",
        chart.title, chart.about, chart.title
    )
}

#[cfg(test)]
mod tests {
    use super::super::plan::WORKLOADS;
    use super::*;

    #[test]
    fn the_page_has_a_chart_and_a_table_for_each_workload_and_no_field_is_left() {
        let mut results = Results::default();
        results.workloads = WORKLOADS
            .iter()
            .map(|workload| Measured::new(workload, &[]))
            .collect();
        let machine = Machine {
            processor: "a processor".into(),
            kernel: "a kernel".into(),
            rustc: "a compiler".into(),
            versions: "some versions".into(),
        };
        let files = files(&results, &[], &[], &machine, &Effort::FULL);
        let page = &files[0].1;
        assert!(page.contains("a processor; a kernel; a compiler.\nsome versions."));
        assert!(!page.contains('{') && !page.contains('}'), "{page}");
        for workload in WORKLOADS {
            let chart = format!("{CHARTS}/{}.svg", workload.name);
            assert!(page.contains(&format!("]({chart})")), "{chart}");
            assert!(files.iter().any(|(name, _)| *name == chart), "{chart}");
        }
    }
}
