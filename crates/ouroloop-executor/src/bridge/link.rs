//! The future of another thread, as the loop knows it.
//!
//! # State
//!
//! | stage | means | its promise |
//! | --- | --- | --- |
//! | `Pending` | the loop has not heard of the end | made by the first who waits, cancels, or adds a callback |
//! | `Ended` | it has, and there is a value | the same, and set at once |
//! | `Closed` | the loop was closed before | the one that all of these share |
//!
//! Most futures are done when they are awaited, or are awaited once: a promise for each of them, and a callback to
//! pass on its cancellation, cost several times what the rest does. An error needs its promise at once, which reports it
//! if nobody looks at it.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use ouroloop_core::{ClientWord, LoopError, running_loop_id};
use ouroloop_task::{
    AsFutureRef, CallbackId, LoopTasks, Promise, PromiseFuture, Resource, ResourceState, TaskError,
    create_future_of,
};

use super::Bridge;
use crate::concurrent::cell::Erased;

/// How many links are kept to be used again.
const KEPT_MAX: usize = 1024;

pub(crate) struct Link {
    bridge: Rc<Bridge>,
    created_at: Cell<&'static Location<'static>>,
    /// By which the end is told.
    word: Cell<Option<ClientWord>>,
    /// The other thread's side, until somebody takes it, at the end.
    source: RefCell<Option<Arc<dyn Erased>>>,
    stage: Cell<Stage>,
    waiting: RefCell<Option<PromiseFuture<()>>>,
    setter: RefCell<Option<Setter>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Pending,
    Ended,
    Closed,
}

/// Of a promise that is pending.
struct Setter {
    promise: Promise<()>,
    /// Passes a cancellation of the promise on.
    on_cancel: CallbackId,
}

impl Link {
    fn new(bridge: Rc<Bridge>, created_at: &'static Location<'static>) -> Rc<Link> {
        Rc::new(Link {
            bridge,
            created_at: Cell::new(created_at),
            word: Cell::new(None),
            source: RefCell::new(None),
            stage: Cell::new(Stage::Pending),
            waiting: RefCell::new(None),
            setter: RefCell::new(None),
        })
    }

    pub(super) fn set_word(&self, word: ClientWord) {
        self.word.set(Some(word));
    }

    pub(super) fn set_source(&self, source: Arc<dyn Erased>) {
        *self.source.borrow_mut() = Some(source);
    }

    /// Whether the loop knows the outcome.
    pub(super) fn done(&self) -> bool {
        match &*self.waiting.borrow() {
            Some(promise) => promise.done(),
            None => self.stage.get() != Stage::Pending,
        }
    }

    pub(super) fn cancelled(&self) -> bool {
        self.waiting
            .borrow()
            .as_ref()
            .is_some_and(|it| it.cancelled())
    }

    /// Whether there is a value, without a look at the promise.
    pub(super) fn has_ended(&self) -> bool {
        self.stage.get() == Stage::Ended
    }

    /// The outcome, as far as it is no value.
    pub(super) fn check(&self) -> Result<(), TaskError> {
        let waiting = self.waiting.borrow().clone();
        match (waiting, self.stage.get()) {
            (Some(promise), _) => promise.result().copied(),
            (None, Stage::Pending) => Err(TaskError::InvalidState),
            (None, Stage::Ended) => Ok(()),
            (None, Stage::Closed) => Err(TaskError::LoopClosed),
        }
    }

    /// The promise of the loop.
    pub(super) fn promise(self: &Rc<Link>) -> PromiseFuture<()> {
        let made = self.waiting.borrow().clone();
        if let Some(made) = made {
            return made;
        }
        let promise = match self.make_promise() {
            Ok(promise) if self.stage.get() != Stage::Closed => promise,
            // A loop that is closed makes no more of them.
            _ => return self.bridge.closed.future(),
        };
        let future = promise.future();
        *self.waiting.borrow_mut() = Some(future.clone());
        if self.has_ended() {
            // It is pending.
            let _ = promise.set_result(());
            return future;
        }
        let link = self.clone();
        let on_cancel = promise
            .as_future_ref()
            .add_done_callback_in(None, move |_| link.pass_cancellation_on());
        *self.setter.borrow_mut() = Some(Setter { promise, on_cancel });
        future
    }

