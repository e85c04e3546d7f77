//! Schedule exploration: one test under many schedules, each named by a seed.
//!
//! What runs in one batch of the loop runs in the order in which it became ready; that much asyncio
//! keeps, and a test that passes has seen one order. A program is right only if it is so in every
//! order, and when it is woken late. [`explore`] runs a test under as many schedules as it is given
//! seeds: the seed permutes each batch, and lets virtual time jump a little too far. Seed 0 is
//! asyncio's own order, and on time. The first failure is reported with its seed and with the
//! history of the run; [`replay`] repeats it exactly.
//!
//! | module | subject |
//! | --- | --- |
//! | `settings` | [`Exploration`]: how schedules are made, and what counts as a failure |
//! | `run` | one run of the test, from the making of its loop to the end of it |
//! | `schedule` | the decisions that a seed makes |
//! | `recorder` | who runs, written down as it happens; [`note`] |
//! | `history` | what was written down, to be read by programs |
//! | `timeline` | and by people: as text, and as a picture |
//! | `failure` | what went wrong |
//! | `verdict` | what a test may return |

mod failure;
mod history;
mod recorder;
mod run;
mod schedule;
mod settings;
mod timeline;
mod verdict;

use std::future::Future;

pub use self::failure::{Failure, Reason};
pub use self::history::{Actor, History, Step};
pub use self::recorder::{note, seed};
pub use self::run::Run;
pub use self::settings::{Exploration, Explored};
pub use self::verdict::Verdict;

/// Runs a test once for each seed, and panics at the first that fails, with the seed and the history
/// of the run.
///
/// `test` is called for every run to make its future, which runs as the main task of a new loop on
/// virtual time. A run fails if that panics, returns an error or can never go on; if anything is
/// reported to the loop's exception handler; if it runs without end; and if it leaves tasks, timers
/// or descriptors behind. [`Exploration`] has options for that, and gives the failure as a value.
///
/// With `OUROLOOP_SEED=n` in the environment the seed `n` alone is run, and its history is printed
/// even if it passes.
///
/// What a seed cannot decide makes runs that cannot be repeated: real time, threads, sockets, the
/// order of a `HashMap`, addresses. For numbers of its own let the test draw from
/// [`Random`](crate::Random), by [`seed`].
///
/// # Panics
///
/// If a run fails, or a loop is running in this thread already.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::time::Duration;
/// use ouroloop::{gather, sleep, testkit::explore};
///
/// explore(0..100, || async {
///     let balance = Rc::new(Cell::new(0));
///     let deposit = |balance: Rc<Cell<i32>>| async move {
///         sleep(Duration::from_millis(10)).await;
///         balance.set(balance.get() + 10); // nothing can come between the read and the write
///     };
///     gather([deposit(balance.clone()), deposit(balance.clone())]).values().await.unwrap();
///     assert_eq!(balance.get(), 20);
/// });
/// ```
#[track_caller]
pub fn explore<M, F>(seeds: impl IntoIterator<Item = u64>, test: M)
where
    M: FnMut() -> F,
    F: Future<Output: Verdict> + 'static,
{
    if let Err(failure) = Exploration::new().explore(seeds, test) {
        panic!("{failure}");
    }
}

/// Runs a test under the schedule of one seed, exactly as [`explore`] has run it, and panics if it
/// fails. Its history is printed if it passes.
///
/// # Panics
///
/// As [`explore`].
///
/// # Examples
///
/// ```
/// use ouroloop::testkit::replay;
///
/// replay(417, || async {
///     assert_eq!(6 * 7, 42);
/// });
/// ```
#[track_caller]
pub fn replay<M, F>(seed: u64, test: M)
where
    M: FnOnce() -> F,
    F: Future<Output: Verdict> + 'static,
{
    let run = Exploration::new().replay(seed, test);
    match run.failure() {
        Some(failure) => panic!("{failure}"),
        None => println!("seed {seed} passes\n\n{}", run.history()),
    }
}
