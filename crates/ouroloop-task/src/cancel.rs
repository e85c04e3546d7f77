//! How a request to cancel travels: down to what a task waits for, and up again by unwinding.
//!
//! A request is directed at a scope: `Task::cancel` at the root of the task, a timeout or a group at
//! a scope of its own, so that one branch of a `join!` does not cancel the other. It asks whatever
//! is awaited below that scope. There are two ways for it to arrive:
//!
//! - *Bottom-up*: what was asked accepted, and ended cancelled. The wait that sees it marks the
//!   scope that it is polled under and stays pending; the scope sees its mark right after the poll,
//!   drops its future and gives `Err`.
//! - *Top-down*: nobody accepted (`must_cancel`): the task runs, or its wake-up is queued, or what
//!   it waits for refuses. At its next step the innermost scopes are marked before they are polled,
//!   and drop their futures unpolled: a poll would consume a value that is already there, which
//!   asyncio discards.
//!
//! Chains of any length, and circles, are asked with an explicit stack: a thing that is being asked
//! refuses.

use std::cell::Cell;

use crate::error::Cancelled;
use crate::header::{ASKING, Begun, CellRef, Header, UNREAD};
use crate::node::{Node, Request};
use crate::pool::{Key, NIL, Pool};
use crate::scope::{ASKED, CANCEL_PENDING, Mark, RUNNING, SCHEDULED, ScopeRecord};
use crate::tasks::Tasks;

/// Work that is left while a request travels.
pub(crate) enum Frame {
    /// Ask what this wait waits for.
    Wait(AskingWait),
    /// Ask this; on behalf of the wait, if it has one.
    Target(CellRef, AskingWait),
    /// All that `0` asked have answered.
    End(CellRef, AskingWait),
}

/// The wait on whose behalf something is asked, and the scope above it at which the request was
/// directed.
#[derive(Clone, Copy)]
pub(crate) struct AskingWait {
    wait: Key,
    directed_at: Key,
}

impl AskingWait {
    /// Nobody waits: `cancel()` was called.
    pub(crate) const NONE: AskingWait = AskingWait {
        wait: Key::NONE,
        directed_at: Key::NONE,
    };
}

/// The memory of a request under way, kept from one to the next.
#[derive(Default)]
pub(crate) struct AskStack {
    frames: Vec<Frame>,
    /// For each that asks others, and for the first asker: whether any accepted.
    accepted: Vec<bool>,
}

impl Drop for AskStack {
    fn drop(&mut self) {
        // There are frames only if somebody panicked who was asked: those who have waited for that answer can be asked again.
        for frame in &self.frames {
            if let Frame::End(target, _) = frame {
                target.clear(ASKING);
            }
        }
    }
}

impl Tasks {
    /// `cancel()` of a task, a promise, a gather.
    pub(crate) fn cancel(&self, target: CellRef, request: &Cancelled) -> bool {
        self.ask(request, |_, frames| {
            frames.push(Frame::Target(target, AskingWait::NONE));
        })
    }

    /// A request that is directed at a scope below the root of a task.
    pub(crate) fn cancel_scope(&self, scope: Key, request: &Cancelled) -> bool {
        let Some(record) = self.scopes.get(scope) else {
            return false;
        };
        record.count.set(record.count.get() + 1);
        let root = self.scopes.root_of(scope);
        let running = root.is_none_or(|root| self.is_running(root));
        let accepted = !running
            && self.ask(request, |tasks, frames| {
                tasks.push_waits_below(scope, scope, frames);
            });
        self.conclude(scope, request, accepted);
        true
    }

    /// A task's part of `begin_cancel`: counts the request and asks what it waits for.
    pub(crate) fn begin_cancel_task(
        &self,
        header: &Header,
        root: Key,
        frames: &mut Vec<Frame>,
    ) -> Begun {
        header.clear(UNREAD);
        if header.done() || header.has(ASKING) {
            return Begun::Refused;
        }
        let Some(record) = self.scopes.get(root) else {
            return Begun::Refused;
        };
        header.set(ASKING);
        record.count.set(record.count.get() + 1);
        if !record.has(RUNNING) {
            self.push_waits_below(root, root, frames);
        }
        Begun::Asking
    }

    /// A task's part of `end_cancel`.
    pub(crate) fn end_cancel_task(
        &self,
        header: &Header,
        root: Key,
        request: &Cancelled,
        accepted: bool,
    ) -> bool {
        self.conclude(root, request, accepted);
        // After that, which has to see what depends on the task itself.
        header.clear(ASKING);
        true
    }

    fn is_running(&self, root: Key) -> bool {
        self.scopes
            .get(root)
            .is_some_and(|record| record.has(RUNNING))
    }

