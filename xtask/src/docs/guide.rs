//! The guide: mdBook, and how it comes here.

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::command::CommandLine;
use crate::workspace::Workspace;

/// Builds the guide into `folder`, and says whether that went without a warning.
///
/// # Errors
///
/// mdBook is not there, and cannot be installed.
pub fn build(workspace: &Workspace, folder: &Path) -> Result<bool, Box<dyn Error>> {
    let Some(program) = mdbook(workspace)? else {
        return Ok(false);
    };
    let words = [
        "build",
        "docs/guide",
        "--dest-dir",
        &folder.to_string_lossy(),
    ]
    .map(str::to_owned);
    let line = CommandLine::new(&workspace.root, [&*program.to_string_lossy()])
        .and(words.iter().map(String::as_str));
    println!("{line}");
    let mut complaints = 0;
    let status = line.each_error_line(|line| {
        if is_complaint(line) {
            complaints += 1;
            println!("{line}");
        }
    })?;
    Ok(status.success() && complaints == 0)
}

/// The program, which is installed if it is not there.
fn mdbook(workspace: &Workspace) -> Result<Option<PathBuf>, Box<dyn Error>> {
    let tools = workspace.target.join("tools");
    let own = tools.join("bin/mdbook");
    for program in [Path::new("mdbook"), &own] {
        if has_version(workspace, program) {
            return Ok(Some(program.to_owned()));
        }
    }
    let line = install(workspace, &tools);
    println!(
        "mdBook {VERSION} is not here: it is installed now, once, into {} (some minutes)\n{line}",
        tools.display()
    );
    if !line.succeeds()? {
        println!(
            "mdBook could not be installed: put mdBook {VERSION} into PATH, from \
             https://github.com/rust-lang/mdBook/releases"
        );
        return Ok(None);
    }
    Ok(Some(own))
}

fn has_version(workspace: &Workspace, program: &Path) -> bool {
    let line = CommandLine::new(&workspace.root, [&*program.to_string_lossy(), "--version"]);
    let said = line.output_if_ok().unwrap_or_default();
    said.trim() == format!("mdbook v{VERSION}")
}

fn install(workspace: &Workspace, tools: &Path) -> CommandLine {
    let package = format!("mdbook@{VERSION}");
    CommandLine::cargo(
        &workspace.root,
        ["install", "--locked", "--force", &package],
    )
    .and(["--no-default-features", "--features", "search"])
    .and(["--root", &tools.to_string_lossy()])
}

/// A warning or an error among what mdBook logs, as ` WARN ` and `ERROR ` in the second place.
fn is_complaint(line: &str) -> bool {
    line.split_whitespace()
        .take(3)
        .any(|word| ["WARN", "ERROR"].contains(&word))
}

/// Pinned, as what it writes decides which links are alive.
const VERSION: &str = "0.5.4";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_with_rust_in_it_is_run_by_the_tests() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let tests = std::fs::read_to_string(root.join("tests/src/lib.rs")).unwrap();
        let mut pages = 0;
        for entry in std::fs::read_dir(root.join("docs/guide/src")).unwrap() {
            let page = entry.unwrap().path();
            if !std::fs::read_to_string(&page).unwrap().contains("```rust") {
                continue;
            }
            pages += 1;
            let name = page.file_name().unwrap().to_string_lossy();
            let line = format!("docs/guide/src/{name}\")");
            assert!(
                tests.contains(&line),
                "tests/src/lib.rs does not include {name}"
            );
        }
        assert!(pages > 10, "only {pages} pages have Rust in them");
    }

    /// Without the modules in front of types, which the guide leaves out.
    fn unqualified(line: &str) -> String {
        let mut text = String::new();
        for part in line.split("::") {
            let is_module = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !text.is_empty() {
                text.truncate(text.trim_end_matches(is_module).len());
            }
            text += part;
        }
        text
    }

    #[test]
    fn an_error_that_the_guide_quotes_is_one_that_the_compiler_gives() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let page = std::fs::read_to_string(root.join("docs/guide/src/pitfalls.md")).unwrap();
        let mut texts = String::new();
        for entry in std::fs::read_dir(root.join("crates/ouroloop/tests/pitfalls")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "stderr") {
                texts += &std::fs::read_to_string(path).unwrap();
            }
        }
        let quoted: Vec<_> = page.lines().filter(|it| it.starts_with("error")).collect();
        assert!(quoted.len() > 3, "the guide quotes {quoted:?}");
        for line in quoted {
            let known = texts.lines().any(|it| unqualified(it) == line);
            assert!(
                known,
                "no text of crates/ouroloop/tests/pitfalls has `{line}`"
            );
        }
    }

    #[test]
    fn the_tool_is_installed_into_the_build_folder_in_its_pinned_version() {
        let line = install(&Workspace::default(), Path::new("target/tools")).to_string();
        assert_eq!(
            line,
            format!(
                "cargo install --locked --force mdbook@{VERSION} --no-default-features --features search \
                 --root target/tools"
            )
        );
    }

    #[test]
    fn a_warning_is_a_complaint_and_a_page_about_warnings_is_none() {
        assert!(is_complaint(" WARN unclosed HTML tag `<p>` found"));
        assert!(is_complaint(
            "2026-01-01 [ERROR] x".replace(['[', ']'], "").as_str()
        ));
        assert!(!is_complaint(" INFO The slow-callback WARN is there"));
    }
}
