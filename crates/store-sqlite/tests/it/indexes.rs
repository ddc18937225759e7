//! Indexes by which documents expire, and such as others change.

use std::time::{Duration, SystemTime};

use bson::{Bson, DateTime, doc};
use tandem_contract::{DocumentStore, ErrorKind, Find, IndexSpec};
use tandem_store_suite::common::{column, filter, index, target};
use tempfile::tempdir;

use crate::common::{documents, other_tool, run};

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

#[tokio::test]
async fn what_another_process_does_to_indexes_is_seen_by_the_next_operation() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let target = target("c");
    store.create_index(&target, index(doc! { "k": 1 })).await.unwrap();
    let batch = (0..6).map(|n| doc! { "_id": n, "k": n % 2 }).collect();
    store.insert(&target, batch, true).await.unwrap();
    let found = || async {
        let ids = column(&store, &target, filter(doc! { "k": 1 }), "_id").await;
        ids.iter().filter_map(Bson::as_i32).collect::<Vec<_>>()
    };
    assert_eq!(found().await, [1, 3, 5]);
    store.insert(&target, vec![doc! { "_id": 6 }], true).await.unwrap();

    let mut other = other_tool(folder.path()).await;
    // A document with an array may have several keys of an index.
    run(&mut other, "UPDATE indexes SET multikey = 1").await;
    run(&mut other, "INSERT INTO index_entries SELECT index_id, key || x'00', seq FROM index_entries").await;
    assert_eq!(found().await, [1, 3, 5]);
    run(&mut other, "DELETE FROM index_entries").await;
    run(&mut other, "DELETE FROM indexes").await;
    assert_eq!(found().await, [1, 3, 5]);
    store.insert(&target, vec![doc! { "_id": 7, "k": 1 }], true).await.unwrap();
    assert_eq!(found().await, [1, 3, 5, 7]);

    store.create_index(&target, index(doc! { "k": 1 })).await.unwrap();
    assert_eq!(found().await, [1, 3, 5, 7]);
    let another =
        "INSERT INTO indexes (collection, name, spec) SELECT collection, 'another', spec FROM indexes";
    run(&mut other, another).await;
    store.insert(&target, vec![doc! { "_id": 8, "k": 1 }], true).await.unwrap();
    let entries: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM index_entries JOIN indexes ON index_id = id WHERE name = 'another'",
    )
    .fetch_one(&mut other)
    .await
    .unwrap();
    assert_eq!(entries, 1);
    run(&mut other, "DELETE FROM documents").await;
    run(&mut other, "DELETE FROM indexes").await;
    run(&mut other, "DELETE FROM index_entries").await;
    run(&mut other, "DELETE FROM collections").await;
    assert!(found().await.is_empty());
    store.insert(&target, vec![doc! { "_id": 9, "k": 1 }], true).await.unwrap();
    assert_eq!(found().await, [9]);
}
