//! `Queue`, `LifoQueue` and `PriorityQueue`: one implementation, three orders.

mod core;
mod store;

use std::fmt;

use self::core::Core;
use self::store::{Fifo, Lifo, Lowest};
use crate::error::{GetError, PutError, QueueShutDown, TaskDoneTooOften};
use crate::statistics::QueueStatistics;

/// A queue of items for tasks, first in, first out: asyncio's `Queue`.
///
/// # Ordering
///
/// Those who wait are woken first come, first served, and resume in the next iteration. An item
/// stays in the queue until then: a `get` that does not have to wait may take it first, and the one
/// that was woken queues again, at the back. The same holds for `put` and room.
///
/// # Differences from asyncio
///
/// - It is bound to no loop: tasks of several loops of one thread may share it.
/// - An item that cannot be put comes back in the error.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use ouroloop::{Queue, create_task};
///
/// ouroloop::run(async {
///     let queue = Rc::new(Queue::new(1));
///     let producer = create_task({
///         let queue = queue.clone();
///         async move {
///             for item in 0..3 {
///                 queue.put(item).await.unwrap();
///             }
///             queue.shutdown(false);
///         }
///     });
///     let mut got = Vec::new();
///     while let Ok(item) = queue.get().await {
///         got.push(item);
///     }
///     assert_eq!(got, [0, 1, 2]);
///     producer.await.unwrap();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct Queue<T>(Core<Fifo<T>>);

/// A [`Queue`] that gives the newest item first: asyncio's `LifoQueue`.
///
/// # Examples
///
/// ```
/// use ouroloop::LifoQueue;
///
/// let queue = LifoQueue::new(0);
/// queue.put_nowait(1).unwrap();
/// queue.put_nowait(2).unwrap();
/// assert_eq!(queue.get_nowait(), Ok(2));
/// ```
pub struct LifoQueue<T>(Core<Lifo<T>>);

/// A [`Queue`] that gives the lowest item first: asyncio's `PriorityQueue`.
///
/// Items are often pairs of a priority and what it is the priority of. To compare items must not use
/// the queue.
///
/// # Ordering
///
/// Equal items leave in the order in which Python's `heapq` gives them, which is not that of their
/// coming; a serial number as part of the item makes it so.
///
/// # Examples
///
/// ```
/// use ouroloop::PriorityQueue;
///
/// let queue = PriorityQueue::new(0);
/// queue.put_nowait((2, "later")).unwrap();
/// queue.put_nowait((1, "first")).unwrap();
/// assert_eq!(queue.get_nowait(), Ok((1, "first")));
/// ```
pub struct PriorityQueue<T: Ord>(Core<Lowest<T>>);

