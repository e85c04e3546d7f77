//! What happened in a run: which task or callback ran at which step, and at what time of the loop.

use std::fmt;
use std::time::Duration;

use super::timeline;

/// The steps of a run, with the names of those who took them.
///
/// Displayed, it is a timeline with a column for each task, and says of those in it where they were
/// created. Two runs of one test by one seed have equal histories, if they are started from the same
/// line: there the task of the test is created. From different lines all but that is equal.
///
/// # Examples
///
/// ```
/// use ouroloop::create_task;
/// use ouroloop::testkit::{Exploration, note};
///
/// let run = Exploration::new().replay(5, || async {
///     create_task(async { note("in the child") }).await.unwrap();
/// });
/// let history = run.history();
/// assert_eq!(history.actors()[0].name(), "test");
/// assert!(history.timeline().contains("in the child"));
/// assert!(history.svg().starts_with("<svg"));
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct History {
    pub(super) seed: u64,
    pub(super) steps_left_out: u64,
    pub(super) actors: Vec<Actor>,
    pub(super) steps: Vec<Step>,
}

impl History {
    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The steps in their order; of a long run, the last 10,000.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Those who took them, in the order of their first step.
    pub fn actors(&self) -> &[Actor] {
        &self.actors
    }

    /// The run as a table: a line for each step, and a column for each task.
    pub fn timeline(&self) -> String {
        timeline::text(self)
    }

    /// The run as a picture, in SVG: time goes down, and each task has a column.
    pub fn svg(&self) -> String {
        timeline::svg(self)
    }

    pub(super) fn is_place_of_test(&self, place: &str) -> bool {
        let test = self.actors.first();
        test.is_some_and(|test| test.is_task && test.place.as_deref() == Some(place))
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let takes_part = timeline::takes_part(self);
        let shown = self.actors.iter().zip(takes_part);
        for (actor, _) in shown.filter(|(_, takes_part)| *takes_part) {
            // The callback that ends the run has the place of the test.
            let ends_run = |place: &str| !actor.is_task && self.is_place_of_test(place);
            if let Some(place) = actor.place.as_ref().filter(|place| !ends_run(place)) {
                writeln!(f, "  {} was created at {place}", actor.name)?;
            }
        }
        if self.steps_left_out > 0 {
            writeln!(f, "  the first {} steps are left out", self.steps_left_out)?;
        }
        write!(f, "\n{}", self.timeline())
    }
}

/// One who takes steps: a task, or a callback.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    pub(super) name: String,
    pub(super) place: Option<String>,
    pub(super) is_task: bool,
}

impl Actor {
    /// Takes apart what the loop says of an entry: what it is, and where it was created.
    pub(super) fn described(what: &str) -> Actor {
        let what = what.trim_start_matches('<').trim_end_matches('>');
        let (what, place) = match what.rsplit_once(" created at ") {
            Some((what, place)) => (what, Some(place.to_owned())),
            None => (what, None),
        };
        match what.strip_prefix("task ") {
            Some(name) => Actor {
                name: name.trim_matches('"').to_owned(),
                place,
                is_task: true,
            },
            None => Actor {
                name: if what == "Handle" { "callback" } else { what }.to_owned(),
                place,
                is_task: false,
            },
        }
    }

    /// The name of the task; for others, what they are.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it was created, as file, line and column, if that is known.
    pub fn created_at(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Whether it is a task.
    pub fn is_task(&self) -> bool {
        self.is_task
    }
}

/// One turn of a task or a callback.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    pub(super) number: u64,
    pub(super) iteration: u64,
    pub(super) time: Duration,
    pub(super) actor: usize,
    pub(super) index: usize,
    pub(super) left: usize,
    pub(super) notes: Vec<String>,
}

impl Step {
    /// Its number in the run, from 1 on.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The iteration of the loop: steps with the same number were ready together.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// The time of the loop.
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Who took it: the place in [`History::actors`].
    pub fn actor(&self) -> usize {
        self.actor
    }

    /// Which of the batch's entries it was, in the order in which they had become ready, and of how
    /// many that were left. `(0, _)` is the one that asyncio would have run.
    pub fn choice(&self) -> (usize, usize) {
        (self.index, self.left)
    }

    /// What was [noted](super::note) in it.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_loop_says_is_taken_apart() {
        let task = Actor::described("task \"a created at b\" created at src/x.rs:1:2");
        assert_eq!(
            (task.name(), task.created_at()),
            ("a created at b", Some("src/x.rs:1:2"))
        );
        assert!(task.is_task());
        let handle = Actor::described("<Handle created at src/x.rs:3:4>");
        assert_eq!(
            (handle.name(), handle.created_at(), handle.is_task()),
            ("callback", Some("src/x.rs:3:4"), false)
        );
        let timer = Actor::described("a timer of a waiting task");
        assert_eq!(
            (timer.name(), timer.created_at()),
            ("a timer of a waiting task", None)
        );
    }
}
