//! The checked-in schema, reference and example files say what the types say.

use std::path::{Path, PathBuf};

use tandem_runtime::builtins::registry;
use tandem_runtime::config::{Sources, configuration_markdown, json_schema, load};
use tandem_runtime::registry::Choices;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn assert_current(file: &str, expected: &str) {
    let found = std::fs::read_to_string(root().join(file)).unwrap_or_default();
    assert!(
        found.trim_end() == expected.trim_end(),
        "{file} is not what the types say: run `cargo xtask docs`"
    );
}

/// The files hold the settings of every backend, so only a build of them all can tell.
fn every_backend_is_built() -> bool {
    let registry = registry();
    let left_out = |choices: &dyn Choices| choices.names().iter().any(|name| choices.feature(name).is_some());
    let some_missing = registry.sections().into_iter().any(left_out);
    if some_missing {
        eprintln!("!!! NOT TESTED: generated files, in a build without every backend");
    }
    !some_missing
}

#[test]
fn the_schema_is_current() {
    if !every_backend_is_built() {
        return;
    }
    assert_current("config/schema.json", &serde_json::to_string_pretty(&json_schema(&registry())).unwrap());
}

#[test]
fn the_reference_is_current() {
    if !every_backend_is_built() {
        return;
    }
    assert_current("docs/configuration.md", &configuration_markdown(&registry()));
}

#[test]
fn the_default_file_repeats_the_defaults() {
    let load = |base: PathBuf| load(&Sources { base, ..Sources::default() }, &registry()).unwrap();
    let from_file = load(root());
    let built_in = load(root().join("crates"));
    assert_eq!(from_file.config, built_in.config);
    assert_ne!(from_file.effective, built_in.effective, "config/default.toml was not read");
}

/// Examples may pick backends that this build goes without; all else in them must hold.
#[test]
fn the_examples_hold() {
    let mut examples = 0;
    for entry in std::fs::read_dir(root().join("config/examples")).unwrap() {
        let path = entry.unwrap().path();
        examples += 1;
        let sources = Sources { base: PathBuf::from("."), files: vec![path.clone()], ..Sources::default() };
        if let Err(error) = load(&sources, &registry()) {
            for problem in error.problems {
                assert!(
                    problem.message.contains("needs a build with the feature"),
                    "{}: {problem}",
                    path.display()
                );
            }
        }
    }
    assert!(examples >= 2);
}
