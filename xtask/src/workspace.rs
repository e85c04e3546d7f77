//! What Cargo says about this workspace: its packages, their targets, features and dependencies.
//!
//! Read with `cargo metadata --no-deps`: the manifests alone tell everything that the commands
//! ask, dependencies of all platforms and features included, and no network is needed.

use std::error::Error;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::CommandLine;

/// The workspace as its manifests describe it.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    /// The folder of the root manifest.
    pub root: PathBuf,
    /// Where Cargo builds.
    pub target: PathBuf,
    /// All members, by name.
    pub packages: Vec<Package>,
}

impl Workspace {
    /// Asks Cargo about the workspace that this program belongs to.
    ///
    /// # Errors
    ///
    /// Cargo cannot be run, or finds a manifest wrong.
    pub fn load() -> Result<Workspace, Box<dyn Error>> {
        let own = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = own
            .parent()
            .ok_or("xtask has to be a folder of the workspace")?;
        let line = CommandLine::cargo(root, ["metadata", "--no-deps", "--format-version", "1"]);
        let json = line.output_if_ok().ok_or_else(|| {
            format!(
                "`{line}` failed: repeat it in {} to see why",
                root.display()
            )
        })?;
        Workspace::parse(&serde_json::from_str(&json)?)
    }

    /// The member with this name, if there is one.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// The members that go to crates.io.
    pub fn publishable(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.publishable)
    }

    fn parse(json: &Value) -> Result<Workspace, Box<dyn Error>> {
        let mut packages = array(json, "packages")?
            .iter()
            .map(Package::parse)
            .collect::<Result<Vec<_>, _>>()?;
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Workspace {
            root: PathBuf::from(text(json, "workspace_root")?),
            target: PathBuf::from(text(json, "target_directory")?),
            packages,
        })
    }
}

/// A member of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Whether it goes to crates.io.
    pub publishable: bool,
    /// The oldest Rust that it promises to build with.
    pub rust_version: Option<String>,
    /// The names of its features, those of optional dependencies included.
    pub features: Vec<String>,
    /// What is built from it.
    pub targets: Vec<Target>,
    /// What it depends on, in any way, on any platform.
    pub dependencies: Vec<Dependency>,
}

impl Package {
    /// Whether a target of this kind is built from it.
    pub fn has_target(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.is(&[kind]))
    }

    fn parse(json: &Value) -> Result<Package, Box<dyn Error>> {
        let manifest = Path::new(text(json, "manifest_path")?);
        let features = json["features"]
            .as_object()
            .ok_or("a package without `features`")?;
        Ok(Package {
            name: text(json, "name")?.to_owned(),
            folder: manifest
                .parent()
                .ok_or("a manifest without a folder")?
                .to_owned(),
            publishable: !json["publish"].as_array().is_some_and(Vec::is_empty),
            rust_version: json["rust_version"].as_str().map(str::to_owned),
            features: features.keys().cloned().collect(),
            targets: array(json, "targets")?
                .iter()
                .map(Target::parse)
                .collect::<Result<_, _>>()?,
            dependencies: array(json, "dependencies")?
                .iter()
                .map(Dependency::parse)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A library, program, test, bench or example.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// `lib`, `proc-macro`, `bin`, `test`, `bench`, `example` or `custom-build`.
    pub kinds: Vec<String>,
    /// Its root file.
    pub path: PathBuf,
}

impl Target {
    /// Whether it is of one of these kinds.
    pub fn is(&self, kinds: &[&str]) -> bool {
        self.kinds.iter().any(|kind| kinds.contains(&kind.as_str()))
    }

    fn parse(json: &Value) -> Result<Target, Box<dyn Error>> {
        let kinds = array(json, "kind")?;
        Ok(Target {
            kinds: kinds
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            path: PathBuf::from(text(json, "src_path")?),
        })
    }
}

/// One line of a manifest's dependencies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dependency {
    /// The package's own name, whatever it is called here.
    pub name: String,
    /// What it is needed for.
    pub kind: Kind,
    /// Whether it is a path without a version, and so is left out of the package if it is a
    /// dev-dependency.
    pub path_only: bool,
}

impl Dependency {
    fn parse(json: &Value) -> Result<Dependency, Box<dyn Error>> {
        let kind = match json["kind"].as_str() {
            None => Kind::Normal,
            Some("build") => Kind::Build,
            Some("dev") => Kind::Dev,
            Some(other) => return Err(format!("an unknown kind of dependency: {other}").into()),
        };
        Ok(Dependency {
            name: text(json, "name")?.to_owned(),
            kind,
            path_only: json["path"].is_string() && json["req"] == "*",
        })
    }
}

/// What a dependency is needed for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The build script.
    Build,
    /// Tests, examples and benches.
    Dev,
    /// The package itself.
    Normal,
}

impl Kind {
    /// The section of the manifest.
    pub fn section(self) -> &'static str {
        match self {
            Kind::Build => "build-dependencies",
            Kind::Dev => "dev-dependencies",
            Kind::Normal => "dependencies",
        }
    }
}

fn text<'a>(json: &'a Value, key: &str) -> Result<&'a str, Box<dyn Error>> {
    json[key]
        .as_str()
        .ok_or_else(|| format!("cargo metadata without `{key}`").into())
}

fn array<'a>(json: &'a Value, key: &str) -> Result<&'a Vec<Value>, Box<dyn Error>> {
    json[key]
        .as_array()
        .ok_or_else(|| format!("cargo metadata without `{key}`").into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_becomes_packages_with_their_dependencies() {
        let workspace = Workspace::parse(&json!({
            "workspace_root": "root",
            "target_directory": "root/target",
            "packages": [{
                "name": "b", "manifest_path": "root/b/Cargo.toml", "publish": [],
                "rust_version": null, "features": {}, "targets": [], "dependencies": [],
            }, {
                "name": "a", "manifest_path": "root/a/Cargo.toml", "publish": null,
                "rust_version": "1.85", "features": { "tls": ["dep:rustls"] },
                "targets": [{ "name": "a", "kind": ["lib"], "src_path": "root/a/src/lib.rs" }],
                "dependencies": [
                    { "name": "mio", "kind": null, "rename": "poller" },
                    { "name": "b", "kind": "dev", "req": "*", "path": "root/b" },
                    { "name": "b", "kind": null, "req": "^0.1.0", "path": "root/b" },
                    { "name": "c", "kind": "dev", "req": "*" },
                ],
            }],
        }))
        .unwrap();

        let names: Vec<_> = workspace
            .packages
            .iter()
            .map(|package| &package.name)
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(workspace.publishable().count(), 1);
        let a = workspace.package("a").unwrap();
        assert_eq!(a.folder, Path::new("root/a"));
        assert_eq!(a.features, ["tls"]);
        assert!(a.targets[0].is(&["bin", "lib"]));
        let dependencies: Vec<_> = a
            .dependencies
            .iter()
            .map(|d| (d.name.as_str(), d.kind, d.path_only))
            .collect();
        assert_eq!(
            dependencies,
            [
                ("mio", Kind::Normal, false),
                ("b", Kind::Dev, true),
                ("b", Kind::Normal, false),
                ("c", Kind::Dev, false),
            ]
        );
    }

    #[test]
    fn metadata_without_packages_is_an_error() {
        let error = Workspace::parse(&json!({})).unwrap_err();
        assert_eq!(error.to_string(), "cargo metadata without `packages`");
    }
}
