//! [`Exploration`]: how schedules are made, and what counts as a failure.

use std::collections::HashSet;
use std::env;
use std::future::Future;

use super::run::Run;
use super::{Failure, Verdict};

/// How a test is explored. [`explore`](super::explore) is this with its defaults.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use ouroloop::testkit::{Exploration, Reason};
/// use ouroloop::{create_task, get_running_loop, sleep};
///
/// // It takes it for granted that the loop is never late.
/// let punctual = || async {
///     let before = get_running_loop().unwrap().time();
///     sleep(Duration::from_secs(1)).await;
///     let took = get_running_loop().unwrap().time() - before;
///     if took == Duration::from_secs(1) { Ok(()) } else { Err(took) }
/// };
/// let failure = Exploration::new().explore(0..1_000, punctual).unwrap_err();
/// assert!(matches!(failure.reason(), Reason::Error(_)));
///
/// let explored = Exploration::new().stretch_delays(0).explore(0..1_000, punctual).unwrap();
/// assert_eq!(explored.runs, 1_000);
/// ```
#[derive(Clone, Debug)]
pub struct Exploration {
    pub(super) lateness_percent: u32,
    pub(super) leftovers_allowed: bool,
    pub(super) steps_max: u64,
    pub(super) real_time: bool,
}

impl Default for Exploration {
    fn default() -> Exploration {
        Exploration::new()
    }
}

impl Exploration {
    /// Delays are stretched by up to 25 percent, nothing may be left behind, and 100,000 steps are
    /// taken for a run without end.
    pub fn new() -> Exploration {
        Exploration {
            lateness_percent: 25,
            leftovers_allowed: false,
            steps_max: 100_000,
            real_time: false,
        }
    }

    /// By how much the loop may come late, in percent of the time that it has waited; 0 lets it be
    /// on time. It is never early, and every timer that it comes late for runs in the batch that
    /// follows.
    #[must_use]
    pub fn stretch_delays(self, percent: u32) -> Exploration {
        Exploration {
            lateness_percent: percent,
            ..self
        }
    }

    /// Whether the test may end while tasks, timers or descriptors are left. They are cancelled, as
    /// [`run`](https://docs.rs/ouroloop/latest/ouroloop/fn.run.html) does, in either case.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::pending;
    /// use ouroloop::create_task;
    /// use ouroloop::testkit::{Exploration, Reason};
    ///
    /// let forgetful = || async { drop(create_task(pending::<()>())) };
    /// let failure = Exploration::new().explore(0..1, forgetful).unwrap_err();
    /// assert!(matches!(failure.reason(), Reason::Leftovers { .. }));
    /// Exploration::new().allow_leftovers(true).explore(0..1, forgetful).unwrap();
    /// ```
    #[must_use]
    pub fn allow_leftovers(self, allowed: bool) -> Exploration {
        Exploration {
            leftovers_allowed: allowed,
            ..self
        }
    }

    /// How many steps of tasks and callbacks are taken for a run without end.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use ouroloop::sleep;
    /// use ouroloop::testkit::{Exploration, Reason};
    ///
    /// let run = Exploration::new().steps_max(1_000).replay(1, || async {
    ///     for _ in 0..1_000_000 {
    ///         sleep(Duration::from_millis(1)).await;
    ///     }
    /// });
    /// assert!(matches!(run.failure().unwrap().reason(), Reason::Endless { steps: 1_000 }));
    /// ```
    #[must_use]
    pub fn steps_max(self, steps: u64) -> Exploration {
        Exploration {
            steps_max: steps,
            ..self
        }
    }

    /// Whether the loop is on real time, as sockets and threads need. Then the order is the seed's,
    /// but what is ready when is not, and a deadlock is a hang.
    #[must_use]
    pub fn real_time(self, real_time: bool) -> Exploration {
        Exploration { real_time, ..self }
    }

    /// Runs the test once for each seed, up to the first that fails. See [`explore`](super::explore).
    ///
    /// # Errors
    ///
    /// The failure, with its seed and its history.
    #[track_caller]
    pub fn explore<M, F>(
        &self,
        seeds: impl IntoIterator<Item = u64>,
        test: M,
    ) -> Result<Explored, Failure>
    where
        M: FnMut() -> F,
        F: Future<Output: Verdict> + 'static,
    {
        self.explore_to_output(seeds, test)
            .map(|(explored, _)| explored)
    }

    /// Runs the test under the schedule of one seed, and gives what became of it.
    #[track_caller]
    pub fn replay<M, F>(&self, seed: u64, test: M) -> Run
    where
        M: FnOnce() -> F,
        F: Future<Output: Verdict> + 'static,
    {
        super::run::run(self, seed, test).0
    }

    /// As [`explore`](Self::explore), and gives what the last run has returned: for the attribute
    /// `test`.
    #[doc(hidden)]
    #[track_caller]
    pub fn explore_to_output<M, F>(
        &self,
        seeds: impl IntoIterator<Item = u64>,
        mut test: M,
    ) -> Result<(Explored, Option<F::Output>), Failure>
    where
        M: FnMut() -> F,
        F: Future<Output: Verdict> + 'static,
    {
        let mut explored = Explored::default();
        let mut last = None;
        if let Some(seed) = seed_from_environment() {
            let (run, output) = super::run::run(self, seed, &mut test);
            println!("OUROLOOP_SEED={seed}\n\n{}", run.history());
            explored.count(&run);
            return run.into_failure().map_or(Ok((explored, output)), Err);
        }
        for seed in seeds {
            let (run, output) = super::run::run(self, seed, &mut test);
            explored.count(&run);
            if let Some(failure) = run.into_failure() {
                return Err(failure);
            }
            last = output;
        }
        Ok((explored, last))
    }
}

/// What an exploration that has found nothing has seen.
///
/// # Examples
///
/// ```
/// use ouroloop::create_task;
/// use ouroloop::testkit::Exploration;
///
/// let two_at_once = || async {
///     let tasks = [create_task(async {}), create_task(async {})];
///     for task in tasks {
///         task.await.unwrap();
///     }
/// };
/// let explored = Exploration::new().explore(0..100, two_at_once).unwrap();
/// assert_eq!(explored.runs, 100);
/// assert!((2..10).contains(&explored.schedules()), "few tasks, few orders");
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Explored {
    /// How many runs there were, one for each seed.
    pub runs: u64,
    /// How many steps of tasks and callbacks, in all of them.
    pub steps: u64,
    /// The fingerprints of the schedules.
    seen: HashSet<u64>,
}

impl Explored {
    /// How many of the runs differed from all others in who ran when. When this stays far below the
    /// number of runs, most schedules have been seen.
    pub fn schedules(&self) -> usize {
        self.seen.len()
    }

    fn count(&mut self, run: &Run) {
        self.runs += 1;
        self.steps += run.steps();
        self.seen.insert(run.fingerprint());
    }
}

fn seed_from_environment() -> Option<u64> {
    let value = env::var("OUROLOOP_SEED").ok()?;
    match value.trim().parse() {
        Ok(seed) => Some(seed),
        Err(_) => panic!("OUROLOOP_SEED is {value:?}: set it to a number, or unset it"),
    }
}
