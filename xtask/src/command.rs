//! A command line that can be shown as well as run: what fails is repeated by copying it.

use std::error::Error;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

/// A program with its arguments and environment, to be run in one folder.
#[derive(Clone, Debug)]
pub struct CommandLine {
    folder: PathBuf,
    environment: Vec<(String, String)>,
    words: Vec<String>,
}

impl CommandLine {
    /// A call of cargo at `folder`, the root of the workspace.
    pub fn cargo<'a>(folder: &Path, words: impl IntoIterator<Item = &'a str>) -> CommandLine {
        CommandLine::new(folder, ["cargo"]).and(words)
    }

    /// A call of cargo of another toolchain than the one that built this program.
    ///
    /// Goes through `rustup run`, as `cargo +name` is only understood by rustup's own proxy, and
    /// that need not be the first cargo in the path here.
    pub fn cargo_of<'a>(
        toolchain: &'a str,
        folder: &Path,
        words: impl IntoIterator<Item = &'a str>,
    ) -> CommandLine {
        CommandLine::new(folder, ["rustup", "run", toolchain, "cargo"]).and(words)
    }

    /// Any program: the first word is its name.
    pub fn new<'a>(folder: &Path, words: impl IntoIterator<Item = &'a str>) -> CommandLine {
        let line = CommandLine {
            folder: folder.to_owned(),
            environment: Vec::new(),
            words: Vec::new(),
        };
        line.and(words)
    }

    /// The same line with more words at its end.
    pub fn and<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> CommandLine {
        self.words.extend(words.into_iter().map(str::to_owned));
        self
    }

    /// The same line with a variable of the environment set.
    pub fn with_env(mut self, name: &str, value: impl Into<String>) -> CommandLine {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Runs it with this program's input and output, and says whether it ended with success.
    ///
    /// # Errors
    ///
    /// The program is not there, or may not be run.
    pub fn succeeds(&self) -> Result<bool, Box<dyn Error>> {
        let status = self
            .command()
            .status()
            .map_err(|error| self.not_started(&error))?;
        Ok(status.success())
    }

    /// Runs it as the last thing that this program does.
    ///
    /// # Errors
    ///
    /// As for [`succeeds`](CommandLine::succeeds).
    pub fn finish(&self) -> Result<ExitCode, Box<dyn Error>> {
        Ok(if self.succeeds()? {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// Runs it silently and gives what it wrote to its output, if it ended with success.
    ///
    /// A program that is not there counts as one that failed: the callers ask whether a tool is
    /// installed.
    pub fn output_if_ok(&self) -> Option<String> {
        let output = self.command().stdin(Stdio::null()).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it and gives each line of its output to `line` when it comes.
    ///
    /// # Errors
    ///
    /// As for [`succeeds`](CommandLine::succeeds), or its output cannot be read.
    pub fn each_line(&self, line: impl FnMut(&str)) -> Result<ExitStatus, Box<dyn Error>> {
        let mut child = self.spawn(self.command().stdout(Stdio::piped()))?;
        lines(child.stdout.take().expect("it was piped"), line)?;
        Ok(child.wait()?)
    }

    /// The same for what it writes to its standard error; the rest of its output is lost.
    ///
    /// # Errors
    ///
    /// As for [`each_line`](CommandLine::each_line).
    pub fn each_error_line(&self, line: impl FnMut(&str)) -> Result<ExitStatus, Box<dyn Error>> {
        let mut command = self.command();
        let mut child = self.spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()))?;
        lines(child.stderr.take().expect("it was piped"), line)?;
        Ok(child.wait()?)
    }

    fn spawn(&self, command: &mut Command) -> Result<Child, Box<dyn Error>> {
        Ok(command.spawn().map_err(|error| self.not_started(&error))?)
    }

    fn command(&self) -> Command {
        let (program, arguments) = self
            .words
            .split_first()
            .expect("made with a program's name");
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn not_started(&self, error: &std::io::Error) -> String {
        format!("`{self}` could not be started: {error}; install it or add it to PATH")
    }
}

/// As one types it into a shell.
impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}={} ", quoted(value))?;
        }
        let words: Vec<_> = self.words.iter().map(|word| quoted(word)).collect();
        f.write_str(&words.join(" "))
    }
}

fn lines(output: impl Read, mut line: impl FnMut(&str)) -> Result<(), Box<dyn Error>> {
    for text in BufReader::new(output).split(b'\n') {
        line(String::from_utf8_lossy(&text?).trim_end_matches('\r'));
    }
    Ok(())
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_as_one_types_it() {
        let line = CommandLine::cargo(Path::new("."), ["test", "-p", "a b", "it's"])
            .with_env("RUSTFLAGS", "--cfg loom");
        assert_eq!(
            line.to_string(),
            r"RUSTFLAGS='--cfg loom' cargo test -p 'a b' 'it'\''s'"
        );
    }

    #[test]
    fn a_program_that_is_not_there_has_no_output_and_an_error_that_names_it() {
        let line = CommandLine::new(Path::new("."), ["no-such-program-anywhere"]);
        assert_eq!(line.output_if_ok(), None);
        let error = line.succeeds().unwrap_err().to_string();
        assert!(
            error.starts_with("`no-such-program-anywhere` could not be started"),
            "{error}"
        );
    }

    #[test]
    fn error_lines_come_without_the_others() {
        let line = CommandLine::new(Path::new("."), ["sh", "-c", "echo out; echo err >&2"]);
        let mut lines = Vec::new();
        let status = line
            .each_error_line(|line| lines.push(line.to_owned()))
            .unwrap();
        assert_eq!((lines, status.success()), (vec!["err".to_owned()], true));
    }

    #[test]
    fn lines_come_with_the_status() {
        let line = CommandLine::new(Path::new("."), ["sh", "-c", "printf 'a\\nb'; exit 3"]);
        let mut lines = Vec::new();
        let status = line.each_line(|line| lines.push(line.to_owned())).unwrap();
        assert_eq!(
            (lines, status.code()),
            (vec!["a".to_owned(), "b".to_owned()], Some(3))
        );
    }
}
