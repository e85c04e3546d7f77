//! Where pages are saved.
//!
//! A page is named after the last part of its URL, or `index.html` if that is empty. The second page
//! of a name gets `.2` at its end, the third `.3`: nothing that this run has saved is overwritten
//! (what an earlier run has saved is).

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use crate::url::Url;

/// Pages cannot be saved where they were to be.
#[derive(Debug, thiserror::Error)]
#[error("--out {}: cannot make this directory: {source}", dir.display())]
pub struct PlanError {
    dir: PathBuf,
    source: io::Error,
}

/// Names the files of a run.
pub struct Plan {
    dir: Option<PathBuf>,
    taken: HashSet<String>,
}

impl Plan {
    /// Makes the directory, if pages are to be saved at all.
    pub fn new(dir: Option<PathBuf>) -> Result<Plan, PlanError> {
        if let Some(dir) = &dir {
            fs::create_dir_all(dir).map_err(|source| PlanError {
                dir: dir.clone(),
                source,
            })?;
        }
        Ok(Plan {
            dir,
            taken: HashSet::new(),
        })
    }

    pub fn file_for(&mut self, url: &Url) -> Option<NewFile> {
        let dir = self.dir.as_ref()?;
        let name = url.last_segment().unwrap_or("index.html");
        let mut candidate = name.to_owned();
        let mut number = 1;
        while !self.taken.insert(candidate.clone()) {
            number += 1;
            candidate = format!("{name}.{number}");
        }
        Some(NewFile(dir.join(candidate)))
    }
}

/// A file that is not there yet.
pub struct NewFile(PathBuf);

impl NewFile {
    pub fn create(self) -> io::Result<Saving> {
        Ok(Saving {
            file: File::create(&self.0)?,
            path: Some(self.0),
        })
    }
}

/// A file that is being written, and removed again unless it is kept: also when the time is up, and
/// the fetch is dropped where it stands.
pub struct Saving {
    file: File,
    path: Option<PathBuf>,
}

impl Saving {
    pub fn keep(mut self) {
        self.path = None;
    }
}

impl Write for Saving {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // It was incomplete; that it is there still is the lesser trouble.
            let _ = fs::remove_file(path);
        }
    }
}
