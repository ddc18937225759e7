//! What is done, and how often in a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Documents in the collection before anything is measured.
pub(crate) const DOCUMENTS: u64 = 10_000;
/// Operations of one invocation, where its own cost shall not count.
pub(crate) const BATCH: u64 = 50;

/// An operation on documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `findOne` by an indexed path.
    FindOne,
    /// `insertOne`.
    InsertOne,
}

impl Operation {
    pub(crate) const ALL: [Self; 2] = [Self::FindOne, Self::InsertOne];

    /// What functions and tables call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::FindOne => "findOne",
            Self::InsertOne => "insertOne",
        }
    }
}

/// The time that one call takes up with `in_flight` at once: elapsed time over calls.
///
/// # Errors
/// The first call's that failed.
pub(crate) async fn measure<F>(
    in_flight: usize,
    duration: Duration,
    call: impl Fn(u64) -> F,
) -> Result<Duration, String>
where
    F: Future<Output = Result<(), String>>,
{
    let next = AtomicU64::new(0);
    let start = Instant::now();
    let worker = || async {
        while start.elapsed() < duration {
            call(next.fetch_add(1, Ordering::Relaxed)).await?;
        }
        Ok::<(), String>(())
    };
    futures_util::future::try_join_all((0..in_flight).map(|_| worker())).await?;
    let calls = next.load(Ordering::Relaxed).max(1);
    Ok(start.elapsed().div_f64(calls as f64))
}
