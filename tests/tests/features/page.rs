//! The page itself: its rows, its lists of tests, its counts, and what can be wrong with them.
//!
//! A row is a line of a table, `| number | asyncio | state | here | remark |`. Below the table of its
//! section is the list of the tests, each row's in an item that begins with its number:
//! ``- 7: `package::binary::test`, `corpus::scenario`.``

use std::collections::BTreeMap;

const STATES: [&str; 4] = ["works", "partly", "not yet", "does not apply"];

struct Row<'a> {
    line: usize,
    state: &'a str,
    here: &'a str,
    remark: &'a str,
}

struct Proofs<'a> {
    line: usize,
    names: Vec<&'a str>,
}

/// What is wrong with the page, line by line. `last` is the number of the last feature;
/// `fault_of` says what is wrong with a test that is named, if something is.
pub fn faults(text: &str, last: u32, fault_of: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let rows = rows(text, &mut faults);
    let proofs = proofs(text, &mut faults);
    for number in 1..=last {
        if !rows.contains_key(&number) {
            faults.push(format!("there is no row {number}"));
        }
    }
    for (&number, row) in &rows {
        let mut say = |what: &str| faults.push(format!("line {}: row {number} {what}", row.line));
        if !(1..=last).contains(&number) {
            say("is of no feature");
        }
        if !STATES.contains(&row.state) {
            say(&format!("has no state of {STATES:?} but `{}`", row.state));
        }
        let claims = matches!(row.state, "works" | "partly");
        if claims && !proofs.contains_key(&number) {
            say("names no test that shows it");
        }
        if claims && row.here.is_empty() {
            say("does not say what it is called here");
        }
        if row.state != "works" && row.remark.is_empty() {
            say("does not say why it is so, or what is missing");
        }
    }
    for (&number, proofs) in &proofs {
        if !rows.contains_key(&number) {
            faults.push(format!("line {}: tests of no row, {number}", proofs.line));
        }
        if proofs.names.is_empty() {
            faults.push(format!("line {}: no tests of row {number}", proofs.line));
        }
        for name in &proofs.names {
            if let Some(fault) = fault_of(name) {
                faults.push(format!("line {}: `{name}`: {fault}", proofs.line));
            }
        }
    }
    let counts = counts(&rows);
    if !text.lines().any(|line| line == counts) {
        faults.push(format!("the line with the counts has to be:\n{counts}"));
    }
    faults
}

/// The line that says how many features have each state.
fn counts(rows: &BTreeMap<u32, Row<'_>>) -> String {
    let count = |state: &str| rows.values().filter(|row| row.state == state).count();
    let [works, partly, not_yet, never] = STATES.map(count);
    let all = rows.len();
    format!(
        "**Of {all} features {works} work, {partly} work partly, {not_yet} do not work yet, and {never} do not apply.**"
    )
}

fn rows<'a>(text: &'a str, faults: &mut Vec<String>) -> BTreeMap<u32, Row<'a>> {
    let mut rows = BTreeMap::new();
    for (line, content) in numbered(text) {
        let Some(inner) = content.strip_prefix("| ") else {
            continue;
        };
        let cells: Vec<_> = inner
            .trim_end_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        let Ok(number) = cells[0].parse() else {
            // The head of the table, or of another one.
            continue;
        };
        let &[_, _, state, here, remark] = &cells[..] else {
            faults.push(format!(
                "line {line}: row {number} has {} cells, not 5",
                cells.len()
            ));
            continue;
        };
        let row = Row {
            line,
            state,
            here,
            remark,
        };
        if let Some(before) = rows.insert(number, row) {
            faults.push(format!(
                "line {line}: row {number} is there twice, see line {}",
                before.line
            ));
        }
    }
    rows
}

