use std::sync::Arc;

use async_trait::async_trait;
use tandem_contract::{BackendFactory, DocumentStore, FunctionStore, OpenContext, Result};

use crate::{MongoConfig, MongoDocumentStore, MongoFunctionStore};

/// Opens the backend `mongo` of both ports.
pub struct MongoFactory;

#[async_trait]
impl BackendFactory<dyn FunctionStore> for MongoFactory {
    const NAME: &'static str = "mongo";
    type Config = MongoConfig;

    async fn open(config: MongoConfig, context: OpenContext) -> Result<Arc<dyn FunctionStore>> {
        Ok(Arc::new(MongoFunctionStore::open(config, &context).await?))
    }
}

#[async_trait]
impl BackendFactory<dyn DocumentStore> for MongoFactory {
    const NAME: &'static str = "mongo";
    type Config = MongoConfig;

    async fn open(config: MongoConfig, _context: OpenContext) -> Result<Arc<dyn DocumentStore>> {
        Ok(Arc::new(MongoDocumentStore::open(config).await?))
    }
}
