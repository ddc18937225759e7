//! The language held against MongoDB: every file in `tests/cases` lists documents, operations on
//! them and the results that MongoDB 6.0.5 gave, in extended JSON.
//!
//! Negative ints are written `{"$numberInt": …}`, whole doubles `{"$numberDouble": …}`.
//! `TANDEM_DOCUMENT_CASES` names another folder of such files to run.

mod harness;

use std::path::{Path, PathBuf};

use harness::{Group, Verdict};

#[test]
fn results_are_those_of_mongodb() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let other = std::env::var_os("TANDEM_DOCUMENT_CASES").map(PathBuf::from);
    // A folder of one's own may ask for more than the language has; the repository's cases say
    // what is refused.
    let refusals_allowed = other.is_some();
    let (mut run, mut refused, mut failures) = (0, 0, Vec::new());
    for file in files(&other.unwrap_or(own)) {
        let text = std::fs::read_to_string(&file).unwrap();
        let groups = Group::read(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for (group_index, group) in groups.iter().enumerate() {
            for (case_index, case) in group.cases.iter().enumerate() {
                run += 1;
                let place = format!("{} {group_index} {case_index}", file.display());
                match harness::run(group, case) {
                    Verdict::Same => {}
                    Verdict::Refused(message) if refusals_allowed => {
                        refused += 1;
                        println!("refused: {place} {message}");
                    }
                    Verdict::Refused(message) => {
                        failures.push(format!("{place}: {case}\n  refused: {message}"));
                    }
                    Verdict::Different { expected, found } => failures.push(format!(
                        "{place}: {case}\n  on {:?}\n  mongod: {expected}\n  tandem: {found}",
                        group.documents,
                    )),
                }
            }
        }
    }
    println!("{run} cases, {refused} refused, {} different", failures.len());
    assert!(run > 0, "no cases found");
    assert!(failures.is_empty(), "{} of {run} cases differ:\n{}", failures.len(), failures.join("\n"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    files
}
