//! `getaddrinfo` (H18).

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use ouroloop_combinators::{sleep, timeout};
use ouroloop_core::{EventLoop, get_running_loop, new_event_loop};
use ouroloop_executor::to_thread;
use ouroloop_net::{LoopNet, NetError, Resolver, getaddrinfo, open_connection};
use ouroloop_task::create_task;
use ouroloop_testkit::iteration;

use crate::support::{run, run_on, turns};

/// A resolver that keeps everybody waiting until it is told otherwise.
#[derive(Clone, Default)]
struct Stalled {
    open: Arc<(Mutex<bool>, Condvar)>,
    inside: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Stalled {
    fn resolver(&self) -> Resolver {
        let it = self.clone();
        Resolver::new(move |name, port| it.resolve(name, port))
    }

    fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.inside.fetch_add(1, Ordering::SeqCst);
        let open = self.open.0.lock().unwrap();
        let _open = self.open.1.wait_while(open, |open| !*open).unwrap();
        self.inside.fetch_sub(1, Ordering::SeqCst);
        let last = name.trim_start_matches('n').parse().unwrap_or(0);
        Ok(vec![([10, 0, 0, last], port).into()])
    }

    fn release(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }

    fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }
}

/// Lets the loop go on until so many are being asked: starting threads takes its time.
async fn until_inside(stalled: &Stalled, count: usize) {
    while stalled.inside() < count {
        sleep(Duration::from_millis(1)).await;
    }
}

fn stalled_loop() -> (EventLoop, Stalled) {
    let event_loop = new_event_loop().unwrap();
    let stalled = Stalled::default();
    event_loop.set_getaddrinfo(stalled.resolver()).unwrap();
    (event_loop, stalled)
}

#[test]
fn an_address_is_its_own_answer() {
    let (event_loop, stalled) = stalled_loop();
    run_on(&event_loop, async {
        let before = iteration();
        let v4 = getaddrinfo("127.0.0.1", 80).await.unwrap();
        let v6 = getaddrinfo("::1", 80).await.unwrap();
        assert_eq!(iteration(), before, "it does not even suspend");
        assert_eq!(v4, ["127.0.0.1:80".parse::<SocketAddr>().unwrap()]);
        assert_eq!(v6, ["[::1]:80".parse::<SocketAddr>().unwrap()]);
    });
    assert_eq!(stalled.asked.load(Ordering::SeqCst), 0);
    event_loop.close().unwrap();
}

#[test]
fn the_system_knows_localhost() {
    run(async {
        let addrs = getaddrinfo("localhost", 7).await.unwrap();
        assert!(
            addrs
                .iter()
                .all(|it| it.ip().is_loopback() && it.port() == 7)
        );
        assert!(!addrs.is_empty());
    });
}

#[test]
fn errors_name_the_host() {
    let event_loop = new_event_loop().unwrap();
    event_loop
        .set_getaddrinfo(Resolver::new(|name, _| match name {
            "empty" => Ok(Vec::new()),
            "panic" => panic!("by request"),
            _ => Err(io::Error::new(io::ErrorKind::TimedOut, "nobody answers")),
        }))
        .unwrap();
    run_on(&event_loop, async {
        let error = open_connection("absent", 1).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot look up `absent`: nobody answers");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
        let error = getaddrinfo("empty", 1).await.unwrap_err();
        assert!(error.to_string().contains("no address"));
        for _ in 0..20 {
            let error = getaddrinfo("panic", 1).await.unwrap_err();
            assert!(error.to_string().contains("panicked"), "{error}");
        }
        assert!(
            getaddrinfo("absent", 1).await.is_err(),
            "its thread lives on"
        );
    });
    event_loop.close().unwrap();
}

