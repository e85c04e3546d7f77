//! The attributes of Ouroloop: [`main`](macro@main) and [`test`](macro@test).
//!
//! Both turn an `async fn` into an ordinary one that runs it on an event loop of its own. They know
//! syntax only: all that happens at run time is in the crate `ouroloop`, which re-exports them, and
//! which the code that they produce names as `::ouroloop`. So use them through that crate.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod expand;
mod options;

use proc_macro::TokenStream;

/// Runs the program's `async fn main` on a new event loop.
///
/// The counterpart of `asyncio.run(main())` at the end of a Python program: the loop is made, the
/// function runs as its main task, and when it is through the tasks that are left are cancelled and
/// awaited, and the loop is closed. What the function is given to return says how the program ends,
/// as for a `main` that is not async: it may return whatever implements
/// [`Termination`](https://doc.rust-lang.org/std/process/trait.Termination.html), such as `()`, an
/// [`ExitCode`](https://doc.rust-lang.org/std/process/struct.ExitCode.html), or a `Result` of these.
///
/// | option | meaning |
/// | --- | --- |
/// | `debug = true` or `false` | asyncio's debug mode; without it `OUROLOOP_DEBUG` in the environment decides |
///
/// # Errors
///
/// `ouroloop::run` gives `Result<T, RunError>`, where `T` is what the function returns. The two are
/// merged so that the function's own type has no place for the loop's errors:
///
/// - When the function ends, its value decides alone. An `Err(e)` is printed as `Error: {e:?}` and
///   the status is 1, as the standard library does it.
/// - When the loop could not run it to its end (there is no selector to be had, it was stopped,
///   its main task was cancelled), the error is printed as `Error: {e}` and the status is 1.
///
/// To handle the second kind in the program, write a `main` without the attribute and call
/// `ouroloop::run`.
///
/// # Panics
///
/// A panic of the function goes on unwinding after the shutdown, and the program ends as with any
/// other panic.
///
/// # Examples
///
/// ```
/// use std::num::ParseIntError;
///
/// #[ouroloop::main]
/// async fn main() -> Result<(), ParseIntError> {
///     let port: u16 = "8080".parse()?;
///     println!("serving on port {port}");
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn main(options: TokenStream, function: TokenStream) -> TokenStream {
    expand::main(options.into(), function.into()).into()
}

/// Makes a test of an `async fn`, which runs on a new event loop.
///
/// The counterpart of a method of `unittest.IsolatedAsyncioTestCase`. The function may return what
/// a `#[test]` may: `()`, or a `Result` whose error is `Debug`. Other attributes, `#[should_panic]`
/// and `#[ignore]` among them, and doc comments stay on the function, in their order.
///
/// | option | meaning |
/// | --- | --- |
/// | `start_paused`, or `start_paused = true` | virtual time: when nothing is ready the clock jumps to the next deadline, so a test full of sleeps takes no time |
/// | `seed = 7` | the schedule of this seed: what is ready together runs in an order of its own, and virtual time may be a little late. A failure shows who ran when |
/// | `seeds = 1000` | one run for each seed from 0 to 999; with `OUROLOOP_SEED` in the environment, for that one only |
///
/// `seed` and `seeds` need the feature `testkit` of `ouroloop`, whose `testkit::Exploration` says what they
/// do, and what else counts as a failure then. Without them the test is run by the loop as it is, in
/// asyncio's order. All options go together, but for `seed` and `seeds`.
///
/// Only with `start_paused` does a seed repeat its run exactly. Without it the test is on real time, as sockets
/// and threads need: then the order of what is ready together is the seed's, but what is ready when is not.
/// So a seed that has failed may pass when it is tried again, and a deadlock is a hang.
///
/// # Panics
///
/// The test fails by a panic that says why when the loop cannot run the function to its end. With
/// virtual time that includes a function that can never go on.
///
/// # Examples
///
/// ```
/// use ouroloop::{TimeoutError, sleep, timeout};
/// use std::time::Duration;
///
/// #[ouroloop::test(start_paused)]
/// async fn a_minute_is_too_long() {
///     let limit = Duration::from_secs(59);
///     assert_eq!(timeout(limit, sleep(Duration::from_secs(60))).await, Err(TimeoutError));
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, function: TokenStream) -> TokenStream {
    expand::test(options.into(), function.into()).into()
}
