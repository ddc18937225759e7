//! Transactions that functions open: repeatable read, each operation that writes behind a
//! savepoint. What loses against another transaction is a `Conflict`, for `withTransaction` to try
//! again from the start.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex as SyncMutex;
use sqlx::postgres::PgConnection;
use tandem_contract::{Error, ErrorKind, Result, Target, TransactionId};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::sleep;

use super::catalog::{Collection, load};
use super::{Inner, is_broken, store_error};
use crate::pool::{Lease, cancel};

/// How long a transaction may stay open, as the contract says.
pub(super) const TRANSACTION_LIMIT: Duration = Duration::from_secs(60);

/// A transaction that a function opened.
pub(super) struct OpenTransaction {
    id: TransactionId,
    /// Gone once it is over.
    lease: Option<Lease>,
    /// A savepoint is set. Still so when the next operation comes: the last one was cancelled.
    in_operation: bool,
    /// A read failed or was cancelled: the server takes no more statements.
    failed: bool,
    /// Collections as this transaction sees them.
    known: HashMap<String, Arc<Collection>>,
    /// Collections that were made sure of.
    held: HashSet<i64>,
}

impl OpenTransaction {
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection> {
        match &mut self.lease {
            Some(lease) => lease.connection().map_err(store_error),
            None => Err(not_open(self.id)),
        }
    }

    async fn execute(&mut self, statement: &'static str) -> Result<()> {
        sqlx::raw_sql(statement).execute(self.connection()?).await.map_err(store_error)?;
        Ok(())
    }

    pub(super) async fn collection(&mut self, name: &str) -> Result<Option<Arc<Collection>>> {
        if let Some(known) = self.known.get(name) {
            return Ok(Some(Arc::clone(known)));
        }
        let loaded = load(self.connection()?, name).await?;
        if let Some(collection) = &loaded {
            self.known.insert(name.to_owned(), Arc::clone(collection));
        }
        Ok(loaded)
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.known.remove(name);
    }

    /// See [`super::session::Session::hold_catalog`].
    pub(super) async fn hold(&mut self, collection: &Collection) -> Result<()> {
        const HOLD: &str = "SELECT version FROM collections WHERE id = $1 FOR SHARE";
        if self.held.contains(&collection.id) {
            return Ok(());
        }
        let query = sqlx::query_scalar(HOLD).bind(collection.id);
        let version: Option<i64> = query.fetch_optional(self.connection()?).await.map_err(store_error)?;
        if version != Some(collection.version) {
            return Err(super::stale());
        }
        self.held.insert(collection.id);
        Ok(())
    }

    pub(super) async fn begin_operation(&mut self) -> Result<()> {
        self.in_operation = true;
        self.execute("SAVEPOINT operation").await
    }

    pub(super) async fn end_operation<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            if is_broken(error) {
                self.abandon();
                return result;
            }
            self.undo_operation().await?;
        } else {
            self.execute("RELEASE operation").await?;
        }
        self.in_operation = false;
        result
    }

    async fn undo_operation(&mut self) -> Result<()> {
        // What was learnt may be of what is undone.
        self.known.clear();
        self.held.clear();
        self.execute("ROLLBACK TO operation; RELEASE operation").await
    }

    pub(super) fn note_failed_read(&mut self, error: &Error) {
        if is_broken(error) {
            self.abandon();
        }
        // Refusals of the query language never reached the server.
        self.failed |= !matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::NotSupported);
    }

    fn abandon(&mut self) {
        if let Some(mut lease) = self.lease.take() {
            lease.give_up();
        }
    }

    /// Undoes an operation that was cancelled.
    async fn clean(&mut self) -> Result<()> {
        if self.failed {
            self.abandon_quietly();
            return Err(Error::new(
                ErrorKind::Conflict,
                "A read of the transaction failed, which ended it: try the transaction again",
            ));
        }
        if !self.in_operation {
            return Ok(());
        }
        if let Some(lease) = &self.lease
            && let Some(backend) = lease.backend()
        {
            cancel(lease.pool(), backend).await;
        }
        match self.undo_operation().await {
            // The savepoint is gone, or was never set: nothing is left of the operation to undo, but
            // whether it ended is not known.
            Err(error) => {
                self.abandon_quietly();
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "An operation of the transaction was cancelled, which ended it: try the transaction again",
                )
                .with_detail(error));
            }
            Ok(()) => self.in_operation = false,
        }
        Ok(())
    }

    /// Dropping the lease rolls back.
    fn abandon_quietly(&mut self) {
        self.lease = None;
    }

    async fn end(&mut self, statement: &'static str) -> Result<()> {
        let Some(mut lease) = self.lease.take() else { return Err(not_open(self.id)) };
        let ended = match lease.connection() {
            Ok(connection) => sqlx::raw_sql(statement).execute(connection).await.map(drop),
            Err(error) => Err(error),
        };
        lease.settle(ended).map_err(store_error)
    }
}

