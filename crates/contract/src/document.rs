use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bson::{Bson, Document};
use futures_core::stream::BoxStream;

use crate::{Error, ErrorKind, Result};

/// Documents on their way; ends after the first error.
pub type DocumentStream = BoxStream<'static, Result<Document>>;

/// Names a transaction that is open in a store.
pub type TransactionId = u64;

/// Where an operation goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The collection: 1 to 120 bytes, no NUL, no `$`, not starting with `system.`.
    pub collection: String,
    /// The transaction it is part of.
    pub transaction: Option<TransactionId>,
    /// How long it may take.
    pub timeout: Option<Duration>,
}

/// A query.
#[derive(Clone, Debug, Default)]
pub struct Find {
    /// What must match.
    pub filter: Document,
    /// What comes back of each.
    pub projection: Option<Document>,
    /// The order.
    pub sort: Option<Document>,
    /// How many to pass over.
    pub skip: u64,
    /// How many at most.
    pub limit: Option<u64>,
}

/// A pipeline.
#[derive(Clone, Debug, Default)]
pub struct Aggregate {
    /// Its stages, in order.
    pub pipeline: Vec<Document>,
}

/// How documents change.
#[derive(Clone, Debug)]
pub enum UpdateSpec {
    /// Update operators: `{$set: …}`.
    Operators(Document),
    /// A pipeline of `$set`, `$unset`, `$project`, `$replaceRoot` and the like.
    Pipeline(Vec<Document>),
    /// A whole new document; `_id` stays.
    Replacement(Document),
}

/// An update of one or many documents.
#[derive(Clone, Debug)]
pub struct Update {
    /// What must match.
    pub filter: Document,
    /// How what matches changes.
    pub update: UpdateSpec,
    /// All that match, not the first only.
    pub many: bool,
    /// Insert when nothing matches.
    pub upsert: bool,
    /// The filters that `$[name]` refers to.
    pub array_filters: Vec<Document>,
}

/// A deletion.
#[derive(Clone, Debug)]
pub struct Delete {
    /// What must match.
    pub filter: Document,
    /// All that match, not the first only.
    pub many: bool,
}

/// Which version of a document comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReturnDocument {
    /// As it was.
    #[default]
    Before,
    /// As it is now.
    After,
}

/// What `findOneAnd…` does to what it finds.
#[derive(Clone, Debug)]
pub enum ModifyAction {
    /// Changes it.
    Update {
        /// How.
        update: UpdateSpec,
        /// Insert when nothing matches.
        upsert: bool,
        /// Which version comes back.
        returning: ReturnDocument,
        /// The filters that `$[name]` refers to.
        array_filters: Vec<Document>,
    },
    /// Deletes it.
    Delete,
}

/// Finds one document and changes it in the same step.
#[derive(Clone, Debug)]
pub struct FindAndModify {
    /// What must match.
    pub filter: Document,
    /// Which of those that match.
    pub sort: Option<Document>,
    /// What comes back of it.
    pub projection: Option<Document>,
    /// What is done.
    pub action: ModifyAction,
}

/// One operation of a bulk write.
#[derive(Clone, Debug)]
pub enum WriteModel {
    /// Inserts.
    Insert(Document),
    /// Updates or replaces.
    Update(Update),
    /// Deletes.
    Delete(Delete),
}

/// A write of a batch that failed while others may have succeeded.
#[derive(Clone, Debug)]
pub struct WriteFailure {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Why.
    pub error: Error,
}

/// What an insert did.
#[derive(Clone, Debug, Default)]
pub struct InsertResult {
    /// `_id` of each document written, by its place in the batch.
    pub inserted_ids: BTreeMap<usize, Bson>,
    /// What failed; at most one when ordered.
    pub failures: Vec<WriteFailure>,
}

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateResult {
    /// How many matched.
    pub matched: u64,
    /// How many are now different.
    pub modified: u64,
    /// `_id` of what an upsert inserted.
    pub upserted_id: Option<Bson>,
}

/// What a bulk write did.
#[derive(Clone, Debug, Default)]
pub struct BulkResult {
    /// `_id` of each insert, by its place in the batch.
    pub inserted_ids: BTreeMap<usize, Bson>,
    /// How many updates and replacements matched.
    pub matched: u64,
    /// How many are now different.
    pub modified: u64,
    /// How many were deleted.
    pub deleted: u64,
    /// `_id` of each upsert that inserted, by its place in the batch.
    pub upserted_ids: BTreeMap<usize, Bson>,
    /// What failed; at most one when ordered.
    pub failures: Vec<WriteFailure>,
}

/// An index.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexSpec {
    /// Paths to `1` or `-1`, in order.
    pub keys: Document,
    /// Its name; made from the keys where left out: `a_1_b_-1`.
    pub name: Option<String>,
    /// No two documents may hold the same key.
    pub unique: bool,
    /// Only documents that have the paths are indexed.
    pub sparse: bool,
    /// Only documents that match are indexed.
    pub partial_filter: Option<Document>,
    /// Documents are deleted so many seconds after the time at the path.
    pub expire_after_seconds: Option<u64>,
}

