//! Connections that are handed out one holder at a time, in order of asking.
//!
//! A pool of the driver's own checks a connection on a task of its own whenever it comes back; with
//! one writer that check would lie between every two writes. Here a connection is free again the
//! moment its holder drops it, and one that was dropped inside a transaction is closed, which
//! rolls back.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// A bounded set of connections to one file.
pub(crate) struct Lane {
    options: SqliteConnectOptions,
    idle: Mutex<Vec<SqliteConnection>>,
    permits: Arc<Semaphore>,
    size: u32,
}

impl Lane {
    pub(crate) fn new(options: SqliteConnectOptions, size: u32) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(size as usize));
        Arc::new(Self { options, idle: Mutex::default(), permits, size })
    }

    /// Waits at most `wait` for a connection.
    ///
    /// # Errors
    /// `PoolTimedOut` after that time, `PoolClosed` once the lane is closed.
    pub(crate) async fn lease(self: &Arc<Self>, wait: Duration) -> sqlx::Result<Lease> {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => timeout(wait, Arc::clone(&self.permits).acquire_owned())
                .await
                .map_err(|_| sqlx::Error::PoolTimedOut)?
                .map_err(|_| sqlx::Error::PoolClosed)?,
        };
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(Lease { connection: Some(connection), lane: Arc::clone(self), busy: false, _permit: permit })
    }

    /// Waits for holders, at most `grace`, and closes every connection.
    pub(crate) async fn close(&self, grace: Duration) {
        let all = Arc::clone(&self.permits).acquire_many_owned(self.size);
        let _held = timeout(grace, all).await;
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "a SQLite connection did not close cleanly");
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }
}

/// One connection for one holder.
pub(crate) struct Lease {
    connection: Option<SqliteConnection>,
    lane: Arc<Lane>,
    /// Inside a transaction or a statement: not fit for the next holder.
    busy: bool,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// The connection.
    ///
    /// # Errors
    /// `WorkerCrashed` after a transaction failed to end.
    pub(crate) fn connection(&mut self) -> sqlx::Result<&mut SqliteConnection> {
        self.connection.as_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    /// From here on the connection is closed when it is dropped.
    pub(crate) fn mark_busy(&mut self) {
        self.busy = true;
    }

    /// The next holder may have the connection.
    pub(crate) fn mark_idle(&mut self) {
        self.busy = false;
    }

    /// Begins a transaction that sees one state of the file.
    pub(crate) async fn begin_read(&mut self) -> sqlx::Result<()> {
        self.begin("BEGIN").await
    }

    /// Begins a transaction that holds the file's write lock from its start: it cannot fail for a
    /// lock halfway.
    pub(crate) async fn begin_write(&mut self) -> sqlx::Result<()> {
        self.begin("BEGIN IMMEDIATE").await
    }

    async fn begin(&mut self, statement: &'static str) -> sqlx::Result<()> {
        self.mark_busy();
        sqlx::query(statement).execute(self.connection()?).await.map(drop)
    }

    pub(crate) async fn commit(&mut self) -> sqlx::Result<()> {
        self.end("COMMIT").await
    }

    /// Undoes the transaction. When even that fails the connection is closed, which undoes it too.
    pub(crate) async fn rollback(&mut self) {
        if self.end("ROLLBACK").await.is_err() {
            self.connection = None;
        }
    }

    async fn end(&mut self, statement: &'static str) -> sqlx::Result<()> {
        sqlx::query(statement).execute(self.connection()?).await?;
        self.mark_idle();
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.busy
            && !self.lane.is_closed()
        {
            self.lane.idle.lock().push(connection);
        }
    }
}
