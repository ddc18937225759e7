//! Google Cloud Storage.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tandem_contract::settings::Secret;
use tandem_contract::{BackendFactory, BlobStore, Bucket, Error, ErrorKind, OpenContext, Result};

use super::blobs::{Cloud, CloudBlobs};
use super::{failure, options};

/// Keeps objects in Google Cloud Storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GcsConfig {
    /// The file of a service account's key. Left out, with `service_account_key`: the variables
    /// `GOOGLE_…`, the application's default credentials, or the instance's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_file: Option<PathBuf>,
    /// The key of a service account itself, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_key: Option<Secret>,
    /// The address of another server that speaks the same language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Send requests without credentials, for a server that wants none.
    pub anonymous: bool,
}

/// Opens the blob store `gcs`.
#[derive(Clone, Copy, Debug)]
pub struct GcsFactory;

impl Cloud for GoogleCloudStorage {
    const NAME: &'static str = "gcs";
    const TAGS_ARE_VERSIONS: bool = true;
    const SIGNS_CONTENT_TYPES: bool = true;
    const LISTS_PREFIX_ITSELF: bool = true;
    const NAMES_ARE_FREE: bool = true;
}

#[async_trait]
impl BackendFactory<dyn BlobStore> for GcsFactory {
    const NAME: &'static str = "gcs";
    type Config = GcsConfig;

    /// Checks the settings. Nothing is sent: without a bucket there is nothing to ask for.
    ///
    /// # Errors
    /// `InvalidArgument` that names the setting.
    async fn open(config: GcsConfig, context: OpenContext) -> Result<Arc<dyn BlobStore>> {
        options::check_endpoint("storage.gcs.endpoint", config.endpoint.as_deref())?;
        if config.service_account_file.is_some() && config.service_account_key.is_some() {
            let message = "storage.gcs.service_account_file and service_account_key exclude each other";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        options::install_tls();
        let base = context.base.clone();
        let make = move |bucket: &Bucket| builder(&config, &base).with_bucket_name(bucket.as_str()).build();
        let probe = Bucket::new("probe")?;
        make(&probe).map_err(|error| {
            let detail = failure::error("gcs", &probe, &error);
            Error::new(ErrorKind::InvalidArgument, "[storage.gcs] cannot be used: see its credentials")
                .with_detail(detail)
        })?;
        Ok(Arc::new(CloudBlobs::new(Box::new(make), true)))
    }
}

fn builder(config: &GcsConfig, base: &std::path::Path) -> GoogleCloudStorageBuilder {
    let mut builder = match (&config.service_account_file, &config.service_account_key) {
        (Some(file), _) => {
            GoogleCloudStorageBuilder::new().with_service_account_path(base.join(file).display().to_string())
        }
        (None, Some(key)) => GoogleCloudStorageBuilder::new().with_service_account_key(key.expose()),
        (None, None) if config.anonymous => GoogleCloudStorageBuilder::new(),
        (None, None) => GoogleCloudStorageBuilder::from_env(),
    };
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    builder
        .with_skip_signature(config.anonymous)
        .with_client_options(options::client(config.endpoint.as_deref()))
        .with_retry(options::retries())
}
