//! The document store: a table a collection, a table of keys an index, and the query language of
//! `tandem_documents` for what SQL does not answer.

mod bulk;
mod catalog;
mod condition;
mod cursor;
mod expiry;
mod hits;
mod indexes;
mod insert;
mod json;
mod keys;
mod modify;
mod query;
mod rows;
mod scan;
mod session;
mod store;
mod tally;
mod transaction;
mod write;
mod write_statement;
mod writer;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tandem_contract::{Clock, Entropy, Error, ErrorKind, OpenContext, Result, Target};
use tandem_documents::compute_until;
use tandem_documents::store::{ObjectIds, name_backend};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use self::catalog::Catalog;
use self::transaction::{TRANSACTION_LIMIT, Transactions};
use crate::PostgresConfig;
use crate::database::DatabaseHandle;
use crate::error::Role;
use crate::sql::SqlDatabase;

const BACKEND: &str = "postgres";
const ROLE: Role = Role::Documents;
/// How long an operation without a time of its own may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A [`DocumentStore`](tandem_contract::DocumentStore) on Postgres.
pub struct PostgresDocumentStore {
    inner: Arc<Inner>,
    sweeper: AbortHandle,
}

struct Inner {
    handle: DatabaseHandle,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    ids: ObjectIds,
    catalog: Catalog,
    transactions: Transactions,
    sql: SqlDatabase,
}

impl PostgresDocumentStore {
    /// Connects and brings the schema up to date, or joins the stores of this process that have.
    ///
    /// # Errors
    /// `InvalidArgument` for a setting that cannot work, `StoreUnavailable` for a server that does
    /// not answer within five seconds or refuses.
    pub async fn open(config: PostgresConfig, context: &OpenContext) -> Result<Self> {
        Self::open_with_limit(config, context, TRANSACTION_LIMIT).await
    }

    /// Opens with another limit for transactions than the contract's minute, for tests.
    ///
    /// # Errors
    /// As [`PostgresDocumentStore::open`].
    #[doc(hidden)]
    pub async fn open_with_limit(
        config: PostgresConfig,
        context: &OpenContext,
        limit: Duration,
    ) -> Result<Self> {
        let handle = DatabaseHandle::open(config, context, ROLE).await?;
        let sql = SqlDatabase::beside(handle.database()?)?;
        let inner = Arc::new(Inner {
            handle,
            ids: ObjectIds::new(Arc::clone(&context.clock), &*context.entropy)?,
            clock: Arc::clone(&context.clock),
            entropy: Arc::clone(&context.entropy),
            catalog: Catalog::default(),
            transactions: Transactions::new(limit),
            sql,
        });
        let sweeper = tokio::spawn(expiry::sweep_forever(Arc::downgrade(&inner))).abort_handle();
        Ok(Self { inner, sweeper })
    }

    /// Deletes now what an index with `expireAfterSeconds` says is over, as the store does once a
    /// minute; returns how many documents.
    ///
    /// # Errors
    /// `StoreUnavailable` as for any write.
    pub async fn delete_expired(&self) -> Result<u64> {
        self.inner.sweep().await
    }
}

impl Drop for PostgresDocumentStore {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

impl Inner {
    /// Gives up when the target's time is over or the server goes away; what was begun is undone.
    fn within<T>(
        &self,
        target: &Target,
        work: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        let limit = target.timeout.unwrap_or(LIMIT).min(LIMIT);
        // In a box: an operation's state is several KiB, which every layer around it would move.
        let work = compute_until(Instant::now().checked_add(limit), Box::pin(work));
        async move { self.handle.guard(Some(limit), work).await.map_err(|error| name_backend(error, BACKEND)) }
    }

    /// The same for work that may compute for long, if it is `costly`: its thread serves nobody else
    /// meanwhile, and another takes its place.
    fn apart<T>(
        &self,
        target: &Target,
        costly: bool,
        work: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        let work = self.within(target, work);
        async move {
            let runtime = Handle::current();
            if costly && runtime.runtime_flavor() == RuntimeFlavor::MultiThread {
                return tokio::task::block_in_place(|| runtime.block_on(work));
            }
            work.await
        }
    }

    /// Waits before what failed with `error` is tried again; `false` when it is not to be.
    async fn may_try_again(&self, error: &Error, target: &Target, tries: u32, reads: bool) -> bool {
        /// An operation that loses that often meets more rivals than it can ever beat.
        const MOST: u32 = 40;
        /// A read that breaks so often does not break by chance.
        const MOST_BROKEN: u32 = 2;
        let lost = error.kind() == ErrorKind::Conflict;
        let broken = reads && is_broken(error);
        if target.transaction.is_some() || !(lost && tries < MOST || broken && tries < MOST_BROKEN) {
            return false;
        }
        let Ok(database) = self.handle.database() else { return false };
        let pause = Duration::from_millis(1 << tries.min(6));
        sleep(database.pool.jitter(pause)).await;
        true
    }
}

/// Whether the connection broke, rather than took too long.
fn is_broken(error: &Error) -> bool {
    error.kind() == ErrorKind::StoreUnavailable && error.message().ends_with("not available")
}

/// What was believed of a collection is not so any more: to be read anew and tried again.
fn stale() -> Error {
    Error::new(ErrorKind::Conflict, "The collection's indexes were changed meanwhile: try again")
}

fn store_error(error: sqlx::Error) -> Error {
    ROLE.error(error)
}
