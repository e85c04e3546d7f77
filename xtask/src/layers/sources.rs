//! What the source files must have and must not have.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use super::graph::is_lent;
use super::lexer::{code_only, lines_naming_crate, lines_with_word};
use super::{Check, Violation};
use crate::table::{LENT, NO_STD, OWNED, UNSAFE};
use crate::workspace::{Package, Workspace};

/// A source file of a package.
pub struct Source {
    package: String,
    path: PathBuf,
    shown: String,
    text: String,
    code: String,
}

/// Reads every Rust file of every package.
///
/// # Errors
///
/// A file or folder cannot be read.
pub fn read(workspace: &Workspace) -> Result<Vec<Source>, Box<dyn Error>> {
    let mut sources = Vec::new();
    for package in &workspace.packages {
        let mut paths = Vec::new();
        collect(&package.folder, &mut paths)?;
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            sources.push(Source::new(package, &workspace.root, path, text));
        }
    }
    Ok(sources)
}

/// All checks of the sources.
pub fn checks(workspace: &Workspace, sources: &[Source]) -> Vec<Check> {
    let roots: Vec<_> = workspace
        .packages
        .iter()
        .flat_map(|p| roots(p, sources))
        .collect();
    let safe: Vec<_> = roots
        .iter()
        .copied()
        .filter(|s| !may_be_unsafe(s))
        .collect();
    let headed: Vec<_> = sources
        .iter()
        .filter(|source| source.is_shipped())
        .collect();
    let no_std: Vec<_> = roots
        .iter()
        .copied()
        .filter(|s| NO_STD.contains(&s.package.as_str()))
        .collect();
    vec![
        Check {
            name: "unsafe",
            looked_at: format!(
                "{} files: unsafe only in {}",
                sources.len(),
                UNSAFE.join(", ")
            ),
            violations: sources.iter().flat_map(unsafe_words).collect(),
        },
        Check {
            name: "unsafe roots",
            looked_at: format!("{} crate roots forbid unsafe code", safe.len()),
            violations: safe.into_iter().filter_map(forbids_nothing).collect(),
        },
        Check {
            name: "documentation",
            looked_at: format!("{} crate roots or manifests deny missing docs", roots.len()),
            violations: roots
                .iter()
                .filter_map(|s| undocumented(workspace, s))
                .collect(),
        },
        Check {
            name: "headers",
            looked_at: format!("{} modules start with `//!`", headed.len()),
            violations: headed.into_iter().filter_map(headless).collect(),
        },
        Check {
            name: "one file",
            looked_at: "of the crate that owns it names mio".into(),
            violations: scattered(sources),
        },
        Check {
            name: "lent",
            looked_at: format!("only docs and tests/ name {} below", LENT.join(" and ")),
            violations: second_copies(workspace, sources),
        },
        Check {
            name: "no std",
            looked_at: format!("{} does without", NO_STD.join(", ")),
            violations: no_std.into_iter().filter_map(with_std).collect(),
        },
    ]
}

impl Source {
    fn new(package: &Package, root: &Path, path: PathBuf, text: String) -> Source {
        let shown = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        let code = code_only(&text);
        Source {
            package: package.name.clone(),
            path,
            shown,
            text,
            code,
        }
    }

    /// Whether it is under `src` of a package, and not a test, bench or build script.
    fn is_shipped(&self) -> bool {
        self.path
            .components()
            .any(|component| component.as_os_str() == "src")
    }

    /// Whether the crate root has the lint `lint` in an inner attribute `#![level(...)]`.
    fn has_lint(&self, level: &str, lint: &str) -> bool {
        let dense: String = self.code.split_whitespace().collect();
        let attribute = format!("#![{level}(");
        let lists = dense.split(&attribute).skip(1);
        lists
            .filter_map(|rest| rest.split_once(')'))
            .any(|(list, _)| list.split(',').any(|l| l == lint))
    }