    /// Leaves a request for the next step where it was not accepted.
    ///
    /// Code that awaits one thing at a time has one answer. Of several branches each is to hear of
    /// it, so those that have nothing which accepted are left the request one by one.
    fn conclude(&self, target: Key, request: &Cancelled, accepted: bool) {
        let request = || Request {
            cancelled: request.clone(),
            directed_at: target,
        };
        if !accepted {
            return self.set_must_cancel(target, request());
        }
        match self.scopes.get(target) {
            Some(record) if record.first_child.get() != NIL => {}
            _ => return,
        }
        let mut left_out = self.scopes.below(target);
        left_out.retain(|scope| {
            let record = self.scopes.at(scope.index());
            record.is_innermost()
                && !visit_waits(record, &self.nodes, &mut |_, node| node.forwarded())
        });
        for scope in left_out {
            self.set_must_cancel(scope, request());
        }
    }

    /// Leaves a request for the next step, and sees to it that there is one.
    pub(crate) fn set_must_cancel(&self, scope: Key, request: Request) {
        let Some(record) = self.scopes.get(scope) else {
            return;
        };
        record.set_must_cancel(request);
        // A scope that is not entered yet is looked at when it is.
        let Some(root) = self.scopes.root_of(scope) else {
            return;
        };
        let record = self.scopes.at(root.index());
        record.set(CANCEL_PENDING);
        let idle = !record.has(RUNNING | SCHEDULED);
        // A thing that refused may still wake the task, and asyncio waits for that.
        if idle && !self.may_be_woken_below(scope) {
            self.wake(root);
        }
    }

    /// The one loop through which every request goes.
    fn ask(&self, request: &Cancelled, first: impl FnOnce(&Tasks, &mut Vec<Frame>)) -> bool {
        let mut stack = self.ask_stack.take().unwrap_or_default();
        let AskStack { frames, accepted } = &mut *stack;
        accepted.push(false);
        first(self, frames);
        frames.reverse();
        while let Some(frame) = frames.pop() {
            let (answer, asking) = match frame {
                Frame::Wait(asking) => match self.target_of(asking.wait) {
                    WaitTarget::Other(target) => {
                        frames.push(Frame::Target(target, asking));
                        continue;
                    }
                    WaitTarget::Own => (self.cancel_own(asking.wait, request), asking),
                    WaitTarget::Gone => continue,
                },
                // Its waits have their names in the table of its own loop.
                Frame::Target(target, asking) if !std::ptr::eq(&**target.tasks(), self) => {
                    (target.tasks().clone().cancel(target, request), asking)
                }
                Frame::Target(target, asking) => {
                    let before = frames.len();
                    match target.awaited().begin_cancel(request, frames) {
                        Begun::Accepted => {
                            target.tasks().fire_all(&target);
                            (true, asking)
                        }
                        Begun::Refused => (false, asking),
                        Begun::Asking => {
                            accepted.push(false);
                            frames.insert(before, Frame::End(target, asking));
                            // The first that was named is asked first.
                            frames[before + 1..].reverse();
                            continue;
                        }
                    }
                }
                Frame::End(target, asking) => {
                    let any = accepted.pop().expect("each asker has its answer");
                    (target.awaited().end_cancel(request, any), asking)
                }
            };
            if answer {
                self.mark_forwarded(asking, request);
                *accepted.last_mut().expect("the first asker has an answer") = true;
            }
        }
        let answer = accepted.pop().expect("the first asker has an answer");
        debug_assert!(accepted.is_empty());
        self.ask_stack.set(Some(stack));
        answer
    }

    fn mark_forwarded(&self, asking: AskingWait, request: &Cancelled) {
        let Some(node) = self.nodes.get(asking.wait) else {
            return;
        };
        let is_known = node.forwarded();
        node.forward(request, asking.directed_at, &self.scopes);
        let scope = node.scope.get();
        if scope == NIL || is_known {
            return;
        }
        if let Some(root) = self.scopes.root_of(self.scopes.key_at(scope)) {
            let record = self.scopes.at(root.index());
            record.set(ASKED);
            record.add_asked([asking.wait]);
        }
    }

    fn target_of(&self, wait: Key) -> WaitTarget {
        match self.nodes.get(wait) {
            Some(node) if !node.fired() => match node.other() {
                Some(target) => WaitTarget::Other(target),
                None => WaitTarget::Own,
            },
            _ => WaitTarget::Gone,
        }
    }

    /// Cancels a wait that is its own promise.
    fn cancel_own(&self, wait: Key, request: &Cancelled) -> bool {
        match self.nodes.get(wait) {
            Some(node) if !node.fired() => {
                node.cancel(request);
                self.fire(node);
                true
            }
            _ => false,
        }
    }

