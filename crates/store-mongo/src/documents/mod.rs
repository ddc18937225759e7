//! The document store: operations are passed on to the server, which speaks the language itself.

mod bulk;
mod indexes;
mod modify;
mod query;
mod reserved;
mod session;

use std::sync::Arc;

use async_trait::async_trait;
use bson::{Bson, Document, doc};
use mongodb::{Collection, Database};
use tandem_contract::{
    Aggregate, BulkResult, Delete, DocumentStore, DocumentStream, Error, ErrorKind, Find, FindAndModify,
    IndexSpec, InsertResult, Result, Target, TransactionId, Update, UpdateResult, WriteModel,
};

use self::reserved::Reserved;
use self::session::Transactions;
use crate::MongoConfig;
use crate::connection::Connection;
use crate::error::{BACKEND, Role};

/// Where documents live when the settings name no database.
const DATABASE: &str = "tandem_documents";
const ROLE: Role = Role::Documents;

/// A [`DocumentStore`] in a MongoDB database.
pub struct MongoDocumentStore {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    database: Database,
    reserved: Reserved,
    transactions: Transactions,
    /// The server is a replica set or a router, which transactions need.
    has_transactions: bool,
}

impl MongoDocumentStore {
    /// Connects.
    ///
    /// # Errors
    /// `InvalidArgument` for a setting that cannot work, `StoreUnavailable` for a server that
    /// does not answer within five seconds.
    pub async fn open(config: MongoConfig) -> Result<Self> {
        let connection = Connection::open(&config, ROLE).await?;
        let database = connection.client().database(config.database.as_deref().unwrap_or(DATABASE));
        let hello = async { database.run_command(doc! { "hello": 1 }).await };
        let hello = connection.run(Some(session::BEGIN_WAIT), hello).await?;
        let has_transactions =
            hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|kind| kind == "isdbgrid");
        let inner = Inner {
            connection,
            database,
            reserved: Reserved::default(),
            transactions: Transactions::default(),
            has_transactions,
        };
        // Finds the collections of functions in this database.
        inner.collection_names().await?;
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl Inner {
    fn collection(&self, target: &Target) -> Result<Collection<Document>> {
        self.reserved.check(&target.collection)?;
        Ok(self.database.collection(&target.collection))
    }

    /// Names of collections, the reserved ones left out.
    async fn collection_names(&self) -> Result<Vec<String>> {
        let names = async { self.database.list_collection_names().await };
        let names = self.connection.run(Some(session::DEFAULT_WAIT), names).await?;
        self.reserved.learn(&names);
        let mut names: Vec<String> = names
            .into_iter()
            .filter(|name| !name.starts_with("system.") && self.reserved.check(name).is_ok())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn drop_collection(&self, target: &Target) -> Result<bool> {
        self.collection(target)?;
        refuse_inside(target, "drop")?;
        let dropping = async { self.database.run_command(doc! { "drop": &target.collection }).await };
        match self.connection.run(target.timeout, dropping).await {
            // A server of version 7 succeeds where there is nothing to drop.
            Ok(reply) => Ok(reply.contains_key("nIndexesWas") || reply.contains_key("ns")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The server takes no such operation as part of a transaction.
fn refuse_inside(target: &Target, operation: &str) -> Result<()> {
    match target.transaction {
        Some(_) => Err(Error::not_supported(&format!("{operation} in a transaction"), BACKEND)),
        None => Ok(()),
    }
}

#[async_trait]
impl DocumentStore for MongoDocumentStore {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    async fn find(&self, target: &Target, find: Find) -> Result<DocumentStream> {
        self.inner.find(target, find).await
    }

    async fn aggregate(&self, target: &Target, aggregate: Aggregate) -> Result<DocumentStream> {
        self.inner.aggregate(target, aggregate).await
    }

    async fn insert(&self, target: &Target, documents: Vec<Document>, ordered: bool) -> Result<InsertResult> {
        self.inner.insert(target, documents, ordered).await
    }

    async fn update(&self, target: &Target, update: Update) -> Result<UpdateResult> {
        self.inner.update(target, update).await
    }

    async fn delete(&self, target: &Target, delete: Delete) -> Result<u64> {
        self.inner.delete(target, delete).await
    }

    async fn find_and_modify(&self, target: &Target, operation: FindAndModify) -> Result<Option<Document>> {
        self.inner.find_and_modify(target, operation).await
    }

    async fn bulk_write(
        &self,
        target: &Target,
        models: Vec<WriteModel>,
        ordered: bool,
    ) -> Result<BulkResult> {
        self.inner.bulk_write(target, models, ordered).await
    }

    async fn count(&self, target: &Target, filter: Document, skip: u64, limit: Option<u64>) -> Result<u64> {
        self.inner.count(target, filter, skip, limit).await
    }

    async fn estimated_count(&self, target: &Target) -> Result<u64> {
        self.inner.estimated_count(target).await
    }

    async fn distinct(&self, target: &Target, path: &str, filter: Document) -> Result<Vec<Bson>> {
        self.inner.distinct(target, path, filter).await
    }

    async fn create_index(&self, target: &Target, index: IndexSpec) -> Result<String> {
        self.inner.create_index(target, index).await
    }

    async fn drop_index(&self, target: &Target, name: &str) -> Result<()> {
        self.inner.drop_index(target, name).await
    }

    async fn list_indexes(&self, target: &Target) -> Result<Vec<IndexSpec>> {
        self.inner.list_indexes(target).await
    }

    async fn drop_collection(&self, target: &Target) -> Result<bool> {
        self.inner.drop_collection(target).await
    }

    async fn list_collections(&self) -> Result<Vec<String>> {
        self.inner.collection_names().await
    }

    async fn explain(&self, target: &Target, find: Find) -> Result<Document> {
        self.inner.explain(target, find).await
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

    async fn ping(&self) -> Result<()> {
        let ping = async { self.inner.database.run_command(doc! { "ping": 1 }).await };
        self.inner.connection.run(Some(std::time::Duration::from_secs(2)), ping).await.map(drop)
    }

    async fn close(&self) {
        self.inner.abort_all().await;
        self.inner.connection.close().await;
    }
}
