//! No file may refer to a folder of somebody's machine.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Check, Violation};

/// Looks through every text file below `root`, but for what is built or version control's own.
///
/// # Errors
///
/// A file or folder cannot be read.
pub fn check(root: &Path) -> Result<Check, Box<dyn Error>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    let mut violations = Vec::new();
    for file in &files {
        if let Ok(text) = String::from_utf8(fs::read(file)?) {
            let shown = file.strip_prefix(root).unwrap_or(file);
            violations.extend(violations_in(&text, &shown.display().to_string(), root));
        }
    }
    let looked_at = format!("{} files name no folder of a machine", files.len());
    Ok(Check {
        name: "paths",
        looked_at,
        violations,
    })
}

fn violations_in(text: &str, shown: &str, root: &Path) -> Vec<Violation> {
    let root = root.display().to_string();
    let lines = text.lines().enumerate();
    let wrong = lines.filter_map(|(index, line)| {
        let own = (root.len() > 1 && line.contains(&root)).then_some(root.as_str());
        let place = own.or_else(|| MACHINE_FOLDERS.iter().copied().find(|f| names(line, f)))?;
        Some((index, place))
    });
    wrong
        .map(|(index, folder)| Violation {
            place: format!("{shown}:{}", index + 1),
            problem: format!("names {folder}, a folder of one machine"),
            remedy: "make it relative to the workspace, or take it from the environment".into(),
        })
        .collect()
}

/// Whether a path in this line starts with `folder`: nothing that belongs to a path precedes it.
fn names(line: &str, folder: &str) -> bool {
    let within = |c: char| c.is_alphanumeric() || "_-.~}*".contains(c);
    line.match_indices(folder)
        .any(|(at, _)| !line[..at].ends_with(within))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if name != ".git" && name != "target" {
                collect(&entry.path(), files)?;
            }
        } else if entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Where people and build machines keep their files. In two parts, as this file is checked too.
const MACHINE_FOLDERS: &[&str] = &[
    concat!("/", "home/"),
    concat!("/", "root/"),
    concat!("/", "work/"),
    concat!("/", "workspace/"),
    concat!("/", "mnt/"),
    concat!("/", "Users/"),
    concat!("C:", "\\Users\\"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_a_machine_is_found_with_its_line() {
        for folder in MACHINE_FOLDERS {
            let text = format!("fine\nsee `{folder}someone/x`\n");
            let wrong = violations_in(&text, "docs/a.md", Path::new("/"));
            assert_eq!(wrong.len(), 1, "{folder}");
            assert_eq!(wrong[0].place, "docs/a.md:2");
        }
    }

    #[test]
    fn the_checkout_itself_is_found_wherever_it_is() {
        let wrong = violations_in("see /srv/loop/x", "a", Path::new("/srv/loop"));
        assert_eq!(wrong.len(), 1);
    }

    #[test]
    fn relative_paths_and_those_of_every_machine_are_fine() {
        let text = "docs/home/page.md ~/work/x $HOME/work/x /dev/null /proc/self/fd /etc/hosts";
        assert!(violations_in(text, "a", Path::new("/srv/loop")).is_empty());
    }

    #[test]
    fn built_files_are_not_looked_at() {
        let root = std::env::temp_dir().join(format!("xtask-paths-{}", std::process::id()));
        fs::create_dir_all(root.join("target")).unwrap();
        fs::write(root.join("target/a"), format!("{}x", MACHINE_FOLDERS[0])).unwrap();
        fs::write(root.join("b"), "fine").unwrap();
        let check = check(&root);
        fs::remove_dir_all(&root).unwrap();
        let check = check.unwrap();
        assert!(check.violations.is_empty());
        assert_eq!(check.looked_at, "1 files name no folder of a machine");
    }
}
