//! Conformance with asyncio: programs with the traces that CPython leaves, run on ouroloop.
//!
//! A scenario is a small asyncio program written as data. [`Scenario`] is one with its trace,
//! [`run`] runs it on virtual time, where a tick is a millisecond, and [`Report`] compares. The
//! interpreter is a plain client of the facade: each statement calls the public function of that
//! name, and whatever has an order, a queue or a cancellation is the runtime's.
//!
//! | module | what it has |
//! | --- | --- |
//! | `program`, `parse` | the statements, and how they are read |
//! | `value`, `error` | values and Python's errors, as text |
//! | `vars`, `waitable`, `primitives` | the variables of a scenario, and what they can hold |
//! | `trace` | the lines that a run leaves |
//! | `machine` | statements that never suspend, which callbacks may hold too |
//! | `calls`, `awaits` | functions, and statements that may suspend |
//! | `runner` | a whole run |
//! | `corpus`, `compare` | files of scenarios, and two traces side by side |

mod awaits;
mod calls;
mod compare;
mod corpus;
mod error;
mod machine;
mod parse;
mod primitives;
mod program;
mod runner;
mod trace;
mod value;
mod vars;
mod waitable;

pub use compare::{Report, Verdict, side_by_side};
pub use corpus::{CorpusError, Scenario, corpus_files, read_corpus};
pub use parse::ParseError;
pub use program::Program;
pub use runner::{Failure, Run, run};
