//! What is measured, as data: the peers, the workloads and how often.

/// The package that has the workloads.
pub const PACKAGE: &str = "ouroloop-benches";

/// What we are called among the peers.
pub const OURS: &str = "ouroloop";

/// Everyone by the names that the program has for them, with what stands behind each, in the order of the tables.
pub const PEERS: &[(&str, &str)] = &[
    (OURS, "tasks, queues, promises, streams"),
    (
        "ouroloop-socket",
        "the same in a loop that watches a socket: `idle`, `xthread_1core`, `cross_thread_wake`",
    ),
    (
        "ouroloop-callback",
        "`add_reader` with a plain callback, no task",
    ),
    (
        "tokio-localset",
        "a runtime of the current thread with a `LocalSet`",
    ),
    ("tokio-localrt", "a `LocalRuntime`, without a `LocalSet`"),
    ("smol", "`LocalExecutor`, async-io, async-channel, blocking"),
    (
        "monoio-uring",
        "on io_uring; local-sync, its own thread pool",
    ),
    ("monoio-epoll", "on epoll; the same"),
    ("compio-uring", "on io_uring; local-sync"),
    ("compio-poll", "on epoll; the same"),
    ("glommio", "on io_uring; its local channels"),
    (
        "rayon+tokio",
        "rayon's pool, awaited in tokio: blocking calls only",
    ),
];

/// The packages whose versions the page names.
pub const VERSIONS: &[&str] = &[
    "tokio",
    "async-executor",
    "async-io",
    "blocking",
    "monoio",
    "compio",
    "glommio",
    "local-sync",
    "rayon",
];

/// What makes the figure of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// Nanoseconds of wall clock for one operation.
    Wall,
    /// Nanoseconds of processor time for one operation.
    Cpu,
    /// Operations in a second of wall clock.
    Rate,
    /// A figure of this name that the sample has besides.
    Named(&'static str),
}

impl Figure {
    /// Whether more is better.
    pub fn is_rate(self) -> bool {
        self == Figure::Rate
    }
}

/// Where the processes of a sample run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// On one processor.
    One,
    /// On two, because of the threads of a pool.
    Two,
    /// A server on one, its client on another.
    Server,
    /// A server and its client on one.
    ServerWithClient,
}

/// A thing to measure.
pub struct Workload {
    /// What it is called.
    pub name: &'static str,
    /// A sentence on what one operation is.
    pub about: &'static str,
    /// What the figure counts.
    pub unit: &'static str,
    /// How the figure is made.
    pub figure: Figure,
    /// What else is shown, each with its unit.
    pub besides: &'static [(Figure, &'static str)],
    /// Operations of a full sample.
    pub count: u64,
    /// The smallest number of operations.
    pub least: u64,
    /// Where it runs.
    pub place: Place,
    /// Who does another work under this name, and so is shown but not compared with.
    pub unlike: &'static [&'static str],
    /// Who is so slow that a part of the operations does, and which part.
    pub slow: &'static [(&'static str, f64)],
}

impl Workload {
    /// Operations of one sample of this peer.
    pub fn count(&self, peer: &str, effort: &Effort) -> u64 {
        let slow = self.slow.iter().find(|(name, _)| *name == peer);
        let part = slow.map_or(1.0, |(_, part)| *part) * effort.part;
        let count = (self.count as f64 * part) as u64;
        (count / self.least * self.least).max(self.least)
    }
}

/// How much work to put into the figures.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Samples of each workload on each peer.
    pub repeats: usize,
    /// Samples of each point of the charts of growth.
    pub growth_repeats: usize,
    /// The part of the operations of a full sample.
    pub part: f64,
    /// The largest size of the scenarios with very many of a kind.
    pub scale: u64,
}

impl Effort {
    /// For figures that are kept.
    pub const FULL: Effort = Effort {
        repeats: 5,
        growth_repeats: 3,
        part: 1.0,
        scale: 1_000_000,
    };

    /// For a look.
    pub const QUICK: Effort = Effort {
        repeats: 2,
        growth_repeats: 1,
        part: 0.1,
        scale: 100_000,
    };

    /// How many samples that is, should every peer have every workload.
    pub fn samples(&self, workloads: &[&Workload]) -> usize {
        workloads.len() * PEERS.len() * self.repeats
    }
}

const NORMAL: Workload = Workload {
    name: "",
    about: "",
    unit: "",
    figure: Figure::Wall,
    besides: CPU,
    count: 1_000_000,
    least: 1000,
    place: Place::One,
    unlike: &[],
    slow: &[],
};

const CPU: &[(Figure, &str)] = &[(Figure::Cpu, "CPU ns")];

const LATENESS: &[(Figure, &str)] = &[(Figure::Named("late_us"), "us late")];

const REQUESTS: &[(Figure, &str)] = &[(Figure::Rate, "requests/s")];

/// monoio runs a task that wakes itself again at once, before all others.
const NO_YIELD: &[&str] = &["monoio-uring", "monoio-epoll"];

