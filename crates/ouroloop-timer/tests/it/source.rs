//! That the crate stays one without `std`: with the attribute in every build, with nothing that
//! brings `std` back in, and without dependencies that could.

use std::{fs, path::Path};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.display().to_string(), text));
        }
    }
}

#[test]
fn no_std_holds_in_every_build() {
    let lib = fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    assert!(lib.lines().any(|line| line == "#![no_std]"));
    assert!(lib.lines().any(|line| line == "#![forbid(unsafe_code)]"));
    let mut found = Vec::new();
    sources(&Path::new(ROOT).join("src"), &mut found);
    assert!(found.len() >= 8);
    for (path, text) in found {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            assert!(!line.contains("extern crate std"), "{path}: {line}");
            assert!(!line.contains("std::"), "{path}: {line}");
        }
    }
}

#[test]
fn there_are_no_dependencies() {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let (_, after) = manifest.split_once("[dependencies]\n").unwrap();
    let (dependencies, _) = after.split_once("\n[").unwrap();
    assert_eq!(dependencies.trim(), "");
    assert!(!manifest.contains("build-dependencies"));
}
