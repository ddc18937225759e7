//! Opens the store.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_contract::{BackendFactory, BlobStore, OpenContext, Result};

use crate::client::Clients;
use crate::config::S3Config;
use crate::store::S3Blobs;

/// Opens the blob store `s3`.
#[derive(Clone, Copy, Debug)]
pub struct S3Factory;

#[async_trait]
impl BackendFactory<dyn BlobStore> for S3Factory {
    const NAME: &'static str = "s3";
    type Config = S3Config;

    /// Finds credentials and asks the server for a sign of life.
    ///
    /// # Errors
    /// `InvalidArgument` that names the setting; `StoreUnavailable` when the server does not answer
    /// and `Forbidden` when it refuses the credentials, each within three seconds.
    async fn open(config: S3Config, context: OpenContext) -> Result<Arc<dyn BlobStore>> {
        config.check()?;
        let clients = Clients::open(&config, &context).await?;
        let store = S3Blobs::new(clients, &config, context);
        store.reach().await?;
        Ok(Arc::new(store))
    }
}
