//! The reader beside a model of asyncio's `StreamReader`: random reads, limits, chunks and cancellations.

use std::io::Write;
use std::net::Shutdown;
use std::pin::pin;
use std::task::{Poll, Waker};

use ouroloop_core::new_event_loop;
use ouroloop_net::{NetError, StreamReader};
use ouroloop_testkit::{Random, poll_once};

use crate::support::{pair_with_limit, run_on};

/// What a read gives, or would give.
#[derive(Debug, PartialEq)]
enum Outcome {
    Bytes(Vec<u8>),
    Incomplete(Vec<u8>, Option<usize>),
    Overrun(usize),
    TooLong,
    Waits,
}

#[derive(Clone, Debug)]
enum Call {
    Some(usize),
    Into(usize),
    Exactly(usize),
    Line,
    NextLine,
    Until(Vec<&'static [u8]>),
    ToEnd,
}

const SEPARATORS: [&[u8]; 5] = [b"\n", b"ab", b"aab", b"b\n", b"aaaa"];

impl Call {
    fn random(random: &mut Random) -> Call {
        match random.below(20) {
            0..4 => Call::Some(random.below(12)),
            4..6 => Call::Into(if random.one_in(4) {
                5000
            } else {
                random.below(12)
            }),
            6..9 => Call::Exactly(random.below(12)),
            9..12 => Call::Line,
            12..14 => Call::NextLine,
            14..19 => {
                let count = 1 + random.below(3);
                let all = (0..count).map(|_| SEPARATORS[random.below(SEPARATORS.len())]);
                Call::Until(all.collect())
            }
            _ => Call::ToEnd,
        }
    }

    /// Polls it once, and drops it: a read that has to wait is cancelled.
    fn attempt(&self, reader: &mut StreamReader) -> Outcome {
        let waker = Waker::noop();
        let bytes = match self {
            Call::Some(limit) => poll_once(pin!(reader.read(*limit)), waker),
            Call::Into(len) => {
                let mut target = vec![0; *len];
                let read = poll_once(pin!(reader.readinto(&mut target)), waker);
                read.map_ok(|count| target[..count].to_vec())
            }
            Call::Exactly(count) => poll_once(pin!(reader.readexactly(*count)), waker),
            Call::Line => poll_once(pin!(reader.readline()), waker),
            Call::NextLine => poll_once(pin!(reader.lines().next()), waker)
                .map(|line| line.unwrap_or(Ok(Vec::new()))),
            Call::Until(separators) => poll_once(pin!(reader.readuntil_any(separators)), waker),
            Call::ToEnd => poll_once(pin!(reader.read_to_end()), waker),
        };
        match bytes {
            Poll::Pending => Outcome::Waits,
            Poll::Ready(Ok(bytes)) => Outcome::Bytes(bytes),
            Poll::Ready(Err(NetError::IncompleteRead { partial, expected })) => {
                Outcome::Incomplete(partial, expected)
            }
            Poll::Ready(Err(NetError::LimitOverrun { consumed })) => Outcome::Overrun(consumed),
            Poll::Ready(Err(NetError::LineTooLong { .. })) => Outcome::TooLong,
            Poll::Ready(Err(error)) => panic!("{self:?}: {error}"),
        }
    }
}

/// asyncio's reader, as its source has it, where a wait takes what the peer has sent by then.
struct Model {
    buffer: Vec<u8>,
    sent: Vec<u8>,
    sent_end: bool,
    eof: bool,
    limit: usize,
}

impl Model {
    /// False if nothing comes.
    fn wait_for_data(&mut self) -> bool {
        if !self.sent.is_empty() {
            self.buffer.append(&mut self.sent);
            return true;
        }
        self.eof = self.sent_end;
        self.eof
    }

    fn take(&mut self, count: usize) -> Outcome {
        let count = count.min(self.buffer.len());
        Outcome::Bytes(self.buffer.drain(..count).collect())
    }

