//! `call_soon`: order, cancelling, contexts.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ouroloop_core::{Context, ContextVar, Handle, LoopRef};
use ouroloop_testkit::{Log, run_iterations};

use crate::support::{DropFlag, on_every_loop, virtual_loop};

static VAR: ContextVar<u32> = ContextVar::new("var");

#[test]
fn callbacks_run_in_the_order_of_their_scheduling() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        for line in ["a", "b", "c"] {
            event_loop.call_soon(log.line(line)).unwrap();
        }
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "a b c");
    });
}

#[test]
fn a_callback_never_runs_in_the_batch_that_scheduled_it() {
    fn again(event_loop: &LoopRef, count: &Rc<Cell<u32>>) {
        let (next, count) = (event_loop.clone(), count.clone());
        event_loop
            .call_soon(move || {
                count.set(count.get() + 1);
                again(&next, &count);
            })
            .unwrap();
    }
    on_every_loop(|event_loop| {
        let count = Rc::new(Cell::new(0));
        again(event_loop, &count);
        for turn in 1..=5 {
            run_iterations(event_loop, 1);
            assert_eq!(count.get(), turn);
        }
    });
}

#[test]
fn dropping_a_handle_loses_nothing() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        drop(event_loop.call_soon(log.line("ran")).unwrap());
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "ran");
    });
}

#[test]
fn a_cancelled_callback_is_dropped_at_once_and_skipped() {
    on_every_loop(|event_loop| {
        let (guard, dropped) = DropFlag::new();
        let handle = event_loop.call_soon(move || drop(guard)).unwrap();
        assert!(!handle.cancelled());
        handle.cancel();
        handle.cancel();
        assert!(dropped.get());
        assert!(handle.cancelled());
        run_iterations(event_loop, 1);
        assert_eq!(event_loop.statistics().ready, 0);
    });
}

#[test]
fn a_callback_that_cancels_a_later_one_of_its_batch_prevents_it() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let victim: Rc<RefCell<Option<Handle>>> = Rc::default();
        let (slot, first) = (victim.clone(), log.line("first"));
        event_loop
            .call_soon(move || {
                first();
                slot.borrow().as_ref().unwrap().cancel();
            })
            .unwrap();
        *victim.borrow_mut() = Some(event_loop.call_soon(log.line("victim")).unwrap());
        event_loop.call_soon(log.line("last")).unwrap();
        run_iterations(event_loop, 2);
        assert_eq!(log.take(), "first last");
    });
}

#[test]
fn a_callback_that_cancels_itself_while_it_runs_runs_to_its_end() {
    let (event_loop, _) = virtual_loop();
    let log = Log::default();
    let own: Rc<RefCell<Option<Handle>>> = Rc::default();
    let (slot, done) = (own.clone(), log.line("done"));
    let handle = event_loop
        .call_soon(move || {
            slot.borrow().as_ref().unwrap().cancel();
            done();
        })
        .unwrap();
    *own.borrow_mut() = Some(handle.clone());
    run_iterations(&event_loop, 1);
    assert_eq!(log.take(), "done");
    assert!(handle.cancelled());
    event_loop.close().unwrap();
}

#[test]
fn cancelling_what_has_run_changes_nothing_but_the_flag() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let handle = event_loop.call_soon(log.line("ran")).unwrap();
        run_iterations(event_loop, 1);
        assert!(!handle.cancelled());
        handle.cancel();
        assert!(handle.cancelled());
        assert_eq!(log.take(), "ran");
    });
}

#[test]
fn a_callback_runs_in_a_copy_of_the_context_that_scheduled_it() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        Context::new().run(|| {
            VAR.set(1);
            let seen = log.clone();
            let handle = event_loop
                .call_soon(move || {
                    seen.say(format!("{:?}", VAR.get()));
                    VAR.set(5);
                })
                .unwrap();
            VAR.set(2);
            run_iterations(event_loop, 1);
            assert_eq!(
                VAR.get(),
                Some(2),
                "what a callback sets stays in its context"
            );
            assert_eq!(handle.context().get(&VAR), Some(5));
        });
        assert_eq!(log.take(), "Some(1)");
    });
}

#[test]
fn callbacks_of_one_batch_do_not_see_each_others_context() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let given = Context::new();
        for context in [None, Some(given.clone()), None, Some(given)] {
            let log = log.clone();
            event_loop
                .call_soon_in(context, move || {
                    log.say(format!("{:?}", VAR.get()));
                    VAR.set(7);
                })
                .unwrap();
        }
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "None None None Some(7)");
        assert_eq!(VAR.get(), None);
    });
}

#[test]
fn ten_thousand_callbacks_run_once_each() {
    on_every_loop(|event_loop| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        for n in 0..10_000 {
            let seen = seen.clone();
            event_loop
                .call_soon(move || seen.borrow_mut().push(n))
                .unwrap();
        }
        run_iterations(event_loop, 2);
        assert!(seen.borrow().iter().copied().eq(0..10_000));
        assert_eq!(event_loop.statistics().callbacks, 10_000);
    });
}
