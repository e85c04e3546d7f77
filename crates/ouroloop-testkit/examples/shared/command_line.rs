//! What the examples of exploration have in common: their arguments, and what they print.

use std::env;
use std::future::Future;
use std::process::ExitCode;

use ouroloop::testkit::Exploration;

/// Explores `buggy`, or `fixed` if asked, under the seeds up to 1,000; or replays one seed. Ends with a
/// failure if one was found.
#[track_caller]
pub fn explore<B, F>(name: &str, buggy: impl FnMut() -> B, fixed: impl FnMut() -> F) -> ExitCode
where
    B: Future<Output = ()> + 'static,
    F: Future<Output = ()> + 'static,
{
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => explore_all(buggy),
        ["--fixed"] => explore_all(fixed),
        ["--replay", seed] => match seed.parse() {
            Ok(seed) => replay(seed, buggy),
            Err(_) => usage(name),
        },
        _ => usage(name),
    }
}

#[track_caller]
fn explore_all<F>(test: impl FnMut() -> F) -> ExitCode
where
    F: Future<Output = ()> + 'static,
{
    match Exploration::new().explore(0..1_000, test) {
        Ok(explored) => {
            let (runs, schedules) = (explored.runs, explored.schedules());
            println!("{runs} seeds pass, with {schedules} different schedules");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

#[track_caller]
fn replay<F>(seed: u64, test: impl FnOnce() -> F) -> ExitCode
where
    F: Future<Output = ()> + 'static,
{
    let run = Exploration::new().replay(seed, test);
    println!("{run}");
    match run.failure() {
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

fn usage(name: &str) -> ExitCode {
    eprintln!("usage: {name} [--fixed | --replay SEED]");
    ExitCode::from(2)
}
