//! The link checker: every link of every page of a folder leads to a file in it, and to an anchor
//! of that file if it names one.
//!
//! External addresses are collected and not fetched, so that a check never depends on the network.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::html::Page;

/// What a check found.
#[derive(Debug, Default)]
pub struct Found {
    /// How many pages there are.
    pub pages: usize,
    /// How many links within the site.
    pub links: usize,
    /// Those that lead nowhere, in the order of their pages.
    pub dead: Vec<Dead>,
    /// The addresses of other sites, each with the first page that has it.
    pub external: BTreeMap<String, String>,
}

impl Found {
    /// One that is on many pages, because rustdoc shows a text on each, is reported once.
    fn note_dead(&mut self, page: &str, link: &str, why: &'static str) {
        let same = |dead: &&mut Dead| dead.link == link && dead.why == why;
        match self.dead.iter_mut().find(same) {
            Some(dead) => dead.other_pages += 1,
            None => self.dead.push(Dead {
                page: page.to_owned(),
                link: link.to_owned(),
                why,
                other_pages: 0,
            }),
        }
    }

    /// The external addresses as a list to read.
    pub fn external_list(&self) -> String {
        let line = |(address, page)| format!("{address} ({page})\n");
        self.external.iter().map(line).collect()
    }
}

/// A link that leads nowhere.
#[derive(Debug, Eq, PartialEq)]
pub struct Dead {
    page: String,
    link: String,
    why: &'static str,
    other_pages: usize,
}

impl fmt::Display for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: dead link `{}`: {}", self.page, self.link, self.why)?;
        match self.other_pages {
            0 => Ok(()),
            count => write!(f, " (and on {count} other pages)"),
        }
    }
}

/// Checks all pages below `root`.
///
/// # Errors
///
/// A file or folder cannot be read.
pub fn check(root: &Path) -> io::Result<Found> {
    let site = Site::read(root)?;
    let mut found = Found {
        pages: site.pages.len(),
        ..Found::default()
    };
    let mut names: Vec<_> = site.pages.keys().collect();
    names.sort_unstable();
    for name in names {
        let mut seen = HashSet::new();
        for link in &site.pages[name].links {
            if !seen.insert(link) || is_not_ours(name, link) {
                continue;
            }
            if is_external(link) {
                let page = found.external.entry(link.clone());
                page.or_insert_with(|| name.clone());
                continue;
            }
            found.links += 1;
            if let Err(why) = site.resolve(name, link) {
                found.note_dead(name, link, why);
            }
        }
    }
    Ok(found)
}

/// After how many pages that lead on a link is taken for one that leads in a circle.
const MAX_REFRESHES: usize = 8;

/// All files of a site, by their path from its root, with `/` between the parts.
struct Site {
    files: HashSet<String>,
    /// Those that are HTML.
    pages: HashMap<String, Page>,
}

impl Site {
    fn read(root: &Path) -> io::Result<Site> {
        let mut site = Site {
            files: HashSet::new(),
            pages: HashMap::new(),
        };
        site.read_folder(root, root)?;
        Ok(site)
    }

    fn read_folder(&mut self, root: &Path, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.read_folder(root, &path)?;
                continue;
            }
            let name = name_of(root, &path);
            if name.ends_with(".html") {
                let page = Page::parse(&fs::read_to_string(&path)?);
                self.pages.insert(name.clone(), page);
            }
            self.files.insert(name);
        }
        Ok(())
    }

    fn resolve(&self, page: &str, link: &str) -> Result<(), &'static str> {
        self.resolve_within(MAX_REFRESHES, page, link)
    }

    fn resolve_within(&self, left: usize, page: &str, link: &str) -> Result<(), &'static str> {
        let (path, anchor) = match link.split_once('#') {
            Some((path, anchor)) => (path, Some(anchor)),
            None => (link, None),
        };
        let path = path.split('?').next().unwrap_or_default();
        let target = if path.is_empty() {
            page.to_owned()
        } else {
            joined(page, &percent_decoded(path)).ok_or("it leads out of the site")?
        };
        let target = [target.clone(), format!("{target}/index.html")]
            .into_iter()
            .map(|name| name.trim_start_matches('/').to_owned())
            .find(|name| self.files.contains(name))
            .ok_or("there is no such page")?;
        // rustdoc leaves a page that leads on, with the anchor, where a private module has an item.
        let refresh = self.pages.get(&target).and_then(|it| it.refresh.as_ref());
        if let (Some(address), Some(anchor)) = (refresh, anchor) {
            let left = left.checked_sub(1).ok_or("its pages lead on in a circle")?;
            return self.resolve_within(left, &target, &format!("{address}#{anchor}"));
        }
        match anchor {
            None | Some("") => Ok(()),
            // A browser tries both, and rustdoc writes encoded ones.
            Some(anchor) if self.has_anchor(&target, anchor) => Ok(()),
            Some(anchor) if self.has_anchor(&target, &percent_decoded(anchor)) => Ok(()),
            Some(_) => Err("the page has no such anchor"),
        }
    }

    fn has_anchor(&self, target: &str, anchor: &str) -> bool {
        let Some(Page { ids, .. }) = self.pages.get(target) else {
            return false;
        };
        // rustdoc's pages of sources mark a range of lines by a script.
        let is_line = |line: &str| line.bytes().all(|b| b.is_ascii_digit()) && ids.contains(line);
        ids.contains(anchor)
            || anchor
                .split_once('-')
                .is_some_and(|(first, last)| is_line(first) && is_line(last))
    }
}

