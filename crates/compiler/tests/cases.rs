//! Every file in `tests/cases` compiles to what the `.expected` file beside it says, or fails as
//! it says. `UPDATE_EXPECTED=1` writes those files anew; read the difference before keeping it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tandem_compiler::{compile, load_module};
use tandem_contract::Language;

#[test]
fn every_case_gives_what_is_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut sources: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension != "expected"))
        .collect();
    sources.sort();
    assert!(sources.len() > 30, "the cases are missing");

    let mut failures = String::new();
    for path in sources {
        let expected_path = path.with_extension(format!("{}.expected", path.extension().unwrap().display()));
        let actual = outcome(&path);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected_path, &actual).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if actual != expected {
            let _ = writeln!(failures, "--- {}\n{actual}\n--- expected\n{expected}", path.display());
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// What a person would see: the error with its frame, or the format, the imports and the code.
fn outcome(path: &Path) -> String {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let source = std::fs::read_to_string(path).unwrap();
    let language = match path.extension().unwrap().to_str().unwrap() {
        "ts" => Language::TypeScript,
        _ => Language::JavaScript,
    };
    let compiled = match compile(name, &source, language) {
        Ok(compiled) => compiled,
        Err(error) => {
            let mut text = format!("{error}\n");
            if let Some(place) = error.location() {
                let _ = writeln!(text, "{}:{}:{}\n{}", place.file, place.line, place.column, place.frame);
            }
            return text;
        }
    };
    assert_eq!(compile(name, &source, language).unwrap(), compiled, "{name} must compile the same twice");
    let module = load_module(name, language, &compiled.code, Some(&compiled.source_map)).unwrap();
    assert_eq!(module.hash, compiled.hash);
    format!("{:?} {:?}\n{}", module.format, module.imports, compiled.code)
}
