use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bson::doc;
use tandem_contract::{DocumentStore, ErrorKind, OpenContext, SystemClock, SystemEntropy, Target};

use super::SqliteDocumentStore;
use crate::SqliteConfig;

/// What a store in `folder` is opened with.
pub(super) fn context(folder: &Path) -> OpenContext {
    OpenContext { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), base: folder.to_owned() }
}

#[tokio::test]
async fn a_transaction_that_stays_open_too_long_is_aborted() {
    let folder = tempfile::tempdir().unwrap();
    let context = context(folder.path());
    let limit = Duration::from_millis(300);
    let store = SqliteDocumentStore::open_with_limit(SqliteConfig::default(), &context, limit).await.unwrap();
    let outside = Target { collection: "c".into(), transaction: None, timeout: None };
    let inside = Target { transaction: Some(store.begin().await.unwrap()), ..outside.clone() };
    store.insert(&inside, vec![doc! {}], true).await.unwrap();
    // Waits until the writer is free, which is when the transaction is over.
    store.insert(&outside, vec![doc! {}], true).await.unwrap();
    assert_eq!(store.count(&outside, doc! {}, 0, None).await.unwrap(), 1);
    let error = store.insert(&inside, vec![doc! {}], true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("is not open"), "{error}");
}
