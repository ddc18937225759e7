use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tandem_contract::{DocumentStore, DocumentStream, Error, ErrorKind, Result, TransactionId};
use tokio::runtime::Handle;

/// Cursors that one invocation may hold open; each may hold a connection of the store.
const MOST_CURSORS: usize = 256;

/// Transactions that one invocation may hold open.
const MOST_TRANSACTIONS: usize = 16;

/// The cursors and transactions that an invocation left open. Dropped with it: cursors are closed
/// and transactions aborted.
#[derive(Default)]
pub(crate) struct Held {
    cursors: Mutex<HashMap<u64, Slot>>,
    transactions: Mutex<HashMap<u64, OpenTransaction>>,
    /// Streams of a store may need the runtime to let go of what they hold, and the invocation may
    /// be dropped on a thread that is not part of it.
    runtime: std::sync::OnceLock<Handle>,
}

/// A query whose documents are not all fetched.
pub(super) struct Cursor {
    pub(super) stream: DocumentStream,
    /// Documents in a batch.
    pub(super) batch_size: usize,
}

enum Slot {
    Idle(Cursor),
    /// A batch is being fetched; the cursor is with that call.
    Reading,
}

impl Held {
    /// Keeps `cursor` open under `handle`.
    pub(super) fn keep_cursor(&self, handle: u64, cursor: Cursor) -> Result<()> {
        if let Ok(runtime) = Handle::try_current() {
            self.runtime.get_or_init(|| runtime);
        }
        let mut cursors = self.cursors.lock();
        if cursors.len() >= MOST_CURSORS {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "More than {MOST_CURSORS} cursors are open: close those that are not read to the end"
                ),
            ));
        }
        cursors.insert(handle, Slot::Idle(cursor));
        Ok(())
    }

    /// Takes the cursor for one batch; it stays open.
    pub(super) fn take_cursor(&self, handle: u64) -> Result<Cursor> {
        let mut cursors = self.cursors.lock();
        let slot = cursors.get_mut(&handle).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidArgument,
                "The cursor is closed, or belongs to an invocation that is over",
            )
        })?;
        match std::mem::replace(slot, Slot::Reading) {
            Slot::Idle(cursor) => Ok(cursor),
            Slot::Reading => Err(Error::new(
                ErrorKind::InvalidArgument,
                "The cursor is being read: await one call before the next",
            )),
        }
    }

    /// Gives back what was taken, unless it was closed meanwhile.
    pub(super) fn return_cursor(&self, handle: u64, cursor: Cursor) {
        if let Some(slot) = self.cursors.lock().get_mut(&handle) {
            *slot = Slot::Idle(cursor);
        }
    }

    /// Forgets the cursor; a batch under way still arrives.
    pub(super) fn close_cursor(&self, handle: u64) {
        let closed = self.cursors.lock().remove(&handle);
        drop(closed);
    }

    pub(super) fn keep_transaction(&self, handle: u64, transaction: OpenTransaction) -> Result<()> {
        let mut transactions = self.transactions.lock();
        if transactions.len() >= MOST_TRANSACTIONS {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("More than {MOST_TRANSACTIONS} transactions are open at once"),
            ));
        }
        transactions.insert(handle, transaction);
        Ok(())
    }

    /// The store's name of an open transaction.
    pub(super) fn transaction(&self, handle: u64) -> Result<TransactionId> {
        let transactions = self.transactions.lock();
        let transaction = transactions.get(&handle).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidArgument,
                "The transaction is over: use its database only inside the callback of withTransaction",
            )
        })?;
        Ok(transaction.id)
    }

    pub(super) fn take_transaction(&self, handle: u64) -> Option<OpenTransaction> {
        self.transactions.lock().remove(&handle)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _inside = self.runtime.get().map(Handle::enter);
        self.cursors.get_mut().clear();
    }
}

/// A transaction that is aborted when dropped before its end.
pub(super) struct OpenTransaction {
    store: Arc<dyn DocumentStore>,
    id: TransactionId,
    runtime: Option<Handle>,
    open: bool,
}

impl OpenTransaction {
    pub(super) async fn begin(store: Arc<dyn DocumentStore>) -> Result<Self> {
        let id = store.begin().await?;
        // Without a runtime nothing can be spawned on drop; the store's own limit ends it then.
        Ok(Self { store, id, runtime: Handle::try_current().ok(), open: true })
    }

    pub(super) async fn commit(mut self) -> Result<()> {
        let result = self.store.commit(self.id).await;
        self.open = false;
        result
    }

    pub(super) async fn abort(mut self) -> Result<()> {
        let result = self.store.abort(self.id).await;
        self.open = false;
        result
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let Some(runtime) = &self.runtime else { return };
        let (store, id) = (Arc::clone(&self.store), self.id);
        runtime.spawn(async move {
            if let Err(error) = store.abort(id).await {
                tracing::warn!(%error, "a transaction left open could not be aborted");
            }
        });
    }
}
