//! The function store: one row a function, triggers that record what happens to it.

mod row;
mod watch;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use sqlx::sqlite::SqliteConnection;
use tandem_contract::{
    ChangeStream, Clock, Error, ErrorKind, Expected, Function, FunctionDraft, FunctionPage, FunctionStore,
    OpenContext, Result, Revision,
};

use crate::SqliteConfig;
use crate::database::Handle;
use crate::error::Role;
use crate::lane::Lease;

const ROLE: Role = Role::Functions;
/// How long a call waits for a connection. A transaction on documents in the same file may hold the
/// writer meanwhile.
const WAIT: Duration = Duration::from_secs(30);

/// A [`FunctionStore`] in an SQLite file.
pub struct SqliteFunctionStore {
    handle: Handle,
    clock: Arc<dyn Clock>,
    closing: tokio::sync::watch::Sender<bool>,
}

impl SqliteFunctionStore {
    /// Opens the file, or joins the stores of this process that have it open.
    ///
    /// # Errors
    /// `InvalidArgument` for a setting that cannot work, `StoreUnavailable` for a file that cannot
    /// be opened within five seconds.
    pub async fn open(config: SqliteConfig, context: &OpenContext) -> Result<Self> {
        let handle = Handle::open(config, context, ROLE).await?;
        let closing = tokio::sync::watch::Sender::new(false);
        Ok(Self { handle, clock: Arc::clone(&context.clock), closing })
    }

    async fn put_now(
        &self,
        lease: &mut Lease,
        draft: &FunctionDraft,
        expected: Expected,
    ) -> Result<Function> {
        let connection = lease.connection().map_err(store_error)?;
        let held = row::held(connection, draft.name.as_str()).await?;
        check_expected(draft.name.as_str(), expected, held.revision)?;
        let now = row::to_millis(self.clock.wall());
        let revision = held.last_revision.max(held.revision.unwrap_or(0)) + 1;
        let created_at = held.created_at.unwrap_or(now);
        row::write(connection, draft, revision, created_at, now).await?;
        Ok(row::stored(draft, revision, created_at, now))
    }

    /// Runs after a commit: this process's watchers need not wait for their next look.
    fn announce(&self) -> Result<()> {
        self.handle.database()?.function_wake.send_replace(());
        Ok(())
    }

    async fn write_lease(&self) -> Result<Lease> {
        let always_full = self.handle.database()?.always_full();
        let mut lease = self.handle.writer(WAIT).await?;
        if !always_full {
            synchronous(&mut lease, "PRAGMA synchronous = FULL").await?;
        }
        lease.begin_write().await.map_err(store_error)?;
        Ok(lease)
    }

    /// Ends the transaction as `result` says and gives the writer back as it was.
    async fn finish<T>(&self, mut lease: Lease, result: Result<T>) -> Result<T> {
        let result = match result {
            Ok(value) => commit(&mut lease).await.map(|seq| (value, seq)),
            Err(error) => Err(error),
        };
        if result.is_err() {
            lease.rollback().await;
        }
        let result = result.and_then(|(value, seq)| {
            self.handle.database()?.change_horizon.fetch_max(seq, Ordering::AcqRel);
            Ok(value)
        });
        if !self.handle.database()?.always_full() {
            // A failure here leaves the safer of the two settings.
            let _ = synchronous(&mut lease, "PRAGMA synchronous = NORMAL").await;
        }
        result
    }
}

#[async_trait]
impl FunctionStore for SqliteFunctionStore {
    async fn get(&self, name: &str) -> Result<Option<Function>> {
        let mut lease = self.handle.reader(WAIT).await?;
        row::read(lease.connection().map_err(store_error)?, name).await
    }

    async fn list(&self, after: Option<&str>, limit: usize) -> Result<FunctionPage> {
        if !(1..=1000).contains(&limit) {
            return Err(Error::new(ErrorKind::InvalidArgument, "limit must be 1 to 1000"));
        }
        let mut lease = self.handle.reader(WAIT).await?;
        let connection = lease.connection().map_err(store_error)?;
        let mut functions = row::page(connection, after, limit + 1).await?;
        let more = functions.len() > limit;
        functions.truncate(limit);
        let next = functions.last().filter(|_| more).map(|last| last.name.clone());
        Ok(FunctionPage { functions, next })
    }

    async fn put(&self, draft: FunctionDraft, expected: Expected) -> Result<Function> {
        let mut lease = self.write_lease().await?;
        let result = self.put_now(&mut lease, &draft, expected).await;
        let function = self.finish(lease, result).await?;
        self.announce()?;
        Ok(function)
    }

    async fn delete(&self, name: &str) -> Result<bool> {
        let mut lease = self.write_lease().await?;
        let result = match lease.connection() {
            Ok(connection) => row::delete(connection, name).await,
            Err(error) => Err(store_error(error)),
        };
        let deleted = self.finish(lease, result).await?;
        if deleted {
            self.announce()?;
        }
        Ok(deleted)
    }

    fn watch(&self) -> ChangeStream {
        match self.handle.database() {
            Ok(database) => {
                let from = database.change_horizon.load(Ordering::Acquire);
                watch::follow(Arc::clone(database), from, self.closing.subscribe())
            }
            Err(_) => futures_util::stream::empty().boxed(),
        }
    }

    async fn ping(&self) -> Result<()> {
        let mut lease = self.handle.reader(Duration::from_secs(5)).await?;
        let connection = lease.connection().map_err(store_error)?;
        sqlx::query("SELECT 1 FROM functions LIMIT 1")
            .fetch_optional(connection)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    async fn close(&self) {
        self.closing.send_replace(true);
        self.handle.close().await;
    }
}

/// Commits; returns the number of the last change.
async fn commit(lease: &mut Lease) -> Result<i64> {
    let connection = lease.connection().map_err(store_error)?;
    let seq = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM function_changes")
        .fetch_one(connection)
        .await
        .map_err(store_error)?;
    lease.commit().await.map_err(store_error)?;
    Ok(seq)
}

fn check_expected(name: &str, expected: Expected, held: Option<Revision>) -> Result<()> {
    let wanted = match expected {
        Expected::Any => return Ok(()),
        Expected::Absent => None,
        Expected::Revision(revision) => Some(revision),
    };
    if wanted == held {
        return Ok(());
    }
    let word = |revision: Option<Revision>| match revision {
        Some(revision) => format!("revision {revision}"),
        None => "no such function".to_owned(),
    };
    Err(Error::new(
        ErrorKind::Conflict,
        format!("Function {name:?} was changed meanwhile: expected {}, found {}", word(wanted), word(held)),
    ))
}

async fn synchronous(lease: &mut Lease, pragma: &'static str) -> Result<()> {
    let connection: &mut SqliteConnection = lease.connection().map_err(store_error)?;
    sqlx::query(pragma).execute(connection).await.map_err(store_error)?;
    Ok(())
}

fn store_error(error: sqlx::Error) -> Error {
    ROLE.error(error)
}
