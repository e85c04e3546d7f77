//! Scenarios, and the files that they are kept in: one JSON object a line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value as Json;

use super::parse::{self, ParseError};
use super::program::Program;

/// A program with the trace that CPython's asyncio leaves.
#[derive(Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it does.
    pub program: Rc<Program>,
    /// What CPython says.
    pub trace: Vec<String>,
}

/// A file of scenarios that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// The operating system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A line is not JSON.
    #[error("{}, line {line}: {source}", .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A line is no scenario.
    #[error("{}, line {line}: {what} is missing; record the program with CPython first", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What it lacks.
        what: &'static str,
    },
    /// A program is not in the language.
    #[error("{}, line {line}: {source}", .path.display())]
    Program {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        source: ParseError,
    },
}

/// The files of the project's own corpus, by name.
///
/// # Errors
///
/// [`CorpusError::Io`] if the folder cannot be read.
pub fn corpus_files() -> Result<Vec<PathBuf>, CorpusError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let refused = |source| CorpusError::Io {
        path: folder.clone(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if path.extension().is_some_and(|it| it == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads the scenarios of a file.
///
/// # Errors
///
/// [`CorpusError`] for the first line that is wrong.
pub fn read_corpus(path: &Path) -> Result<Vec<Scenario>, CorpusError> {
    let text = fs::read_to_string(path).map_err(|source| CorpusError::Io {
        path: path.to_owned(),
        source,
    })?;
    let lines = text.lines().enumerate();
    let filled = lines.filter(|(_, text)| !text.trim().is_empty());
    filled
        .map(|(index, text)| scenario(path, index + 1, text))
        .collect()
}

fn scenario(path: &Path, line: usize, text: &str) -> Result<Scenario, CorpusError> {
    let json = parse_json(text).map_err(|source| CorpusError::Json {
        path: path.to_owned(),
        line,
        source,
    })?;
    let missing = |what| {
        let path = path.to_owned();
        move || CorpusError::Missing { path, line, what }
    };
    let name = json["name"].as_str().ok_or_else(missing("the name"))?;
    let trace = json["trace"].as_array().ok_or_else(missing("the trace"))?;
    let trace: Option<_> = trace.iter().map(|it| Some(it.as_str()?.into())).collect();
    let program = parse::program(&json["funcs"]).map_err(|source| CorpusError::Program {
        path: path.to_owned(),
        line,
        source,
    })?;
    Ok(Scenario {
        name: name.to_owned(),
        program: Rc::new(program),
        trace: trace.ok_or_else(missing("the text of a trace line"))?,
    })
}

/// Programs may be nested more deeply than what serde_json expects of well-meant input.
fn parse_json(text: &str) -> Result<Json, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    let mut values = deserializer.into_iter::<Json>();
    let value = values.next().unwrap_or(Ok(Json::Null))?;
    match values.next() {
        None => Ok(value),
        // More than one value on a line: the plain parser says where.
        Some(_) => serde_json::from_str(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let error = scenario(Path::new("some.jsonl"), 3, text).unwrap_err();
        error.to_string()
    }

    #[test]
    fn a_scenario_has_a_name_a_program_and_a_trace() {
        let text =
            r#"{"name": "n", "funcs": {"main": [["log", "x"]]}, "trace": ["0 main#0 start"]}"#;
        let scenario = scenario(Path::new("some.jsonl"), 1, text).unwrap();
        assert_eq!(scenario.name, "n");
        assert_eq!(scenario.trace, ["0 main#0 start"]);
    }

    #[test]
    fn a_line_that_is_no_scenario_is_refused_with_its_number() {
        assert_eq!(
            refused(r#"{"name": "n", "funcs": {"main": []}}"#),
            "some.jsonl, line 3: the trace is missing; record the program with CPython first"
        );
        assert_eq!(
            refused(r#"{"name": "n", "funcs": {"main": [["fly"]]}, "trace": []}"#),
            "some.jsonl, line 3: there is no operation `fly`"
        );
        assert!(refused("{} {}").contains("line 3: trailing characters"));
    }

    #[test]
    fn programs_may_be_nested_deeply() {
        let body = (0..200).fold(r#"["sleep",0]"#.to_owned(), |body, _| {
            format!(r#"["repeat",1,[{body}]]"#)
        });
        let text = format!(r#"{{"name":"n","funcs":{{"main":[{body}]}},"trace":[]}}"#);
        assert!(scenario(Path::new("some.jsonl"), 1, &text).is_ok());
    }
}
