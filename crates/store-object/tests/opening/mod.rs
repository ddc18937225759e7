//! Stores to test with, and what they need.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tandem_contract::{BackendFactory, BlobStore, OpenContext, Result, SystemClock, SystemEntropy};
use tandem_store_object::{LocalFactory, MemoryFactory};

/// An open context whose relative paths are below `base`.
pub fn context(base: &Path) -> OpenContext {
    OpenContext { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), base: base.to_owned() }
}

/// Opens the store `local` in a folder; unsynced, because thousands of writes are tested.
pub async fn open_local(base: &Path) -> Result<Arc<dyn BlobStore>> {
    let config = serde_json::from_value(json!({ "root": "objects", "sync": false })).unwrap();
    LocalFactory::open(config, context(base)).await
}

/// The store `local`, empty.
pub async fn local() -> (Arc<dyn BlobStore>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open_local(folder.path()).await.unwrap(), folder)
}

/// The store `memory`, empty.
pub async fn memory() -> (Arc<dyn BlobStore>, ()) {
    let store = MemoryFactory::open(Default::default(), context(Path::new("."))).await;
    (store.unwrap(), ())
}
