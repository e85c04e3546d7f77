//! What the figures were taken with: in words that say nothing about whose machine it is.

use std::fs;

use super::plan::{PACKAGE, VERSIONS};
use crate::command::CommandLine;
use crate::workspace::Workspace;

/// The machine, the compiler and the peers.
pub struct Machine {
    /// The model of the processor, and how many there are.
    pub processor: String,
    /// The kernel.
    pub kernel: String,
    /// The compiler.
    pub rustc: String,
    /// The peers with their versions.
    pub versions: String,
}

impl Machine {
    /// Asks the kernel, the compiler and Cargo; what cannot be found out is called unknown.
    pub fn read(workspace: &Workspace) -> Machine {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let rustc = CommandLine::new(&workspace.root, ["rustc", "--version"]).output_if_ok();
        let tree = CommandLine::cargo(&workspace.root, ["tree", "--package", PACKAGE])
            .and(["--features", "peers", "--depth", "1", "--prefix", "none"])
            .output_if_ok();
        Machine {
            processor: processor(&processors),
            kernel: format!("Linux {}", version(&kernel)),
            rustc: rustc.map_or_else(unknown, |text| text.trim().to_owned()),
            versions: tree.map_or_else(unknown, |text| versions(&text)),
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn processor(text: &str) -> String {
    let values = |key: &str| {
        let own = text.lines().filter_map(|line| line.split_once(':'));
        own.filter(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let models = values("model name");
    let model = models.first().cloned().unwrap_or_else(unknown);
    let flags = values("flags");
    let virtual_ = flags
        .first()
        .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let kind = if virtual_ { "virtual" } else { "real" };
    format!("{model}, {} {kind} processors", models.len().max(1))
}

/// The first two numbers of a version: what stands behind them is how somebody built it.
fn version(release: &str) -> String {
    let parts: Vec<_> = release.trim().split('.').take(2).collect();
    parts.join(".")
}

/// From lines such as `tokio v1.54.1`.
fn versions(tree: &str) -> String {
    let of = |name: &&str| {
        let mut lines = tree.lines().map(str::split_whitespace);
        lines.find_map(|mut words| {
            (words.next() == Some(*name)).then(|| words.next().unwrap_or_default().to_owned())
        })
    };
    let named = VERSIONS
        .iter()
        .filter_map(|name| Some(format!("{name} {}", of(name)?.trim_start_matches('v'))));
    named.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_described_by_model_and_number() {
        let one = "model name\t: Fast 3\nflags\t\t: fpu hypervisor sse\n\n";
        assert_eq!(processor(&one.repeat(2)), "Fast 3, 2 virtual processors");
        assert_eq!(processor(""), "unknown, 1 real processors");
    }

    #[test]
    fn of_a_kernel_only_the_version_is_told() {
        assert_eq!(version("6.18.44-of-somebody\n"), "6.18");
    }

    #[test]
    fn versions_are_those_of_the_peers() {
        let tree = "ouroloop-benches v0.0.0 (/x)\nmonoio v0.2.4\nrayon v1.12.0\nslab v0.4.9\n";
        assert_eq!(versions(tree), "monoio 0.2.4, rayon 1.12.0");
    }
}
