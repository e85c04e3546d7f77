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

use std::rc::Rc;

use crate::arena::{Arena, Key, NIL};
use crate::error::Cancelled;
use crate::header::{ASKING, Awaited, Begun, UNREAD};
use crate::node::Node;
use crate::scope::{ASKED, CANCEL_PENDING, Mark, RUNNING, SCHEDULED, ScopeRecord};
use crate::tasks::Tasks;

/// Work that is left while a request travels.
pub(crate) enum Frame {
    /// Ask what this wait waits for.
    Wait(AskingWait),
    /// Ask this; on behalf of the wait, if it has one.
    Target(Rc<dyn Awaited>, AskingWait),
    /// All that `0` asked have answered.
    End(Rc<dyn Awaited>, AskingWait),
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

impl Tasks {
    /// `cancel()` of a task, a promise, a gather.
    pub(crate) fn cancel(&self, target: Rc<dyn Awaited>, request: &Cancelled) -> bool {
        self.ask(request, |_, frames| {
            frames.push(Frame::Target(target, AskingWait::NONE));
        })
    }

    /// A request that is directed at a scope below the root of a task.
    pub(crate) fn cancel_scope(&self, scope: Key, request: &Cancelled) -> bool {
        let root = {
            let mut scopes = self.scopes.borrow_mut();
            let Some(record) = scopes.get_mut(scope) else {
                return false;
            };
            record.count += 1;
            scopes.root_of(scope)
        };
        let running = root.is_none_or(|root| self.is_running(root));
        let accepted = !running
            && self.ask(request, |tasks, frames| {
                tasks.push_waits_below(scope, frames);
            });
        self.conclude(scope, request, accepted);
        true
    }

    /// A task's part of `begin_cancel`: counts the request and asks what it waits for.
    pub(crate) fn begin_cancel_task(
        &self,
        cell: &dyn Awaited,
        root: Key,
        frames: &mut Vec<Frame>,
    ) -> Begun {
        let header = cell.header();
        header.clear(UNREAD);
        if header.done() || header.has(ASKING) {
            return Begun::Refused;
        }
        let mut scopes = self.scopes.borrow_mut();
        let Some(record) = scopes.get_mut(root) else {
            return Begun::Refused;
        };
        header.set(ASKING);
        record.count += 1;
        let running = record.has(RUNNING);
        drop(scopes);
        if !running {
            self.push_waits_below(root, frames);
        }
        Begun::Asking
    }

    /// A task's part of `end_cancel`.
    pub(crate) fn end_cancel_task(
        &self,
        cell: &dyn Awaited,
        root: Key,
        request: &Cancelled,
        accepted: bool,
    ) -> bool {
        self.conclude(root, request, accepted);
        // After that, which has to see what depends on the task itself.
        cell.header().clear(ASKING);
        true
    }

    fn is_running(&self, root: Key) -> bool {
        self.scopes
            .borrow()
            .get(root)
            .is_some_and(|record| record.has(RUNNING))
    }

    /// Leaves a request for the next step where it was not accepted.
    ///
    /// Code that awaits one thing at a time has one answer. Of several branches each is to hear of
    /// it, so those that have nothing which accepted are left the request one by one.
    fn conclude(&self, target: Key, request: &Cancelled, accepted: bool) {
        if !accepted {
            return self.set_must_cancel(target, request);
        }
        let left_out = {
            let scopes = self.scopes.borrow();
            match scopes.get(target) {
                Some(record) if record.first_child != NIL => {}
                _ => return,
            }
            let nodes = self.nodes.borrow();
            let mut innermost = scopes.below(target);
            innermost.retain(|scope| {
                let record = scopes.at(scope.index);
                record.is_innermost() && !visit_waits(record, &nodes, &mut |_, node| node.forwarded)
            });
            innermost
        };
        for scope in left_out {
            self.set_must_cancel(scope, request);
        }
    }

