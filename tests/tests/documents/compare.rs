//! Runs the operations of a group on every store and notes what differs.

use std::collections::BTreeSet;
use std::time::Duration;

use bson::{Bson, Document, doc};
use tandem_contract::{DocumentStore, ErrorKind, Result};

use crate::REFUSED;
use crate::answer::Answer;
use crate::backends::Backends;
use crate::groups::Group;
use crate::operation::{COLLECTION, Operation, drop_indexes, everything, fill, make_indexes};

/// Before a store that did not answer is asked again.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(crate) struct Report {
    /// Operations, each on every store.
    pub(crate) run: usize,
    /// The stores that were compared.
    pub(crate) stores: BTreeSet<String>,
    pub(crate) refusals: usize,
    pub(crate) refused: BTreeSet<String>,
    pub(crate) differences: Vec<String>,
}

impl Report {
    pub(crate) fn add(&mut self, other: Self) {
        self.run += other.run;
        self.refusals += other.refusals;
        self.stores.extend(other.stores);
        self.refused.extend(other.refused);
        self.differences.extend(other.differences);
    }
}

pub(crate) async fn run_group(backends: &Backends, group: &Group, report: &mut Report) {
    report.run += group.operations.len();
    report.stores.insert(backends.mongo.backend().to_owned());
    let expected = match patiently(&*backends.mongo, group).await {
        Ok(expected) => expected,
        Err(error) => return report.differences.push(format!("mongo does not take the documents: {error}")),
    };
    for store in &backends.others {
        report.stores.insert(store.backend().to_owned());
        match patiently(&**store, group).await {
            Ok(found) => {
                for ((operation, expected), found) in group.operations.iter().zip(&expected).zip(&found) {
                    if spared_an_error(&*backends.mongo, group, operation, expected, found).await {
                        continue;
                    }
                    compare(store.backend(), group, operation, expected, found, report);
                }
            }
            Err(error) => {
                report.differences.push(format!("{} does not take the documents: {error}", store.backend()));
            }
        }
    }
}

/// A machine under load may take a store's answer for lost; that is for other tests to judge.
async fn patiently(store: &dyn DocumentStore, group: &Group) -> Result<Vec<Answer>> {
    let lost = Answer::Error(ErrorKind::StoreUnavailable.code());
    for _ in 0..5 {
        match answers(store, group).await {
            Err(error) if error.kind() == ErrorKind::StoreUnavailable => {}
            Ok(found) if found.contains(&lost) => {}
            done => return done,
        }
        tokio::time::sleep(PAUSE).await;
    }
    answers(store, group).await
}

async fn answers(store: &dyn DocumentStore, group: &Group) -> Result<Vec<Answer>> {
    drop_indexes(store, COLLECTION).await?;
    for (name, documents) in &group.others {
        fill(store, name, documents).await?;
    }
    // On MongoDB an index may change which of several documents comes first, and even an answer:
    // with one, `distinct` gives a null for documents without the path.
    if store.backend() != "mongo" {
        make_indexes(store, COLLECTION, &group.indexes).await?;
    }
    let (mut answers, mut fresh) = (Vec::new(), false);
    for operation in &group.operations {
        if !fresh {
            fill(store, COLLECTION, &group.documents).await?;
        }
        let operation = Operation(operation);
        fresh = !operation.writes();
        let result = operation.run(store).await;
        let (failed, unordered) = (result.is_err(), operation.flag("unordered"));
        let answer = Answer::of(result, unordered);
        answers.push(match answer {
            // What a failed operation left of many is MongoDB's own matter: other stores undo it.
            Answer::Value(value) if !(fresh || failed && operation.is_of_many()) => {
                let left = everything(store, COLLECTION).await?;
                let left: Bson = left.into_iter().map(Bson::Document).collect();
                match Answer::of(Ok(left), true) {
                    Answer::Value(left) => Answer::Value(format!("{value}\n      leaves {left}")),
                    other => other,
                }
            }
            answer => answer,
        });
    }
    for name in group.others.keys() {
        fill(store, name, &[]).await?;
    }
    Ok(answers)
}

/// MongoDB's optimizer moves stages and may so never meet a value that an expression fails on.
/// As the pipeline is written, stage by stage, it fails too.
async fn spared_an_error(
    mongo: &dyn DocumentStore,
    group: &Group,
    operation: &Document,
    expected: &Answer,
    found: &Answer,
) -> bool {
    let (Answer::Value(_), Answer::Error(_)) = (expected, found) else { return false };
    let Ok(stages) = operation.get_array("pipeline") else { return false };
    let barrier = Bson::Document(doc! { "$_internalInhibitOptimization": {} });
    let stages: Vec<Bson> = stages.iter().flat_map(|stage| [barrier.clone(), stage.clone()]).collect();
    let as_written = Group {
        name: group.name.clone(),
        documents: group.documents.clone(),
        others: group.others.clone(),
        indexes: Vec::new(),
        operations: vec![doc! { "pipeline": stages, "unordered": true }],
    };
    answers(mongo, &as_written).await.is_ok_and(|answers| answers.first() == Some(found))
}

fn compare(
    store: &str,
    group: &Group,
    operation: &Document,
    expected: &Answer,
    found: &Answer,
    report: &mut Report,
) {
    if expected == found || (expected.is_refusal() && found.is_refusal()) {
        return;
    }
    if let (Answer::Refused(feature), Answer::Value(_)) = (found, expected) {
        let known = REFUSED.contains(&feature.as_str()) || operation.get_bool("refused").unwrap_or(false);
        if known {
            report.refusals += 1;
            report.refused.insert(feature.clone());
            return;
        }
    }
    let documents: Vec<String> = group.documents.iter().map(|document| format!("      {document}")).collect();
    let with = match group.indexes.as_slice() {
        [] => String::new(),
        paths => format!(" (indexes: {})", paths.join(", ")),
    };
    report.differences.push(format!(
        "{}{with}: {operation}\n    on\n{}\n    mongo: {expected:?}\n    {store}: {found:?}",
        group.name,
        documents.join("\n")
    ));
}
