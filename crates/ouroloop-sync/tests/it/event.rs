use std::rc::Rc;

use ouroloop_combinators::timeout;
use ouroloop_sync::Event;
use ouroloop_task::{Task, bare_yield, create_task};
use ouroloop_testkit::{Log, hops, ms};

use crate::support::{run, turns};

fn waiter(event: &Rc<Event>, log: &Log, name: &'static str) -> Task<()> {
    let (event, log) = (event.clone(), log.clone());
    create_task(async move {
        event.wait().await;
        log.say(format!("{name}:{}", event.is_set()));
    })
}

#[test]
fn waiting_for_a_set_event_takes_no_turn() {
    run(async {
        let event = Event::new();
        event.set();
        event.set();
        assert_eq!(hops(event.wait()).await.0, 0);
        event.clear();
        assert!(!event.is_set());
    });
}

#[test]
fn setting_wakes_all_in_order_one_hop_later() {
    run(async {
        let (event, log) = (Rc::new(Event::new()), Log::default());
        let tasks = ["a", "b", "c"].map(|name| waiter(&event, &log, name));
        bare_yield().await;
        assert_eq!(event.statistics().tasks_waiting, 3);
        event.set();
        assert_eq!(log.take(), "");
        bare_yield().await;
        assert_eq!(log.take(), "a:true b:true c:true");
        drop(tasks);
    });
}

#[test]
fn set_and_clear_in_one_step_release_those_who_wait() {
    run(async {
        let (event, log) = (Rc::new(Event::new()), Log::default());
        let early = waiter(&event, &log, "early");
        bare_yield().await;
        event.set();
        event.clear();
        let late = waiter(&event, &log, "late");
        turns(3).await;
        assert_eq!(log.take(), "early:false");
        event.set();
        late.await.unwrap();
        early.await.unwrap();
        assert_eq!(log.take(), "late:true");
    });
}

#[test]
fn one_that_is_cancelled_or_times_out_leaves_the_queue() {
    run(async {
        let (event, log) = (Rc::new(Event::new()), Log::default());
        let gone = waiter(&event, &log, "gone");
        let stays = waiter(&event, &log, "stays");
        bare_yield().await;
        gone.cancel();
        assert!(timeout(ms(1), event.wait()).await.is_err());
        assert_eq!(event.statistics().tasks_waiting, 1);
        event.set();
        stays.await.unwrap();
        assert_eq!(log.take(), "stays:true");
    });
}
