use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

use ouroloop_combinators::timeout;
use ouroloop_sync::{
    GetError, LifoQueue, PriorityQueue, PutError, Queue, QueueShutDown, TaskDoneTooOften,
};
use ouroloop_task::{Task, bare_yield, create_task};
use ouroloop_testkit::{Log, hops, ms, poll_once};

use crate::support::{run, turns};

fn getter(queue: &Rc<Queue<u32>>, log: &Log, name: &'static str) -> Task<()> {
    let (queue, log) = (queue.clone(), log.clone());
    create_task(async move {
        match queue.get().await {
            Ok(item) => log.say(format!("{name}{item}")),
            Err(_) => log.say(format!("{name}!")),
        }
    })
}

fn putter(queue: &Rc<Queue<u32>>, log: &Log, item: u32) -> Task<()> {
    let (queue, log) = (queue.clone(), log.clone());
    create_task(async move {
        match queue.put(item).await {
            Ok(()) => log.say(format!("put{item}")),
            Err(refused) => log.say(format!("refused{}", refused.item)),
        }
    })
}

#[test]
fn what_can_be_had_at_once_takes_no_turn() {
    run(async {
        let queue = Queue::new(1);
        assert_eq!(hops(queue.put(1)).await, (0, Ok(())));
        assert_eq!(hops(queue.get()).await, (0, Ok(1)));
    });
}

#[test]
fn a_put_wakes_one_getter_one_hop_later_and_the_item_stays_until_then() {
    run(async {
        let (queue, log) = (Rc::new(Queue::new(0)), Log::default());
        let _tasks = ["a", "b"].map(|name| getter(&queue, &log, name));
        bare_yield().await;
        queue.put_nowait(1).unwrap();
        assert_eq!(
            (queue.qsize(), queue.statistics().tasks_waiting_get),
            (1, 1)
        );
        bare_yield().await;
        assert_eq!(log.take(), "a1");
    });
}

#[test]
fn whoever_does_not_wait_may_take_the_item_and_the_woken_one_queues_at_the_back() {
    run(async {
        let (queue, log) = (Rc::new(Queue::new(0)), Log::default());
        let _tasks = ["a", "b"].map(|name| getter(&queue, &log, name));
        bare_yield().await;
        queue.put_nowait(1).unwrap();
        assert_eq!(queue.get_nowait(), Ok(1));
        bare_yield().await;
        queue.put_nowait(2).unwrap();
        queue.put_nowait(3).unwrap();
        bare_yield().await;
        assert_eq!(log.take(), "b2 a3");
    });
}

#[test]
fn a_full_queue_makes_putters_wait_in_order() {
    run(async {
        let (queue, log) = (Rc::new(Queue::new(1)), Log::default());
        queue.put(0).await.unwrap();
        assert!(queue.full());
        let _tasks = [1, 2].map(|item| putter(&queue, &log, item));
        bare_yield().await;
        assert_eq!(queue.statistics().tasks_waiting_put, 2);
        for expected in 0..3 {
            assert_eq!(queue.get_nowait(), Ok(expected));
            bare_yield().await;
        }
        assert_eq!(log.take(), "put1 put2");
    });
}

#[test]
fn the_nowait_twins_say_why_not() {
    let queue = Queue::new(1);
    assert_eq!(queue.get_nowait(), Err(GetError::QueueEmpty));
    queue.put_nowait(1).unwrap();
    assert_eq!(queue.put_nowait(2), Err(PutError::QueueFull(2)));
    queue.shutdown(false);
    assert_eq!(queue.put_nowait(3), Err(PutError::QueueShutDown(3)));
    assert_eq!(queue.get_nowait(), Ok(1));
    assert_eq!(queue.get_nowait(), Err(GetError::QueueShutDown));
}

#[test]
fn h19_a_getter_that_is_cancelled_after_it_was_woken_wakes_the_next() {
    run(async {
        let (queue, log) = (Rc::new(Queue::new(0)), Log::default());
        let [a, _b] = ["a", "b"].map(|name| getter(&queue, &log, name));
        bare_yield().await;
        queue.put_nowait(1).unwrap();
        a.cancel();
        turns(2).await;
        assert_eq!(log.take(), "b1");
    });
}

#[test]
fn h19_a_putter_that_is_cancelled_after_it_was_woken_wakes_the_next() {
    run(async {
        let (queue, log) = (Rc::new(Queue::new(1)), Log::default());
        queue.put_nowait(0).unwrap();
        let [first, _second] = [1, 2].map(|item| putter(&queue, &log, item));
        bare_yield().await;
        queue.get_nowait().unwrap();
        first.cancel();
        turns(2).await;
        assert_eq!(log.take(), "put2");
        assert_eq!(queue.get_nowait(), Ok(2));
    });
}

