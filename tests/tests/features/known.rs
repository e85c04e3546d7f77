//! Which tests there are, by the names that Cargo has for them: `package::binary::module::test`.
//!
//! Found by reading the sources, from the root of each library and each test binary along its
//! `mod` lines, but those with a `path`, which borrow from other targets. It relies on rustfmt: an
//! inline module ends with a brace below the `m` of its `mod`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::blank::code_only;

/// The tests of the workspace, and whether each is run.
pub struct KnownTests(BTreeMap<String, IsRun>);

type IsRun = bool;

impl KnownTests {
    /// Reads the packages below `crates`, and the package `tests`.
    ///
    /// # Errors
    ///
    /// A file or folder cannot be read.
    pub fn read(root: &Path) -> io::Result<KnownTests> {
        let mut known = KnownTests(BTreeMap::new());
        for folder in entries(&root.join("crates"))? {
            known.add_package(&folder)?;
        }
        known.add_package(&root.join("tests"))?;
        Ok(known)
    }

    /// What is wrong with a name, if something is.
    pub fn fault(&self, name: &str) -> Option<String> {
        match self.0.get(name) {
            Some(true) => None,
            Some(false) => Some("this test is ignored".into()),
            None => Some("there is no such test".into()),
        }
    }

    fn add_package(&mut self, folder: &Path) -> io::Result<()> {
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else {
            return Ok(());
        };
        let name = manifest
            .lines()
            .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
            .unwrap_or_default();
        let library = folder.join("src/lib.rs");
        if library.exists() {
            self.add_file(&library, &folder.join("src"), &format!("{name}::lib"))?;
        }
        for path in entries(&folder.join("tests"))? {
            let binary = path.file_stem().unwrap_or_default().to_string_lossy();
            let prefix = format!("{name}::{binary}");
            if path.join("main.rs").exists() {
                self.add_file(&path.join("main.rs"), &path, &prefix)?;
            } else if path.extension().is_some_and(|it| it == "rs") {
                self.add_file(&path, &folder.join("tests"), &prefix)?;
            }
        }
        Ok(())
    }

    /// Adds the tests of a file and of those that its `mod` lines name, which are below `folder`.
    fn add_file(&mut self, path: &Path, folder: &Path, prefix: &str) -> io::Result<()> {
        let text = fs::read_to_string(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        for item in items(&text) {
            let name = format!("{prefix}::{}", item.path.join("::"));
            match item.kind {
                Kind::Test { is_run } => {
                    self.0.insert(name, is_run);
                }
                Kind::Module => {
                    let below = folder.join(item.path.iter().collect::<PathBuf>());
                    let file = below.with_extension("rs");
                    let file = Some(file).filter(|it| it.exists());
                    let file = file.unwrap_or_else(|| below.join("mod.rs"));
                    self.add_file(&file, &below, &name)?;
                }
            }
        }
        Ok(())
    }
}

/// What is in a folder, in order; nothing if there is none.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// A test, or the declaration of a module that is in another file.
#[derive(Debug, PartialEq)]
struct Item {
    kind: Kind,
    /// The inline modules around it, and its own name.
    path: Vec<String>,
}

#[derive(Debug, PartialEq)]
enum Kind {
    Module,
    Test { is_run: IsRun },
}

fn items(text: &str) -> Vec<Item> {
    let text = code_only(text);
    let mut items = Vec::new();
    let mut file_is_everywhere = true;
    // Inline modules, each with its indentation, and whether everybody has it.
    let mut around: Vec<(usize, String, bool)> = Vec::new();
    let mut attributes: Vec<String> = Vec::new();
    for line in text.lines() {
        let code = line.trim_start();
        let indentation = line.len() - code.len();
        let code = code.trim_end();
        if code == "}" && around.last().is_some_and(|it| it.0 == indentation) {
            around.pop();
        }
        let is_open = attributes.last().is_some_and(|it| !is_whole(it));
        if let (true, Some(attribute)) = (is_open, attributes.last_mut()) {
            attribute.push_str(code);
            continue;
        }
        if let Some(condition) = code.strip_prefix("#![cfg(") {
            file_is_everywhere &= is_met(condition);
            continue;
        }
        if code.starts_with("#[") {
            attributes.push(code.to_owned());
            continue;
        }
        if code.is_empty() || code.starts_with("//") {
            continue;
        }
        let attributes = std::mem::take(&mut attributes);
        // Whoever runs them may not have what a condition asks for.
        let is_everywhere = file_is_everywhere
            && around.iter().all(|it| it.2)
            && attributes
                .iter()
                .all(|it| it.strip_prefix("#[cfg(").is_none_or(is_met));
        let has = |name: &str| attributes.iter().any(|it| attribute_name(it) == name);
        let path = |name: &str| {
            let outer = around.iter().map(|it| it.1.clone());
            outer.chain([name.to_owned()]).collect()
        };
        if let Some(module) = word_after(code, "mod") {
            if code.ends_with(';') && is_everywhere && !has("path") {
                items.push(Item {
                    kind: Kind::Module,
                    path: path(module),
                });
            } else if code.ends_with('{') {
                around.push((indentation, module.to_owned(), is_everywhere));
            }
        } else if let Some(function) = word_after(code, "fn") {
            if has("test") {
                items.push(Item {
                    kind: Kind::Test {
                        is_run: is_everywhere && !has("ignore"),
                    },
                    path: path(function),
                });
            }
        }
    }
    items
}

/// Whether a plain `cargo test` on Linux, which this page is for, has what a condition asks for. It is given
/// from behind its bracket on.
fn is_met(condition: &str) -> bool {
    let condition = condition.trim_end().trim_end_matches(']');
    let condition = condition.strip_suffix(')').unwrap_or(condition);
    let all = condition.strip_prefix("all(");
    let all = all.and_then(|it| it.strip_suffix(')')).unwrap_or(condition);
    let met = [
        "test",
        "unix",
        "not(loom)",
        "not(miri)",
        "target_os = \"linux\"",
    ];
    let mut asked = all.split(',').map(str::trim);
    asked.all(|it| it.is_empty() || met.contains(&it))
}

/// The name that follows the keyword of an item, if the line begins one of that kind.
fn word_after<'a>(code: &'a str, keyword: &str) -> Option<&'a str> {
    let mut words = code.split_whitespace();
    let before = [
        "pub",
        "pub(crate)",
        "pub(super)",
        "async",
        "unsafe",
        "const",
    ];
    words
        .find(|word| !before.contains(word))
        .filter(|it| *it == keyword)?;
    let name = words.next()?;
    let end = name.find(|it: char| !it.is_alphanumeric() && it != '_');
    Some(&name[..end.unwrap_or(name.len())])
}

