//! Where the binary under test is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The binary `tandem` of the profile that these tests were built with; `TANDEM_BIN` names
/// another. It is built first if the test runner did not do so.
///
/// # Panics
/// When it cannot be built.
pub fn path() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("TANDEM_BIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    // target/<profile>/deps/<test>
    let profile = test.ancestors().nth(2).expect("a test is two folders deep in its profile's");
    let release = profile.file_name().is_some_and(|name| name == "release");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--package", "tandem-runtime", "--bin", "tandem"]);
    if release {
        cargo.arg("--release");
    }
    if let Some(features) = std::env::var_os("TANDEM_FEATURES") {
        cargo.arg("--features").arg(features);
    }
    let status = cargo.current_dir(workspace()).status().expect("cargo runs");
    assert!(status.success(), "the binary tandem did not build");
    profile.join("tandem")
}

/// The folder of the workspace.
///
/// # Panics
/// Never: the package lies in the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace")
}