#[test]
fn h19_dropped_gets_and_puts_lose_nothing() {
    run(async {
        let queue = Queue::new(1);
        let mut gets: Vec<_> = (0..2).map(|_| Box::pin(queue.get())).collect();
        for get in &mut gets {
            assert!(poll_once(get.as_mut(), Waker::noop()).is_pending());
        }
        queue.put_nowait(1).unwrap();
        drop(gets.remove(0));
        assert!(
            poll_once(gets[0].as_mut(), Waker::noop()).is_ready(),
            "it was woken in its place"
        );
        queue.put_nowait(2).unwrap();
        let mut puts: Vec<_> = (3..5).map(|item| Box::pin(queue.put(item))).collect();
        for put in &mut puts {
            assert!(poll_once(put.as_mut(), Waker::noop()).is_pending());
        }
        assert_eq!(queue.get_nowait(), Ok(2));
        drop(puts.remove(0));
        assert!(
            poll_once(puts[0].as_mut(), Waker::noop()).is_ready(),
            "it was woken in its place"
        );
        assert_eq!(queue.get_nowait(), Ok(4));
    });
}

#[test]
fn h20_an_item_that_comes_in_the_tick_of_the_timeout_is_there_for_the_next() {
    run(async {
        let queue = Rc::new(Queue::new(0));
        for round in 0..2 {
            let put = {
                let queue = queue.clone();
                async move {
                    ouroloop_combinators::sleep(ms(5)).await;
                    queue.put_nowait(round).unwrap();
                }
            };
            let early = (round == 0).then(|| create_task(put));
            let got = timeout(ms(5), queue.get()).await;
            turns(3).await;
            if early.is_some() {
                let item = got.map_or_else(|_| queue.get_nowait(), |got| Ok(got.unwrap()));
                assert_eq!(item, Ok(round));
            }
            assert!(queue.empty());
            assert_eq!(queue.statistics().tasks_waiting_get, 0);
        }
    });
}

#[test]
fn join_waits_until_everything_is_done() {
    run(async {
        let (queue, log) = (Rc::new(Queue::new(0)), Log::default());
        assert_eq!(hops(queue.join()).await.0, 0);
        assert_eq!(queue.task_done(), Err(TaskDoneTooOften));
        queue.put_nowait(1).unwrap();
        queue.put_nowait(2).unwrap();
        let joiner = create_task({
            let (queue, log) = (queue.clone(), log.clone());
            async move {
                queue.join().await;
                log.say("joined");
            }
        });
        bare_yield().await;
        queue.task_done().unwrap();
        turns(2).await;
        assert_eq!(log.take(), "");
        assert_eq!(queue.statistics().unfinished, 1);
        queue.task_done().unwrap();
        // A new item does not call back whoever was released.
        queue.put_nowait(3).unwrap();
        joiner.await.unwrap();
        assert_eq!(log.take(), "joined");
    });
}

#[test]
fn shutdown_lets_getters_drain_and_wakes_all_who_wait() {
    run(async {
        let (queue, log) = (Rc::new(Queue::new(1)), Log::default());
        queue.put_nowait(0).unwrap();
        let putter = putter(&queue, &log, 1);
        bare_yield().await;
        queue.shutdown(false);
        putter.await.unwrap();
        assert_eq!(queue.get().await, Ok(0));
        assert!(matches!(queue.get().await, Err(QueueShutDown { .. })));
        assert_eq!(log.take(), "refused1");
        let (empty, log) = (Rc::new(Queue::new(0)), Log::default());
        let getters = ["a", "b"].map(|name| getter(&empty, &log, name));
        bare_yield().await;
        empty.shutdown(false);
        turns(2).await;
        assert_eq!(log.take(), "a! b!");
        drop(getters);
    });
}

#[test]
fn an_immediate_shutdown_drops_the_items_and_releases_who_joins() {
    run(async {
        let queue = Rc::new(Queue::new(0));
        let item = Rc::new(());
        queue.put_nowait(item.clone()).unwrap();
        queue.put_nowait(item.clone()).unwrap();
        let joiner = create_task({
            let queue = queue.clone();
            async move { queue.join().await }
        });
        bare_yield().await;
        queue.shutdown(true);
        joiner.await.unwrap();
        assert_eq!(Rc::strong_count(&item), 1);
        assert!(queue.empty() && queue.statistics().shut_down);
        assert_eq!(queue.task_done(), Err(TaskDoneTooOften));
    });
}

#[test]
fn each_kind_has_its_order() {
    let (lifo, priority) = (LifoQueue::new(0), PriorityQueue::new(0));
    for item in [2, 3, 1] {
        lifo.put_nowait(item).unwrap();
        priority.put_nowait(item).unwrap();
    }
    let all = RefCell::new(Vec::new());
    while let (Ok(last), Ok(lowest)) = (lifo.get_nowait(), priority.get_nowait()) {
        all.borrow_mut().push((last, lowest));
    }
    assert_eq!(all.take(), [(1, 1), (3, 2), (2, 3)]);
}

#[test]
fn a_queue_may_hold_what_is_borrowed() {
    let text = String::from("borrowed");
    let queue = Queue::new(0);
    queue.put_nowait(text.as_str()).unwrap();
    assert_eq!(queue.get_nowait(), Ok("borrowed"));
}
