//! What every blob store does, on every blob store of this crate.
#![cfg(test)]

mod opening;

use std::path::Path;

use opening::context;
use tandem_blobs::behavior_suite;
use tandem_blobs::suite::Subject;
use tandem_contract::BackendFactory;
use tandem_store_object::MemoryFactory;
use tempfile::TempDir;

behavior_suite!(local);
behavior_suite!(memory);

/// The store `local`, empty.
async fn local() -> (Subject, TempDir) {
    let (store, folder) = opening::local().await;
    (store.into(), folder)
}

/// The store `memory`, empty.
async fn memory() -> (Subject, ()) {
    let store = MemoryFactory::open(Default::default(), context(Path::new("."))).await;
    (store.unwrap().into(), ())
}
