//! `miri`: the tests of the crates with unsafe code, run by Miri.
//!
//! Miri's own flags are left as they are, so leaks count as failures; set MIRIFLAGS for others.
//! All tests of a binary run in one process: a runner that starts one for each test is slower, since
//! Miri needs some seconds each time before the first line of a test.

use std::process::ExitCode;

use crate::Outcome;
use crate::command::CommandLine;
use crate::table::UNSAFE;
use crate::workspace::Workspace;

/// Runs `cargo miri test` of those crates with further arguments.
///
/// # Errors
///
/// rustup cannot be run.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let miri = CommandLine::cargo_of("nightly", &workspace.root, ["miri"]);
    if miri.clone().and(["--version"]).output_if_ok().is_none() {
        eprintln!(
            "error: Miri is not installed; add it with \
             `rustup toolchain install nightly --component miri,rust-src`"
        );
        return Ok(ExitCode::from(MISSING));
    }
    let line = test(miri, arguments);
    println!("{line}");
    line.finish()
}

fn test(miri: CommandLine, arguments: &[String]) -> CommandLine {
    let packages = UNSAFE.iter().flat_map(|name| ["-p", name]);
    miri.and(["test"])
        .and(packages)
        .and(TARGET.iter().copied())
        .and(arguments.iter().map(String::as_str))
}

/// Of the selectors that mio uses Miri knows Linux's, which it interprets on any host.
const TARGET: &[&str] = if cfg!(target_os = "linux") {
    &[]
} else {
    &["--target", "x86_64-unknown-linux-gnu"]
};

/// The status that tells a missing tool from a failed test.
const MISSING: u8 = 2;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_crates_with_unsafe_code_are_tested_with_the_arguments_given() {
        let miri = CommandLine::cargo_of("nightly", Path::new("."), ["miri"]);
        let line = test(miri, &["--lib".into(), "scope".into()]).to_string();
        assert!(
            line.starts_with("rustup run nightly cargo miri test -p ouroloop-task "),
            "{line}"
        );
        assert!(line.ends_with(" --lib scope"), "{line}");
    }
}
