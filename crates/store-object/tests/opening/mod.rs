//! Stores to test with, and what they need.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tandem_contract::{BackendFactory, BlobStore, OpenContext, Result, SystemClock, SystemEntropy};
use tandem_store_object::LocalFactory;

/// An open context whose relative paths are below `base`.
pub(crate) fn context(base: &Path) -> OpenContext {
    OpenContext { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), base: base.to_owned() }
}

/// Opens the store `local` in a folder; unsynced, because thousands of writes are tested.
pub(crate) async fn open_local(base: &Path) -> Result<Arc<dyn BlobStore>> {
    let config = serde_json::from_value(json!({ "root": "objects", "sync": false })).unwrap();
    LocalFactory::open(config, context(base)).await
}

/// The store `local`, empty.
pub(crate) async fn local() -> (Arc<dyn BlobStore>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open_local(folder.path()).await.unwrap(), folder)
}
