//! Indexes by which documents expire.

use std::time::{Duration, SystemTime};

use bson::{Bson, DateTime, doc};
use tandem_contract::{DocumentStore, ErrorKind, Find, IndexSpec};
use tandem_store_suite::common::{column, index, target};
use tempfile::tempdir;

use crate::common::documents;

#[tokio::test]
async fn documents_expire() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let target = target("c");
    let spec = IndexSpec { expire_after_seconds: Some(60), ..index(doc! { "at": 1 }) };
    store.create_index(&target, spec).await.unwrap();
    let ago = |seconds| DateTime::from_system_time(SystemTime::now() - Duration::from_secs(seconds));
    let batch = vec![
        doc! { "_id": "old", "at": ago(3600) },
        doc! { "_id": "new", "at": ago(1) },
        doc! { "_id": "list", "at": [ago(1), ago(3600)] },
        doc! { "_id": "number", "at": 1 },
        doc! { "_id": "none" },
    ];
    store.insert(&target, batch, true).await.unwrap();
    assert_eq!(store.delete_expired().await.unwrap(), 2);
    let left = column(&store, &target, Find::default(), "_id").await;
    assert_eq!(left, ["new", "number", "none"].map(|id| Bson::String(id.into())));
    for keys in [doc! { "a": 1, "b": 1 }, doc! { "_id": 1 }] {
        let spec = IndexSpec { expire_after_seconds: Some(60), ..index(keys) };
        assert_eq!(store.create_index(&target, spec).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}
