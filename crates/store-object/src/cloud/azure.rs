//! Azure Blob Storage.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tandem_contract::settings::Secret;
use tandem_contract::{BackendFactory, BlobStore, Bucket, Error, ErrorKind, OpenContext, Result};

use super::blobs::{Cloud, CloudBlobs};
use super::{failure, options};

/// Keeps objects in Azure Blob Storage; a bucket is a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AzureConfig {
    /// The storage account. Left out: from the variables `AZURE_STORAGE_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The account's key. Left out, with `client_secret`: from the variables `AZURE_…`, a workload
    /// identity or the machine's managed identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key: Option<Secret>,
    /// The application that signs in, with `client_secret` and `tenant_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The application's secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// The application's tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The address of another server that speaks the same language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The server is the emulator Azurite, which lists only from the start; without an `endpoint`, at
    /// its own port.
    pub emulator: bool,
}

/// Opens the blob store `azure`.
#[derive(Clone, Copy, Debug)]
pub struct AzureFactory;

impl Cloud for MicrosoftAzure {
    const NAME: &'static str = "azure";
    const TAGS_ARE_VERSIONS: bool = false;
    const SIGNS_CONTENT_TYPES: bool = false;
    const LISTS_PREFIX_ITSELF: bool = false;
    const NAMES_ARE_FREE: bool = false;
}

#[async_trait]
impl BackendFactory<dyn BlobStore> for AzureFactory {
    const NAME: &'static str = "azure";
    type Config = AzureConfig;

    /// Checks the settings. Nothing is sent: without a bucket there is nothing to ask for.
    ///
    /// # Errors
    /// `InvalidArgument` that names the setting.
    async fn open(config: AzureConfig, _context: OpenContext) -> Result<Arc<dyn BlobStore>> {
        options::check_endpoint("storage.azure.endpoint", config.endpoint.as_deref())?;
        options::install_tls();
        let has_offsets = !config.emulator;
        let make = move |bucket: &Bucket| builder(&config).with_container_name(bucket.as_str()).build();
        let probe = Bucket::new("probe")?;
        make(&probe).map_err(|error| {
            let detail = failure::error("azure", &probe, &error);
            Error::new(
                ErrorKind::InvalidArgument,
                "[storage.azure] cannot be used: see its account and credentials",
            )
            .with_detail(detail)
        })?;
        Ok(Arc::new(CloudBlobs::new(Box::new(make), has_offsets)))
    }
}

fn builder(config: &AzureConfig) -> MicrosoftAzureBuilder {
    let given = config.access_key.is_some() || config.client_secret.is_some();
    let mut builder = if given { MicrosoftAzureBuilder::new() } else { MicrosoftAzureBuilder::from_env() };
    if let Some(account) = &config.account {
        builder = builder.with_account(account);
    }
    if let Some(key) = &config.access_key {
        builder = builder.with_access_key(key.expose());
    }
    if let Some(id) = &config.client_id {
        builder = builder.with_client_id(id);
    }
    if let Some(secret) = &config.client_secret {
        builder = builder.with_client_secret(secret.expose());
    }
    if let Some(tenant) = &config.tenant_id {
        builder = builder.with_tenant_id(tenant);
    }
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    builder
        .with_use_emulator(config.emulator && config.endpoint.is_none())
        .with_client_options(options::client(config.endpoint.as_deref()).with_allow_http(config.emulator))
        .with_retry(options::retries())
}
