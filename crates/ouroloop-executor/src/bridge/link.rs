//! The future of another thread, as the loop knows it.
//!
//! # State
//!
//! | stage | means | its promise |
//! | --- | --- | --- |
//! | `Pending` | the loop has not heard of the end | made by the first who waits, cancels, or adds a callback |
//! | `Ended` | it has | the same, and set at once |
//! | `Closed` | the loop was closed before | the one that all of these share |
//!
//! Most futures are done when they are awaited, or are awaited once: a promise for each of them, and a callback to
//! pass on its cancellation, cost several times what the rest does. Until there is a promise, or the future is dropped,
//! only the future knows the other thread's side; so the loop has next to nothing to do when it hears of the end.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use ouroloop_core::{ClientWord, LoopError, running_loop_id};
use ouroloop_task::{
    AsFutureRef, CallbackId, LoopTasks, Promise, PromiseFuture, Resource, ResourceState, TaskError,
    create_future_of,
};

use super::Bridge;
use crate::concurrent::cell::{self, Erased};

/// How many links are kept to be used again.
const KEPT_MAX: usize = 1024;

pub(crate) struct Link {
    bridge: Rc<Bridge>,
    created_at: Cell<&'static Location<'static>>,
    /// By which the end is told.
    word: Cell<Option<ClientWord>>,
    /// The other thread's side, if there is a promise or no future, until somebody takes it, at the end.
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
    pub(super) fn new(bridge: Rc<Bridge>, created_at: &'static Location<'static>) -> Rc<Link> {
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

    /// Whether the loop has heard of the end.
    pub(super) fn done(&self) -> bool {
        match &*self.waiting.borrow() {
            Some(promise) => promise.done(),
            None => self.stage.get() != Stage::Pending,
        }
    }

    /// Whether it has, and there never was a promise: the outcome is all in the other side.
    pub(super) fn has_ended_alone(&self) -> bool {
        self.stage.get() == Stage::Ended && self.waiting.borrow().is_none()
    }

    /// The outcome, as far as it is no value and the loop knows it.
    pub(super) fn check(&self) -> Result<(), TaskError> {
        let waiting = self.waiting.borrow().clone();
        match (waiting, self.stage.get()) {
            (Some(promise), _) => promise.result().copied(),
            (None, Stage::Pending) => Err(TaskError::InvalidState),
            (None, Stage::Ended) => Ok(()),
            (None, Stage::Closed) => Err(TaskError::LoopClosed),
        }
    }

    /// The promise, if there is one.
    pub(super) fn made_promise(&self) -> Option<PromiseFuture<()>> {
        self.waiting.borrow().clone()
    }

    /// The promise of the loop; `source` is the other side.
    pub(super) fn promise(
        self: &Rc<Link>,
        source: impl FnOnce() -> Arc<dyn Erased>,
    ) -> PromiseFuture<()> {
        if let Some(made) = self.made_promise() {
            return made;
        }
        let source = source();
        let promise = match self.make_promise(&source) {
            Ok(promise) => promise,
            // A loop that is closed makes no more of them.
            Err(_) => return self.bridge.closed.future(),
        };
        let future = promise.future();
        *self.waiting.borrow_mut() = Some(future.clone());
        if self.stage.get() == Stage::Ended {
            copy(&*source, &promise);
            return future;
        }
        *self.source.borrow_mut() = Some(source);
        let link = self.clone();
        let on_cancel = promise
            .as_future_ref()
            .add_done_callback_in(None, move |_| link.pass_cancellation_on());
        *self.setter.borrow_mut() = Some(Setter { promise, on_cancel });
        future
    }

    /// The future is dropped, so that nobody will ask for the outcome; if it is an error, the loop reports that.
    pub(super) fn abandon(self: &Rc<Link>, source: Arc<dyn Erased>) {
        if self.waiting.borrow().is_some() {
            return;
        }
        match self.stage.get() {
            Stage::Pending => *self.source.borrow_mut() = Some(source),
            Stage::Ended if source.error().is_some() => drop(self.promise(|| source)),
            _ => {}
        }
    }

    /// The future is dropped while others want to be told of the same end, too: this one is forgotten then, so that they do
    /// not add up until that comes. The last of them stays, and has the loop report an error.
    pub(super) fn leave_one_of_many<T>(&self, cell: &cell::Cell<T>) -> bool {
        if self.stage.get() != Stage::Pending || self.waiting.borrow().is_some() {
            return false;
        }
        let Some(word) = self.word.get() else {
            return false;
        };
        let left = cell.unwatch_one_of_many(self.bridge.event_loop.address(), word);
        if left {
            self.bridge.leave(word);
        }
        left
    }

    fn make_promise(&self, source: &Arc<dyn Erased>) -> Result<Promise<()>, LoopError> {
        let event_loop = &self.bridge.event_loop;
        if event_loop.is_closed() {
            // Another loop may have its id by now.
            return Err(LoopError::Closed);
        }
        match running_loop_id() == Some(event_loop.id()) {
            true => Ok(create_future_of(Rc::new(Elsewhere {
                source: Arc::downgrade(source),
                created_at: self.created_at.get(),
            }))),
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

    /// Hears of the end.
    pub(super) fn settle(self: &Rc<Link>) {
        if let Some(waiting) = self.made_promise() {
            if waiting.done() {
                // It was cancelled, and the callback for that is queued.
                return;
            }
            let (setter, source) = (self.take_setter(), self.source.take());
            self.stage.set(Stage::Ended);
            if let (Some(promise), Some(source)) = (setter, source) {
                copy(&*source, &promise);
            }
            return;
        }
        self.stage.set(Stage::Ended);
        let abandoned = self.source.take();
        if let Some(source) = abandoned {
            self.abandon(source);
        }
    }

    /// Ends it in an error, whatever becomes of the source.
    pub(super) fn fail(self: &Rc<Link>, source: Arc<dyn Erased>, error: TaskError) {
        self.promise(|| source);
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

/// Copies what came of the source, as asyncio's `_copy_future_state` does.
fn copy(source: &dyn Erased, promise: &Promise<()>) {
    // It is pending: that was looked at.
    let _ = match source.error() {
        Some(_) if source.cancelled() => {
            promise.cancel();
            return;
        }
        Some(error) => promise.set_error(error),
        None => promise.set_result(()),
    };
}

/// What a wait graph says of it. The promise has this, so it must not have the promise.
struct Elsewhere {
    source: Weak<dyn Erased>,
    created_at: &'static Location<'static>,
}

impl Resource for Elsewhere {
    fn state(&self) -> ResourceState {
        let source = self.source.upgrade();
        let Some((source, info)) = source.as_ref().and_then(|it| Some((it, it.info()?))) else {
            return ResourceState::new("concurrent::Future", self.created_at);
        };
        let stage = match source.running() {
            true => "running",
            false => "queued",
        };
        let detail = match info.name() {
            Some(name) => format!("{name:?}, {stage}"),
            None => stage.to_owned(),
        };
        ResourceState::new("executor job", info.created_at()).detail(detail)
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
            // Its future is gone, and never had a promise.
            Some(link) if Rc::strong_count(&link) == 1 && link.has_ended_alone() => {
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
        if kept.len() < KEPT_MAX && link.has_ended_alone() {
            kept.push(link);
        }
    }

    pub(super) fn close(&self) {
        let kept = self.0.take();
        drop(kept);
    }
}