fn proofs<'a>(text: &'a str, faults: &mut Vec<String>) -> BTreeMap<u32, Proofs<'a>> {
    let mut proofs: BTreeMap<u32, Proofs<'a>> = BTreeMap::new();
    let mut current = None;
    for (line, content) in numbered(text) {
        let item = content
            .strip_prefix("- ")
            .and_then(|it| it.split_once(": "));
        let begun = item.and_then(|(number, rest)| Some((number.parse::<u32>().ok()?, rest)));
        let rest = match (begun, content.strip_prefix("  ")) {
            (Some((number, rest)), _) => {
                current = Some(number);
                let names = Vec::new();
                if let Some(before) = proofs.insert(number, Proofs { line, names }) {
                    faults.push(format!(
                        "line {line}: tests of row {number} are at line {} too",
                        before.line
                    ));
                }
                rest
            }
            (None, Some(rest)) => rest,
            (None, None) => {
                current = None;
                continue;
            }
        };
        if let Some(proofs) = current.and_then(|number| proofs.get_mut(&number)) {
            // What stands between backquotes.
            proofs.names.extend(rest.split('`').skip(1).step_by(2));
        }
    }
    proofs
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# Features
**Of 4 features 1 work, 1 work partly, 1 do not work yet, and 1 do not apply.**
| # | asyncio | state | here | remark |
| --- | --- | --- | --- | --- |
| 1 | `run` | works | `run` | |
| 2 | `stop` | partly | `stop` | never stops |
| 3 | `pipe` | not yet | | no pipes |
| 4 | weak tasks | does not apply | | none |

Tests:

- 1: `a::b`,
  `a::c`.
- 2: `a::d`.

A list of another kind:

- 5 things, namely: `none`
";

    fn faults_of(text: &str) -> Vec<String> {
        faults(text, 4, &|name| {
            let known = ["a::b", "a::c", "a::d"];
            (!known.contains(&name)).then(|| "unknown".to_owned())
        })
    }

    #[test]
    fn a_page_that_is_right_has_no_faults() {
        assert_eq!(faults_of(PAGE), [""; 0]);
    }

    #[test]
    fn each_fault_is_found_and_said() {
        let table = [
            ("| 3 | `pipe`", "| `pipe`", "there is no row 3"),
            ("| 3 |", "| 2 |", "row 2 is there twice, see line 6"),
            ("| 3 |", "| 9 |", "row 9 is of no feature"),
            ("| not yet |", "| soon |", "row 3 has no state of"),
            ("| works |", "| Works |", "but `Works`"),
            ("- 2: `a::d`.", "", "line 6: row 2 names no test"),
            ("- 2: `a::d`.", "- 2: none.", "no tests of row 2"),
            (
                "- 2: `a::d`.",
                "- 1: `a::d`.",
                "tests of row 1 are at line 12 too",
            ),
            (
                "- 2: `a::d`.",
                "- 8: `a::d`.",
                "line 14: tests of no row, 8",
            ),
            ("`a::c`", "`a::x`", "line 12: `a::x`: unknown"),
            (
                "| `run` | |",
                "| | |",
                "row 1 does not say what it is called",
            ),
            ("| never stops |", "| |", "row 2 does not say why"),
            ("| no pipes |", "| |", "row 3 does not say why"),
            ("| none |", "| |", "row 4 does not say why"),
            ("| `run` | |", "| `run` |", "row 1 has 4 cells, not 5"),
            (
                "features 1 work,",
                "features 2 work,",
                "**Of 4 features 1 work, 1 work partly",
            ),
        ];
        for (from, to, expected) in table {
            let page = PAGE.replacen(from, to, 1);
            assert_ne!(page, PAGE, "{from}");
            let faults = faults_of(&page);
            assert!(
                faults.iter().any(|it| it.contains(expected)),
                "{from} -> {to}: {faults:?}"
            );
        }
    }

    #[test]
    fn the_right_counts_are_those_of_the_rows() {
        let page = PAGE
            .replace("| works |", "| not yet |")
            .replace("| `run` | |", "| | why |");
        let right =
            "**Of 4 features 0 work, 1 work partly, 2 do not work yet, and 1 do not apply.**";
        assert!(faults_of(&page).iter().any(|it| it.ends_with(right)));
    }
}
