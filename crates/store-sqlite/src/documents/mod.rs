//! The document store: documents as BSON in one table, keys of indexes in two more, and the query
//! language of `tandem_documents` for what SQL does not answer.

mod catalog;
mod cursor;
mod expiry;
mod group_commit;
mod indexes;
mod modify;
mod query;
mod rows;
mod scan;
mod session;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bson::{Bson, Document};
use tandem_contract::{
    Aggregate, BulkResult, Clock, Delete, DocumentStore, DocumentStream, Entropy, Error, Find, FindAndModify,
    IndexSpec, InsertResult, OpenContext, Result, Target, TransactionId, Update, UpdateResult, WriteModel,
};
use tandem_documents::store::{ObjectIds, Plan, Selection, check_name, name_backend};
use tandem_documents::{Cost, compute_until};
use tokio::runtime::RuntimeFlavor;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use self::catalog::{Cache, Collection, load};
use self::group_commit::InsertQueue;
use self::session::{TRANSACTION_LIMIT, Transactions};
use crate::SqliteConfig;
use crate::database::Handle;
use crate::error::Role;
use crate::sql::SqlFile;

const BACKEND: &str = "sqlite";
const ROLE: Role = Role::Documents;

/// A [`DocumentStore`] in an SQLite file.
pub struct SqliteDocumentStore {
    inner: Arc<Inner>,
    sweeper: AbortHandle,
}

struct Inner {
    handle: Handle,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    ids: ObjectIds,
    cache: Cache,
    transactions: Transactions,
    inserts: InsertQueue,
    sql: SqlFile,
}

impl SqliteDocumentStore {
    /// Opens the file, or joins the stores of this process that have it open.
    ///
    /// # Errors
    /// `InvalidArgument` for a setting that cannot work, `StoreUnavailable` for a file that cannot
    /// be opened within five seconds.
    pub async fn open(config: SqliteConfig, context: &OpenContext) -> Result<Self> {
        Self::open_with_limit(config, context, TRANSACTION_LIMIT).await
    }

