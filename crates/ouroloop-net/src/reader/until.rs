//! Looking for separators in what has been received so far.
//!
//! asyncio's rules, to the byte: which errors there are, and how many bytes they name, depends on
//! where a search stands when it gives up.

use memchr::memchr;
use memchr::memmem::Finder;

use crate::error::NetError;

pub(super) struct Search<'a> {
    needles: Needles<'a>,
    min: usize,
    max: usize,
    /// Before it, no separator begins.
    offset: usize,
}

enum Needles<'a> {
    Newline,
    /// Shorter ones first: of two that end at the same place the shorter one counts.
    Any(Vec<Finder<'a>>),
}

impl<'a> Search<'a> {
    pub(super) fn newline() -> Search<'static> {
        Search {
            needles: Needles::Newline,
            min: 1,
            max: 1,
            offset: 0,
        }
    }

    /// # Errors
    ///
    /// [`NetError::EmptySeparator`] if there is none, or an empty one.
    pub(super) fn new(separators: &[&'a [u8]]) -> Result<Search<'a>, NetError> {
        let mut sorted = separators.to_vec();
        sorted.sort_by_key(|it| it.len());
        let (Some(shortest), Some(longest)) = (sorted.first(), sorted.last()) else {
            return Err(NetError::EmptySeparator);
        };
        if shortest.is_empty() {
            return Err(NetError::EmptySeparator);
        }
        Ok(Search {
            min: shortest.len(),
            max: longest.len(),
            needles: Needles::Any(sorted.into_iter().map(Finder::new).collect()),
            offset: 0,
        })
    }

    /// Goes on with the search in `bytes`, which begin with those of the last time. Gives the place
    /// where the first separator ends, or `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// [`NetError::LimitOverrun`] if there are more than `limit` bytes before the separator, or so
    /// many without one.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        limit: usize,
    ) -> Result<Option<usize>, NetError> {
        if bytes.len().saturating_sub(self.offset) < self.min {
            return Ok(None);
        }
        if let Some((start, end)) = self.find(bytes) {
            if start > limit {
                return Err(NetError::LimitOverrun { consumed: start });
            }
            return Ok(Some(end));
        }
        // What may be the beginning of a separator is looked at again.
        self.offset = (bytes.len() + 1).saturating_sub(self.max);
        if self.offset > limit {
            return Err(NetError::LimitOverrun {
                consumed: self.offset,
            });
        }
        Ok(None)
    }

    /// Forgets how far the search has come: the bytes before were taken away.
    pub(super) fn restart(&mut self) {
        self.offset = 0;
    }

    /// Tells whether it has not come anywhere.
    pub(super) fn is_new(&self) -> bool {
        self.offset == 0
    }

    fn find(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let rest = &bytes[self.offset..];
        let found = match &self.needles {
            Needles::Newline => memchr(b'\n', rest).map(|at| (at, at + 1)),
            Needles::Any(finders) => finders
                .iter()
                .filter_map(|finder| {
                    let at = finder.find(rest)?;
                    Some((at, at + finder.needle().len()))
                })
                // The first of those that end earliest.
                .min_by_key(|&(_, end)| end),
        };
        found.map(|(start, end)| (self.offset + start, self.offset + end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumed(result: Result<Option<usize>, NetError>) -> usize {
        match result {
            Err(NetError::LimitOverrun { consumed }) => consumed,
            other => panic!("no overrun but {other:?}"),
        }
    }

    #[test]
    fn the_limit_counts_what_is_before_the_separator() {
        let mut search = Search::new(&[b"END"]).unwrap();
        assert_eq!(search.advance(b"abcEND", 3).unwrap(), Some(6));
        let mut search = Search::new(&[b"END"]).unwrap();
        assert_eq!(consumed(search.advance(b"abcdEND", 3)), 4);
    }

    #[test]
    fn without_a_separator_what_may_be_its_beginning_is_spared() {
        let mut search = Search::new(&[b"END"]).unwrap();
        assert_eq!(search.advance(b"abcEN", 3).unwrap(), None);
        assert_eq!(search.advance(b"abcEND", 3).unwrap(), Some(6));
        let mut search = Search::new(&[b"END"]).unwrap();
        assert_eq!(consumed(search.advance(b"abcdEN", 3)), 4);
    }

    #[test]
    fn of_several_separators_the_one_that_ends_first_counts() {
        let mut search = Search::new(&[b"longest", b"ge", b"e"]).unwrap();
        assert_eq!(search.advance(b"a longest day", 64).unwrap(), Some(7));
        let search = Search::new(&[b"xyz", b"z"]).unwrap();
        assert_eq!(search.find(b"wxyz"), Some((3, 4)), "the shorter one");
    }

    #[test]
    fn there_must_be_something_to_look_for() {
        for separators in [&[][..], &[&b""[..]][..], &[&b"a"[..], &b""[..]][..]] {
            assert!(matches!(
                Search::new(separators),
                Err(NetError::EmptySeparator)
            ));
        }
    }
}