/// The open transactions of a store, by id.
pub(super) struct Transactions {
    open: SyncMutex<HashMap<TransactionId, Arc<Mutex<OpenTransaction>>>>,
    next: AtomicU64,
    limit: Duration,
}

impl Transactions {
    pub(super) fn new(limit: Duration) -> Self {
        Self { open: SyncMutex::default(), next: AtomicU64::new(1), limit }
    }

    /// Waits for other operations of the transaction.
    pub(super) async fn enter(&self, id: TransactionId) -> Result<OwnedMutexGuard<OpenTransaction>> {
        let open = self.open.lock().get(&id).cloned().ok_or_else(|| not_open(id))?;
        let mut open = open.lock_owned().await;
        open.clean().await?;
        open.connection()?;
        Ok(open)
    }

    fn remove(&self, id: TransactionId) -> Option<Arc<Mutex<OpenTransaction>>> {
        self.open.lock().remove(&id)
    }
}

impl Inner {
    pub(super) async fn begin(self: &Arc<Self>) -> Result<TransactionId> {
        let target = Target { collection: String::new(), transaction: None, timeout: None };
        let lease = self.within(&target, self.begin_on_lease()).await?;
        let id = self.transactions.next.fetch_add(1, Ordering::Relaxed);
        let open = OpenTransaction {
            id,
            lease: Some(lease),
            in_operation: false,
            failed: false,
            known: HashMap::new(),
            held: HashSet::new(),
        };
        self.transactions.open.lock().insert(id, Arc::new(Mutex::new(open)));
        let (inner, limit) = (Arc::downgrade(self), self.transactions.limit);
        tokio::spawn(async move {
            sleep(limit).await;
            if let Some(inner) = inner.upgrade() {
                inner.abort(id).await;
            }
        });
        Ok(id)
    }

    async fn begin_on_lease(&self) -> Result<Lease> {
        let mut tries = 0;
        loop {
            let mut lease = self.handle.lease(None).await?;
            let connection = lease.connection().map_err(store_error)?;
            let begun = sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(connection).await;
            match begun.map_err(store_error) {
                Ok(_) => return Ok(lease),
                Err(error) if is_broken(&error) && tries < 2 => {
                    lease.give_up();
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn commit(&self, id: TransactionId) -> Result<()> {
        let open = self.transactions.remove(id).ok_or_else(|| not_open(id))?;
        let target = Target { collection: String::new(), transaction: None, timeout: None };
        self.within(&target, async {
            let mut open = open.lock().await;
            open.clean().await?;
            open.end("COMMIT").await
        })
        .await
    }

    pub(super) async fn abort(&self, id: TransactionId) {
        let Some(open) = self.transactions.remove(id) else { return };
        let target = Target { collection: String::new(), transaction: None, timeout: None };
        // Where that fails the connection is closed, which rolls back.
        let _ = self.within(&target, async { open.lock().await.end("ROLLBACK").await }).await;
    }

    /// Aborts whatever is open: the store closes.
    pub(super) async fn abort_all(&self) {
        let ids: Vec<_> = self.transactions.open.lock().keys().copied().collect();
        for id in ids {
            self.abort(id).await;
        }
    }
}

fn not_open(id: TransactionId) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "Transaction {id} is not open: it was committed or aborted, or aborted by the store because it \
             was open for more than {} seconds",
            TRANSACTION_LIMIT.as_secs()
        ),
    )
}
