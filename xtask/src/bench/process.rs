//! A process that says one line and ends, or is ended.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// A running process, which is killed when this goes.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it, with what it writes kept for [`line`](Process::line).
    ///
    /// # Errors
    ///
    /// It is not there, or may not be run.
    pub fn start(command: &mut Command) -> Result<Process, Box<dyn Error>> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Process { child })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first line that it writes to its output.
    ///
    /// # Errors
    ///
    /// It ended without one, and the error is the end of what it complained about; or it wrote none for so long.
    pub fn line(&mut self, limit: Duration) -> Result<String, Box<dyn Error>> {
        let output = self.child.stdout.take().ok_or("its line was read before")?;
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(output).read_line(&mut line);
            let _ = sender.send(read.map(|_| line));
        });
        let Ok(line) = receiver.recv_timeout(limit) else {
            return Err(format!("nothing for {} s", limit.as_secs()).into());
        };
        match line?.trim() {
            "" => Err(self.complaint().into()),
            line => Ok(line.to_owned()),
        }
    }

    fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            let _ = errors.read_to_string(&mut text);
        }
        let lines: Vec<_> = text.trim().lines().collect();
        match lines.as_slice() {
            [] => "it ended without a word".to_owned(),
            [.., a, b, c] => [*a, *b, *c].join("; "),
            few => few.join("; "),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn the_first_line_comes_while_the_process_goes_on() {
        let mut process = shell("echo one; sleep 60; echo two");
        assert_eq!(process.line(Duration::from_secs(10)).unwrap(), "one");
    }

    #[test]
    fn a_process_that_only_complains_is_an_error_that_says_so() {
        let error = shell("echo no luck >&2; exit 1").line(Duration::from_secs(10));
        assert_eq!(error.unwrap_err().to_string(), "no luck");
    }

    #[test]
    fn silence_has_a_limit() {
        let error = shell("sleep 60").line(Duration::from_millis(20));
        assert_eq!(error.unwrap_err().to_string(), "nothing for 0 s");
    }
}