#[test]
fn h18_a_stalled_resolver_delays_nobody_else() {
    let (event_loop, stalled) = stalled_loop();
    let release = stalled.clone();
    run_on(&event_loop, async move {
        let lookups: Vec<_> = (0..40)
            .map(|number| create_task(getaddrinfo(format!("n{number}"), 80)))
            .collect();
        let event_loop = get_running_loop().unwrap();
        let mut late = Vec::new();
        for _ in 0..20 {
            let due = event_loop.time() + Duration::from_millis(10);
            sleep(Duration::from_millis(10)).await;
            late.push(event_loop.time() - due);
        }
        late.sort();
        // Waiting for a look-up would take until the release.
        assert!(late[late.len() / 2] < Duration::from_millis(50), "{late:?}");
        until_inside(&stalled, 16).await;
        assert_eq!(stalled.inside(), 16, "as many as there are threads");
        release.release();
        for (number, lookup) in lookups.into_iter().enumerate() {
            let addrs = lookup.await.unwrap().unwrap();
            assert_eq!(addrs[0].ip().to_string(), format!("10.0.0.{number}"));
        }
    });
    event_loop.close().unwrap();
}

#[test]
fn h18_a_cancelled_lookup_returns_at_once_and_its_answer_is_dropped() {
    let (event_loop, stalled) = stalled_loop();
    run_on(&event_loop, async move {
        let lookups: Vec<_> = (0..40)
            .map(|_| create_task(getaddrinfo("n1", 80)))
            .collect();
        until_inside(&stalled, 16).await;
        for lookup in &lookups {
            lookup.cancel();
        }
        // The resolver is asleep all the while.
        let results = join_all(lookups.into_iter().map(IntoFuture::into_future)).await;
        assert!(results.iter().all(Result::is_err));
        // The 24 that nobody had begun to ask are never asked.
        stalled.release();
        let addrs = getaddrinfo("n2", 80).await.unwrap();
        assert_eq!(addrs[0].ip().to_string(), "10.0.0.2");
        turns().await;
        assert_eq!(stalled.asked.load(Ordering::SeqCst), 17);
    });
    event_loop.close().unwrap();
}

#[test]
fn h18_lookups_that_nobody_waits_for_hold_back_no_other() {
    let event_loop = new_event_loop().unwrap();
    let dead = Stalled::default();
    let stalled = dead.clone();
    event_loop
        .set_getaddrinfo(Resolver::new(move |name, port| match name {
            "alive" => Ok(vec![([10, 0, 0, 99], port).into()]),
            name => stalled.resolve(name, port),
        }))
        .unwrap();
    let inside = dead.clone();
    run_on(&event_loop, async move {
        let lookups: Vec<_> = (0..16)
            .map(|_| create_task(getaddrinfo("n1", 80)))
            .collect();
        until_inside(&inside, 16).await;
        for lookup in &lookups {
            lookup.cancel();
        }
        for lookup in lookups {
            lookup.await.unwrap_err();
        }
        assert_eq!(inside.inside(), 16, "each still has its thread");
        let other = to_thread(|| 1).await.unwrap();
        let addrs = getaddrinfo("alive", 80).await.unwrap();
        assert_eq!((other, addrs[0].ip().to_string()), (1, "10.0.0.99".into()));
        assert_eq!(inside.inside(), 16, "nobody waited for one of them");
    });
    event_loop.close().unwrap();
    dead.release();
}

#[test]
fn h18_a_loop_closes_without_waiting_for_its_lookups() {
    let (event_loop, stalled) = stalled_loop();
    let pending = run_on(&event_loop, async {
        let mut lookups: Vec<_> = (0..20).map(|_| Box::pin(getaddrinfo("n1", 80))).collect();
        for lookup in &mut lookups {
            let waited = timeout(Duration::from_millis(1), lookup.as_mut()).await;
            assert!(waited.is_err());
        }
        lookups
    });
    let begun = Instant::now();
    event_loop.close().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    drop(pending);
    // The late answers find nobody.
    stalled.release();
    while stalled.inside() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_closed_loop_takes_no_resolver() {
    let event_loop = new_event_loop().unwrap();
    event_loop.close().unwrap();
    assert!(event_loop.set_getaddrinfo(None).is_err());
    let error = run(async { open_connection("127.0.0.1", 1).await.unwrap_err() });
    assert!(matches!(error, NetError::ConnectFailed { .. }));
}
