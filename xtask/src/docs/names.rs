//! The guide's table of asyncio's names is complete: each name of the list has a row.

use std::collections::HashSet;

/// The names, made by `docs/guide/asyncio_names.py`.
const NAMES: &str = include_str!("../../../docs/guide/asyncio-3.13.txt");
/// The table.
const TABLE: &str = include_str!("../../../docs/guide/src/from-asyncio.md");

/// The names in the first column of the rows of a page: what is between its backticks.
fn named(page: &str) -> HashSet<&str> {
    page.lines()
        .filter_map(|line| line.strip_prefix('|'))
        .filter_map(|row| row.split(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

fn listed() -> impl Iterator<Item = &'static str> {
    NAMES
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[test]
fn every_public_name_of_asyncio_has_a_row() {
    let named = named(TABLE);
    let missing: Vec<_> = listed().filter(|name| !named.contains(name)).collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
    assert!(listed().count() > 300, "the list is not the whole of it");
}

#[test]
fn every_row_is_a_name_of_the_list() {
    let listed: HashSet<_> = listed().collect();
    let strange: Vec<_> = named(TABLE)
        .into_iter()
        .filter(|name| !listed.contains(name))
        .collect();
    assert!(strange.is_empty(), "no names of asyncio 3.13: {strange:?}");
}

#[test]
fn only_the_first_column_names() {
    let page = "text `no`\n| `a`, `b` | `c` |\n| --- | --- |\n";
    let mut found: Vec<_> = named(page).into_iter().collect();
    found.sort_unstable();
    assert_eq!(found, ["a", "b"]);
}
