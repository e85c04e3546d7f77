//! The arrows between crates: who may depend on whom.

use std::collections::HashSet;

use super::{Check, Violation};
use crate::table::{ALONE, BARE, LAYERS, LENT, OWNED};
use crate::workspace::{Dependency, Kind, Package, Workspace};

/// All checks that need the manifests only.
pub fn checks(workspace: &Workspace) -> Vec<Check> {
    let packages = &workspace.packages;
    let inner = packages
        .iter()
        .flat_map(|p| &p.dependencies)
        .filter(|d| is_ours(d, workspace));
    vec![
        Check {
            name: "table",
            looked_at: format!("{} packages have a place among the layers", packages.len()),
            violations: packages.iter().filter_map(unplaced).collect(),
        },
        Check {
            name: "arrows",
            looked_at: format!("{} dependencies between them point up", inner.count()),
            violations: each(workspace, |package, dependency| {
                arrow(workspace, package, dependency)
            }),
        },
        Check {
            name: "owners",
            looked_at: owners(),
            violations: each(workspace, owner),
        },
        Check {
            name: "bare",
            looked_at: format!("{} needs nothing but its tests' crates", BARE.join(", ")),
            violations: each(workspace, bare),
        },
    ]
}

fn each(
    workspace: &Workspace,
    check: impl Fn(&Package, &Dependency) -> Option<Violation>,
) -> Vec<Violation> {
    let pairs = workspace
        .packages
        .iter()
        .flat_map(|p| p.dependencies.iter().map(move |d| (p, d)));
    pairs
        .filter_map(|(package, dependency)| check(package, dependency))
        .collect()
}

fn unplaced(package: &Package) -> Option<Violation> {
    place(&package.name).is_none().then(|| Violation {
        place: package.name.clone(),
        problem: "has no place among the layers".into(),
        remedy: "add it to LAYERS in xtask/src/table.rs, below all that it depends on".into(),
    })
}

fn arrow(workspace: &Workspace, package: &Package, dependency: &Dependency) -> Option<Violation> {
    if !is_ours(dependency, workspace) {
        return None;
    }
    let section = dependency.kind.section();
    let violation = |problem: String, remedy: &str| {
        Some(Violation {
            place: package.name.clone(),
            problem,
            remedy: remedy.into(),
        })
    };
    let name = &dependency.name;
    if is_lent(package, dependency) {
        if dependency.path_only {
            return None;
        }
        return violation(
            format!("{name} in [{section}] with a version"),
            "write `{ path = \"...\" }` only: `cargo package` leaves that out, and else asks \
             crates.io for a crate that needs this one first",
        );
    }
    if dependency.kind == Kind::Dev && leads_to(workspace, name, &package.name) {
        return violation(
            format!("{name} in [{section}] leads back to the crate itself"),
            "its unit tests would see two copies of its types; move the test to the package in \
             tests/",
        );
    }
    if ALONE.contains(&package.name.as_str()) {
        return violation(
            format!("{name} in [{section}], but it must depend on no crate of the workspace"),
            "remove the line; what needs both belongs into a crate below the two",
        );
    }
    if place(&package.name).is_none() || points_up(package, dependency) {
        return None;
    }
    violation(
        format!("{name} in [{section}] stands below it in the layers"),
        "move the code that needs it into the lower crate, or what is needed into an upper one",
    )
}

/// Whether it is a dev-dependency that a crate may have although it is no crate above it.
pub fn is_lent(package: &Package, dependency: &Dependency) -> bool {
    let lent = LENT.contains(&dependency.name.as_str()) && dependency.name != package.name;
    let bare = BARE.contains(&package.name.as_str());
    dependency.kind == Kind::Dev && lent && !bare && !points_up(package, dependency)
}

/// Whether the dependency is a crate above the package.
fn points_up(package: &Package, dependency: &Dependency) -> bool {
    match (place(&package.name), place(&dependency.name)) {
        (Some(own), Some(other)) => other < own,
        _ => false,
    }
}

fn owner(package: &Package, dependency: &Dependency) -> Option<Violation> {
    let (name, owner) = OWNED.iter().find(|(name, _)| *name == dependency.name)?;
    (package.name != *owner).then(|| Violation {
        place: package.name.clone(),
        problem: format!(
            "{name} in [{}], which only {owner} may depend on",
            dependency.kind.section()
        ),
        remedy: format!("use what {owner} offers, or have it offer what is missing"),
    })
}