/// Whether a link has a scheme. A Rust path, such as `crate::Task`, has none: it is a link that
/// rustdoc could not resolve.
fn is_external(link: &str) -> bool {
    let Some((scheme, rest)) = link.split_once(':') else {
        return link.starts_with("//");
    };
    let is_scheme = scheme
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'+');
    link.starts_with("//") || (is_scheme && !rest.starts_with(':'))
}

/// Links that nobody here wrote, and that are dead in every documentation with these in it.
fn is_not_ours(page: &str, link: &str) -> bool {
    link.starts_with("javascript:")
        || (is_of_an_item(page) && NOT_OURS.contains(&link))
        // A script that rustdoc asks for and writes only if there is something to say.
        || link.contains("trait.impl/")
        || link.contains("type.impl/")
}

/// Whether rustdoc made the page of a type or a trait, and shows the implementations of others there.
fn is_of_an_item(page: &str) -> bool {
    let file = page.rsplit('/').next().unwrap_or(page);
    let kinds = ["struct.", "enum.", "union.", "trait.", "type."];
    page.starts_with("api/") && kinds.iter().any(|kind| file.starts_with(kind))
}

/// In the texts of other crates' traits, which rustdoc shows on the pages of our types.
const NOT_OURS: [&str; 5] = [
    "AsyncRead::poll_read",
    "dispatcher#setting-the-default-subscriber",
    "super::Subscriber",
    "crate::Span",
    "super::Span::current()",
];

fn name_of(root: &Path, path: &Path) -> String {
    let parts: PathBuf = path.strip_prefix(root).unwrap_or(path).into();
    parts.to_string_lossy().replace('\\', "/")
}