    /// Leaves a request for the next step, and sees to it that there is one.
    pub(crate) fn set_must_cancel(&self, scope: Key, request: &Cancelled) {
        let mut scopes = self.scopes.borrow_mut();
        let Some(record) = scopes.get_mut(scope) else {
            return;
        };
        record.rare().must_cancel = Some(request.clone());
        // A scope that is not entered yet is looked at when it is.
        let Some(root) = scopes.root_of(scope) else {
            return;
        };
        let record = scopes.at_mut(root.index);
        record.flags |= CANCEL_PENDING;
        let idle = !record.has(RUNNING) && !record.has(SCHEDULED);
        drop(scopes);
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
                Frame::Target(target, asking) => {
                    let before = frames.len();
                    match target.begin_cancel(request, frames) {
                        Begun::Accepted => {
                            target.header().tasks.fire_all(&target);
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
                    (target.end_cancel(request, any), asking)
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
        let scopes = self.scopes.borrow();
        let mut nodes = self.nodes.borrow_mut();
        let Some(node) = nodes.get_mut(asking.wait) else {
            return;
        };
        if !node.forwarded || scopes.is_below(node.directed_at, asking.directed_at) {
            node.directed_at = asking.directed_at;
        }
        node.forwarded = true;
        node.request
            .get_or_insert_with(|| Box::new(request.clone()));
        let root = scopes.root_of(node.scope);
        drop((nodes, scopes));
        if let Some(root) = root {
            self.scopes.borrow_mut().at_mut(root.index).flags |= ASKED;
        }
    }

    fn target_of(&self, wait: Key) -> WaitTarget {
        match self.nodes.borrow().get(wait) {
            Some(node) if !node.fired => match node.target.other() {
                Some(target) => WaitTarget::Other(target.clone()),
                None => WaitTarget::Own,
            },
            _ => WaitTarget::Gone,
        }
    }

    /// Cancels a wait that is its own promise.
    fn cancel_own(&self, wait: Key, request: &Cancelled) -> bool {
        if let Some(node) = self.nodes.borrow_mut().get_mut(wait) {
            if node.fired {
                return false;
            }
            node.request = Some(Box::new(request.clone()));
        }
        self.fire_own(wait)
    }

    fn push_waits_below(&self, top: Key, frames: &mut Vec<Frame>) {
        let scopes = self.scopes.borrow();
        let nodes = self.nodes.borrow();
        for_each_wait(&scopes, &nodes, top, |key, node| {
            if node.is_awaited(&scopes) {
                frames.push(Frame::Wait(AskingWait {
                    wait: key,
                    directed_at: top,
                }));
            }
            false
        });
    }

    /// Whether something that is awaited below a scope can still wake it. What is being asked itself
    /// refused because the request went round in a circle, which nobody else would break.
    fn may_be_woken_below(&self, top: Key) -> bool {
        let mut targets = Vec::new();
        let woken = {
            let scopes = self.scopes.borrow();
            for_each_wait(&scopes, &self.nodes.borrow(), top, |_, node| {
                if !node.is_awaited(&scopes) {
                    return false;
                }
                targets.extend(node.target.other().cloned());
                node.target.other().is_none()
            })
        };
        woken || targets.into_iter().any(may_end)
    }

    // -- delivery ------------------------------------------------------------------

    /// Before a step: turns what could not be passed on into marks on the innermost scopes.
    pub(crate) fn deliver(&self, root: Key) {
        let mut wakers = Vec::new();
        let mut scopes = self.scopes.borrow_mut();
        let nodes = self.nodes.borrow();
        scopes.at_mut(root.index).flags &= !CANCEL_PENDING;
        for scope in scopes.below(root) {
            let Some(cancelled) = scopes.at_mut(scope.index).take_must_cancel() else {
                continue;
            };
            // A cancellation that is on its way up already is the one that arrives.
            if for_each_wait(&scopes, &nodes, scope, |_, node| node.unwinds()) {
                continue;
            }
            for inner in scopes.below(scope) {
                let record = scopes.at_mut(inner.index);
                if !record.is_innermost() {
                    continue;
                }
                let rare = record.rare();
                if rare.mark.is_none() {
                    rare.mark = Some(Mark {
                        cancelled: cancelled.clone(),
                        target: scope,
                    });
                }
                // A combinator that polls its parts by their own wakers must hear of it.
                wakers.extend(rare.waker.take());
            }
        }
        drop((scopes, nodes));
        for waker in wakers {
            self.contain("Exception in a waker", || waker.wake());
        }
    }

    /// After a step that suspended: what the task now waits for is asked at once.
    pub(crate) fn pass_on(&self, root: Key) {
        let below = self.scopes.borrow().below(root);
        let mut left = false;
        for scope in below {
            let Some(request) = self
                .scopes
                .borrow()
                .get(scope)
                .and_then(|record| record.must_cancel().cloned())
            else {
                continue;
            };
            let accepted = self.ask(&request, |tasks, frames| {
                tasks.push_waits_below(scope, frames);
            });
            if accepted {
                if let Some(record) = self.scopes.borrow_mut().get_mut(scope) {
                    record.take_must_cancel();
                }
            } else {
                left = true;
                self.set_must_cancel(scope, &request);
            }
        }
        if !left {
            if let Some(record) = self.scopes.borrow_mut().get_mut(root) {
                record.flags &= !CANCEL_PENDING;
            }
        }
    }

    /// After a step that delivered nothing: a wait that accepted a request, and that nobody has polled
    /// since it ended, was set aside by the code that had polled it. The request goes where it was
    /// directed, or it would be lost.
    #[cold]
    pub(crate) fn redirect_what_was_missed(&self, root: Key) {
        let mut missed = Vec::new();
        let mut asked = false;
        {
            let mut scopes = self.scopes.borrow_mut();
            let mut nodes = self.nodes.borrow_mut();
            let step = scopes.at(root.index).last_step;
            let delivered = self.delivered_in.get() == step;
            let mut ended = Vec::new();
            for_each_wait(&scopes, &nodes, root, |key, node| {
                asked |= node.forwarded;
                if node.unwinds() && node.polled_in != step && !delivered {
                    ended.push(key);
                }
                false
            });
            for key in ended {
                let node = nodes.at_mut(key.index);
                if let Some(cancelled) = node.cancellation() {
                    node.forwarded = false;
                    missed.push((node.directed_at, cancelled));
                }
            }
            if !asked {
                scopes.at_mut(root.index).flags &= !ASKED;
            }
        }
        for (directed_at, cancelled) in missed {
            // What was directed at a scope that is over is over with it.
            if self.scopes.borrow().get(directed_at).is_some() {
                self.set_must_cancel(directed_at, &cancelled);
                self.wake(root);
            }
        }
    }

    /// Whether `scope` is there, and what is being polled is in it.
    pub(crate) fn is_within(&self, scope: Key) -> bool {
        let current = self.current();
        let scopes = self.scopes.borrow();
        scopes.get(scope).is_some() && (current == scope || scopes.is_below(current, scope))
    }

    /// Lets the scope that is being polled unwind as soon as that poll returns.
    ///
    /// False outside of any task: there is nothing to unwind.
    pub(crate) fn unwind(&self, cancelled: Cancelled) -> bool {
        let current = self.current();
        match self.scopes.borrow_mut().get_mut(current) {
            Some(record) => {
                self.delivered_in.set(self.current_step());
                record.rare().mark = Some(Mark {
                    cancelled,
                    target: Key::NONE,
                });
                true
            }
            None => false,
        }
    }

    // -- counts ------------------------------------------------------------------------

    /// The scopes whose counts make up `cancelling()`: from the current one outwards if the task
    /// asks of itself, else all of the task.
    fn counted(&self, root: Key) -> Vec<Key> {
        let scopes = self.scopes.borrow();
        if self.current_root() != root {
            let mut all = scopes.below(root);
            all.reverse();
            return all;
        }
        let mut found = Vec::new();
        let mut scope = self.current();
        while let Some(record) = scopes.get(scope) {
            found.push(scope);
            scope = record.parent;
        }
        found
    }

    pub(crate) fn cancelling(&self, root: Key) -> u32 {
        let counted = self.counted(root);
        let scopes = self.scopes.borrow();
        counted
            .iter()
            .map(|scope| scopes.at(scope.index).count)
            .sum()
    }

    /// Delivers a request once more that was delivered and still counts: the innermost one around
    /// the code that asks, at the scope at which it was directed.
    pub(crate) fn redeliver(&self, root: Key, request: &Cancelled) -> bool {
        let counted = self.counted(root);
        let scope = {
            let scopes = self.scopes.borrow();
            counted
                .into_iter()
                .find(|scope| scopes.at(scope.index).count > 0)
        };
        match scope {
            Some(scope) => {
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
        let mut scopes = self.scopes.borrow_mut();
        let Some(inner) = counted
            .iter()
            .find(|scope| scopes.at(scope.index).count > 0)
        else {
            return 0;
        };
        scopes.at_mut(inner.index).count -= 1;
        let left = counted
            .iter()
            .map(|scope| scopes.at(scope.index).count)
            .sum();
        if left == 0 {
            for scope in counted {
                scopes.at_mut(scope.index).take_must_cancel();
            }
        }
        left
    }
}

enum WaitTarget {
    Other(Rc<dyn Awaited>),
    Own,
    Gone,
}

/// Visits the waits of a subtree of scopes until `visit` says true; whether it did.
pub(crate) fn for_each_wait(
    scopes: &Arena<ScopeRecord>,
    nodes: &Arena<Node>,
    top: Key,
    mut visit: impl FnMut(Key, &Node) -> bool,
) -> bool {
    let Some(record) = scopes.get(top) else {
        return false;
    };
    if record.first_child == NIL {
        return visit_waits(record, nodes, &mut visit);
    }
    scopes
        .below(top)
        .into_iter()
        .any(|scope| visit_waits(scopes.at(scope.index), nodes, &mut visit))
}

fn visit_waits(
    record: &ScopeRecord,
    nodes: &Arena<Node>,
    visit: &mut impl FnMut(Key, &Node) -> bool,
) -> bool {
    let mut index = record.first_wait;
    while index != NIL {
        let node = nodes.at(index);
        if visit(nodes.key_at(index), node) {
            return true;
        }
        index = node.scope_next;
    }
    false
}

/// Whether something may end though the request is under way: unless it is being asked itself, or
/// depends on nothing but what is, as a gather does.
fn may_end(target: Rc<dyn Awaited>) -> bool {
    let mut left = vec![target];
    while let Some(next) = left.pop() {
        if next.header().has(ASKING) {
            continue;
        }
        let before = left.len();
        let depends_on = next.depends_on().into_iter().map(|future| future.0);
        left.extend(depends_on.filter(|other| !other.header().done()));
        if left.len() == before {
            return true;
        }
    }
    false
}
