//! Three or four tasks and a primitive: all schedules of a few moves.
//!
//! A scene has a primitive and some actors, each a task that goes through a few gates: it acquires
//! behind the first, say, and releases behind the second. A schedule is a list of moves: open the
//! next gate of an actor, cancel it, drop what it awaits on the spot, wherever that is; and
//! after each move, whether the loop turns.
//!
//! # What is enumerated
//!
//! All schedules of five moves, or six where a scene says so, each played from the start, with
//! these bounds:
//!
//! - Between two moves the loop turns once or not at all.
//! - At most two moves of a schedule are harm, which is to cancel or to drop; they hit two actors,
//!   each past its first gate.
//! - Of actors that do the same, one comes to its first gate after the one before it.
//!
//! After the moves the loop turns until nothing moves: then nobody may wait for what is there. Then
//! all gates are opened at once: then everybody comes to an end, and nothing is left. What takes
//! more moves or more harm than that to go wrong is not found here.

mod scenes;

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use ouroloop_task::{LoopTasks, Task, TaskError, create_task};
use ouroloop_testkit::TestLoop;

use crate::support::turns;

/// What is explored.
trait Scene: 'static {
    fn new() -> Self;

    /// How many gates each actor has, and how many actors there are.
    const GATES: &'static [usize];

    /// What the actor does.
    fn act(self: Rc<Self>, actor: usize, gate: Gate) -> Action;

    /// Whether two actors do the same, so that which of them comes first makes no difference.
    fn alike(one: usize, other: usize) -> bool;

    /// What holds between any two moves.
    fn check(&self) {}

    /// What holds when nothing moves any more: nobody waits for what is there.
    fn check_quiet(&self);

    /// Gives those who still wait what they wait for; called until all have ended.
    fn help(&self) {}

    /// What holds in the end.
    fn check_end(&self);
}

type Action = Pin<Box<dyn Future<Output = ()>>>;

/// Where an actor waits for the next move.
#[derive(Clone, Default)]
struct Gate(Rc<GateState>);

#[derive(Default)]
struct GateState {
    opened: Cell<usize>,
    passed: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Gate {
    async fn pass(&self) {
        std::future::poll_fn(|cx| {
            if self.0.passed.get() < self.0.opened.get() {
                self.0.passed.set(self.0.passed.get() + 1);
                return Poll::Ready(());
            }
            self.0.waker.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn open(&self) {
        self.0.opened.set(self.0.opened.get() + 1);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

/// An actor on the stage.
struct Actor {
    gate: Gate,
    /// The task owns it, so that it is dropped when the task unwinds.
    action: Weak<RefCell<Option<Action>>>,
    task: Task<()>,
    hurt: Cell<bool>,
}

/// Polls an action that somebody else may drop.
struct Droppable(Rc<RefCell<Option<Action>>>);

impl Future for Droppable {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.0.borrow_mut() {
            Some(action) => action.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}

impl Actor {
    fn new(scene: &Rc<impl Scene>, actor: usize) -> Actor {
        let gate = Gate::default();
        let action = scene.clone().act(actor, gate.clone());
        let action = Rc::new(RefCell::new(Some(action)));
        Actor {
            gate,
            action: Rc::downgrade(&action),
            task: create_task(Droppable(action)),
            hurt: Cell::new(false),
        }
    }

    fn drop_action(&self) {
        let action = self.action.upgrade().and_then(|action| action.take());
        drop(action);
        // Lets its task come to an end; outside of a scope nothing would wake it.
        self.task.cancel();
    }
}

#[derive(Clone, Copy)]
enum Move {
    Open(usize),
    Cancel(usize),
    Drop(usize),
}

/// Goes through all paths of a tree of choices, one a round.
#[derive(Default)]
struct Choices {
    path: Vec<(usize, usize)>,
    depth: usize,
}

impl Choices {
    fn choose(&mut self, count: usize) -> usize {
        if self.depth == self.path.len() {
            self.path.push((0, count));
        }
        let (chosen, of) = self.path[self.depth];
        assert_eq!(of, count, "a schedule plays the same way each time");
        self.depth += 1;
        chosen
    }

    /// Goes to the next path; false after the last one.
    fn advance(&mut self) -> bool {
        self.depth = 0;
        while let Some((chosen, of)) = self.path.pop() {
            if chosen + 1 < of {
                self.path.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}

/// The moves that make sense now. Actors that do the same come on in order.
fn moves<S: Scene>(actors: &[Actor], harm_left: usize) -> Vec<Move> {
    let mut moves = Vec::new();
    for (index, actor) in actors.iter().enumerate() {
        if actor.task.done() || actor.hurt.get() {
            continue;
        }
        let opened = |actor: &Actor| actor.gate.0.opened.get();
        let before = (0..index).rev().find(|other| S::alike(*other, index));
        let in_order = before.into_iter().all(|other| opened(&actors[other]) > 0);
        if opened(actor) < S::GATES[index] && in_order {
            moves.push(Move::Open(index));
        }
        if harm_left > 0 && opened(actor) > 0 {
            moves.extend([Move::Cancel(index), Move::Drop(index)]);
        }
    }
    moves
}

async fn play<S: Scene>(choices: &mut Choices, length: usize) {
    let scene = Rc::new(S::new());
    let actors: Vec<_> = (0..S::GATES.len())
        .map(|actor| Actor::new(&scene, actor))
        .collect();
    let mut harm_left = 2;
    for _ in 0..length {
        let moves = moves::<S>(&actors, harm_left);
        if moves.is_empty() {
            break;
        }
        match moves[choices.choose(moves.len())] {
            Move::Open(actor) => actors[actor].gate.open(),
            Move::Cancel(actor) => {
                actors[actor].hurt.set(true);
                actors[actor].task.cancel();
                harm_left -= 1;
            }
            Move::Drop(actor) => {
                actors[actor].hurt.set(true);
                actors[actor].drop_action();
                harm_left -= 1;
            }
        }
        scene.check();
        turns(choices.choose(2)).await;
        scene.check();
    }
    turns(QUIET_AFTER).await;
    scene.check_quiet();
    for (actor, gates) in actors.iter().zip(S::GATES) {
        (0..*gates).for_each(|_| actor.gate.open());
    }
    for _ in 0..4 * QUIET_AFTER {
        if actors.iter().all(|actor| actor.task.done()) {
            break;
        }
        scene.help();
        turns(1).await;
        scene.check();
    }
    for (index, actor) in actors.iter().enumerate() {
        assert!(actor.task.done(), "actor {index} hangs");
        let panicked = matches!(actor.task.result(), Err(TaskError::Panicked(_)));
        assert!(!panicked, "actor {index} panicked");
    }
    scene.check_end();
}

/// Plays all schedules of a length; how many there are.
fn explore<S: Scene>(length: usize) -> usize {
    let test_loop = TestLoop::new();
    let count = test_loop.run_until_complete(async move {
        let mut choices = Choices::default();
        let mut count = 0;
        loop {
            count += 1;
            let shown = PrintOnPanic(&mut choices);
            play::<S>(shown.0, length).await;
            drop(shown);
            if !choices.advance() {
                return count;
            }
        }
    });
    test_loop.close();
    let count = count.unwrap_or_else(|error| panic!("{error}"));
    println!("{count} schedules");
    count
}

/// Says which schedule it was.
struct PrintOnPanic<'a>(&'a mut Choices);

impl Drop for PrintOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("schedule: {:?}", self.0.path);
        }
    }
}

/// After so many turns without a move nothing moves in any scene.
const QUIET_AFTER: usize = 8;
