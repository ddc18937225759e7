//! Copies functions, documents and objects from one set of stores to another.
//!
//! What is at the destination already and equal is passed over, so that a run that was ended in
//! the middle, in any way, is finished by running it again. What differs is written over; what is
//! only at the destination stays. Writers should rest meanwhile: what changes at the source after
//! it was read is copied by the next run.

mod documents;
mod functions;
mod objects;

use serde::Serialize;
use tandem_contract::{Bucket, Error, ErrorKind, Result};

use crate::stores::Stores;

/// What to copy.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Functions.
    pub functions: bool,
    /// Documents, with their indexes.
    pub documents: bool,
    /// Buckets whose objects are copied, each with its name at the destination.
    pub buckets: Vec<(Bucket, Bucket)>,
}

/// What became of things of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Written.
    pub copied: u64,
    /// There already, and the same.
    pub unchanged: u64,
    /// Not copied; see [`Report::failures`].
    pub failed: u64,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Functions.
    pub functions: Tally,
    /// Collections that were gone through.
    pub collections: u64,
    /// Documents.
    pub documents: Tally,
    /// Indexes.
    pub indexes: Tally,
    /// Objects.
    pub objects: Tally,
    /// Bytes of the objects that were written.
    pub object_bytes: u64,
    /// Why something was not copied.
    pub failures: Vec<Failure>,
}

/// One thing that was not copied, while others were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// `function a/b`, `index a_1 of collection c`, `object x of bucket default`.
    pub what: String,
    /// A sentence.
    pub why: String,
}

/// Copies what `plan` says. `observe` is called after every step, for a person who waits.
///
/// # Errors
/// A store that does not answer ends the run; what was copied stays, and the next run goes on from
/// there. A single thing that the destination refuses is a failure in the report.
pub async fn migrate(
    from: &Stores,
    to: &Stores,
    plan: &Plan,
    observe: &(dyn Fn(&Report) + Send + Sync),
) -> Result<Report> {
    let mut run = Run { from, to, observe, report: Report::default() };
    if plan.functions {
        run.copy_functions().await?;
    }
    if plan.documents {
        run.copy_documents().await?;
    }
    for (source, destination) in &plan.buckets {
        run.copy_bucket(source, destination).await?;
    }
    Ok(run.report)
}

struct Run<'a> {
    from: &'a Stores,
    to: &'a Stores,
    observe: &'a (dyn Fn(&Report) + Send + Sync),
    report: Report,
}

/// What became of one thing.
enum Outcome {
    Copied,
    Unchanged,
}

impl Run<'_> {
    /// Counts an outcome; passes on what ends the run.
    fn note(
        &mut self,
        tally: fn(&mut Report) -> &mut Tally,
        what: impl FnOnce() -> String,
        outcome: Result<Outcome>,
    ) -> Result<()> {
        match outcome {
            Ok(Outcome::Copied) => tally(&mut self.report).copied += 1,
            Ok(Outcome::Unchanged) => tally(&mut self.report).unchanged += 1,
            Err(error) if ends_the_run(&error) => return Err(error),
            Err(error) => {
                tally(&mut self.report).failed += 1;
                self.report.failures.push(Failure { what: what(), why: error.message().to_owned() });
            }
        }
        (self.observe)(&self.report);
        Ok(())
    }
}

/// Whether the store failed, rather than refused this one thing.
fn ends_the_run(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::StoreUnavailable | ErrorKind::Internal | ErrorKind::Forbidden)
}
