//! Locks, events, conditions, semaphores, barriers and queues, with the methods that Python's have.
//!
//! A scenario acquires and releases by hand, as Python does, so guards are forgotten at once.

use std::cmp::Ordering;
use std::mem::ManuallyDrop;
use std::rc::Rc;

use ouroloop::{
    Barrier, BoundedSemaphore, Condition, Event, LifoQueue, Lock, PriorityQueue, Queue, Semaphore,
};

use super::error::Error;
use super::value::Value;

/// A primitive. All clones are the same one.
#[derive(Clone)]
pub enum Primitive {
    Lock(Rc<Lock>),
    Event(Rc<Event>),
    Condition(Rc<Condition>),
    Semaphore(Rc<Semaphore>),
    BoundedSemaphore(Rc<BoundedSemaphore>),
    Barrier(Rc<Barrier>),
    Queue(Rc<AnyQueue>),
}

/// A queue of any kind.
pub enum AnyQueue {
    Fifo(Queue<Ranked>),
    Lifo(LifoQueue<Ranked>),
    Priority(PriorityQueue<Ranked>),
}

impl Primitive {
    pub fn lock() -> Primitive {
        Primitive::Lock(Rc::new(Lock::new()))
    }

    pub fn event() -> Primitive {
        Primitive::Event(Rc::new(Event::new()))
    }

    pub fn condition() -> Primitive {
        Primitive::Condition(Rc::new(Condition::new()))
    }

    /// # Errors
    ///
    /// ValueError for a negative value.
    pub fn semaphore(value: i64, bounded: bool) -> Result<Primitive, Error> {
        let value = value.try_into().map_err(|_| Error::VALUE_ERROR)?;
        Ok(if bounded {
            Primitive::BoundedSemaphore(Rc::new(BoundedSemaphore::new(value)))
        } else {
            Primitive::Semaphore(Rc::new(Semaphore::new(value)))
        })
    }

    /// # Errors
    ///
    /// ValueError without parties.
    pub fn barrier(parties: i64) -> Result<Primitive, Error> {
        let barrier = Barrier::new(parties.try_into().unwrap_or(0))?;
        Ok(Primitive::Barrier(Rc::new(barrier)))
    }

    /// # Errors
    ///
    /// KeyError if there is no such kind.
    pub fn queue(kind: &str, maxsize: i64) -> Result<Primitive, Error> {
        // Python takes any number below one for no limit.
        let maxsize = maxsize.try_into().unwrap_or(0);
        let queue = match kind {
            "fifo" => AnyQueue::Fifo(Queue::new(maxsize)),
            "lifo" => AnyQueue::Lifo(LifoQueue::new(maxsize)),
            "priority" => AnyQueue::Priority(PriorityQueue::new(maxsize)),
            _ => return Err(Error::KEY_ERROR),
        };
        Ok(Primitive::Queue(Rc::new(queue)))
    }

    /// `acquire()`
    ///
    /// # Errors
    ///
    /// AttributeError if it has no such method. The same holds for all that follow.
    pub async fn acquire(&self) -> Result<(), Error> {
        match self {
            Primitive::Lock(lock) => lock.acquire().await.forget(),
            Primitive::Condition(condition) => condition.acquire().await.forget(),
            Primitive::Semaphore(semaphore) => semaphore.acquire().await.forget(),
            Primitive::BoundedSemaphore(semaphore) => semaphore.acquire().await.forget(),
            _ => return Err(Error::ATTRIBUTE_ERROR),
        }
        Ok(())
    }

    /// `release()`
    pub fn release(&self) -> Result<(), Error> {
        match self {
            Primitive::Lock(lock) => lock.release()?,
            Primitive::Condition(condition) => condition.release()?,
            Primitive::Semaphore(semaphore) => semaphore.release(),
            Primitive::BoundedSemaphore(semaphore) => semaphore.release()?,
            _ => return Err(Error::ATTRIBUTE_ERROR),
        }
        Ok(())
    }

    /// `locked()`
    pub fn locked(&self) -> Result<bool, Error> {
        match self {
            Primitive::Lock(lock) => Ok(lock.locked()),
            Primitive::Condition(condition) => Ok(condition.locked()),
            Primitive::Semaphore(semaphore) => Ok(semaphore.locked()),
            Primitive::BoundedSemaphore(semaphore) => Ok(semaphore.locked()),
            _ => Err(Error::ATTRIBUTE_ERROR),
        }
    }

    /// What `async with` awaits first. A barrier is waited for.
    ///
    /// # Errors
    ///
    /// TypeError if there is no such protocol.
    pub async fn enter(&self) -> Result<(), Error> {
        match self {
            Primitive::Event(_) | Primitive::Queue(_) => Err(Error::TYPE_ERROR),
            Primitive::Barrier(_) => self.wait().await.map(drop),
            _ => self.acquire().await,
        }
    }

