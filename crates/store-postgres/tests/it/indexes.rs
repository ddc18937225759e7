//! Indexes that are made and change their nature while others write.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bson::{Bson, DateTime, doc};
use futures_util::{StreamExt, TryStreamExt};
use tandem_contract::{DocumentStore, ErrorKind, Find, IndexSpec};
use tandem_store_suite::common::{column, filter, index, target, update};

use crate::common::schema_or_return;

#[tokio::test]
async fn documents_expire() {
    let schema = schema_or_return!();
    let store = schema.store().await;
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
}

#[tokio::test]
async fn an_index_made_while_others_write_misses_nothing() {
    let schema = schema_or_return!();
    let one = Arc::new(schema.store().await);
    let two = Arc::new(schema.other_process().await);
    one.insert(&target("c"), vec![doc! { "k": -1 }], true).await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = Arc::clone(if writer % 2 == 0 { &one } else { &two });
            tokio::spawn(async move {
                for n in 0..40 {
                    let k = writer * 100 + n;
                    let result =
                        store.insert(&target("c"), vec![doc! { "_id": k, "k": k }], true).await.unwrap();
                    assert!(result.failures.is_empty());
                    if n % 4 == 0 {
                        let change = update(doc! { "_id": k }, doc! { "$set": { "k": k + 10_000 } });
                        assert_eq!(store.update(&target("c"), change).await.unwrap().modified, 1);
                    }
                }
            })
        })
        .collect();
    for n in 0..4 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let store = if n % 2 == 0 { &one } else { &two };
        store.create_index(&target("c"), index(doc! { "k": 1 })).await.unwrap();
        if n < 3 {
            store.drop_index(&target("c"), "k_1").await.unwrap();
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for store in [&one, &two] {
        let by_index = filter(doc! { "k": { "$gte": -1 } });
        let told = store.explain(&target("c"), by_index.clone()).await.unwrap();
        assert_eq!(told.get_str("index").unwrap(), "k_1");
        let mut found = column(&**store, &target("c"), by_index, "k").await;
        let mut expected = column(&**store, &target("c"), Find::default(), "k").await;
        assert_eq!(expected.len(), 321);
        let number = |value: &Bson| value.as_i32().unwrap();
        found.sort_by_key(number);
        expected.sort_by_key(number);
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn an_array_that_another_process_writes_is_heeded_at_once() {
    let schema = schema_or_return!();
    let one = schema.store().await;
    let two = schema.other_process().await;
    one.create_index(&target("c"), index(doc! { "a": 1 })).await.unwrap();
    one.insert(&target("c"), vec![doc! { "_id": 1, "a": 3 }], true).await.unwrap();
    let range = doc! { "a": { "$gt": 2, "$lt": 4 } };
    assert_eq!(one.count(&target("c"), range.clone(), 0, None).await.unwrap(), 1);
    // Different elements satisfy the two conditions: not so for a plan that knows of no arrays.
    two.insert(&target("c"), vec![doc! { "_id": 2, "a": [1, 5] }], true).await.unwrap();
    assert_eq!(one.count(&target("c"), range.clone(), 0, None).await.unwrap(), 2);
    let found = column(&one, &target("c"), filter(range), "_id").await;
    assert_eq!(found.len(), 2);
}

#[tokio::test]
async fn a_cursor_goes_on_while_indexes_come_and_documents_become_arrays() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    store.create_index(&target("c"), index(doc! { "n": 1 })).await.unwrap();
    store.insert(&target("c"), (0..1000).map(|n| doc! { "_id": n, "n": n }).collect(), true).await.unwrap();
    let mut stream = store.find(&target("c"), filter(doc! { "n": { "$gte": 0 } })).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    store.create_index(&target("c"), index(doc! { "other": 1 })).await.unwrap();
    let array = update(doc! { "_id": 0 }, doc! { "$set": { "n": [0, 999] } });
    store.update(&target("c"), array).await.unwrap();
    let rest: Vec<_> = stream.try_collect().await.unwrap();
    let ids: Vec<_> = [first].iter().chain(&rest).map(|d| d.get_i32("_id").unwrap()).collect();
    assert_eq!(ids, (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_collection_that_was_dropped_and_made_again_is_the_new_one() {
    let schema = schema_or_return!();
    let one = schema.store().await;
    let two = schema.other_process().await;
    one.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();
    assert_eq!(two.count(&target("c"), doc! {}, 0, None).await.unwrap(), 1);
    assert!(one.drop_collection(&target("c")).await.unwrap());
    assert_eq!(two.count(&target("c"), doc! {}, 0, None).await.unwrap(), 0);
    two.insert(&target("c"), vec![doc! { "_id": 2 }], true).await.unwrap();
    assert_eq!(column(&one, &target("c"), Find::default(), "_id").await, [Bson::Int32(2)]);
    let error = one.drop_index(&target("c"), "none").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_another_process_does_to_an_index_does_not_mislead_its_lookups() {
    let schema = schema_or_return!();
    let (one, two) = (schema.store().await, schema.other_process().await);
    let target = target("c");
    let found = || async {
        let ids = column(&one, &target, filter(doc! { "k": 1 }), "_id").await;
        ids.iter().filter_map(Bson::as_i32).collect::<Vec<_>>()
    };
    one.create_index(&target, index(doc! { "k": 1 })).await.unwrap();
    one.insert(&target, (0..6).map(|n| doc! { "_id": n, "k": n % 2 }).collect(), true).await.unwrap();
    assert_eq!(found().await, [1, 3, 5]);
    // From now on a document may have several keys.
    two.insert(&target, vec![doc! { "_id": 6, "k": [1, 2, 1] }], true).await.unwrap();
    assert_eq!(found().await, [1, 3, 5, 6]);
    two.drop_index(&target, "k_1").await.unwrap();
    two.insert(&target, vec![doc! { "_id": 7, "k": 1 }], true).await.unwrap();
    assert_eq!(found().await, [1, 3, 5, 6, 7]);
    two.create_index(&target, index(doc! { "k": -1 })).await.unwrap();
    assert_eq!(found().await, [1, 3, 5, 6, 7]);
    two.drop_index(&target, "k_-1").await.unwrap();
    let partial = IndexSpec { partial_filter: Some(doc! { "live": true }), ..index(doc! { "k": -1 }) };
    two.create_index(&target, partial).await.unwrap();
    assert_eq!(found().await, [1, 3, 5, 6, 7]);
    two.drop_collection(&target).await.unwrap();
    assert!(found().await.is_empty());
    two.create_index(&target, index(doc! { "k": 1 })).await.unwrap();
    two.insert(&target, vec![doc! { "_id": 8, "k": 1 }], true).await.unwrap();
    assert_eq!(found().await, [8]);
}

#[tokio::test]
async fn a_long_key_is_looked_up_whole() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    let target = target("c");
    store.create_index(&target, index(doc! { "k": 1 })).await.unwrap();
    let long = |end: &str| format!("{}{end}", "x".repeat(5000));
    let batch = ["a", "b", "a"].map(|end| doc! { "k": long(end), "end": end });
    store.insert(&target, batch.to_vec(), true).await.unwrap();
    for (end, count) in [("a", 2), ("b", 1), ("c", 0)] {
        let found = column(&store, &target, filter(doc! { "k": long(end) }), "end").await;
        assert_eq!(found, vec![Bson::String(end.into()); count]);
    }
}