/// Whether an attribute ends where the line does.
fn is_whole(attribute: &str) -> bool {
    attribute.ends_with(']')
}

/// The last word of the path of an attribute: `test` of `#[ouroloop::test(start_paused)]`.
fn attribute_name(attribute: &str) -> &str {
    let path = attribute.trim_start_matches("#[");
    let end = path.find(|it: char| !it.is_alphanumeric() && it != '_' && it != ':');
    let path = &path[..end.unwrap_or(path.len())];
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(path: &str, is_run: IsRun) -> Item {
        Item {
            kind: Kind::Test { is_run },
            path: path.split("::").map(str::to_owned).collect(),
        }
    }

    #[test]
    fn tests_are_functions_with_the_attribute_in_any_spelling() {
        // Line by line, so that this file is not taken for one that has these tests.
        let text = [
            "#[test]",
            "fn plain() {}",
            "",
            "fn helper() {}",
            "",
            "#[ouroloop::test(start_paused)]",
            "async fn of_ours() {}",
            "",
            "#[should_panic(expected = \"fn no_test() {\")]",
            "#[core::prelude::v1::test]",
            "// Why it panics.",
            "#[cfg_attr(",
            "    miri,",
            "    ignore = \"[too slow\"",
            ")]",
            "pub(super) fn with_more() -> Result<(), Error> {",
            "    #[inline]",
            "    fn inner() {}",
            "}",
            "",
            "// #[test]",
            "fn commented_out() {}",
        ];
        let expected = ["plain", "of_ours", "with_more"].map(|it| test(it, true));
        assert_eq!(items(&text.join("\n")), expected);
    }

    #[test]
    fn a_test_that_is_never_run_is_no_proof() {
        let text = [
            "#[test]",
            "#[ignore = \"not yet\"]",
            "fn ignored() {}",
            "",
            "#[cfg(loom)]",
            "#[test]",
            "fn elsewhere() {}",
            "",
            "#[cfg(loom)]",
            "mod models {",
            "    #[test]",
            "    fn modelled() {}",
            "}",
        ];
        let expected = ["ignored", "elsewhere", "models::modelled"].map(|it| test(it, false));
        assert_eq!(items(&text.join("\n")), expected);
    }

    #[test]
    fn a_file_that_asks_for_what_nobody_has_has_no_proof() {
        let file = |condition: &str| {
            let text = [condition, "mod other;", "#[test]", "fn here() {}"];
            items(&text.join("\n"))
        };
        assert_eq!(file("#![cfg(loom)]"), [test("here", false)]);
        assert_eq!(file("#![cfg(all(unix, miri))]"), [test("here", false)]);
        assert_eq!(file("#![cfg(any(unix, test))]"), [test("here", false)]);
        assert_eq!(file("#![cfg(all(unix, not(miri)))]")[1], test("here", true));
        assert_eq!(
            file("#![cfg(target_os = \"linux\")]")[1],
            test("here", true)
        );
    }

    #[test]
    fn what_is_quoted_is_no_test() {
        let quotes = [
            ("/*", "*/"),
            ("const A: &str = \"", "\";"),
            ("const B: &str = r#\"", "\"#;"),
        ];
        for (begin, end) in quotes {
            let text = [
                begin,
                "#[test]",
                "fn quoted() {}",
                end,
                "#[test]",
                "fn real() {}",
            ];
            assert_eq!(items(&text.join("\n")), [test("real", true)], "{begin}");
        }
    }

    #[test]
    fn modules_are_part_of_the_name() {
        let text = [
            "mod other_file;",
            "#[cfg(loom)]",
            "mod model;",
            "#[path = \"../examples/gather.rs\"]",
            "mod borrowed;",
            "mod outer {",
            "    mod inner {",
            "        #[test]",
            "        fn deep() {",
            "            if true {",
            "            }",
            "        }",
            "    }",
            "",
            "    #[test]",
            "    fn less_deep() {}",
            "}",
            "",
            "#[test]",
            "fn flat() {}",
        ];
        let module = Item {
            kind: Kind::Module,
            path: vec!["other_file".into()],
        };
        let tests = ["outer::inner::deep", "outer::less_deep", "flat"];
        let mut expected = vec![module];
        expected.extend(tests.map(|it| test(it, true)));
        assert_eq!(items(&text.join("\n")), expected);
    }
}
