//! Which connection an operation runs on: one of its own, or that of the transaction it is part of.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex as SyncMutex;
use sqlx::sqlite::SqliteConnection;
use tandem_contract::{Error, ErrorKind, Result, Target, TransactionId};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{sleep, timeout};

use super::{Inner, ROLE, store_error};
use crate::lane::Lease;

/// How long an operation without a timeout of its own waits for a connection.
pub(super) const DEFAULT_WAIT: Duration = Duration::from_secs(30);
/// How long `begin` waits for the writer.
const BEGIN_WAIT: Duration = Duration::from_secs(5);
/// How long a transaction may stay open, as the contract says.
pub(super) const TRANSACTION_LIMIT: Duration = Duration::from_secs(60);

/// One operation's transaction, or its part of a longer one.
pub(super) enum Session {
    /// All of a transaction.
    Own(Lease),
    /// Reads inside an open transaction.
    ReadInside(OwnedMutexGuard<OpenTransaction>),
    /// Writes inside an open transaction, behind a savepoint.
    WriteInside(OwnedMutexGuard<OpenTransaction>),
}

impl Session {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection> {
        match self {
            Self::Own(lease) => lease.connection().map_err(store_error),
            Self::ReadInside(open) | Self::WriteInside(open) => open.connection(),
        }
    }

    /// Keeps what the operation did when it went well, and undoes all of it when it did not.
    pub(super) async fn finish<T>(self, result: Result<T>) -> Result<T> {
        match self {
            Self::Own(mut lease) => end(&mut lease, result).await,
            Self::ReadInside(_) => result,
            Self::WriteInside(mut open) => {
                if result.is_err() {
                    open.undo_operation().await?;
                }
                open.execute("RELEASE operation").await?;
                open.in_operation = false;
                result
            }
        }
    }
}

/// Ends a transaction: commits what went well, and undoes all of it when it did not.
pub(super) async fn end<T>(lease: &mut Lease, result: Result<T>) -> Result<T> {
    let ended = match result {
        Ok(value) => lease.commit().await.map(|()| value).map_err(store_error),
        Err(error) => Err(error),
    };
    if ended.is_err() {
        lease.rollback().await;
    }
    ended
}

/// A transaction that a function opened.
pub(super) struct OpenTransaction {
    id: TransactionId,
    /// Gone once it is over.
    lease: Option<Lease>,
    /// A savepoint is set. Still so when the next operation comes: the last one was cancelled.
    in_operation: bool,
}

impl OpenTransaction {
    fn connection(&mut self) -> Result<&mut SqliteConnection> {
        match &mut self.lease {
            Some(lease) => lease.connection().map_err(store_error),
            None => Err(not_open(self.id)),
        }
    }

    async fn execute(&mut self, statement: &'static str) -> Result<()> {
        let connection = self.connection()?;
        sqlx::query(statement).execute(connection).await.map_err(store_error)?;
        Ok(())
    }

    async fn undo_operation(&mut self) -> Result<()> {
        self.execute("ROLLBACK TO operation").await
    }

    /// Undoes an operation that was cancelled.
    async fn clean(&mut self) -> Result<()> {
        if !self.in_operation {
            return Ok(());
        }
        match self.undo_operation().await {
            Ok(()) => self.execute("RELEASE operation").await?,
            // The savepoint is gone: the operation had ended when it was cancelled.
            Err(error) if error.kind() == ErrorKind::Internal => {}
            Err(error) => return Err(error),
        }
        self.in_operation = false;
        Ok(())
    }

    async fn abort(&mut self) {
        if let Some(mut lease) = self.lease.take() {
            lease.rollback().await;
        }
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

    fn find(&self, id: TransactionId) -> Result<Arc<Mutex<OpenTransaction>>> {
        self.open.lock().get(&id).cloned().ok_or_else(|| not_open(id))
    }

    fn remove(&self, id: TransactionId) -> Option<Arc<Mutex<OpenTransaction>>> {
        self.open.lock().remove(&id)
    }
}

impl Inner {
    /// A state of the database that does not change until the session is finished.
    pub(super) async fn read(&self, target: &Target) -> Result<Session> {
        if let Some(id) = target.transaction {
            return self.enter(id, target).await.map(Session::ReadInside);
        }
        let mut lease = self.reader(target).await?;
        lease.begin_read().await.map_err(store_error)?;
        Ok(Session::Own(lease))
    }

    /// A reader for a single statement outside of any transaction.
    pub(super) async fn reader(&self, target: &Target) -> Result<Lease> {
        self.handle.reader(target.timeout.unwrap_or(DEFAULT_WAIT)).await
    }

    /// The one place to write from.
    pub(super) async fn write(&self, target: &Target) -> Result<Session> {
        if let Some(id) = target.transaction {
            let mut open = self.enter(id, target).await?;
            open.execute("SAVEPOINT operation").await?;
            open.in_operation = true;
            return Ok(Session::WriteInside(open));
        }
        let mut lease = self.handle.writer(target.timeout.unwrap_or(DEFAULT_WAIT)).await?;
        lease.begin_write().await.map_err(store_error)?;
        Ok(Session::Own(lease))
    }

    async fn enter(&self, id: TransactionId, target: &Target) -> Result<OwnedMutexGuard<OpenTransaction>> {
        self.handle.database()?;
        let open = self.transactions.find(id)?;
        let mut open = timeout(target.timeout.unwrap_or(DEFAULT_WAIT), open.lock_owned())
            .await
            .map_err(|_| ROLE.timed_out("another operation of the transaction is still running"))?;
        open.clean().await?;
        open.connection()?;
        Ok(open)
    }

    pub(super) async fn begin(self: &Arc<Self>) -> Result<TransactionId> {
        let busy = |error: Error| match error.kind() {
            ErrorKind::StoreUnavailable if self.handle.database().is_ok() => {
                Error::new(ErrorKind::Conflict, "Another transaction holds the database: try this one again")
                    .with_detail(error)
            }
            _ => error,
        };
        let mut lease = self.handle.writer(BEGIN_WAIT).await.map_err(busy)?;
        lease.begin_write().await.map_err(store_error).map_err(busy)?;
        let id = self.transactions.next.fetch_add(1, Ordering::Relaxed);
        let open = Arc::new(Mutex::new(OpenTransaction { id, lease: Some(lease), in_operation: false }));
        self.transactions.open.lock().insert(id, open);
        let (inner, limit) = (Arc::downgrade(self), self.transactions.limit);
        tokio::spawn(async move {
            sleep(limit).await;
            if let Some(inner) = inner.upgrade() {
                inner.abort(id).await;
            }
        });
        Ok(id)
    }

    pub(super) async fn commit(&self, id: TransactionId) -> Result<()> {
        let open = self.transactions.remove(id).ok_or_else(|| not_open(id))?;
        let mut open = open.lock().await;
        let cleaned = open.clean().await;
        let mut lease = open.lease.take().ok_or_else(|| not_open(id))?;
        let committed = match cleaned {
            Ok(()) => lease.commit().await.map_err(store_error),
            Err(error) => Err(error),
        };
        if committed.is_err() {
            lease.rollback().await;
        }
        committed
    }

    pub(super) async fn abort(&self, id: TransactionId) {
        if let Some(open) = self.transactions.remove(id) {
            open.lock().await.abort().await;
        }
    }

    /// Aborts whatever is open: the store closes.
    pub(super) async fn abort_all(&self) {
        let open: Vec<_> = self.transactions.open.lock().drain().map(|(_, open)| open).collect();
        for transaction in open {
            transaction.lock().await.abort().await;
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
