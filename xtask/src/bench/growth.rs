//! What an operation costs when there are 1, 10, ... a million tasks or timers.

use std::path::Path;

use super::plan::Figure;
use super::plan::{Effort, Place};
use super::progress::Progress;
use super::results::Spread;
use super::sample::{Request, take};

/// A chart of growth: one workload with many sizes.
pub struct Chart {
    /// The workload.
    pub workload: &'static str,
    /// What the chart is called.
    pub title: &'static str,
    /// A sentence on what one operation is.
    pub about: &'static str,
    /// What there is more and more of.
    pub axis: &'static str,
    /// What the figures count.
    pub unit: &'static str,
    peers: &'static [&'static str],
    count: u64,
}

/// All of them.
pub const CHARTS: &[Chart] = &[
    Chart {
        workload: "tasks_alive",
        title: "A step, by the number of tasks",
        about: "So many tasks wake themselves in turn.",
        axis: "tasks",
        unit: "ns per step",
        peers: &[
            "ouroloop",
            "tokio-localset",
            "smol",
            "compio-uring",
            "glommio",
        ],
        count: 1_000_000,
    },
    Chart {
        workload: "timers_set",
        title: "A timeout, by the number of timers",
        about: "One task sets and cancels a timeout over and over, while so many others sleep.",
        axis: "timers set",
        unit: "ns per timeout",
        peers: &[
            "ouroloop",
            "tokio-localset",
            "smol",
            "monoio-epoll",
            "compio-uring",
            "glommio",
        ],
        count: 200_000,
    },
];

/// The sizes, powers of ten.
pub const SIZES: [u64; 7] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];

/// How many samples that is.
pub fn samples(charts: &[Chart], effort: &Effort) -> usize {
    let points = charts.iter().map(|chart| chart.peers.len() * SIZES.len());
    points.sum::<usize>() * effort.growth_repeats
}

/// A chart with its figures.
pub struct Growth {
    /// What was measured.
    pub chart: &'static Chart,
    /// For each peer its figure at each size.
    pub lines: Vec<(&'static str, Vec<(u64, f64)>)>,
}

impl Growth {
    /// Takes all samples: each repeat of each peer in turn.
    pub fn measure(
        program: &Path,
        chart: &'static Chart,
        effort: &Effort,
        progress: &mut Progress,
    ) -> Growth {
        let mut lines: Vec<_> = chart.peers.iter().map(|peer| (*peer, Vec::new())).collect();
        for size in SIZES {
            let mut figures: Vec<Vec<f64>> = vec![Vec::new(); lines.len()];
            for _ in 0..effort.growth_repeats {
                for (peer, figures) in chart.peers.iter().zip(&mut figures) {
                    progress.begin(chart.workload, peer);
                    let request = Request {
                        peer,
                        workload: chart.workload,
                        place: Place::One,
                        count: (chart.count as f64 * effort.part) as u64,
                        size,
                    };
                    match take(program, request) {
                        Ok(sample) => figures.extend(sample.and_then(|s| s.figure(Figure::Wall))),
                        Err(error) => {
                            progress.note(&format!("{} on {peer}: {error}", chart.workload));
                        }
                    }
                    progress.done(1);
                }
            }
            for ((peer, line), figures) in lines.iter_mut().zip(figures) {
                let spread = Spread::new(peer, figures.into_iter());
                line.extend(spread.map(|spread| (size, spread.median)));
            }
        }
        Growth { chart, lines }
    }
}
