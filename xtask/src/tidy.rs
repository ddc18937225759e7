use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::process::{self, cargo, root};
use crate::v8;

/// Lines a source file may have. Tests may be longer: they are read one at a time.
const MAX_LINES: usize = 450;

/// Where the project's own sources are.
const SOURCES: [&str; 3] = ["crates", "tests/src", "xtask/src"];

pub(crate) fn run() -> Result<(), String> {
    let mut failures = Vec::new();
    failures.extend(process::run(&mut cargo(&["fmt", "--all", "--check"])).err());
    let mut clippy = cargo(&["clippy", "--workspace", "--all-targets", "--locked"]);
    clippy.args(if v8::for_tests(false)? {
        ["--features", "tandem-runtime/v8"]
    } else {
        ["--exclude", v8::CRATE]
    });
    failures.extend(process::run(clippy.args(["--", "-D", "warnings"])).err());
    for folder in SOURCES {
        long_files(&root().join(folder), &mut failures)?;
    }
    if failures.is_empty() { Ok(()) } else { Err(format!("not tidy:\n  {}", failures.join("\n  "))) }
}

fn long_files(folder: &Path, failures: &mut Vec<String>) -> Result<(), String> {
    let unreadable = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if path.file_name() != Some(OsStr::new("tests")) {
                long_files(&path, failures)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "js") {
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
            let lines = text.lines().count();
            if lines > MAX_LINES && path.file_stem() != Some(OsStr::new("tests")) {
                let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                failures.push(format!(
                    "{shown} has {lines} lines, more than {MAX_LINES}: split it by what it does"
                ));
            }
        }
    }
    Ok(())
}