/// Where `cloud.database()` documents live. The verbs and their meaning are MongoDB's; a backend
/// that lacks something refuses it by name and never answers wrongly.
///
/// # Behavior
/// - Every write is atomic for each document; a write without a transaction is durable once its
///   method returns.
/// - A collection that does not exist reads as empty and is made by the first write.
/// - A document without `_id` gets an `ObjectId`, as its first field.
///
/// # Errors
/// Every method: `StoreUnavailable` when the store does not answer in time, `InvalidArgument` for
/// a filter, update or pipeline that is malformed, `NotSupported` for a feature the backend lacks,
/// `DuplicateKey` when a unique index refuses a write, `Conflict` when a transaction lost against
/// another and may be tried again.
#[async_trait]
pub trait DocumentStore: Send + Sync + 'static {
    /// The name of the backend, for messages and `explain`.
    fn backend(&self) -> &'static str;

    /// Runs a query.
    async fn find(&self, target: &Target, find: Find) -> Result<DocumentStream>;

    /// Runs a pipeline.
    async fn aggregate(&self, target: &Target, aggregate: Aggregate) -> Result<DocumentStream>;

    /// Inserts documents in order. `ordered` stops at the first failure; failures are in the
    /// result, not errors.
    async fn insert(&self, target: &Target, documents: Vec<Document>, ordered: bool) -> Result<InsertResult>;

    /// Updates or replaces.
    async fn update(&self, target: &Target, update: Update) -> Result<UpdateResult>;

    /// Deletes; returns how many.
    async fn delete(&self, target: &Target, delete: Delete) -> Result<u64>;

    /// Finds one and changes it; `None` when nothing matched (or, returning the version before,
    /// an upsert inserted).
    async fn find_and_modify(&self, target: &Target, operation: FindAndModify) -> Result<Option<Document>>;

    /// Runs operations in order; failures are in the result, not errors.
    async fn bulk_write(&self, target: &Target, models: Vec<WriteModel>, ordered: bool)
    -> Result<BulkResult>;

    /// Counts what matches, after `skip` and up to `limit`.
    async fn count(&self, target: &Target, filter: Document, skip: u64, limit: Option<u64>) -> Result<u64>;

    /// Counts the collection from what the store already knows.
    async fn estimated_count(&self, target: &Target) -> Result<u64>;

    /// The distinct values at a path among what matches; the elements of arrays count one by one.
    async fn distinct(&self, target: &Target, path: &str, filter: Document) -> Result<Vec<Bson>>;

    /// Makes an index; returns its name. The same index again changes nothing.
    ///
    /// # Errors
    /// `Conflict` when an index of that name has other keys or options.
    async fn create_index(&self, target: &Target, index: IndexSpec) -> Result<String>;

    /// Drops an index by name.
    ///
    /// # Errors
    /// `NotFound` when there is none; `InvalidArgument` for the index on `_id`.
    async fn drop_index(&self, target: &Target, name: &str) -> Result<()>;

    /// The indexes, the one on `_id` first.
    async fn list_indexes(&self, target: &Target) -> Result<Vec<IndexSpec>>;

    /// Drops a collection with its indexes; `false` when there was none.
    async fn drop_collection(&self, target: &Target) -> Result<bool>;

    /// The names of the collections, in byte order.
    async fn list_collections(&self) -> Result<Vec<String>>;

    /// Tells which part of a query the store itself runs: `{backend, pushed, matched, index?}`.
    async fn explain(&self, target: &Target, find: Find) -> Result<Document>;

    /// Opens a transaction. One that is neither committed nor aborted within a minute is aborted.
    async fn begin(&self) -> Result<TransactionId>;

    /// Commits. The transaction is over, whatever comes back.
    async fn commit(&self, transaction: TransactionId) -> Result<()>;

    /// Aborts; no error when it is over already.
    async fn abort(&self, transaction: TransactionId) -> Result<()>;

    /// Runs an SQL statement with bound parameters, each row as a document. Parameters stand in
    /// the text as [`DocumentStore::sql_parameter`] writes them.
    ///
    /// # Errors
    /// `NotSupported` where the backend does not speak SQL.
    async fn sql(&self, _text: &str, _parameters: Vec<Bson>) -> Result<Vec<Document>> {
        Err(Error::new(ErrorKind::NotSupported, format!("NOT_SUPPORTED: cloud.sql on {}", self.backend())))
    }

    /// How the backend's SQL writes its `number`th parameter, counted from 1.
    fn sql_parameter(&self, number: usize) -> String {
        format!("?{number}")
    }

    /// Asks the store for a sign of life.
    async fn ping(&self) -> Result<()>;

    /// Finishes writes under way and lets go of connections. Later calls fail.
    async fn close(&self);
}
