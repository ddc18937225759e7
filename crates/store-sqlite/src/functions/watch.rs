//! Follows the table `function_changes`. The work is done while the stream is polled and stops
//! when it is dropped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use sqlx::Row;
use tandem_contract::{Change, ChangeStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::database::Database;

/// How long a change that another process made may go unseen: well under the contract's second.
const POLL: Duration = Duration::from_millis(250);
/// Changes read in one go.
const BATCH: i64 = 1000;

/// Changes with a number above `after`, until `closing` becomes true or the file is closed.
pub(super) fn follow(database: Arc<Database>, after: i64, closing: watch::Receiver<bool>) -> ChangeStream {
    let wake = database.function_wake.subscribe();
    let watcher = Watcher { database, seen: after, pending: VecDeque::new(), lost: false, wake, closing };
    stream::unfold(watcher, |mut watcher| async move {
        let change = watcher.next().await?;
        Some((change, watcher))
    })
    .boxed()
}

struct Watcher {
    database: Arc<Database>,
    /// The number of the last change that was read.
    seen: i64,
    pending: VecDeque<Change>,
    /// A read failed: what happened meanwhile is not known for sure.
    lost: bool,
    wake: watch::Receiver<()>,
    closing: watch::Receiver<bool>,
}

impl Watcher {
    async fn next(&mut self) -> Option<Change> {
        loop {
            if *self.closing.borrow() || self.database.readers.is_closed() {
                return None;
            }
            if let Some(change) = self.pending.pop_front() {
                return Some(change);
            }
            // Before the read: what is announced during it makes the wait below return at once.
            self.wake.mark_unchanged();
            match self.read().await {
                Ok(()) if !self.pending.is_empty() => {}
                Ok(()) => self.wait().await,
                Err(error) => {
                    if !self.lost {
                        tracing::warn!(%error, "cannot read the changes of functions; trying again");
                    }
                    self.lost = true;
                    sleep(POLL).await;
                }
            }
        }
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.wake.changed() => {}
            _ = self.closing.changed() => {}
            () = sleep(POLL) => {}
        }
    }

    async fn read(&mut self) -> sqlx::Result<()> {
        // The row that `seen` names comes along while the log still holds it: without it, or with
        // a hole, something is missing.
        const READ: &str =
            "SELECT seq, name, deleted FROM function_changes WHERE seq >= ? ORDER BY seq LIMIT ?";
        let mut lease = self.database.readers.lease(POLL * 20).await?;
        let rows = sqlx::query(READ).bind(self.seen).bind(BATCH).fetch_all(lease.connection()?).await?;
        drop(lease);
        let mut complete = !std::mem::take(&mut self.lost);
        let start = self.seen;
        for row in &rows {
            let seq: i64 = row.try_get(0)?;
            if seq == start && start > 0 {
                continue;
            }
            complete &= seq == self.seen + 1;
            self.seen = seq;
            let name: String = row.try_get(1)?;
            let deleted: bool = row.try_get(2)?;
            self.pending.push_back(if deleted { Change::Deleted(name) } else { Change::Published(name) });
        }
        if rows.is_empty() && start > 0 {
            // The file was replaced by one with a shorter log.
            complete = false;
            self.seen = 0;
        }
        if !complete {
            self.pending.clear();
            self.pending.push_back(Change::Resync);
        }
        self.database.change_horizon.fetch_max(self.seen, Ordering::AcqRel);
        Ok(())
    }
}
