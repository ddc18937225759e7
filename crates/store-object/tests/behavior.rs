//! What every blob store does, on every blob store of this crate.
#![cfg(test)]

mod opening;
mod suite;

use std::path::Path;
use std::sync::Arc;

use opening::{context, local};
use suite::{behavior_suite, cases};
use tandem_contract::{BackendFactory, BlobStore};
use tandem_store_object::MemoryFactory;

behavior_suite!(local);
behavior_suite!(memory);

/// The store `memory`, empty.
async fn memory() -> (Arc<dyn BlobStore>, ()) {
    let store = MemoryFactory::open(Default::default(), context(Path::new("."))).await;
    (store.unwrap(), ())
}
