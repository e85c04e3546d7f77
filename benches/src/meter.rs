//! What a sample is, and the clocks that it is taken with.

use std::fmt;
use std::fs;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

/// One measurement of one workload on one peer.
#[derive(Debug, Default)]
pub struct Sample {
    /// Operations done.
    pub count: u64,
    /// Nanoseconds by the wall clock.
    pub wall_ns: u64,
    /// Nanoseconds of processor time, of all threads, in user and system mode.
    pub cpu_ns: u64,
    /// What else there is to say, by name.
    pub more: Vec<(&'static str, f64)>,
}

impl Sample {
    /// The same sample with one more figure.
    #[must_use]
    pub fn with(mut self, name: &'static str, figure: f64) -> Sample {
        self.more.push((name, figure));
        self
    }
}

/// As `name=figure` words on one line.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample {
            count,
            wall_ns,
            cpu_ns,
            more,
        } = self;
        write!(f, "count={count} wall_ns={wall_ns} cpu_ns={cpu_ns}")?;
        more.iter()
            .try_for_each(|(name, figure)| write!(f, " {name}={figure}"))
    }
}

/// The wall clock and the processor time of this process since a moment.
pub struct Meter {
    cpu_ns: u64,
    start: Instant,
}

impl Meter {
    /// From now on.
    pub fn start() -> Meter {
        let cpu_ns = own_cpu_ns();
        Meter {
            cpu_ns,
            start: Instant::now(),
        }
    }

    /// What has passed, for so many operations.
    pub fn stop(self, count: u64) -> Sample {
        let wall_ns = self.start.elapsed().as_nanos() as u64;
        Sample {
            count,
            wall_ns,
            cpu_ns: own_cpu_ns() - self.cpu_ns,
            more: Vec::new(),
        }
    }
}

fn own_cpu_ns() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("every process may ask for its own usage");
    let ns = |time: TimeVal| time.num_nanoseconds() as u64;
    ns(usage.user_time()) + ns(usage.system_time())
}

/// Nanoseconds that the threads of another process ran; those of kernel threads that serve it included.
pub fn cpu_ns_of(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten();
    let ran = |folder: fs::DirEntry| {
        let text = fs::read_to_string(folder.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    threads.flatten().filter_map(ran).sum()
}

/// Anonymous memory of this process that is resident, in bytes.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| {
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kib.expect("a line of the form `RssAnon: N kB`") * 1024
}
