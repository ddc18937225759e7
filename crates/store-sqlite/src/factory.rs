use std::sync::Arc;

use async_trait::async_trait;
use tandem_contract::{BackendFactory, DocumentStore, FunctionStore, OpenContext, Result};

use crate::{SqliteConfig, SqliteDocumentStore, SqliteFunctionStore};

/// Opens the backend `sqlite` of both ports. Stores on the same file share its connections.
pub struct SqliteFactory;

#[async_trait]
impl BackendFactory<dyn FunctionStore> for SqliteFactory {
    const NAME: &'static str = "sqlite";
    type Config = SqliteConfig;

    async fn open(config: SqliteConfig, context: OpenContext) -> Result<Arc<dyn FunctionStore>> {
        Ok(Arc::new(SqliteFunctionStore::open(config, &context).await?))
    }
}

#[async_trait]
impl BackendFactory<dyn DocumentStore> for SqliteFactory {
    const NAME: &'static str = "sqlite";
    type Config = SqliteConfig;

    async fn open(config: SqliteConfig, context: OpenContext) -> Result<Arc<dyn DocumentStore>> {
        Ok(Arc::new(SqliteDocumentStore::open(config, &context).await?))
    }
}