/// The path that `link` means on `page`; none if it leaves the root.
fn joined(page: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    if link.starts_with('/') {
        return None;
    }
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let code = behind
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok())
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        match code {
            Some(code) if byte == b'%' => {
                bytes.push(code);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(pages: &[(&str, &str)]) -> Site {
        let page = |&(name, text): &(&str, &str)| (name.to_owned(), Page::parse(text));
        Site {
            files: pages.iter().map(|&(name, _)| name.to_owned()).collect(),
            pages: pages.iter().map(page).collect(),
        }
    }

    fn example() -> Site {
        site(&[
            ("guide/run.html", "<h1 id=top>"),
            ("guide/index.html", ""),
            (
                "api/loop/struct.Task.html",
                "<a id='method.cancel'></a><a id='impl-From<T>'><a id='impl-Into%3CT%3E'>",
            ),
            (
                "api/src/loop/lib.rs.html",
                "<a href=#1 id=1>1</a><a href=#2 id=2>2</a>",
            ),
        ])
    }

    #[test]
    fn a_link_to_a_page_that_is_not_there_is_dead() {
        let site = example();
        assert_eq!(site.resolve("guide/run.html", "index.html"), Ok(()));
        let dead = site.resolve("guide/run.html", "walk.html");
        assert_eq!(dead, Err("there is no such page"));
        let dead = site.resolve("guide/run.html", "../api/loop/struct.Tusk.html");
        assert_eq!(dead, Err("there is no such page"));
    }

    #[test]
    fn a_link_to_an_anchor_that_is_not_there_is_dead() {
        let site = example();
        let task = "../api/loop/struct.Task.html";
        let resolve = |anchor| site.resolve("guide/run.html", &format!("{task}#{anchor}"));
        assert_eq!(resolve("method.cancel"), Ok(()));
        assert_eq!(resolve("impl-From%3CT%3E"), Ok(()));
        assert_eq!(resolve("impl-Into%3CT%3E"), Ok(()));
        assert_eq!(
            resolve("method.uncancel"),
            Err("the page has no such anchor")
        );
        assert_eq!(site.resolve("guide/run.html", "#top"), Ok(()));
        let dead = site.resolve("guide/run.html", "#bottom");
        assert_eq!(dead, Err("the page has no such anchor"));
    }

    #[test]
    fn a_page_that_leads_on_takes_the_anchor_with_it() {
        let site = site(&[
            (
                "a/private/t.html",
                "<meta http-equiv=refresh content='0;URL=../t.html'>",
            ),
            ("a/t.html", "<p id=here>"),
        ]);
        assert_eq!(site.resolve("b.html", "a/private/t.html#here"), Ok(()));
        let dead = site.resolve("b.html", "a/private/t.html#there");
        assert_eq!(dead, Err("the page has no such anchor"));
    }

    #[test]
    fn pages_that_lead_on_in_a_circle_lead_nowhere() {
        let to = |page| format!("<meta http-equiv=refresh content='0;URL={page}'>");
        let site = site(&[("a.html", &to("b.html")), ("b.html", &to("a.html"))]);
        let dead = site.resolve("c.html", "a.html#here");
        assert_eq!(dead, Err("its pages lead on in a circle"));
    }

    #[test]
    fn a_link_of_another_crate_is_excused_only_where_rustdoc_shows_its_text() {
        let link = "super::Subscriber";
        assert!(is_not_ours("api/ouroloop/struct.Task.html", link));
        assert!(!is_not_ours("api/ouroloop/struct.Task.html", "super::Tusk"));
        for page in [
            "guide/index.html",
            "api/ouroloop/index.html",
            "api/ouroloop/fn.run.html",
        ] {
            assert!(!is_not_ours(page, link), "{page}");
        }
    }

    #[test]
    fn a_folder_stands_for_its_index_and_nothing_is_outside_of_the_root() {
        let site = example();
        assert_eq!(
            site.resolve("api/loop/struct.Task.html", "../../guide/"),
            Ok(())
        );
        let dead = site.resolve("guide/run.html", "../../etc/passwd");
        assert_eq!(dead, Err("it leads out of the site"));
        let dead = site.resolve("guide/run.html", "/index.html");
        assert_eq!(dead, Err("it leads out of the site"));
    }

    #[test]
    fn a_range_of_lines_of_a_source_has_both_its_ends() {
        let site = example();
        let resolve = |anchor| site.resolve("api/src/loop/lib.rs.html", anchor);
        assert_eq!(resolve("#1-2"), Ok(()));
        assert_eq!(resolve("#1-3"), Err("the page has no such anchor"));
    }

    #[test]
    fn other_sites_are_told_from_pages() {
        assert!(is_external("https://a.b/c") && is_external("mailto:a@b") && is_external("//a.b"));
        assert!(!is_external("a/b:c.html") && !is_external("#a:b") && !is_external("a.html"));
        assert!(
            !is_external("crate::Task"),
            "a link that rustdoc left as it was"
        );
    }

    #[test]
    fn a_dead_link_that_is_on_many_pages_is_reported_once() {
        let mut found = Found::default();
        for page in ["a", "b", "c"] {
            found.note_dead(page, "x.html", "there is no such page");
        }
        found.note_dead("c", "y.html", "there is no such page");
        let dead: Vec<_> = found.dead.iter().map(Dead::to_string).collect();
        assert_eq!(
            dead,
            [
                "a: dead link `x.html`: there is no such page (and on 2 other pages)",
                "c: dead link `y.html`: there is no such page",
            ]
        );
    }

    #[test]
    fn a_check_of_a_folder_lists_what_is_dead_and_what_is_external() {
        let folder = std::env::temp_dir().join(format!("xtask-links-{}", std::process::id()));
        fs::create_dir_all(folder.join("in")).unwrap();
        let front = "<a href='in/b.html#x'><a href='in/b.html#y'><a href='https://e.org'>";
        fs::write(folder.join("a.html"), front).unwrap();
        fs::write(
            folder.join("in/b.html"),
            "<p id=x><a href='../a.html'><a href=c.html>",
        )
        .unwrap();
        let found = check(&folder);
        fs::remove_dir_all(&folder).unwrap();

        let found = found.unwrap();
        assert_eq!((found.pages, found.links), (2, 4));
        let dead: Vec<_> = found.dead.iter().map(Dead::to_string).collect();
        assert_eq!(
            dead,
            [
                "a.html: dead link `in/b.html#y`: the page has no such anchor",
                "in/b.html: dead link `c.html`: there is no such page",
            ]
        );
        assert_eq!(found.external_list(), "https://e.org (a.html)\n");
    }
}
