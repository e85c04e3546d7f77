//! The other kind of ready entry: a word for a registered client.
//!
//! A callback costs an allocation and says nothing about itself. A party that schedules the same
//! things again and again (the task crate, or a binding for another language) registers once and
//! is then handed words of its own making: 8 bytes in the queue, one indirect call to run.

use std::cell::Cell;

use crate::ready::ReadyQueue;
use crate::{ClientId, ClientWord};

/// A registered party that gets its turns as words instead of callbacks: for layers above the loop, as
/// tasks and sockets are, and for bindings of other languages.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::Client;
/// use ouroloop::new_event_loop;
/// use std::{cell::RefCell, rc::Rc};
///
/// #[derive(Default)]
/// struct Recorder(RefCell<Vec<u64>>);
///
/// impl Client for Recorder {
///     fn run(&self, payload: u64) {
///         self.0.borrow_mut().push(payload)
///     }
///     fn posted(&self, _payload: u64) {}
///     fn describe(&self, payload: u64) -> String {
///         format!("word {payload}")
///     }
///     fn close(&self) {}
/// }
///
/// let event_loop = new_event_loop()?;
/// let recorder = Rc::new(Recorder::default());
/// let client = event_loop.register_client(recorder.clone());
/// event_loop.schedule(client.word(7));
/// event_loop.schedule(client.word(8));
/// event_loop.run_once()?;
/// assert_eq!(*recorder.0.borrow(), [7, 8]);
/// event_loop.close()?;
/// # Ok::<(), ouroloop::LoopError>(())
/// ```
pub trait Client {
    /// Takes a scheduled word's turn in a batch, or a timer word's.
    ///
    /// The thread's current context is empty here; a client that has contexts swaps its own in
    /// and out with [`swap_context`](crate::swap_context). A panic goes to the exception handler,
    /// and the batch goes on.
    fn run(&self, payload: u64);

    /// Gives those of its words their turn that come one after another: by [`run`](Self::run), one by one, unless
    /// implemented.
    ///
    /// For a client with many words, which is called once for all of them then. It must come to the same as `run`, which
    /// is called instead while the loop looks at each entry: in debug mode, with an observer or a batch order. A panic
    /// goes to the exception handler, and what is left of `turns` comes in another call; the first word, if that is left,
    /// is given to `run`.
    fn run_all(&self, turns: &mut Turns<'_>) {
        for payload in turns {
            self.run(payload);
        }
    }

    /// Takes a word that arrived from another thread by [`post`](crate::post).
    ///
    /// Called while the inbox is drained, before the batch is fixed: what this schedules runs in
    /// the iteration that is beginning. Since loop ids are recycled, a word may have been meant
    /// for an earlier loop: take it as a hint, and look whether there is anything to do.
    fn posted(&self, payload: u64);

    /// Says what a word stands for, for the slow-callback warning and for reports of panics.
    fn describe(&self, payload: u64) -> String;

    /// Drops everything that is owned here: the loop is closing, and refuses new work by now.
    fn close(&self);
}

/// The words of one client that come one after another in a batch: what [`Client::run_all`] is given.
///
/// As an iterator it gives their payloads. Each is out of the queue once it is given.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::{Client, Turns};
/// use ouroloop::new_event_loop;
/// use std::{cell::Cell, rc::Rc};
///
/// #[derive(Default)]
/// struct Sum(Cell<u64>);
///
/// impl Client for Sum {
///     fn run(&self, payload: u64) {
///         self.0.set(self.0.get() + payload)
///     }
///     fn run_all(&self, turns: &mut Turns<'_>) {
///         let sum: u64 = turns.sum();
///         self.run(sum)
///     }
///     fn posted(&self, _payload: u64) {}
///     fn describe(&self, payload: u64) -> String {
///         format!("word {payload}")
///     }
///     fn close(&self) {}
/// }
///
/// let event_loop = new_event_loop()?;
/// let sum = Rc::new(Sum::default());
/// let client = event_loop.register_client(sum.clone());
/// event_loop.schedule(client.word(7));
/// event_loop.schedule(client.word(8));
/// event_loop.run_once()?;
/// assert_eq!(sum.0.get(), 15);
/// event_loop.close()?;
/// # Ok::<(), ouroloop::LoopError>(())
/// ```
pub struct Turns<'a> {
    pub(crate) ready: &'a ReadyQueue,
    pub(crate) client: ClientId,
    /// Where the batch keeps what runs.
    pub(crate) current: &'a Cell<ClientWord>,
    /// The position in the queue at which the batch is over.
    pub(crate) end: usize,
}

impl Turns<'_> {
    /// Gives the payload that has so many entries ahead of it, if it is of this client: a hint what to load from memory
    /// meanwhile.
    #[inline]
    pub fn peek(&self, ahead: usize) -> Option<u64> {
        let word = self.ready.peek_word(ahead, self.end)?;
        word.is_of(self.client).then(|| word.payload())
    }
}

impl Iterator for Turns<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        let word = self.ready.pop_word_of(self.client, self.end)?;
        self.current.set(word);
        Some(word.payload())
    }
}

impl std::fmt::Debug for Turns<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turns")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
