//! Who runs, written down as it happens.
//!
//! The loop tells of every entry before it runs. A name is made once for each task and place, so a
//! step costs a look-up. The last [`STEPS_KEPT`] steps are kept, and all are counted.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::mem;
use std::rc::Rc;

use ouroloop_core::{LoopRef, ReadyEntry};

use super::history::{Actor, History, Step};

/// Adds a line to the history of the run, under the task that is running: what it has read, what it
/// is going to do. Does nothing where no run is explored, nor before the first step of one.
///
/// # Examples
///
/// ```
/// use ouroloop::testkit::{Exploration, note};
///
/// let run = Exploration::new().replay(1, || async { note("hello") });
/// assert!(run.history().to_string().contains("hello"));
/// ```
pub fn note(text: impl Into<String>) {
    let current = CURRENT.with_borrow(|current| current.clone());
    if let Some(recorder) = current {
        recorder.note(text.into());
    }
}

/// The seed of the run that goes on in this thread, from the making of the test's future on; 0 where
/// none is explored. What a test draws by `Random::new(seed())` is repeated with the run.
///
/// # Examples
///
/// ```
/// use ouroloop::testkit::{Random, explore, seed};
///
/// explore(0..10, || async {
///     let mut random = Random::new(seed());
///     let size = 1 + random.below(100);
///     assert!((1..=100).contains(&size));
/// });
/// assert_eq!(seed(), 0);
/// ```
pub fn seed() -> u64 {
    CURRENT.with_borrow(|current| current.as_ref().map_or(0, |recorder| recorder.seed))
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Recorder>>> = const { RefCell::new(None) };
}

pub(super) struct Recorder {
    seed: u64,
    steps_max: u64,
    /// Which of the batch was chosen for the step that comes.
    chosen: Cell<usize>,
    closed: Cell<bool>,
    count: Cell<u64>,
    fingerprint: Cell<u64>,
    record: RefCell<Record>,
}

#[derive(Default)]
struct Record {
    actors: Vec<Actor>,
    /// By what the loop says of them; tasks of one name and place are told apart by their word.
    known: HashMap<(String, Option<u64>), usize>,
    steps: VecDeque<Step>,
}

/// While this lives, notes go to its recorder.
pub(super) struct Current {
    before: Option<Rc<Recorder>>,
}

impl Recorder {
    pub(super) fn new(seed: u64, steps_max: u64) -> Rc<Recorder> {
        Rc::new(Recorder {
            seed,
            steps_max,
            chosen: Cell::new(0),
            closed: Cell::new(false),
            count: Cell::new(0),
            fingerprint: Cell::new(FNV_OFFSET),
            record: RefCell::default(),
        })
    }

    pub(super) fn make_current(self: &Rc<Self>) -> Current {
        let before = CURRENT.replace(Some(self.clone()));
        Current { before }
    }

    pub(super) fn choose(&self, index: usize) {
        self.chosen.set(index);
    }

    /// An entry is about to run.
    pub(super) fn step(&self, entry: &ReadyEntry<'_>) {
        let index = self.chosen.take();
        if self.closed.get() {
            return;
        }
        let number = self.count.get() + 1;
        self.count.set(number);
        if number > self.steps_max {
            entry.event_loop().stop();
            return;
        }
        let actor = self.actor(entry);
        self.mix(&[actor as u64, index as u64, entry.left() as u64]);
        let event_loop = entry.event_loop();
        let mut record = self.record.borrow_mut();
        if record.steps.len() == STEPS_KEPT {
            record.steps.pop_front();
        }
        record.steps.push_back(Step {
            number,
            iteration: event_loop.statistics().iterations,
            time: event_loop.time(),
            actor,
            index,
            left: entry.left(),
            notes: Vec::new(),
        });
    }

    /// Whether a run without end was stopped.
    pub(super) fn is_endless(&self) -> bool {
        self.count.get() > self.steps_max
    }

    pub(super) fn steps(&self) -> u64 {
        self.count.get().min(self.steps_max)
    }

    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint.get()
    }

    /// Ends the record: what follows is only the clearing away.
    pub(super) fn close(&self) {
        self.closed.set(true);
    }

    pub(super) fn take_history(&self) -> History {
        let record = self.record.take();
        History {
            seed: self.seed,
            steps_left_out: self.steps() - record.steps.len() as u64,
            actors: record.actors,
            steps: record.steps.into(),
        }
    }

    fn actor(&self, entry: &ReadyEntry<'_>) -> usize {
        let what = entry.describe();
        let is_task = what.starts_with("task ");
        let word = entry.word().filter(|_| is_task).map(|word| word.payload());
        let mut record = self.record.borrow_mut();
        let next = record.actors.len();
        let key = (what, word);
        if let Some(known) = record.known.get(&key) {
            return *known;
        }
        record.actors.push(Actor::described(&key.0));
        record.known.insert(key, next);
        next
    }

    fn note(&self, text: String) {
        if self.closed.get() {
            return;
        }
        if let Some(step) = self.record.borrow_mut().steps.back_mut() {
            step.notes.push(text);
        }
    }

    /// FNV-1a over whole words: schedules are told apart, not guarded.
    fn mix(&self, words: &[u64]) {
        let mixed = words.iter().fold(self.fingerprint.get(), |hash, word| {
            (hash ^ word).wrapping_mul(FNV_PRIME)
        });
        self.fingerprint.set(mixed);
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        drop(CURRENT.replace(mem::take(&mut self.before)));
    }
}

/// Lets the recorder look on.
pub(super) fn watch(event_loop: &LoopRef, recorder: &Rc<Recorder>) {
    let recorder = recorder.clone();
    event_loop.set_entry_observer(Some(Box::new(move |entry| recorder.step(entry))));
}

const STEPS_KEPT: usize = 10_000;
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