    /// Opens with another limit for transactions than the contract's minute.
    async fn open_with_limit(config: SqliteConfig, context: &OpenContext, limit: Duration) -> Result<Self> {
        let handle = Handle::open(config, context, ROLE).await?;
        let sql = SqlFile::beside(handle.database()?);
        let inner = Arc::new(Inner {
            handle,
            ids: ObjectIds::new(Arc::clone(&context.clock), &*context.entropy)?,
            clock: Arc::clone(&context.clock),
            entropy: Arc::clone(&context.entropy),
            cache: Cache::default(),
            transactions: Transactions::new(limit),
            inserts: InsertQueue::default(),
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

impl Drop for SqliteDocumentStore {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

#[async_trait]
impl DocumentStore for SqliteDocumentStore {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    async fn find(&self, target: &Target, find: Find) -> Result<DocumentStream> {
        check_name(&target.collection)?;
        apart(target, find.is_costly(), self.inner.find(target, find)).await
    }

    async fn aggregate(&self, target: &Target, aggregate: Aggregate) -> Result<DocumentStream> {
        check_name(&target.collection)?;
        apart(target, aggregate.is_costly(), self.inner.aggregate(target, aggregate)).await
    }

    async fn insert(&self, target: &Target, documents: Vec<Document>, ordered: bool) -> Result<InsertResult> {
        check_name(&target.collection)?;
        within(target, self.inner.insert(target, documents, ordered)).await
    }

    async fn update(&self, target: &Target, update: Update) -> Result<UpdateResult> {
        check_name(&target.collection)?;
        apart(target, update.is_costly(), self.inner.update(target, update)).await
    }

    async fn delete(&self, target: &Target, delete: Delete) -> Result<u64> {
        check_name(&target.collection)?;
        apart(target, delete.is_costly(), self.inner.delete(target, delete)).await
    }

    async fn find_and_modify(&self, target: &Target, operation: FindAndModify) -> Result<Option<Document>> {
        check_name(&target.collection)?;
        apart(target, operation.is_costly(), self.inner.find_and_modify(target, operation)).await
    }

    async fn bulk_write(
        &self,
        target: &Target,
        models: Vec<WriteModel>,
        ordered: bool,
    ) -> Result<BulkResult> {
        check_name(&target.collection)?;
        apart(target, models.is_costly(), self.inner.bulk_write(target, models, ordered)).await
    }

    async fn count(&self, target: &Target, filter: Document, skip: u64, limit: Option<u64>) -> Result<u64> {
        check_name(&target.collection)?;
        apart(target, filter.is_costly(), self.inner.count(target, filter, skip, limit)).await
    }

    async fn estimated_count(&self, target: &Target) -> Result<u64> {
        self.count(target, Document::new(), 0, None).await
    }

    async fn distinct(&self, target: &Target, path: &str, filter: Document) -> Result<Vec<Bson>> {
        check_name(&target.collection)?;
        apart(target, filter.is_costly(), self.inner.distinct(target, path, filter)).await
    }

    async fn create_index(&self, target: &Target, index: IndexSpec) -> Result<String> {
        check_name(&target.collection)?;
        within(target, self.inner.create_index(target, index)).await
    }

    async fn drop_index(&self, target: &Target, name: &str) -> Result<()> {
        check_name(&target.collection)?;
        within(target, self.inner.drop_index(target, name)).await
    }

    async fn list_indexes(&self, target: &Target) -> Result<Vec<IndexSpec>> {
        check_name(&target.collection)?;
        within(target, self.inner.list_indexes(target)).await
    }

    async fn drop_collection(&self, target: &Target) -> Result<bool> {
        check_name(&target.collection)?;
        within(target, self.inner.drop_collection(target)).await
    }

    async fn list_collections(&self) -> Result<Vec<String>> {
        self.inner.list_collections().await
    }

    async fn explain(&self, target: &Target, find: Find) -> Result<Document> {
        check_name(&target.collection)?;
        within(target, self.inner.explain(target, find)).await
    }

    async fn begin(&self) -> Result<TransactionId> {
        self.inner.begin().await
    }

    async fn commit(&self, transaction: TransactionId) -> Result<()> {
        self.inner.commit(transaction).await
    }

    async fn abort(&self, transaction: TransactionId) -> Result<()> {
        self.inner.abort(transaction).await;
        Ok(())
    }

    async fn sql(&self, text: &str, parameters: Vec<Bson>) -> Result<Vec<Document>> {
        self.inner.handle.database()?;
        self.inner.sql.run(text, parameters).await
    }

    async fn ping(&self) -> Result<()> {
        let target = Target {
            collection: "ping".to_owned(),
            transaction: None,
            timeout: Some(Duration::from_secs(5)),
        };
        within(&target, async {
            let mut session = self.inner.read(&target).await?;
            let loaded = match session.connection() {
                Ok(connection) => load(connection, &self.inner.cache, &target.collection).await,
                Err(error) => Err(error),
            };
            session.finish(loaded).await.map(drop)
        })
        .await
    }

    async fn close(&self) {
        self.sweeper.abort();
        self.inner.abort_all().await;
        self.inner.sql.close().await;
        self.inner.handle.close().await;
    }
}

/// Gives up when the target's time is over; what was begun is undone.
fn within<T>(target: &Target, work: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
    let limit = target.timeout;
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    // In a box: an operation's state is several KiB, which every layer around it would move.
    let work = compute_until(deadline, Box::pin(work));
    async move {
        let done = match limit {
            Some(limit) => timeout(limit, work)
                .await
                .unwrap_or_else(|_| Err(ROLE.timed_out(&format!("after {} ms", limit.as_millis())))),
            None => work.await,
        };
        done.map_err(|error| name_backend(error, BACKEND))
    }
}

/// The same for work that may compute for long, if it is `costly`: its thread serves nobody else
/// meanwhile, and another takes its place.
fn apart<T>(
    target: &Target,
    costly: bool,
    work: impl Future<Output = Result<T>>,
) -> impl Future<Output = Result<T>> {
    let work = within(target, work);
    async move {
        let runtime = tokio::runtime::Handle::current();
        if costly && runtime.runtime_flavor() == RuntimeFlavor::MultiThread {
            return tokio::task::block_in_place(|| runtime.block_on(work));
        }
        work.await
    }
}

/// Chooses the access to `collection`.
fn plan(collection: &Collection, selection: &Selection) -> Plan {
    tandem_documents::store::plan(collection.id, false, &collection.indexes, selection)
}

fn store_error(error: sqlx::Error) -> Error {
    ROLE.error(error)
}

#[cfg(test)]
mod tests;
