//! The other kind of ready entry: a word for a registered client.
//!
//! A callback costs an allocation and says nothing about itself. A party that schedules the same
//! things again and again (the task crate, or a binding for another language) registers once and
//! is then handed words of its own making: 8 bytes in the queue, one indirect call to run.

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

    /// Takes a word that arrived from another thread by [`post`](crate::post).
    ///
    /// Called while the inbox is drained, before the batch is fixed: what this schedules runs in
    /// the iteration that is beginning. Since loop ids are recycled, a word may have been meant
    /// for an earlier loop: take it as a hint, and look whether there is anything to do.
    fn posted(&self, payload: u64);

    /// Tells whether it is worth while to call [`prefetch`](Self::prefetch) in the batch that begins: whether it has
    /// more things than a cache holds. No, unless implemented.
    fn wants_prefetch(&self) -> bool {
        false
    }

    /// Hears that a word will have its turn soon: a hint to load from memory what that needs, while others run.
    ///
    /// Called twice for a word: when it is eight entries ahead, as the `first` of the two, for what is found by the
    /// word alone, and when it is four ahead, for what that points at. It must do nothing else.
    fn prefetch(&self, payload: u64, first: bool) {
        let _ = (payload, first);
    }

    /// Says what a word stands for, for the slow-callback warning and for reports of panics.
    fn describe(&self, payload: u64) -> String;

    /// Drops everything that is owned here: the loop is closing, and refuses new work by now.
    fn close(&self);
}
