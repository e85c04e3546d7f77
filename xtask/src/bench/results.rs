//! All samples of a run, and what is made of those of one peer.

use std::path::Path;

use super::plan::{Effort, OURS, PEERS, Workload};
use super::progress::Progress;
use super::sample::{Request, Sample, take};

/// The samples of a run, workload by workload.
#[derive(Default)]
pub struct Results {
    /// In the order in which they were measured.
    pub workloads: Vec<Measured>,
    broken: usize,
}

impl Results {
    /// Takes all samples of a workload: each repeat of each peer in turn, beginning with another one each time.
    pub fn measure(
        &mut self,
        program: &Path,
        workload: &'static Workload,
        effort: &Effort,
        progress: &mut Progress,
    ) {
        let mut left: Vec<&str> = PEERS.iter().map(|(name, _)| *name).collect();
        let mut taken: Vec<(&str, Sample)> = Vec::new();
        for repeat in 0..effort.repeats {
            let mut order = left.clone();
            let count = order.len().max(1);
            order.rotate_left(repeat % count);
            for peer in order {
                progress.begin(workload.name, peer);
                let request = Request {
                    peer,
                    workload: workload.name,
                    place: workload.place,
                    count: workload.count(peer, effort),
                    size: 0,
                };
                match take(program, request) {
                    Ok(Some(sample)) => {
                        taken.push((peer, sample));
                        progress.done(1);
                    }
                    absent => {
                        left.retain(|name| *name != peer);
                        progress.done(effort.repeats - repeat);
                        if let Err(error) = absent {
                            self.broken += 1;
                            progress.note(&format!("{} on {peer}: {error}", workload.name));
                        }
                    }
                }
            }
        }
        self.workloads.push(Measured::new(workload, &taken));
    }

    /// How many samples failed; a peer that fails is left out of its workload.
    pub fn broken(&self) -> usize {
        self.broken
    }
}

/// A workload with a figure for each peer that has it.
pub struct Measured {
    /// What was measured.
    pub workload: &'static Workload,
    /// The peers, best first; those that do another work are among them.
    pub peers: Vec<Spread>,
}

impl Measured {
    /// From samples, each with its peer.
    pub fn new(workload: &'static Workload, samples: &[(&str, Sample)]) -> Measured {
        let of = |peer: &'static str| {
            let own = samples.iter().filter(|(name, _)| *name == peer);
            let own: Vec<_> = own.map(|(_, sample)| sample).collect();
            let figures = own
                .iter()
                .filter_map(|sample| sample.figure(workload.figure));
            let spread = Spread::new(peer, figures)?;
            let besides = workload.besides.iter().filter_map(|(figure, unit)| {
                let figures = own.iter().filter_map(|sample| sample.figure(*figure));
                Some((*unit, Spread::new(peer, figures)?.median))
            });
            Some(Spread {
                besides: besides.collect(),
                ..spread
            })
        };
        let mut peers: Vec<_> = PEERS.iter().filter_map(|(name, _)| of(name)).collect();
        peers.sort_by(|a, b| match workload.figure.is_rate() {
            true => b.median.total_cmp(&a.median),
            false => a.median.total_cmp(&b.median),
        });
        Measured { workload, peers }
    }

    /// Our own figure.
    pub fn ours(&self) -> Option<&Spread> {
        self.peers.iter().find(|peer| peer.name == OURS)
    }

    /// The best peer that does the same work.
    pub fn best(&self) -> Option<&Spread> {
        self.peers
            .iter()
            .find(|peer| !is_ours(peer.name) && !self.is_unlike(peer.name))
    }

    /// Our figure by that of the best peer.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.ours()?.median / self.best()?.median)
    }

    /// Our time for what takes the best peer one second; below one we are faster, whatever is counted.
    pub fn time_ratio(&self) -> Option<f64> {
        let ratio = self.ratio()?;
        Some(match self.workload.figure.is_rate() {
            true => 1.0 / ratio,
            false => ratio,
        })
    }

    /// Whether this peer does another work under this name.
    pub fn is_unlike(&self, peer: &str) -> bool {
        self.workload.unlike.contains(&peer)
    }
}

/// Whether it is this project, in whatever way it is used.
pub fn is_ours(peer: &str) -> bool {
    peer.starts_with(OURS)
}

/// The figures of one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// The peer.
    pub name: &'static str,
    /// The middle one.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Medians of what else was measured, each with its unit.
    pub besides: Vec<(&'static str, f64)>,
}

impl Spread {
    /// From at least one figure.
    pub fn new(name: &'static str, figures: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut figures: Vec<_> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = match figures.len() % 2 {
            0 => f64::midpoint(figures[middle - 1], figures[middle]),
            _ => figures[middle],
        };
        Some(Spread {
            name,
            median,
            min,
            max,
            besides: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::WORKLOADS;
    use super::*;

    fn samples(figures: &[(&'static str, f64)]) -> Vec<(&'static str, Sample)> {
        let sample = |ns: f64| Sample::parse(&format!("count=1 wall_ns={ns} cpu_ns={ns}"));
        let of = |(peer, ns): &(&'static str, f64)| (*peer, sample(*ns).unwrap().unwrap());
        figures.iter().map(of).collect()
    }

    fn workload(name: &str) -> &'static Workload {
        WORKLOADS.iter().find(|w| w.name == name).unwrap()
    }

    #[test]
    fn the_median_stands_between_the_extremes() {
        let odd = Spread::new("a", [3.0, 1.0, 9.0].into_iter()).unwrap();
        assert_eq!((odd.min, odd.median, odd.max), (1.0, 3.0, 9.0));
        let even = Spread::new("a", [4.0, 1.0, 9.0, 2.0].into_iter()).unwrap();
        assert_eq!(even.median, 3.0);
        assert_eq!(Spread::new("a", std::iter::empty()), None);
    }

    #[test]
    fn the_best_peer_does_the_same_work_and_is_not_us() {
        let samples = samples(&[
            ("ouroloop", 10.0),
            ("monoio-epoll", 5.0),
            ("glommio", 20.0),
            ("tokio-localset", 40.0),
        ]);
        let measured = Measured::new(workload("yield"), &samples);
        assert_eq!(measured.best().unwrap().name, "glommio");
        assert_eq!(measured.ratio(), Some(0.5));
        assert_eq!(measured.peers[0].name, "monoio-epoll");
    }

    #[test]
    fn of_rates_the_highest_is_the_best() {
        let samples = samples(&[("ouroloop", 10.0), ("smol", 40.0), ("glommio", 20.0)]);
        let measured = Measured::new(workload("lines"), &samples);
        assert_eq!(measured.best().unwrap().name, "glommio");
        assert_eq!(measured.ratio(), Some(2.0));
        assert_eq!(measured.time_ratio(), Some(0.5));
    }
}
