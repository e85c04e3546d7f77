//! Groups, timeouts and scopes that are used after their end.

use std::cell::RefCell;
use std::rc::Rc;

use ouroloop::lowlevel::Scope;
use ouroloop::{Cancelled, CancelledBy, TaskError, sleep, task_group, timeout, timeout_scope};

use crate::support::{chain, ms, run_reported};

#[test]
fn a_group_that_has_ended_takes_no_tasks() {
    let (result, _) = run_reported(async {
        let mut kept = None;
        task_group(async |tg| {
            kept = Some(tg);
            Ok::<_, TaskError>(())
        })
        .await
        .unwrap();
        let kept = kept.unwrap();
        kept.cancel();
        chain(&kept.create_task(async {}).unwrap_err())
    });
    assert_eq!(
        result.unwrap(),
        "the task group is finished; create tasks while its body or a child runs"
    );
}

#[test]
fn a_group_that_shuts_down_takes_no_tasks() {
    let (result, _) = run_reported(async {
        let text = Rc::new(RefCell::new(String::new()));
        let sink = text.clone();
        let ended = task_group(async move |tg| {
            tg.cancel();
            *sink.borrow_mut() = chain(&tg.create_task(async {}).unwrap_err());
            Ok::<_, TaskError>(())
        });
        let _ = ended.await;
        text.take()
    });
    assert_eq!(
        result.unwrap(),
        "the task group is shutting down; return from its body"
    );
}

#[test]
fn a_timeout_is_not_moved_after_it_expired_or_ended() {
    let (result, _) = run_reported(async {
        let texts = Rc::new(RefCell::new(Vec::new()));
        let sink = texts.clone();
        let mut kept = None;
        let _late = timeout_scope(ms(1), async |t| {
            let _ = ouroloop::catch_cancelled(sleep(ms(10))).await;
            let error = t.reschedule(ms(100)).unwrap_err();
            sink.borrow_mut().push(chain(&error));
            kept = Some(t);
        })
        .await;
        let error = kept.unwrap().reschedule(ms(100)).unwrap_err();
        texts.borrow_mut().push(chain(&error));
        texts.take()
    });
    assert_eq!(
        result.unwrap(),
        [
            "the timeout expired already; reschedule it before its deadline",
            "the timeout is finished; reschedule it within its body",
        ]
    );
}

#[test]
fn a_handle_of_a_scope_that_is_gone_does_nothing_and_says_so() {
    let (result, _) = run_reported(async {
        let scope = Scope::new();
        let handle = scope.handle();
        assert!(scope.catch(async { true }).await.unwrap());
        scope.close();
        handle.set_delay(ms(0));
        assert!(!handle.cancel(&Cancelled::new(CancelledBy::Task)));
        assert!(!handle.expired());
        sleep(ms(1)).await;
    });
    result.unwrap();
}

#[test]
fn a_timeout_says_what_to_do() {
    let (result, _) = run_reported(async {
        let late = timeout(ms(1), sleep(ms(10))).await;
        chain(&late.unwrap_err())
    });
    assert_eq!(
        result.unwrap(),
        "timed out; allow more time, or treat the work as failed"
    );
}
