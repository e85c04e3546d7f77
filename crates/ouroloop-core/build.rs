//! Gives Cargo a `links` key: two cores in one program would be two running loops.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
