//! The document language on every backend: real MongoDB says what is right, and each other store
//! gives the same answer or refuses the operator by name.
//!
//! Three sources of operations: what `tandem-documents` recorded of MongoDB (by hand and at
//! random), the hand-written `cases` of this folder, and generated ones. `TANDEM_TEST_SEED` makes
//! other ones.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod answer;
mod backends;
mod compare;
mod filters;
mod groups;
mod operation;
mod pipelines;
mod updates;
mod values;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use backends::Backends;
use compare::{Report, run_group};
use groups::Group;

/// Groups run at the same time, each with stores of its own.
const WORKERS: usize = 4;

/// What SQL stores refuse that MongoDB answers, beyond the language that every backend has.
const REFUSED: &[&str] = &["$bitsAllClear", "$bitsAllSet", "$bitsAnyClear", "$bitsAnySet"];

#[test]
fn recorded_cases_have_the_same_answer_everywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/documents/tests/cases");
    let Some(report) = run(Group::read_folder(&folder)) else { return };
    report.finish("recorded", 3_900);
}

#[test]
fn hand_written_cases_have_the_same_answer_everywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/cases");
    let Some(report) = run(Group::read_folder(&folder)) else { return };
    report.finish("hand-written", 100);
}

#[test]
fn generated_operations_have_the_same_answer_everywhere() {
    let seed = std::env::var("TANDEM_TEST_SEED").map_or(20_261_125, |seed| seed.parse().unwrap());
    let Some(report) = run(Group::generate(seed)) else { return };
    report.finish(&format!("generated (seed {seed})"), 3_000);
}

/// Runs all groups; `None` where there is no MongoDB to ask.
fn run(groups: Vec<Group>) -> Option<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let queue = Arc::new(Mutex::new(groups.into_iter().collect::<std::collections::VecDeque<_>>()));
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            let backends = Backends::open().await?;
            let queue = Arc::clone(&queue);
            workers.push(tokio::spawn(async move {
                let mut report = Report::default();
                loop {
                    let Some(group) = queue.lock().unwrap().pop_front() else { break };
                    run_group(&backends, &group, &mut report).await;
                }
                backends.close().await;
                report
            }));
        }
        let mut all = Report::default();
        for worker in workers {
            all.add(worker.await.unwrap());
        }
        Some(all)
    })
}

impl Report {
    fn finish(self, what: &str, least: usize) {
        let refused: BTreeSet<&str> = self.refused.iter().map(String::as_str).collect();
        println!(
            "{what}: {} operations on {}, {} refused by name ({refused:?}), {} different",
            self.run,
            self.stores.iter().cloned().collect::<Vec<_>>().join(", "),
            self.refusals,
            self.differences.len()
        );
        assert!(self.run >= least, "only {} of at least {least} operations ran", self.run);
        let shown: Vec<&str> = self.differences.iter().take(40).map(String::as_str).collect();
        assert!(shown.is_empty(), "{} differ:\n{}", self.differences.len(), shown.join("\n"));
    }
}