fn bare(package: &Package, dependency: &Dependency) -> Option<Violation> {
    let bare = BARE.contains(&package.name.as_str()) && dependency.kind != Kind::Dev;
    bare.then(|| Violation {
        place: package.name.clone(),
        problem: format!(
            "{} in [{}], but it must need nothing but alloc",
            dependency.name,
            dependency.kind.section()
        ),
        remedy: "write the few lines that are needed of it, or do that in a crate below".into(),
    })
}

/// Whether the package `from` is `to`, or depends on it in any number of steps.
///
/// A dev-dependency counts only as the first step, and that one the caller has taken: Cargo does
/// not build the dev-dependencies of a dependency.
fn leads_to(workspace: &Workspace, from: &str, to: &str) -> bool {
    let mut seen = HashSet::new();
    let mut left = vec![from];
    while let Some(name) = left.pop() {
        if name == to {
            return true;
        }
        let Some(package) = workspace.package(name).filter(|_| seen.insert(name)) else {
            continue;
        };
        let built = package.dependencies.iter().filter(|d| d.kind != Kind::Dev);
        left.extend(built.map(|d| d.name.as_str()));
    }
    false
}

/// Whether a dependency is a crate of this project, present or to come.
fn is_ours(dependency: &Dependency, workspace: &Workspace) -> bool {
    workspace.package(&dependency.name).is_some() || place(&dependency.name).is_some()
}

fn place(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == name)
}

