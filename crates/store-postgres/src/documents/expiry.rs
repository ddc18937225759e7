//! Deletes documents whose time is over, for indexes with `expireAfterSeconds`. Every process does;
//! what one has deleted the others do not find.

use std::sync::Weak;

use tandem_contract::{Delete, Result, Target};
use tandem_documents::store::{SWEEP_INTERVAL, expired};

use super::Inner;

/// Sweeps until the store is gone or closed.
pub(super) async fn sweep_forever(store: Weak<Inner>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
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
                    let delete = Delete { filter, many: true };
                    deleted += self.within(&target, self.delete(&target, delete)).await?;
                }
            }
        }
        Ok(deleted)
    }
}