macro_rules! queue {
    ($name:ident $(: $order:ident)?) => {
        impl<T $(: $order)?> $name<T> {
            /// A queue for `maxsize` items, or for any number if that is 0.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let queue = ouroloop::", stringify!($name), "::<u32>::new(10);")]
            /// assert_eq!(queue.maxsize(), 10);
            /// ```
            #[must_use]
            #[track_caller]
            pub fn new(maxsize: usize) -> Self {
                $name(Core::new(stringify!($name), maxsize))
            }

            /// Puts an item; waits for room if the queue is full.
            ///
            /// With room it does not suspend.
            ///
            /// # Errors
            ///
            /// [`QueueShutDown`] with the item, if the queue is shut down before there is room.
            ///
            /// # Cancellation
            ///
            /// Dropped before it is ready, it has put nothing, and the item is dropped with it. Room that
            /// it was woken for passes to the next who waits.
            ///
            /// # Panics
            ///
            /// If it has to wait and no loop is running in this thread.
            ///
            /// # Examples
            ///
            /// ```
            /// ouroloop::run(async {
            #[doc = concat!("    let queue = ouroloop::", stringify!($name), "::new(1);")]
            ///     queue.put("item").await.unwrap();
            ///     assert!(queue.full());
            /// })?;
            /// # Ok::<(), ouroloop::RunError>(())
            /// ```
            pub fn put(&self, item: T) -> impl Future<Output = Result<(), QueueShutDown<T>>> {
                self.0.put(item)
            }

            /// Puts an item if there is room now.
            ///
            /// # Errors
            ///
            /// [`PutError::QueueFull`] or [`PutError::QueueShutDown`], with the item.
            ///
            /// # Examples
            ///
            /// ```
            /// use ouroloop::PutError;
            ///
            #[doc = concat!("let queue = ouroloop::", stringify!($name), "::new(1);")]
            /// queue.put_nowait(1).unwrap();
            /// assert_eq!(queue.put_nowait(2), Err(PutError::QueueFull(2)));
            /// ```
            pub fn put_nowait(&self, item: T) -> Result<(), PutError<T>> {
                self.0.put_nowait(item)
            }

            /// Takes the next item; waits for one if the queue is empty.
            ///
            /// With an item there it does not suspend.
            ///
            /// # Errors
            ///
            /// [`QueueShutDown`] if the queue is shut down and empty.
            ///
            /// # Cancellation
            ///
            /// Dropped before it is ready, it has taken nothing. What it was woken for passes to the next
            /// who waits.
            ///
            /// # Panics
            ///
            /// If it has to wait and no loop is running in this thread.
            ///
            /// # Examples
            ///
            /// ```
            /// ouroloop::run(async {
            #[doc = concat!("    let queue = ouroloop::", stringify!($name), "::new(0);")]
            ///     queue.put_nowait("item").unwrap();
            ///     assert_eq!(queue.get().await, Ok("item"));
            /// })?;
            /// # Ok::<(), ouroloop::RunError>(())
            /// ```
            pub fn get(&self) -> impl Future<Output = Result<T, QueueShutDown>> {
                self.0.get()
            }

            /// Takes the next item if there is one now.
            ///
            /// # Errors
            ///
            /// [`GetError::QueueEmpty`], or [`GetError::QueueShutDown`] if none will come.
            ///
            /// # Examples
            ///
            /// ```
            /// use ouroloop::GetError;
            ///
            #[doc = concat!("let queue = ouroloop::", stringify!($name), "::<u32>::new(0);")]
            /// assert_eq!(queue.get_nowait(), Err(GetError::QueueEmpty));
            /// ```
            pub fn get_nowait(&self) -> Result<T, GetError> {
                self.0.get_nowait()
            }

            /// Says that the work for an item that was got is done: see [`join`](Self::join).
            ///
            /// # Errors
            ///
            /// [`TaskDoneTooOften`] if that was said of every item that was put.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let queue = ouroloop::", stringify!($name), "::new(0);")]
            /// queue.put_nowait(1).unwrap();
            /// assert!(queue.task_done().is_ok());
            /// assert!(queue.task_done().is_err());
            /// ```
            pub fn task_done(&self) -> Result<(), TaskDoneTooOften> {
                self.0.task_done()
            }

            /// Waits until [`task_done`](Self::task_done) was called for every item that was put.
            ///
            /// # Cancellation
            ///
            /// Nothing is lost by dropping it.
            ///
            /// # Panics
            ///
            /// If it has to wait and no loop is running in this thread.
            ///
            /// # Examples
            ///
            /// ```
            /// ouroloop::run(async {
            #[doc = concat!("    let queue = ouroloop::", stringify!($name), "::new(0);")]
            ///     queue.put_nowait(1).unwrap();
            ///     queue.get().await.unwrap();
            ///     queue.task_done().unwrap();
            ///     queue.join().await;
            /// })?;
            /// # Ok::<(), ouroloop::RunError>(())
            /// ```
            pub fn join(&self) -> impl Future<Output = ()> {
                self.0.join()
            }

            /// Takes nothing more: puts fail from now on, and gets once the queue is empty.
            ///
            /// If `immediate`, the items that are left are dropped and count as done, so gets fail at
            /// once, and whoever joins may go on. All who wait are woken to see to it.
            ///
            /// # Panics
            ///
            /// With the first panic of an item's `Drop`, after all of the above.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let queue = ouroloop::", stringify!($name), "::new(0);")]
            /// queue.put_nowait(1).unwrap();
            /// queue.shutdown(false);
            /// assert!(queue.put_nowait(2).is_err());
            /// assert_eq!(queue.get_nowait(), Ok(1));
            /// assert!(queue.get_nowait().is_err());
            /// ```
            pub fn shutdown(&self, immediate: bool) {
                self.0.shutdown(immediate);
            }

            /// How many items are in it.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let queue = ouroloop::", stringify!($name), "::new(0);")]
            /// queue.put_nowait(1).unwrap();
            /// assert_eq!(queue.qsize(), 1);
            /// ```
            #[must_use]
            pub fn qsize(&self) -> usize {
                self.0.qsize()
            }

            /// How many items it takes; 0 for any number.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let queue = ouroloop::", stringify!($name), "::<u32>::new(2);")]
            /// assert_eq!(queue.maxsize(), 2);
            /// ```
            #[must_use]
            pub fn maxsize(&self) -> usize {
                self.0.maxsize()
            }

            /// Whether nothing is in it.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("assert!(ouroloop::", stringify!($name), "::<u32>::new(0).empty());")]
            /// ```
            #[must_use]
            pub fn empty(&self) -> bool {
                self.0.qsize() == 0
            }

            /// Whether there is no room; never without a `maxsize`.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("assert!(!ouroloop::", stringify!($name), "::<u32>::new(0).full());")]
            /// ```
            #[must_use]
            pub fn full(&self) -> bool {
                self.0.full()
            }

            /// How it stands.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let queue = ouroloop::", stringify!($name), "::new(0);")]
            /// queue.put_nowait(1).unwrap();
            /// assert_eq!(queue.statistics().unfinished, 1);
            /// ```
            #[must_use]
            pub fn statistics(&self) -> QueueStatistics {
                self.0.statistics()
            }
        }

        /// For any number of items.
        impl<T $(: $order)?> Default for $name<T> {
            #[track_caller]
            fn default() -> Self {
                $name::new(0)
            }
        }

        impl<T $(: $order)?> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.debug(f)
            }
        }
    };
}

queue!(Queue);
queue!(LifoQueue);
queue!(PriorityQueue: Ord);