    /// Asks what is awaited below a scope, with a request that was directed at that or one around it.
    fn push_waits_below(&self, top: Key, directed_at: Key, frames: &mut Vec<Frame>) {
        for_each_wait(&self.scopes, &self.nodes, top, |key, node| {
            if node.is_awaited(&self.scopes) {
                frames.push(Frame::Wait(AskingWait {
                    wait: key,
                    directed_at,
                }));
            }
            false
        });
    }

    /// Whether something that is awaited below a scope can still wake it. What is being asked itself
    /// refused because the request went round in a circle, which nobody else would break.
    fn may_be_woken_below(&self, top: Key) -> bool {
        let mut targets = Vec::new();
        let woken = for_each_wait(&self.scopes, &self.nodes, top, |_, node| {
            if !node.is_awaited(&self.scopes) {
                return false;
            }
            targets.extend(node.other());
            node.is_own()
        });
        woken || targets.into_iter().any(may_end)
    }

    // -- delivery ------------------------------------------------------------------

    /// Before a step: turns what could not be passed on into marks on the innermost scopes.
    pub(crate) fn deliver(&self, root: Key) {
        let mut wakers = Vec::new();
        let (scopes, nodes) = (&self.scopes, &self.nodes);
        scopes.at(root.index()).clear(CANCEL_PENDING);
        for scope in scopes.below(root) {
            let Some(request) = scopes.at(scope.index()).take_must_cancel() else {
                continue;
            };
            // A cancellation that is on its way up already is the one that arrives.
            if for_each_wait(scopes, nodes, scope, |_, node| node.unwinds()) {
                continue;
            }
            for inner in scopes.below(scope) {
                let record = scopes.at(inner.index());
                if !record.is_innermost() {
                    continue;
                }
                record.mark_if_unmarked(Mark {
                    cancelled: request.cancelled.clone(),
                    target: scope,
                    directed_at: request.directed_at,
                });
                // A combinator that polls its parts by their own wakers must hear of it.
                wakers.extend(record.replace_waker(None));
            }
        }
        for waker in wakers {
            self.event_loop
                .contain("Exception in a waker", || waker.wake());
        }
    }

    /// After a step that suspended: what the task now waits for is asked at once.
    pub(crate) fn pass_on(&self, root: Key) {
        let below = self.scopes.below(root);
        let mut left = false;
        for scope in below {
            let Some(request) = self.scopes.get(scope).and_then(ScopeRecord::must_cancel) else {
                continue;
            };
            let accepted = self.ask(&request.cancelled, |tasks, frames| {
                tasks.push_waits_below(scope, request.directed_at, frames);
            });
            if accepted {
                if let Some(record) = self.scopes.get(scope) {
                    record.take_must_cancel();
                }
            } else {
                left = true;
                self.set_must_cancel(scope, request);
            }
        }
        if !left {
            if let Some(record) = self.scopes.get(root) {
                record.clear(CANCEL_PENDING);
            }
        }
    }

    /// After a step that delivered nothing: a wait that accepted a request, and that nobody has polled
    /// since it ended, was set aside by the code that had polled it. The request goes where it was
    /// directed, or it would be lost.
    #[cold]
    pub(crate) fn redirect_what_was_missed(&self, root: Key) {
        let mut missed = Vec::new();
        let record = self.scopes.at(root.index());
        let step = record.last_step.get();
        let mut asked = record.take_asked();
        asked.retain(|wait| {
            let Some(node) = self.nodes.get(*wait).filter(|node| node.forwarded()) else {
                return false;
            };
            if !node.unwinds() || node.polled_in.get() == step {
                return true;
            }
            let (Some(cancelled), Some(request)) = (node.cancellation(), node.request()) else {
                return true;
            };
            let directed_at = request.directed_at;
            let scope = node.scope.get();
            if self.scopes.is_delivered(directed_at, scope, step) {
                return true;
            }
            node.clear_forwarded();
            missed.push((directed_at, cancelled));
            false
        });
        match asked.is_empty() {
            true => record.clear(ASKED),
            false => record.add_asked(asked),
        }
        for (directed_at, cancelled) in missed {
            // What was directed at a scope that is over is over with it.
            if self.scopes.get(directed_at).is_some() {
                let request = Request {
                    cancelled,
                    directed_at,
                };
                self.set_must_cancel(directed_at, request);
                self.wake(root);
            }
        }
    }

    /// Whether `scope` is there, and what is being polled is in it.
    pub(crate) fn is_within(&self, scope: Key) -> bool {
        let current = self.current();
        self.scopes.get(scope).is_some()
            && (current == scope || self.scopes.is_below(current, scope))
    }

