//! Taking everything out, when a loop closes.

use core::{fmt, iter::FusedIterator};

use super::TimerWheel;

/// Takes the timers out of a wheel one by one; made by [`TimerWheel::drain`].
pub struct Drain<'a, T> {
    wheel: &'a mut TimerWheel<T>,
}

impl<'a, T> Drain<'a, T> {
    pub(super) fn new(wheel: &'a mut TimerWheel<T>) -> Self {
        Self { wheel }
    }
}

impl<T> Iterator for Drain<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.wheel.pop_first().map(|(_, value)| value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.wheel.len(), Some(self.wheel.len()))
    }
}

impl<T> ExactSizeIterator for Drain<'_, T> {}

impl<T> FusedIterator for Drain<'_, T> {}

impl<T> fmt::Debug for Drain<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("len", &self.len()).finish()
    }
}
