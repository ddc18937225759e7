//! The three stores that a configuration picks.

use std::sync::Arc;

use tandem_contract::{BlobStore, DocumentStore, FunctionStore, OpenContext, Result};

use crate::config::Config;
use crate::registry::Registry;

/// Where functions, documents and objects live.
pub struct Stores {
    /// Functions.
    pub functions: Arc<dyn FunctionStore>,
    /// Documents.
    pub documents: Arc<dyn DocumentStore>,
    /// Objects.
    pub blobs: Arc<dyn BlobStore>,
}

impl Stores {
    /// Opens what `config` picks.
    ///
    /// # Errors
    /// Those of the backends; what was opened before is closed.
    pub async fn open(config: &Config, registry: &Registry, context: &OpenContext) -> Result<Self> {
        let functions = registry.functions.open(&config.functions.selected, context.clone()).await?;
        let documents = match registry.documents.open(&config.documents.selected, context.clone()).await {
            Ok(documents) => documents,
            Err(error) => {
                functions.close().await;
                return Err(error);
            }
        };
        match registry.blobs.open(&config.storage.selected, context.clone()).await {
            Ok(blobs) => Ok(Self { functions, documents, blobs }),
            Err(error) => {
                documents.close().await;
                functions.close().await;
                Err(error)
            }
        }
    }

    /// Closes all of them; functions last.
    pub async fn close(&self) {
        self.blobs.close().await;
        self.documents.close().await;
        self.functions.close().await;
    }
}
