use std::time::Duration;

use async_trait::async_trait;
use bson::{Bson, Document};
use tandem_contract::{
    Aggregate, BulkResult, Delete, DocumentStore, DocumentStream, Find, FindAndModify, IndexSpec,
    InsertResult, Result, Target, TransactionId, Update, UpdateResult, WriteModel,
};
use tandem_documents::Cost;
use tandem_documents::store::check_name;

use super::{BACKEND, PostgresDocumentStore, store_error};

#[async_trait]
impl DocumentStore for PostgresDocumentStore {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    async fn find(&self, target: &Target, find: Find) -> Result<DocumentStream> {
        check_name(&target.collection)?;
        self.inner.apart(target, find.is_costly(), self.inner.find(target, find)).await
    }

    async fn aggregate(&self, target: &Target, aggregate: Aggregate) -> Result<DocumentStream> {
        check_name(&target.collection)?;
        self.inner.apart(target, aggregate.is_costly(), self.inner.aggregate(target, aggregate)).await
    }

    async fn insert(&self, target: &Target, documents: Vec<Document>, ordered: bool) -> Result<InsertResult> {
        check_name(&target.collection)?;
        self.inner.within(target, self.inner.insert(target, documents, ordered)).await
    }

    async fn update(&self, target: &Target, update: Update) -> Result<UpdateResult> {
        check_name(&target.collection)?;
        self.inner.apart(target, update.is_costly(), self.inner.update(target, update)).await
    }

    async fn delete(&self, target: &Target, delete: Delete) -> Result<u64> {
        check_name(&target.collection)?;
        self.inner.apart(target, delete.is_costly(), self.inner.delete(target, delete)).await
    }

    async fn find_and_modify(&self, target: &Target, operation: FindAndModify) -> Result<Option<Document>> {
        check_name(&target.collection)?;
        self.inner.apart(target, operation.is_costly(), self.inner.find_and_modify(target, operation)).await
    }

    async fn bulk_write(
        &self,
        target: &Target,
        models: Vec<WriteModel>,
        ordered: bool,
    ) -> Result<BulkResult> {
        check_name(&target.collection)?;
        self.inner.apart(target, models.is_costly(), self.inner.bulk_write(target, models, ordered)).await
    }

    async fn count(&self, target: &Target, filter: Document, skip: u64, limit: Option<u64>) -> Result<u64> {
        check_name(&target.collection)?;
        self.inner.apart(target, filter.is_costly(), self.inner.count(target, filter, skip, limit)).await
    }

    async fn estimated_count(&self, target: &Target) -> Result<u64> {
        self.count(target, Document::new(), 0, None).await
    }

    async fn distinct(&self, target: &Target, path: &str, filter: Document) -> Result<Vec<Bson>> {
        check_name(&target.collection)?;
        self.inner.apart(target, filter.is_costly(), self.inner.distinct(target, path, filter)).await
    }

    async fn create_index(&self, target: &Target, index: IndexSpec) -> Result<String> {
        check_name(&target.collection)?;
        self.inner.within(target, self.inner.create_index(target, index)).await
    }

    async fn drop_index(&self, target: &Target, name: &str) -> Result<()> {
        check_name(&target.collection)?;
        self.inner.within(target, self.inner.drop_index(target, name)).await
    }

    async fn list_indexes(&self, target: &Target) -> Result<Vec<IndexSpec>> {
        check_name(&target.collection)?;
        self.inner.within(target, self.inner.list_indexes(target)).await
    }

    async fn drop_collection(&self, target: &Target) -> Result<bool> {
        check_name(&target.collection)?;
        self.inner.within(target, self.inner.drop_collection(target)).await
    }

    async fn list_collections(&self) -> Result<Vec<String>> {
        self.inner.list_collections().await
    }

    async fn explain(&self, target: &Target, find: Find) -> Result<Document> {
        check_name(&target.collection)?;
        self.inner.within(target, self.inner.explain(target, find)).await
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
        self.inner.sql.run(&self.inner.handle, text, parameters).await
    }

    fn sql_parameter(&self, number: usize) -> String {
        format!("${number}")
    }

    async fn ping(&self) -> Result<()> {
        let target = Target {
            collection: String::new(),
            transaction: None,
            timeout: Some(Duration::from_millis(1900)),
        };
        self.inner
            .within(&target, async {
                let mut session = self.inner.single(&target).await?;
                let answer = match session.connection() {
                    Ok(connection) => sqlx::query("SELECT 1 FROM collections LIMIT 1")
                        .fetch_optional(connection)
                        .await
                        .map_err(store_error),
                    Err(error) => Err(error),
                };
                session.finish(answer).await.map(drop)
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