    fn make_promise(self: &Rc<Link>) -> Result<Promise<()>, LoopError> {
        let event_loop = &self.bridge.event_loop;
        match running_loop_id() == Some(event_loop.id()) {
            true => Ok(create_future_of(self.clone())),
            // Before the loop runs, a wait graph knows it as a promise.
            false => event_loop.create_future(),
        }
    }

    fn pass_cancellation_on(&self) {
        if let Some(word) = self.word.get() {
            self.bridge.leave(word);
        }
        let setter = self.setter.take();
        drop(setter);
        if let Some(source) = self.source.take() {
            source.cancel();
        }
    }

    /// Copies what came of the source, as asyncio's `_copy_future_state` does.
    pub(super) fn settle(self: &Rc<Link>) {
        if self.cancelled() {
            // The callback for that is queued.
            return;
        }
        let source = self.source.take();
        let Some(source) = source else { return };
        let error = match source.cancelled() {
            true => None,
            false => source.error(),
        };
        if error.is_none() && !source.cancelled() {
            self.stage.set(Stage::Ended);
            if let Some(promise) = self.take_setter() {
                let _ = promise.set_result(());
            }
            return;
        }
        self.promise();
        // None if the loop is closed.
        if let Some(promise) = self.take_setter() {
            match error {
                Some(error) => _ = promise.set_error(error),
                None => _ = promise.cancel(),
            }
        }
    }

    /// Ends it in an error, whatever becomes of the source.
    pub(super) fn fail(self: &Rc<Link>, error: TaskError) {
        self.promise();
        if let Some(promise) = self.take_setter() {
            let _ = promise.set_error(error);
        }
        let source = self.source.take();
        drop(source);
    }

    /// The loop is closed.
    pub(super) fn close(&self) {
        self.stage.set(Stage::Closed);
        if let Some(promise) = self.take_setter() {
            let _ = promise.set_error(TaskError::LoopClosed);
        }
        let source = self.source.take();
        drop(source);
    }

    fn take_setter(&self) -> Option<Promise<()>> {
        let Setter { promise, on_cancel } = self.setter.take()?;
        promise.remove_done_callback(on_cancel);
        Some(promise)
    }

    /// What is known of the other side.
    pub(super) fn with<R>(&self, f: impl FnOnce(&dyn Erased) -> R) -> Option<R> {
        let source = self.source.borrow().clone();
        source.map(|source| f(&*source))
    }
}

/// What a wait graph says of it.
impl Resource for Link {
    fn state(&self) -> ResourceState {
        let state = self.with(|source| {
            let info = source.info()?;
            let stage = match source.running() {
                true => "running",
                false => "queued",
            };
            let detail = match info.name() {
                Some(name) => format!("{name:?}, {stage}"),
                None => stage.to_owned(),
            };
            Some(ResourceState::new("executor job", info.created_at()).detail(detail))
        });
        let other = || ResourceState::new("concurrent::Future", self.created_at.get());
        state.flatten().unwrap_or_else(other)
    }
}

/// Links that have ended. Most of them are nobody's else by the time when the next one is needed.
#[derive(Default)]
pub(super) struct Links(RefCell<Vec<Rc<Link>>>);

impl Links {
    pub(super) fn make(
        &self,
        bridge: &Rc<Bridge>,
        created_at: &'static Location<'static>,
    ) -> Rc<Link> {
        let kept = self.0.borrow_mut().pop();
        match kept {
            Some(link) if Rc::strong_count(&link) == 1 => {
                link.created_at.set(created_at);
                link.stage.set(Stage::Pending);
                link
            }
            _ => Link::new(bridge.clone(), created_at),
        }
    }

    /// Keeps one that has ended, if it never had a promise.
    pub(super) fn keep(&self, link: Rc<Link>) {
        let mut kept = self.0.borrow_mut();
        if kept.len() < KEPT_MAX && link.has_ended() && link.waiting.borrow().is_none() {
            kept.push(link);
        }
    }

    pub(super) fn close(&self) {
        let kept = self.0.take();
        drop(kept);
    }
}
