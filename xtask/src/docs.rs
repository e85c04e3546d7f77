//! `docs`: the guide and the documentation of all crates as one site, without a dead link.
//!
//! mdBook makes the guide. It is a program and no dependency, as it is larger than this workspace:
//! it is installed into the build folder when this command first needs it, and no other command
//! does. The links are checked by [`links`], for no checker that is at hand knows both what mdBook
//! and what rustdoc write, and the job is small.

mod guide;
mod html;
mod links;
#[cfg(test)]
mod names;

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::Outcome;
use crate::command::CommandLine;
use crate::steps::Step;
use crate::workspace::Workspace;

/// Builds the site, checks its links and says where it is.
///
/// # Errors
///
/// Cargo or mdBook cannot be run, or a file cannot be read or written.
pub fn run(workspace: &Workspace) -> Outcome {
    Ok(if passes(workspace)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The same as a step of another command.
pub fn step(workspace: &Workspace) -> Step {
    let own = workspace.clone();
    Step::new("cargo xtask docs", move || passes(&own))
}

fn passes(workspace: &Workspace) -> Result<bool, Box<dyn Error>> {
    let site = Site::of(workspace);
    if !site.document_crates(workspace)? || !guide::build(workspace, &site.guide)? {
        return Ok(false);
    }
    fs::write(site.root.join("index.html"), forward("guide/index.html"))?;
    // rustdoc's own pages, such as its help, link to an index that it does not make.
    fs::write(site.api.join("index.html"), forward("ouroloop/index.html"))?;
    site.check_links()
}

/// Where the parts of the site are.
struct Site {
    root: PathBuf,
    api: PathBuf,
    guide: PathBuf,
    /// Where Cargo builds it: not where it builds for others, as the pages of an earlier run are
    /// removed, and would hide a dead link.
    build: PathBuf,
}

impl Site {
    fn of(workspace: &Workspace) -> Site {
        let root = workspace.target.join("docs");
        Site {
            api: root.join("api"),
            guide: root.join("guide"),
            build: workspace.target.join("docs-build"),
            root,
        }
    }

    fn document_crates(&self, workspace: &Workspace) -> Result<bool, Box<dyn Error>> {
        let made = self.build.join("doc");
        remove_folder(&made)?;
        remove_folder(&self.api)?;
        // rustdoc links to another crate if there is a folder for it when it begins, the crates are
        // documented in no order, and Cargo removes a crate's folder first: so one after the other.
        for package in workspace.publishable() {
            fs::create_dir_all(made.join(package.name.replace('-', "_")))?;
        }
        let line = rustdoc(workspace).and(["-j1", "--target-dir", &self.build.to_string_lossy()]);
        println!("{line}");
        if !line.succeeds()? {
            return Ok(false);
        }
        fs::create_dir_all(&self.root)?;
        fs::rename(made, &self.api)?;
        Ok(true)
    }

    fn check_links(&self) -> Result<bool, Box<dyn Error>> {
        let found = links::check(&self.root)?;
        for dead in &found.dead {
            println!("{dead}");
        }
        let list = self.root.join("external-links.txt");
        fs::write(&list, found.external_list())?;
        println!(
            "{} pages, {} links, {} of them dead; {} external addresses, not fetched: {}",
            found.pages,
            found.links,
            found.dead.len(),
            found.external.len(),
            list.display()
        );
        println!("{}", self.root.join("index.html").display());
        Ok(found.dead.is_empty())
    }
}

/// The command that documents what is published.
fn rustdoc(workspace: &Workspace) -> CommandLine {
    let packages = workspace
        .publishable()
        .flat_map(|package| ["-p", package.name.as_str()]);
    CommandLine::cargo(&workspace.root, ["doc", "--no-deps"])
        .and(packages)
        .with_env("RUSTDOCFLAGS", "-Dwarnings")
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A page that leads on to another one.
fn forward(address: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Ouroloop</title>\n\
         <meta http-equiv=\"refresh\" content=\"0; url={address}\"></head>\n\
         <body><a href=\"{address}\">{address}</a></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Package;

    #[test]
    fn only_what_is_published_is_documented_and_warnings_are_errors() {
        let package = |name: &str, publishable| Package {
            name: name.into(),
            publishable,
            ..Package::default()
        };
        let workspace = Workspace {
            packages: vec![package("a", true), package("tests", false)],
            ..Workspace::default()
        };
        assert_eq!(
            rustdoc(&workspace).to_string(),
            "RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps -p a"
        );
    }

    #[test]
    fn the_front_page_leads_on_without_scripts() {
        let page = html::Page::parse(&forward("guide/index.html"));
        assert_eq!(page.links, ["guide/index.html"]);
    }

    #[test]
    fn a_folder_that_is_not_there_counts_as_removed() {
        remove_folder(Path::new("no/such/folder/anywhere")).unwrap();
    }
}
