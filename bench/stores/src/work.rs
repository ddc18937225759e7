//! What is done, and how often in a time.

use std::sync::Arc;
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

/// The time that one call takes up with `in_flight` at once: elapsed time over calls. A call gets the
/// number of its worker, which makes one after another, and its own.
///
/// # Errors
/// The first call's that failed.
pub(crate) async fn measure<F>(
    in_flight: usize,
    duration: Duration,
    call: impl Fn(usize, u64) -> F + Send + Sync + 'static,
) -> Result<Duration, String>
where
    F: Future<Output = Result<(), String>> + Send,
{
    let (next, call) = (Arc::new(AtomicU64::new(0)), Arc::new(call));
    let start = Instant::now();
    let workers: Vec<_> = (0..in_flight)
        .map(|worker| {
            let (next, call) = (Arc::clone(&next), Arc::clone(&call));
            tokio::spawn(async move {
                while start.elapsed() < duration {
                    call(worker, next.fetch_add(1, Ordering::Relaxed)).await?;
                }
                Ok::<(), String>(())
            })
        })
        .collect();
    for worker in workers {
        worker.await.map_err(|error| error.to_string())??;
    }
    let calls = next.load(Ordering::Relaxed).max(1);
    Ok(start.elapsed().div_f64(calls as f64))
}
