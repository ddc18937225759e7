use std::sync::Arc;

use async_trait::async_trait;
use tandem_contract::{BackendFactory, DocumentStore, FunctionStore, OpenContext, Result};

use crate::{PostgresConfig, PostgresDocumentStore, PostgresFunctionStore};

/// Opens the backend `postgres` of both ports. Stores on the same server and schema share their
/// connections.
pub struct PostgresFactory;

#[async_trait]
impl BackendFactory<dyn FunctionStore> for PostgresFactory {
    const NAME: &'static str = "postgres";
    type Config = PostgresConfig;

    async fn open(config: PostgresConfig, context: OpenContext) -> Result<Arc<dyn FunctionStore>> {
        Ok(Arc::new(PostgresFunctionStore::open(config, &context).await?))
    }
}

#[async_trait]
impl BackendFactory<dyn DocumentStore> for PostgresFactory {
    const NAME: &'static str = "postgres";
    type Config = PostgresConfig;

    async fn open(config: PostgresConfig, context: OpenContext) -> Result<Arc<dyn DocumentStore>> {
        Ok(Arc::new(PostgresDocumentStore::open(config, &context).await?))
    }
}
