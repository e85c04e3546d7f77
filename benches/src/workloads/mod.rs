//! The workloads: what each does, once for all peers.

mod growth;
mod life;
mod tasks;
mod threads;
mod timers;

use crate::{Peer, Sample};

pub use self::timers::Random;

/// Takes a sample of the workload with this name; `None` if this peer has none of this name.
pub fn sample<P: Peer>(workload: &str, count: u64, size: u64) -> Option<Sample> {
    if P::LACKS.contains(&workload) {
        return None;
    }
    Some(match workload {
        "spawn" => tasks::spawn::<P>(count),
        "yield" => tasks::yield_now::<P>(count),
        "yield_wake" => tasks::yield_wake::<P>(count),
        "order" => tasks::order::<P>(count),
        "pingpong" => tasks::pingpong::<P>(count),
        "oneshot" => tasks::oneshot::<P>(count),
        "timers_fire" | "timers_sparse" => timers::fire::<P>(count),
        "timers_cancel" => timers::cancel::<P>(count),
        "xthread" => threads::from_another_thread::<P>(count, Some(1)),
        "xthread_1core" => threads::from_another_thread::<P>(count, None),
        "blocking4" => threads::calls::<P>(count, 1000, Some(4)),
        "blocking_def" => threads::calls::<P>(count, 1000, None),
        "blocking_one" => threads::calls::<P>(count, 1, None),
        "tasks_alive" => growth::tasks::<P>(count, size),
        "timers_set" => growth::timers::<P>(count, size),
        "memory" => life::memory::<P>(count),
        "idle" => life::start_and_stop::<P>(count),
        "echo" => {
            P::serve_echo();
            return None;
        }
        "lines" => {
            P::serve_lines();
            return None;
        }
        other => return P::other(other, count, size),
    })
}
