//! Deletes documents whose time is over, for indexes with `expireAfterSeconds`.

use std::sync::Weak;
use std::time::{Duration, SystemTime};

use bson::{Bson, DateTime, Document, doc};
use tandem_contract::{Delete, IndexSpec, Result, Target};

use super::Inner;

/// How often, as MongoDB does
/// (<https://www.mongodb.com/docs/manual/core/index-ttl/#timing-of-the-delete-operation>).
const INTERVAL: Duration = Duration::from_secs(60);

/// Sweeps until the store is gone or closed.
pub(super) async fn sweep_forever(store: Weak<Inner>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(inner) = store.upgrade().filter(|inner| inner.handle.database().is_ok()) else {
            return;
        };
        if let Err(error) = inner.sweep().await {
            tracing::warn!(%error, "expired documents could not be deleted; trying again in a minute");
        }
    }
}

impl Inner {
    /// Deletes what has expired; returns how many documents.
    pub(super) async fn sweep(&self) -> Result<u64> {
        let now = self.clock.wall();
        let mut deleted = 0;
        for collection in self.list_collections().await? {
            let target = Target { collection, transaction: None, timeout: None };
            for index in self.list_indexes(&target).await? {
                if let Some(filter) = expired(&index, now) {
                    deleted += self.delete(&target, Delete { filter, many: true }).await?;
                }
            }
        }
        Ok(deleted)
    }
}

/// What an index says is over at `now`. Only dates expire; of several in an array the earliest counts.
fn expired(index: &IndexSpec, now: SystemTime) -> Option<Document> {
    let seconds = index.expire_after_seconds?;
    let path = index.keys.keys().next()?;
    let limit = now.checked_sub(Duration::from_secs(seconds))?;
    let expired = doc! { path: { "$lte": Bson::DateTime(DateTime::from_system_time(limit)) } };
    Some(match &index.partial_filter {
        Some(partial) => doc! { "$and": [partial.clone(), expired] },
        None => expired,
    })
}
