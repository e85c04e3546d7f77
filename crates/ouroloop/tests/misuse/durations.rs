//! Times of nothing, of more than there is, and of no limit.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use ouroloop::{
    FIRST_COMPLETED, as_completed, create_task, get_running_loop, sleep, timeout, timeout_at,
    timeout_scope, wait, wait_for,
};

use crate::support::{ms, run_reported};

#[test]
fn nothing_and_too_much_are_times_like_others() {
    let (result, _) = run_reported(async {
        sleep(Duration::ZERO).await;
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
        assert!(timeout(Duration::MAX, async {}).await.is_ok());
        assert!(timeout(Duration::MAX, sleep(ms(1))).await.is_ok());
        assert!(timeout_at(Duration::ZERO, pending::<()>()).await.is_err());
        assert!(timeout_at(Duration::MAX, sleep(ms(1))).await.is_ok());
        assert!(wait_for(pending::<()>(), Duration::ZERO).await.is_err());
        assert!(wait_for(sleep(ms(1)), Duration::MAX).await.is_ok());
        let event_loop = get_running_loop().unwrap();
        let called = Rc::new(Cell::new(false));
        let flag = called.clone();
        event_loop
            .call_later(Duration::ZERO, move || flag.set(true))
            .unwrap();
        let never = event_loop.call_later(Duration::MAX, || {}).unwrap();
        sleep(ms(1)).await;
        assert!(called.get());
        never.cancel();
    });
    result.unwrap();
}

#[test]
fn none_is_no_limit() {
    let (result, _) = run_reported(async {
        assert!(timeout(None, sleep(ms(1))).await.is_ok());
        assert!(timeout_at(None, sleep(ms(1))).await.is_ok());
        assert!(
            timeout_scope(None, async |_| sleep(ms(1)).await)
                .await
                .is_ok()
        );
        assert!(wait_for(sleep(ms(1)), None).await.is_ok());
        let quick = create_task(sleep(ms(1)));
        let (done, _) = wait([&quick])
            .timeout(None)
            .return_when(FIRST_COMPLETED)
            .await
            .unwrap();
        assert_eq!(done.len(), 1);
        let mut results = as_completed([sleep(ms(1))]).timeout(None);
        assert!(results.next().await.unwrap().is_ok());
    });
    result.unwrap();
}

#[test]
fn a_sleep_beyond_the_end_of_time_ends_there() {
    let (result, _) = run_reported(async {
        sleep(Duration::MAX).await;
        get_running_loop().unwrap().time()
    });
    assert!(result.unwrap() >= Duration::from_nanos(u64::MAX - 1));
}