fn owners() -> String {
    let pairs: Vec<_> = OWNED
        .iter()
        .map(|(name, owner)| format!("{name} by {owner}"))
        .collect();
    format!("needed by one crate only: {}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arrow_up_is_allowed_and_every_other_is_not() {
        for (low, package) in LAYERS.iter().enumerate() {
            for (high, dependency) in LAYERS.iter().enumerate() {
                let wrong = violations(&[(package, Kind::Normal, dependency)], "arrows");
                let allowed = high < low && !ALONE.contains(package);
                assert_eq!(
                    wrong.is_empty(),
                    allowed,
                    "{package} -> {dependency}: {wrong:?}"
                );
            }
        }
    }

    #[test]
    fn build_and_dev_dependencies_are_arrows_too() {
        for kind in [Kind::Build, Kind::Dev] {
            let wrong = violations(&[("ouroloop-core", kind, "ouroloop-net")], "arrows");
            assert_eq!(wrong.len(), 1);
            assert!(wrong[0].contains(kind.section()), "{wrong:?}");
        }
    }

    #[test]
    fn a_dev_dependency_that_leads_back_is_named_as_that() {
        let graph = [
            ("ouroloop-task", Kind::Normal, "ouroloop-core"),
            ("ouroloop-net", Kind::Normal, "ouroloop-task"),
            ("ouroloop-core", Kind::Dev, "ouroloop-net"),
        ];
        let wrong = violations(&graph, "arrows");
        assert_eq!(wrong.len(), 1);
        assert!(
            wrong[0].contains("leads back to the crate itself"),
            "{wrong:?}"
        );
    }

    #[test]
    fn a_dev_dependency_on_the_crate_itself_leads_back() {
        let wrong = violations(&[("ouroloop-core", Kind::Dev, "ouroloop-core")], "arrows");
        assert!(wrong[0].contains("leads back"), "{wrong:?}");
    }

    #[test]
    fn the_facade_and_the_test_kit_are_lent_to_every_crate_that_is_not_bare() {
        for lent in LENT {
            for package in LAYERS.iter().filter(|package| *package != lent) {
                let wrong = lending(package, Kind::Dev, true, lent);
                let refused = BARE.contains(package) || *package == "xtask";
                assert_eq!(!wrong.is_empty(), refused, "{package} -> {lent}: {wrong:?}");
            }
        }
    }

    #[test]
    fn a_crate_is_not_lent_to_itself() {
        for lent in LENT {
            assert_eq!(lending(lent, Kind::Dev, true, lent).len(), 1, "{lent}");
        }
    }

    #[test]
    fn what_is_lent_must_not_have_a_version() {
        let wrong = lending("ouroloop-task", Kind::Dev, false, "ouroloop");
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].contains("with a version"), "{wrong:?}");
    }

    #[test]
    fn what_is_lent_is_a_dev_dependency_only() {
        for kind in [Kind::Normal, Kind::Build] {
            let wrong = lending("ouroloop-task", kind, true, "ouroloop");
            assert_eq!(wrong.len(), 1, "{kind:?}");
        }
    }

    #[test]
    fn a_path_alone_makes_no_other_crate_lent() {
        let wrong = lending("ouroloop-task", Kind::Dev, true, "ouroloop-combinators");
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].contains("stands below it"), "{wrong:?}");
    }

    #[test]
    fn a_circle_among_dependencies_ends() {
        let graph = [
            ("ouroloop-core", Kind::Normal, "ouroloop-task"),
            ("ouroloop-task", Kind::Normal, "ouroloop-core"),
            ("ouroloop-timer", Kind::Dev, "ouroloop-core"),
        ];
        let wrong = violations(&graph, "arrows");
        assert_eq!(wrong.len(), 2, "{wrong:?}");
    }

    #[test]
    fn the_macros_stand_alone() {
        let wrong = violations(
            &[("ouroloop-macros", Kind::Dev, "ouroloop-timer")],
            "arrows",
        );
        assert!(wrong[0].contains("must depend on no crate"), "{wrong:?}");
    }

    #[test]
    fn a_package_without_a_place_is_asked_to_take_one() {
        let wrong = violations(&[("ouroloop-hyper", Kind::Normal, "ouroloop")], "table");
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].contains("LAYERS"), "{wrong:?}");
    }

    #[test]
    fn a_dependency_on_a_package_without_a_place_is_wrong() {
        let graph = [
            ("ouroloop-hyper", Kind::Normal, "ouroloop-timer"),
            ("ouroloop", Kind::Normal, "ouroloop-hyper"),
        ];
        assert_eq!(violations(&graph, "arrows").len(), 1);
    }

    #[test]
    fn an_owned_dependency_is_its_owners_alone() {
        for (name, owner) in OWNED {
            assert!(violations(&[(owner, Kind::Normal, name)], "owners").is_empty());
            for kind in [Kind::Normal, Kind::Build, Kind::Dev] {
                let wrong = violations(&[("ouroloop-net", kind, name)], "owners");
                assert_eq!(wrong.len(), 1, "{name} {kind:?}");
            }
        }
    }

    #[test]
    fn the_bare_crate_has_dependencies_for_its_tests_only() {
        for kind in [Kind::Normal, Kind::Build] {
            assert_eq!(
                violations(&[("ouroloop-timer", kind, "slab")], "bare").len(),
                1
            );
        }
        assert!(violations(&[("ouroloop-timer", Kind::Dev, "proptest")], "bare").is_empty());
    }

    #[test]
    fn foreign_dependencies_are_no_arrows() {
        assert!(violations(&[("ouroloop-core", Kind::Dev, "tokio")], "arrows").is_empty());
    }

    /// What is wrong with one arrow that may be a path without a version.
    fn lending(package: &str, kind: Kind, path_only: bool, dependency: &str) -> Vec<String> {
        let dependency = Dependency {
            name: dependency.to_owned(),
            kind,
            path_only,
        };
        let mut workspace = Workspace::default();
        workspace.packages.push(Package {
            name: package.to_owned(),
            dependencies: vec![dependency],
            ..Package::default()
        });
        found(&workspace, "arrows")
    }

    fn violations(arrows: &[(&str, Kind, &str)], check: &str) -> Vec<String> {
        let mut workspace = Workspace::default();
        for (name, _, _) in arrows {
            if workspace.package(name).is_none() {
                let dependencies = arrows
                    .iter()
                    .filter(|arrow| arrow.0 == *name)
                    .map(|arrow| Dependency {
                        name: arrow.2.to_owned(),
                        kind: arrow.1,
                        path_only: false,
                    })
                    .collect();
                let name = (*name).to_owned();
                workspace.packages.push(Package {
                    name,
                    dependencies,
                    ..Package::default()
                });
            }
        }
        found(&workspace, check)
    }

    fn found(workspace: &Workspace, check: &str) -> Vec<String> {
        let checks = checks(workspace);
        let check = checks
            .iter()
            .find(|c| c.name == check)
            .expect("there is such a check");
        check.violations.iter().map(Violation::to_string).collect()
    }
}