/// All of them, in the order of the page.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "spawn",
        about: "Makes 1,000 tasks that do nothing, then awaits each of them.",
        unit: "ns per task",
        ..NORMAL
    },
    Workload {
        name: "yield",
        about: "100 tasks yield in turn, each loop's own way.",
        unit: "ns per yield",
        unlike: NO_YIELD,
        ..NORMAL
    },
    Workload {
        name: "yield_wake",
        about: "100 tasks wake themselves in turn, by the same future for all.",
        unit: "ns per yield",
        unlike: NO_YIELD,
        ..NORMAL
    },
    Workload {
        name: "pingpong",
        about: "Two tasks send each other a value through two unbounded queues.",
        unit: "ns per round trip",
        slow: &[("compio-poll", 0.1), ("compio-uring", 0.5)],
        ..NORMAL
    },
    Workload {
        name: "oneshot",
        about: "A promise, a new task that sets it, and the await of it.",
        unit: "ns per promise",
        ..NORMAL
    },
    Workload {
        name: "lock",
        about: "Two tasks take turns with a lock; each has to wait for it every time.",
        unit: "ns per turn",
        count: 500_000,
        ..NORMAL
    },
    Workload {
        name: "timers_fire",
        about: "100,000 tasks sleep ten times each, until random times within a second.",
        unit: "CPU ns per timer",
        figure: Figure::Cpu,
        besides: LATENESS,
        ..NORMAL
    },
    Workload {
        name: "timers_sparse",
        about: "10,000 tasks sleep ten times each, until random times within a second.",
        unit: "CPU ns per timer",
        figure: Figure::Cpu,
        count: 100_000,
        besides: LATENESS,
        ..NORMAL
    },
    Workload {
        name: "timers_cancel",
        about: "A timeout of a minute around a future that suspends once: the timer never fires.",
        unit: "ns per timeout",
        ..NORMAL
    },
    Workload {
        name: "xthread_1core",
        about: "Another thread sends a value, the loop wakes and answers; both on one processor.",
        unit: "ns per round trip",
        count: 100_000,
        besides: CPU,
        ..NORMAL
    },
    Workload {
        name: "cross_thread_wake",
        about: "A task gives another thread a setter, which sets it; the task resumes.",
        unit: "ns per round trip",
        count: 50_000,
        besides: CPU,
        ..NORMAL
    },
    Workload {
        name: "coroutine_threadsafe",
        about: "A thread hands the loop of another thread a coroutine, and blocks for the result.",
        unit: "ns per round trip",
        count: 20_000,
        besides: CPU,
        ..NORMAL
    },
    Workload {
        name: "blocking_one",
        about: "A call that does nothing, in a pool of the usual size, then its await.",
        unit: "ns per call",
        count: 20_000,
        place: Place::Two,
        besides: CPU,
        ..NORMAL
    },
    Workload {
        name: "blocking4",
        about: "1,000 calls at a time that do nothing, in a pool of four threads.",
        unit: "ns per call",
        count: 200_000,
        place: Place::Two,
        slow: SLOW_POOLS,
        besides: CPU,
        ..NORMAL
    },
    Workload {
        name: "blocking_def",
        about: "1,000 calls at a time that do nothing, in a pool of the usual size.",
        unit: "ns per call",
        count: 200_000,
        place: Place::Two,
        slow: SLOW_POOLS,
        besides: CPU,
        ..NORMAL
    },
    Workload {
        name: "echo_lat_1core",
        about: "One connection, 64 bytes there and back; client and server on one processor.",
        unit: "round trips per second",
        figure: Figure::Rate,
        count: 50_000,
        place: Place::ServerWithClient,
        besides: CPU,
        ..NORMAL
    },
    Workload {
        name: "echo_100",
        about: "100 connections, 1 KiB there and back, one message under way on each.",
        unit: "server CPU ns per request",
        figure: Figure::Cpu,
        count: 150_000,
        place: Place::Server,
        besides: REQUESTS,
        ..NORMAL
    },
    Workload {
        name: "echo_1000",
        about: "1,000 connections, 1 KiB there and back, one message under way on each.",
        unit: "server CPU ns per request",
        figure: Figure::Cpu,
        count: 150_000,
        place: Place::Server,
        besides: REQUESTS,
        ..NORMAL
    },
    Workload {
        name: "lines",
        about: "One connection, lines of 64 bytes, an owned buffer for each.",
        unit: "lines per second",
        figure: Figure::Rate,
        count: 5_000_000,
        place: Place::Server,
        besides: CPU,
        ..NORMAL
    },
    Workload {
        name: "memory",
        about: "A million tasks that sleep for an hour.",
        unit: "bytes per task",
        figure: Figure::Named("bytes"),
        besides: &[],
        ..NORMAL
    },
    Workload {
        name: "idle",
        about: "Makes a loop, runs nothing in it, and ends it.",
        unit: "ns per start and stop",
        count: 1000,
        least: 1,
        // Its reactor is one for the process, and is not made anew.
        unlike: &["smol"],
        slow: &[
            ("glommio", 0.03),
            ("monoio-uring", 0.2),
            ("compio-uring", 0.2),
        ],
        ..NORMAL
    },
];

const SLOW_POOLS: &[(&str, f64)] = &[
    ("tokio-localset", 0.25),
    ("tokio-localrt", 0.25),
    ("smol", 0.25),
    ("compio-uring", 0.25),
    ("compio-poll", 0.25),
    ("glommio", 0.25),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_peer_does_fewer_operations_in_whole_steps() {
        let workload = Workload {
            count: 10_000,
            slow: &[("snail", 0.25)],
            ..NORMAL
        };
        assert_eq!(workload.count("hare", &Effort::FULL), 10_000);
        assert_eq!(workload.count("snail", &Effort::FULL), 2000);
        assert_eq!(workload.count("snail", &Effort::QUICK), 1000);
    }

    #[test]
    fn names_are_unique_and_peers_exist() {
        for (at, workload) in WORKLOADS.iter().enumerate() {
            assert!(
                WORKLOADS[..at].iter().all(|w| w.name != workload.name),
                "{}",
                workload.name
            );
            let slow = workload.slow.iter().map(|(name, _)| name);
            for peer in workload.unlike.iter().chain(slow) {
                assert!(PEERS.iter().any(|(name, _)| name == peer), "{peer}");
            }
        }
    }
}
