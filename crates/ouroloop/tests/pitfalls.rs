//! asyncio's pitfalls that do not compile here, with the words that the compiler has for them.
//!
//! Each file of the folder is one. The text of its error is pinned beside it, so that somebody reads
//! it; it is compared with the compiler that wrote it, and with no other. That none of them
//! compiles is checked with every compiler.
//!
//! `TRYBUILD=overwrite cargo test -p ouroloop --test pitfalls` writes the texts anew.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler that wrote the texts.
const PINNED: &str = "rustc 1.95.0 ";

/// Where a copy of the test finds the programs, when it is told to judge them without their texts.
const WITHOUT_TEXTS: &str = "OUROLOOP_PITFALLS_WITHOUT_TEXTS";

#[test]
fn each_pitfall_is_a_compile_error_that_says_what_to_do() {
    if let Some(programs) = env::var_os(WITHOUT_TEXTS) {
        return judge(Path::new(&programs));
    }
    let version = compiler();
    if version.starts_with(PINNED) {
        return judge(&folder());
    }
    eprintln!(
        "THE TEXTS OF THE ERRORS ARE NOT COMPARED: they are those of {PINNED}, and this is {version}"
    );
    let programs = copies();
    let status = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "each_pitfall_is_a_compile_error_that_says_what_to_do",
            "--nocapture",
        ])
        .env(WITHOUT_TEXTS, &programs)
        .env("TRYBUILD", "overwrite")
        .status()
        .unwrap();
    assert!(status.success(), "a pitfall compiles with {version}");
}

#[test]
fn each_pitfall_has_its_text() {
    for program in programs() {
        let text = program.with_extension("stderr");
        assert!(text.exists(), "{} is missing", text.display());
    }
}

fn judge(programs: &Path) {
    trybuild::TestCases::new().compile_fail(programs.join("*.rs"));
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pitfalls")
}

fn programs() -> Vec<PathBuf> {
    let mut programs: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension() == Some(OsStr::new("rs")))
        .collect();
    programs.sort();
    assert!(!programs.is_empty());
    programs
}

/// The programs alone, in a folder where texts may be written.
fn copies() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pitfalls");
    // What an earlier run has left may be of programs that are gone.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for program in programs() {
        fs::copy(&program, folder.join(program.file_name().unwrap())).unwrap();
    }
    folder
}

fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
