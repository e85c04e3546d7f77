//! The rules of the workspace as data: the one place to change them.

/// The crates in their order: each may depend only on crates above it.
///
/// Not all need exist yet. Adapters to other ecosystems come behind the facade, the packages that
/// are not published last.
pub const LAYERS: &[&str] = &[
    "ouroloop-timer",
    "ouroloop-core",
    "ouroloop-task",
    "ouroloop-combinators",
    "ouroloop-sync",
    "ouroloop-executor",
    "ouroloop-net",
    "ouroloop-process",
    "ouroloop-macros",
    "ouroloop-testkit",
    "ouroloop",
    "ouroloop-tests",
    "ouroloop-benches",
    "xtask",
];

/// Crates that depend on no other crate of the workspace, whatever stands above them.
pub const ALONE: &[&str] = &["ouroloop-macros", "xtask"];

/// Crates that any crate but a bare one may have as a dev-dependency without a version, wherever
/// they stand: for the examples in its documentation and for its `tests/`.
///
/// The examples are written as a user writes them, through the facade, and a test wants the test
/// kit. Both lead back to the crate that uses them, so its unit tests would see a second copy of
/// its types: nothing else in `src/` may name them. Without a version the arrow is a matter of this
/// workspace alone, since `cargo package` leaves such a line out; with one, no crate of the circle
/// could be published before the others.
pub const LENT: &[&str] = &["ouroloop", "ouroloop-testkit"];

/// Crates that depend on nothing at all, but for their tests.
pub const BARE: &[&str] = &["ouroloop-timer"];

/// Crates that must build without std.
pub const NO_STD: &[&str] = &["ouroloop-timer"];

/// Dependencies that only one crate may have.
pub const OWNED: &[(&str, &str)] = &[
    ("mio", "ouroloop-core"),
    ("crossbeam-deque", "ouroloop-executor"),
];

/// Crates that may have unsafe code; Miri runs their tests.
pub const UNSAFE: &[&str] = &["ouroloop-task"];

/// Crates with loom models.
pub const LOOM: &[&str] = &["ouroloop-core", "ouroloop-executor"];

/// Crates with tests that become long campaigns when they are asked to.
pub const STRESS: &[&str] = &["ouroloop-executor"];
