use std::collections::BTreeMap;
use std::sync::Arc;

use tandem_contract::{BlobStore, Clock, DocumentStore, Entropy};

use crate::storage::UrlSigner;

/// What a [`crate::CloudHost`] is made of.
pub struct CloudParts {
    /// What `cloud.database()` reaches.
    pub documents: Arc<dyn DocumentStore>,
    /// What `cloud.storage` reaches.
    pub blobs: Arc<dyn BlobStore>,
    /// Signs URLs where the blob store cannot.
    pub signer: Option<Arc<dyn UrlSigner>>,
    /// `cloud.env`.
    pub env: BTreeMap<String, String>,
    /// Which buckets functions may use.
    pub storage: StorageSettings,
    /// Which hosts functions may fetch from.
    pub fetch: FetchSettings,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
}

/// Which buckets functions may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSettings {
    /// The bucket of `cloud.storage.bucket()` without a name.
    pub default_bucket: String,
    /// Buckets allowed besides the default; `*` allows all.
    pub buckets: Vec<String>,
}

/// Which hosts functions may fetch from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchSettings {
    /// `example.com`, `example.com:8443` or `*.example.com`; `*` allows every public host. A host
    /// on a private network is reached only when it is written in full, this machine only as
    /// `localhost` or by address. Empty: `fetch` is off.
    pub allow: Vec<String>,
}