    fn violation(&self, line: Option<usize>, problem: &str, remedy: &str) -> Violation {
        let place = match line {
            Some(line) => format!("{}:{line}", self.shown),
            None => self.shown.clone(),
        };
        Violation {
            place,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

fn unsafe_words(source: &Source) -> Vec<Violation> {
    if may_be_unsafe(source) {
        return Vec::new();
    }
    let violation = |line| {
        source.violation(
            Some(line),
            "has the word unsafe",
            "do it safely, or move it to a crate that UNSAFE in xtask/src/table.rs allows it",
        )
    };
    lines_with_word(&source.code, "unsafe")
        .into_iter()
        .map(violation)
        .collect()
}

fn forbids_nothing(root: &Source) -> Option<Violation> {
    (!root.has_lint("forbid", "unsafe_code")).then(|| {
        root.violation(
            None,
            "does not forbid unsafe code",
            "add `#![forbid(unsafe_code)]`",
        )
    })
}

fn undocumented(workspace: &Workspace, root: &Source) -> Option<Violation> {
    let denied = root.has_lint("deny", "missing_docs") || root.has_lint("forbid", "missing_docs");
    if denied || inherits_lints(workspace, &root.package) {
        return None;
    }
    Some(root.violation(
        None,
        "does not deny missing documentation",
        "add `#![deny(missing_docs)]`, or to the manifest `[lints]` with `workspace = true`",
    ))
}

/// Whether the package takes the lints of the workspace, and missing docs are denied there.
fn inherits_lints(workspace: &Workspace, name: &str) -> bool {
    let manifest =
        |folder: &Path| fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let Some(package) = workspace.package(name) else {
        return false;
    };
    has_setting(&manifest(&package.folder), "[lints]", "workspace = true")
        && has_setting(
            &manifest(&workspace.root),
            "[workspace.lints.rust]",
            "missing_docs = \"deny\"",
        )
}

fn has_setting(manifest: &str, section: &str, setting: &str) -> bool {
    let lines = manifest.lines().map(str::trim);
    let section = lines.skip_while(|line| *line != section).skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .any(|line| line == setting)
}

/// A crate root may take its README for its header.
fn headless(source: &Source) -> Option<Violation> {
    let text = source.text.trim_start();
    let headed = text.starts_with("//!") || text.starts_with("#![doc = include_str!(");
    (!headed).then(|| {
        source.violation(
            Some(1),
            "has no header",
            "start with `//!`: what the module is for, what it does not do, who calls it",
        )
    })
}

fn scattered(sources: &[Source]) -> Vec<Violation> {
    let (name, owner) = OWNED[0];
    let naming: Vec<_> = sources
        .iter()
        .filter_map(|s| Some((s, *lines_naming_crate(&s.code, name).first()?)))
        .collect();
    let home = naming
        .iter()
        .position(|(source, _)| source.package == owner);
    naming
        .iter()
        .enumerate()
        .filter(|(index, _)| home != Some(*index))
        .map(|(_, (source, line))| {
            let problem = match home {
                Some(home) => format!("names {name}, as {} does", naming[home].0.shown),
                None => format!("names {name}"),
            };
            let remedy = format!("let one file of {owner} name it, behind a trait of its own");
            source.violation(Some(*line), &problem, &remedy)
        })
        .collect()
}

/// Where code of a library names a crate that leads back to it, in a unit test for example.
fn second_copies(workspace: &Workspace, sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    // The paths that a macro crate writes are those of other people's code.
    let libraries = workspace
        .packages
        .iter()
        .filter(|p| !p.has_target("proc-macro"));
    for package in libraries {
        for dependency in package.dependencies.iter().filter(|d| is_lent(package, d)) {
            let name = dependency.name.replace('-', "_");
            let own = sources
                .iter()
                .filter(|s| s.package == package.name && s.is_shipped());
            violations.extend(own.flat_map(|source| {
                let lines = lines_naming_crate(&source.code, &name).into_iter();
                lines.map(|line| {
                    source.violation(
                        Some(line),
                        &format!("names {name}, which has another copy of this crate's types"),
                        "move the test to the crate's tests/; only documentation may name it here",
                    )
                })
            }));
        }
    }
    violations
}

fn with_std(root: &Source) -> Option<Violation> {
    let dense: String = root.code.split_whitespace().collect();
    let without = dense.contains("#![no_std]") || dense.contains("#![cfg_attr(not(test),no_std)]");
    (!without).then(|| root.violation(None, "is built with std", "add `#![no_std]`"))
}

fn may_be_unsafe(source: &Source) -> bool {
    UNSAFE.contains(&source.package.as_str())
}

/// The root files of a package's libraries and programs.
fn roots<'a>(package: &Package, sources: &'a [Source]) -> Vec<&'a Source> {
    let targets = package
        .targets
        .iter()
        .filter(|t| t.is(&["lib", "proc-macro", "bin"]));
    let paths: Vec<_> = targets.map(|target| &target.path).collect();
    sources
        .iter()
        .filter(|source| paths.contains(&&source.path))
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, paths)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Dependency, Kind, Target};

    #[test]
    fn unsafe_code_is_found_where_it_may_not_be() {
        let text = "//! Header.\n// unsafe\nfn f() { unsafe { g() } }";
        let wrong = violations("ouroloop-net", &[("src/a.rs", text)], "unsafe");
        assert_eq!(wrong.len(), 1);
        assert!(
            wrong[0].starts_with("p/src/a.rs:3: has the word unsafe"),
            "{wrong:?}"
        );
    }

    #[test]
    fn unsafe_code_is_left_alone_where_it_may_be() {
        let text = "//! Header.\nfn f() { unsafe { g() } }";
        for package in UNSAFE {
            let files = [("src/lib.rs", text)];
            assert!(violations(package, &files, "unsafe").is_empty());
            assert!(violations(package, &files, "unsafe roots").is_empty());
        }
    }

    #[test]
    fn a_root_must_forbid_unsafe_code_in_code() {
        for wrong in [
            "",
            "// #![forbid(unsafe_code)]",
            "#![deny(unsafe_code)]",
            "#![forbid(x)]",
        ] {
            assert_eq!(
                violations("x", &[("src/lib.rs", wrong)], "unsafe roots").len(),
                1,
                "{wrong}"
            );
        }
        for right in [
            "#![forbid(unsafe_code)]",
            "#![forbid(unused_must_use, unsafe_code)]",
        ] {
            assert!(
                violations("x", &[("src/lib.rs", right)], "unsafe roots").is_empty(),
                "{right}"
            );
        }
    }

    #[test]
    fn a_module_that_is_no_root_need_not_forbid_anything() {
        assert!(violations("x", &[("src/a.rs", "")], "unsafe roots").is_empty());
    }

    #[test]
    fn a_root_must_deny_missing_docs() {
        assert_eq!(
            violations("x", &[("src/lib.rs", "")], "documentation").len(),
            1
        );
        let right = [("src/lib.rs", "#![deny(missing_docs)]")];
        assert!(violations("x", &right, "documentation").is_empty());
    }

    #[test]
    fn the_workspace_lint_counts_only_in_its_section() {
        let manifest = "[package]\nworkspace = true\n[lints]\n[dependencies]\n";
        assert!(!has_setting(manifest, "[lints]", "workspace = true"));
        assert!(has_setting(
            "[lints]\n workspace = true\n",
            "[lints]",
            "workspace = true"
        ));
    }

    #[test]
    fn a_module_without_a_header_is_found() {
        let files = [
            ("src/a.rs", "\n//! Header."),
            ("src/lib.rs", "#![doc = include_str!(\"../README.md\")]"),
            ("src/b.rs", "// none"),
            ("tests/c.rs", ""),
        ];
        let wrong = violations("x", &files, "headers");
        assert_eq!(wrong.len(), 1);
        assert!(
            wrong[0].starts_with("p/src/b.rs:1: has no header"),
            "{wrong:?}"
        );
    }

    #[test]
    fn mio_may_be_named_by_one_file_of_its_owner() {
        let one = [("src/a.rs", "use mio::Poll;"), ("src/b.rs", "// mio::Poll")];
        assert!(violations("ouroloop-core", &one, "one file").is_empty());
        let two = [
            ("src/a.rs", "use mio::Poll;"),
            ("src/b.rs", "fn f(p: mio::Poll) {}"),
        ];
        let wrong = violations("ouroloop-core", &two, "one file");
        assert_eq!(wrong.len(), 1);
        assert!(
            wrong[0].starts_with("p/src/b.rs:1: names mio, as p/src/a.rs does"),
            "{wrong:?}"
        );
        assert_eq!(violations("ouroloop-net", &one, "one file").len(), 1);
    }

    #[test]
    fn the_timer_wheel_is_without_std() {
        let with = [("src/lib.rs", "// #![no_std]")];
        assert_eq!(violations("ouroloop-timer", &with, "no std").len(), 1);
        let without = [("src/lib.rs", "#![no_std]")];
        assert!(violations("ouroloop-timer", &without, "no std").is_empty());
        assert!(violations("ouroloop-net", &with, "no std").is_empty());
    }

    #[test]
    fn code_in_src_must_not_name_what_leads_back() {
        let named = "//! See [`ouroloop::run`].\n#[cfg(test)]\nmod tests { use ouroloop::run; }";
        let files = [("src/a.rs", named), ("tests/b.rs", "use ouroloop::run;")];
        let wrong = violations("ouroloop-task", &files, "lent");
        assert_eq!(wrong.len(), 1);
        assert!(
            wrong[0].starts_with("p/src/a.rs:3: names ouroloop,"),
            "{wrong:?}"
        );
    }

    #[test]
    fn documentation_may_name_what_leads_back() {
        let text =
            "//! ```\n//! use ouroloop::run;\n//! ```\n/// `ouroloop::run`\nuse ouroloop_core::x;";
        assert!(violations("ouroloop-task", &[("src/a.rs", text)], "lent").is_empty());
    }

    #[test]
    fn a_crate_below_the_facade_may_name_it() {
        let files = [("src/lib.rs", "use ouroloop::run;")];
        assert!(violations("ouroloop-tests", &files, "lent").is_empty());
    }

    #[test]
    fn a_macro_may_write_paths_that_its_users_resolve() {
        let mut workspace = workspace("ouroloop-macros");
        workspace.packages[0].targets[0].kinds = vec!["proc-macro".into()];
        let files = [("src/a.rs", "quote! { ::ouroloop::run }")];
        assert!(found(&workspace, &files, "lent").is_empty());
    }

    fn violations(package: &str, files: &[(&str, &str)], check: &str) -> Vec<String> {
        found(&workspace(package), files, check)
    }

    /// A workspace of one library, which has the facade for its documentation.
    fn workspace(package: &str) -> Workspace {
        let folder = PathBuf::from("root/p");
        let library = Target {
            kinds: vec!["lib".into()],
            path: folder.join("src/lib.rs"),
        };
        let facade = Dependency {
            name: "ouroloop".into(),
            kind: Kind::Dev,
            path_only: true,
        };
        let package = Package {
            name: package.into(),
            folder,
            targets: vec![library],
            dependencies: vec![facade],
            ..Package::default()
        };
        Workspace {
            root: PathBuf::from("root"),
            packages: vec![package],
            ..Workspace::default()
        }
    }

    fn found(workspace: &Workspace, files: &[(&str, &str)], check: &str) -> Vec<String> {
        let package = &workspace.packages[0];
        let source = |&(path, text): &(&str, &str)| {
            let path = package.folder.join(path);
            Source::new(package, &workspace.root, path, text.to_owned())
        };
        let sources: Vec<_> = files.iter().map(source).collect();
        let checks = checks(workspace, &sources);
        let check = checks
            .iter()
            .find(|c| c.name == check)
            .expect("there is such a check");
        check.violations.iter().map(Violation::to_string).collect()
    }
}