    /// Lets the scope that is being polled unwind as soon as that poll returns.
    ///
    /// False outside of any task: there is nothing to unwind.
    pub(crate) fn unwind(&self, cancelled: Cancelled) -> bool {
        let Some(record) = self.scopes.get(self.current()) else {
            return false;
        };
        record.mark(Mark {
            cancelled,
            target: Key::NONE,
            directed_at: Key::NONE,
        });
        true
    }

    /// The same for a cancellation that code raises itself: what it drops on its way has nobody left to tell.
    pub(crate) fn raise(&self, cancelled: Cancelled) -> bool {
        if let Some(record) = self.scopes.get(self.current()) {
            record.note_raised(self.current_step());
        }
        self.unwind(cancelled)
    }

    // -- counts ------------------------------------------------------------------------

    /// The scopes whose counts make up `cancelling()`: from the current one outwards if the task
    /// asks of itself, else all of the task.
    fn counted(&self, root: Key) -> Vec<Key> {
        let scopes = &self.scopes;
        if self.current_root() != root {
            let mut all = scopes.below(root);
            all.reverse();
            return all;
        }
        let mut found = Vec::new();
        let mut scope = self.current();
        while let Some(record) = scopes.get(scope) {
            found.push(scope);
            scope = record.parent.get();
        }
        found
    }

    pub(crate) fn cancelling(&self, root: Key) -> u32 {
        if self.current_root() == root {
            return self.cancelling_here();
        }
        self.sum(&self.counted(root))
    }

    /// What `cancelling()` is for the code that asks of its own task.
    #[inline]
    pub(crate) fn cancelling_here(&self) -> u32 {
        let mut scope = self.current();
        let mut sum = 0;
        while let Some(record) = self.scopes.get(scope) {
            sum += record.count.get();
            scope = record.parent.get();
        }
        sum
    }

    fn sum(&self, counted: &[Key]) -> u32 {
        let counts = counted.iter().map(|scope| self.count_of(*scope).get());
        counts.sum()
    }

    fn count_of(&self, scope: Key) -> &Cell<u32> {
        &self.scopes.at(scope.index()).count
    }

    /// Delivers a request once more that was delivered and still counts: the innermost one around
    /// the code that asks, at the scope at which it was directed.
    pub(crate) fn redeliver(&self, root: Key, request: &Cancelled) -> bool {
        let mut counted = self.counted(root).into_iter();
        match counted.find(|scope| self.count_of(*scope).get() > 0) {
            Some(scope) => {
                let request = Request {
                    cancelled: request.clone(),
                    directed_at: scope,
                };
                self.set_must_cancel(scope, request);
                true
            }
            None => false,
        }
    }

    /// Takes one request back, from the innermost scope that has one; at none left, also what
    /// was not delivered yet.
    pub(crate) fn uncancel(&self, root: Key) -> u32 {
        let counted = self.counted(root);
        let mut counts = counted.iter().map(|scope| self.count_of(*scope));
        let Some(inner) = counts.find(|count| count.get() > 0) else {
            return 0;
        };
        inner.set(inner.get() - 1);
        let left = self.sum(&counted);
        if left == 0 {
            for scope in counted {
                self.scopes.at(scope.index()).take_must_cancel();
            }
        }
        left
    }
}

enum WaitTarget {
    Other(CellRef),
    Own,
    Gone,
}

/// Visits the waits of a subtree of scopes until `visit` says true; whether it did.
pub(crate) fn for_each_wait(
    scopes: &Pool<ScopeRecord>,
    nodes: &Pool<Node>,
    top: Key,
    mut visit: impl FnMut(Key, &Node) -> bool,
) -> bool {
    let Some(record) = scopes.get(top) else {
        return false;
    };
    if record.first_child.get() == NIL {
        return visit_waits(record, nodes, &mut visit);
    }
    scopes
        .below(top)
        .into_iter()
        .any(|scope| visit_waits(scopes.at(scope.index()), nodes, &mut visit))
}

fn visit_waits(
    record: &ScopeRecord,
    nodes: &Pool<Node>,
    visit: &mut impl FnMut(Key, &Node) -> bool,
) -> bool {
    let mut index = record.first_wait.get();
    while index != NIL {
        let node = nodes.at(index);
        if visit(nodes.key_at(index), node) {
            return true;
        }
        index = node.scope_next.get();
    }
    false
}

/// Whether something may end though the request is under way: unless it is being asked itself, or
/// depends on nothing but what is, as a gather does.
fn may_end(target: CellRef) -> bool {
    let mut left = vec![target];
    while let Some(next) = left.pop() {
        if next.has(ASKING) {
            continue;
        }
        let before = left.len();
        let depends_on = next
            .awaited()
            .depends_on()
            .into_iter()
            .map(|future| future.0);
        left.extend(depends_on.filter(|other| !other.done()));
        if left.len() == before {
            return true;
        }
    }
    false
}