    fn read(&mut self, call: &Call) -> Outcome {
        match call {
            Call::Some(limit) | Call::Into(limit) => {
                if *limit > 0 && self.buffer.is_empty() && !self.eof && !self.wait_for_data() {
                    return Outcome::Waits;
                }
                self.take(*limit)
            }
            Call::Exactly(count) => {
                while self.buffer.len() < *count {
                    if self.eof {
                        let partial = std::mem::take(&mut self.buffer);
                        return Outcome::Incomplete(partial, Some(*count));
                    }
                    if !self.wait_for_data() {
                        return Outcome::Waits;
                    }
                }
                self.take(*count)
            }
            Call::Line | Call::NextLine => match self.read(&Call::Until(vec![b"\n"])) {
                Outcome::Incomplete(partial, _) => Outcome::Bytes(partial),
                Outcome::Overrun(consumed) => {
                    if self.buffer[consumed..].starts_with(b"\n") {
                        self.buffer.drain(..=consumed);
                    } else {
                        self.buffer.clear();
                    }
                    Outcome::TooLong
                }
                other => other,
            },
            Call::Until(separators) => self.readuntil(separators),
            Call::ToEnd => {
                while !self.eof {
                    if !self.wait_for_data() {
                        return Outcome::Waits;
                    }
                }
                self.take(usize::MAX)
            }
        }
    }

    fn readuntil(&mut self, separators: &[&[u8]]) -> Outcome {
        let shortest = separators.iter().map(|it| it.len()).min().unwrap();
        let longest = separators.iter().map(|it| it.len()).max().unwrap();
        let mut offset: usize = 0;
        loop {
            let len = self.buffer.len();
            if len - offset >= shortest {
                // The shortest piece that ends with a separator; of those that end there, the
                // shortest separator.
                let found = (offset..=len).find_map(|end| {
                    let mut ending: Vec<_> = separators
                        .iter()
                        .filter(|it| end >= offset + it.len())
                        .filter(|it| self.buffer[..end].ends_with(it))
                        .collect();
                    ending.sort_by_key(|it| it.len());
                    ending.first().map(|it| (end - it.len(), end))
                });
                if let Some((start, end)) = found {
                    if start > self.limit {
                        return Outcome::Overrun(start);
                    }
                    return self.take(end);
                }
                offset = (len + 1).saturating_sub(longest);
                if offset > self.limit {
                    return Outcome::Overrun(offset);
                }
            }
            if self.eof {
                return Outcome::Incomplete(std::mem::take(&mut self.buffer), None);
            }
            if !self.wait_for_data() {
                return Outcome::Waits;
            }
        }
    }
}

/// One connection from its beginning to its end.
fn check(seed: u64) {
    let mut random = Random::new(seed);
    let limit = 1 + random.below(10);
    let event_loop = new_event_loop().unwrap();
    let (mut reader, _writer, mut peer) = run_on(&event_loop, pair_with_limit(limit));
    let mut model = Model {
        buffer: Vec::new(),
        sent: Vec::new(),
        sent_end: false,
        eof: false,
        limit,
    };
    let mut done = Vec::new();
    for step in 0..200 {
        if random.one_in(2) && !model.sent_end {
            if step > 150 {
                peer.shutdown(Shutdown::Write).unwrap();
                model.sent_end = true;
            } else {
                let chunk: Vec<u8> = (0..random.below(9))
                    .map(|_| b"aaab\nc"[random.below(6)])
                    .collect();
                peer.write_all(&chunk).unwrap();
                model.sent.extend(&chunk);
            }
            // Another poll of the loop, or none: the end may be known before the data is read.
            if random.one_in(2) {
                run_on(&event_loop, ouroloop_task::bare_yield());
            }
        }
        let call = Call::random(&mut random);
        // What does not wait is counted per iteration.
        run_on(&event_loop, ouroloop_task::bare_yield());
        let outcome = call.attempt(&mut reader);
        done.push(format!("{call:?}"));
        assert_eq!(
            outcome,
            model.read(&call),
            "seed {seed}, limit {limit}: {done:#?}"
        );
    }
    drop((reader, _writer));
    event_loop.close().unwrap();
}

#[test]
fn h26_random_reads_give_what_asyncio_gives_and_cancelled_ones_lose_nothing() {
    for seed in 0..60 {
        check(seed);
    }
}