    /// What `async with` does in the end.
    pub fn exit(&self) -> Result<(), Error> {
        match self {
            Primitive::Barrier(_) => Ok(()),
            _ => self.release(),
        }
    }

    /// `wait()`
    pub async fn wait(&self) -> Result<Value, Error> {
        match self {
            Primitive::Event(event) => event.wait().await,
            Primitive::Condition(condition) => {
                // Whoever acquired releases, also after a cancellation: not this guard.
                let mut guard = ManuallyDrop::new(condition.lock().adopt()?);
                condition.wait(&mut guard).await?;
            }
            Primitive::Barrier(barrier) => {
                let index = barrier.wait().await?;
                return Ok(Value::Int(index.try_into().unwrap_or(i64::MAX)));
            }
            _ => return Err(Error::ATTRIBUTE_ERROR),
        }
        Ok(Value::Bool(true))
    }

    /// `set()` and `clear()` of an event
    pub fn set_event(&self, set: bool) -> Result<(), Error> {
        match self {
            Primitive::Event(event) if set => event.set(),
            Primitive::Event(event) => event.clear(),
            _ => return Err(Error::ATTRIBUTE_ERROR),
        }
        Ok(())
    }

    /// `notify(n)`, or `notify_all()` without a number
    pub fn notify(&self, count: Option<i64>) -> Result<(), Error> {
        let Primitive::Condition(condition) = self else {
            return Err(Error::ATTRIBUTE_ERROR);
        };
        let guard = condition.lock().adopt()?;
        let notified = match count {
            None => condition.notify_all(&guard),
            Some(count) => condition.notify(&guard, count.try_into().unwrap_or(0)),
        };
        guard.forget();
        Ok(notified?)
    }

    /// The barrier, if it is one.
    pub fn as_barrier(&self) -> Result<&Barrier, Error> {
        match self {
            Primitive::Barrier(barrier) => Ok(barrier),
            _ => Err(Error::ATTRIBUTE_ERROR),
        }
    }

    /// The queue, if it is one.
    pub fn as_queue(&self) -> Result<&AnyQueue, Error> {
        match self {
            Primitive::Queue(queue) => Ok(queue),
            _ => Err(Error::ATTRIBUTE_ERROR),
        }
    }
}

macro_rules! each_kind {
    ($any:expr, $queue:ident => $call:expr) => {
        match $any {
            AnyQueue::Fifo($queue) => $call,
            AnyQueue::Lifo($queue) => $call,
            AnyQueue::Priority($queue) => $call,
        }
    };
}

impl AnyQueue {
    /// `put(value)`
    ///
    /// # Errors
    ///
    /// Those of the queue, as of all that follow.
    pub async fn put(&self, value: Value) -> Result<(), Error> {
        each_kind!(self, queue => queue.put(Ranked(value)).await)?;
        Ok(())
    }

    /// `put_nowait(value)`
    pub fn put_nowait(&self, value: Value) -> Result<(), Error> {
        each_kind!(self, queue => queue.put_nowait(Ranked(value)))?;
        Ok(())
    }

    /// `get()`
    pub async fn get(&self) -> Result<Value, Error> {
        let Ranked(value) = each_kind!(self, queue => queue.get().await)?;
        Ok(value)
    }

    /// `get_nowait()`
    pub fn get_nowait(&self) -> Result<Value, Error> {
        let Ranked(value) = each_kind!(self, queue => queue.get_nowait())?;
        Ok(value)
    }

    /// `task_done()`
    pub fn task_done(&self) -> Result<(), Error> {
        each_kind!(self, queue => queue.task_done())?;
        Ok(())
    }

    /// `join()`
    pub async fn join(&self) {
        each_kind!(self, queue => queue.join().await);
    }

    /// `qsize()`
    pub fn qsize(&self) -> usize {
        each_kind!(self, queue => queue.qsize())
    }

    /// `shutdown(immediate)`
    pub fn shutdown(&self, immediate: bool) {
        each_kind!(self, queue => queue.shutdown(immediate));
    }
}

/// A value by its rank. Python refuses to compare values of different kinds; no scenario does that.
pub struct Ranked(Value);

impl Ranked {
    fn rank(&self) -> (i64, &str) {
        match &self.0 {
            Value::Bool(truth) => (i64::from(*truth), ""),
            Value::Int(number) => (*number, ""),
            Value::Text(text) => (0, text),
            Value::None | Value::List(_) | Value::Error(_) => (0, ""),
        }
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}
