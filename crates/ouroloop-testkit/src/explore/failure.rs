//! What went wrong in a run.

use std::error::Error;
use std::fmt;

use ouroloop_core::PanicPayload;
use ouroloop_task::RunError;

use super::History;

/// A run that has failed: its seed, why, and what happened up to then.
///
/// Displayed, it is all that is needed to understand the failure, and to repeat it.
///
/// # Examples
///
/// ```
/// use ouroloop::testkit::{Exploration, Reason};
///
/// let stuck = || std::future::pending::<()>();
/// let failure = Exploration::new().explore(0..10, stuck).unwrap_err();
/// assert_eq!(failure.seed(), 0);
/// assert!(matches!(failure.reason(), Reason::Deadlock(_)));
/// assert!(failure.to_string().contains("OUROLOOP_SEED=0"));
/// ```
#[derive(Clone, Debug)]
pub struct Failure {
    pub(super) reason: Reason,
    pub(super) reports: Vec<String>,
    pub(super) history: History,
}

impl Failure {
    /// The seed: give it to [`replay`](super::replay).
    pub fn seed(&self) -> u64 {
        self.history.seed
    }

    /// Why the run failed.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// What the loop's exception handler was told.
    pub fn reports(&self) -> &[String] {
        &self.reports
    }

    /// Who ran when.
    pub fn history(&self) -> &History {
        &self.history
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed();
        writeln!(f, "seed {seed} fails: {}", self.reason)?;
        for report in &self.reports {
            writeln!(f, "  reported: {report}")?;
        }
        writeln!(f, "\n{}", self.history)?;
        write!(
            f,
            "to repeat it: OUROLOOP_SEED={seed}, or replay({seed}, ...) in the place of explore"
        )
    }
}

impl Error for Failure {}

/// Why a run failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing was ready, and nothing could become ready; the text says who waited for what.
    #[error("{0}")]
    Deadlock(String),
    /// It took more steps than [`steps_max`](super::Exploration::steps_max).
    #[error("more than {steps} steps: end what repeats itself, or allow more with steps_max()")]
    Endless {
        /// So many were allowed.
        steps: u64,
    },
    /// The test returned an error; this is how it prints.
    #[error("the test returned an error: {0}")]
    Error(String),
    /// The test ended, and something did not.
    #[error("left behind by the test: {what}; end it before the test ends, or allow_leftovers()")]
    Leftovers {
        /// What was left.
        what: String,
    },
    /// The test panicked.
    #[error("panicked: {}", .0.message())]
    Panicked(PanicPayload),
    /// The loop's exception handler was told of something.
    #[error("{0}")]
    Reported(String),
    /// The loop could not run the test to its end.
    #[error("the test could not run to its end: {0}")]
    Run(String),
}

impl From<RunError> for Reason {
    fn from(error: RunError) -> Reason {
        match error {
            RunError::Task(ouroloop_task::TaskError::Panicked(payload)) => {
                Reason::Panicked(payload)
            }
            RunError::Deadlock { .. }
            | RunError::Loop(ouroloop_core::LoopError::Deadlock { .. }) => {
                Reason::Deadlock(error.to_string())
            }
            error => Reason::Run(error.to_string()),
        }
    }
}
