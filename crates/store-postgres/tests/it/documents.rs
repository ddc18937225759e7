//! What the suite does not look at: long keys, time limits, closing, and what SQL answers.

use std::time::Duration;

use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use tandem_contract::{Aggregate, Delete, DocumentStore, ErrorKind, Find, Target};
use tandem_store_postgres::PostgresDocumentStore;
use tandem_store_suite::common::{all, column, filter, index, target, unique, update};

use crate::common::schema_or_return;

async fn aggregate(store: &dyn DocumentStore, pipeline: Vec<Document>) -> Vec<Document> {
    let stream = store.aggregate(&target("c"), Aggregate { pipeline }).await.unwrap();
    stream.try_collect().await.unwrap()
}

#[tokio::test]
async fn keys_longer_than_postgres_takes_are_found_sorted_and_unique() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    let target = target("c");
    store.create_index(&target, unique(doc! { "k": 1 })).await.unwrap();
    let long = |tail: &str| format!("{}{tail}", "x".repeat(5000));
    let documents = ["b", "a", "c"].map(|tail| doc! { "_id": long(tail), "k": long(tail), "tail": tail });
    assert!(store.insert(&target, documents.to_vec(), true).await.unwrap().failures.is_empty());
    store.insert(&target, vec![doc! { "_id": "short", "k": "short", "tail": "-" }], true).await.unwrap();
    for tail in ["a", "b", "c"] {
        for found in [doc! { "_id": long(tail) }, doc! { "k": long(tail) }] {
            assert_eq!(column(&store, &target, filter(found.clone()), "tail").await, [Bson::from(tail)]);
            assert_eq!(store.count(&target, found, 0, None).await.unwrap(), 1);
        }
        let again = doc! { "_id": format!("new {tail}"), "k": long(tail) };
        let failures = store.insert(&target, vec![again], true).await.unwrap().failures;
        assert_eq!(failures[0].error.kind(), ErrorKind::DuplicateKey);
        let again = store.insert(&target, vec![doc! { "_id": long(tail) }], true).await.unwrap();
        assert_eq!(again.failures[0].error.kind(), ErrorKind::DuplicateKey);
    }
    for (path, expected) in [("k", ["-", "a", "b", "c"]), ("_id", ["-", "a", "b", "c"])] {
        let sorted = Find { sort: Some(doc! { path: 1 }), ..Find::default() };
        assert_eq!(column(&store, &target, sorted, "tail").await, expected.map(Bson::from));
        let above = doc! { path: { "$gt": long("a") } };
        assert_eq!(store.count(&target, above.clone(), 0, None).await.unwrap(), 2);
        let sorted = Find { sort: Some(doc! { path: -1 }), ..filter(above) };
        assert_eq!(column(&store, &target, sorted, "tail").await, ["c", "b"].map(Bson::from));
    }
}

#[tokio::test]
async fn counts_and_groups_that_keys_show_are_answered_by_keys() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    store.create_index(&target("c"), index(doc! { "a": 1 })).await.unwrap();
    let documents = [Bson::Int32(2), 1.into(), 2.0.into(), Bson::Null, 1_i64.into(), "x".into()];
    let documents = documents.into_iter().map(|a| doc! { "a": a }).chain([doc! {}]).collect();
    store.insert(&target("c"), documents, true).await.unwrap();
    let by_a = doc! { "$group": { "_id": "$a", "n": { "$sum": 1 }, "m": { "$count": {} } } };
    let group = |id: Bson, n: i32| doc! { "_id": id, "n": n, "m": n };
    let expected = [group(2.into(), 2), group(1.into(), 2), group(Bson::Null, 2), group("x".into(), 1)];
    assert_eq!(aggregate(&store, vec![by_a.clone()]).await, expected);
    let numbers = doc! { "$match": { "a": { "$gte": 1 } } };
    assert_eq!(aggregate(&store, vec![numbers.clone(), by_a.clone()]).await, expected[..2]);
    let total = doc! { "$group": { "_id": null, "n": { "$sum": 1 } } };
    assert_eq!(aggregate(&store, vec![total.clone()]).await, [doc! { "_id": null, "n": 7 }]);
    assert_eq!(aggregate(&store, vec![numbers, total]).await, [doc! { "_id": null, "n": 4 }]);
    let none = doc! { "$match": { "a": 9 } };
    assert!(aggregate(&store, vec![none, doc! { "$count": "n" }]).await.is_empty());
    let sorted = vec![
        doc! { "$sortByCount": "$a" },
        doc! { "$limit": 1 },
        doc! { "$project": { "count": 1, "_id": 0 } },
    ];
    assert_eq!(aggregate(&store, sorted).await, [doc! { "count": 2 }]);
    assert_eq!(store.count(&target("c"), doc! { "a": { "$in": [1, 2, "y"] } }, 0, None).await.unwrap(), 4);
    assert_eq!(store.count(&target("c"), doc! { "a": null }, 0, None).await.unwrap(), 2);
    // An array ends that: a document may have several keys.
    store.insert(&target("c"), vec![doc! { "a": [1, 2] }], true).await.unwrap();
    assert_eq!(store.count(&target("c"), doc! { "a": { "$in": [1, 2] } }, 0, None).await.unwrap(), 5);
    let groups = aggregate(&store, vec![by_a]).await;
    assert_eq!(groups[4], group(vec![1, 2].into(), 1));
}

#[tokio::test]
async fn conditions_on_paths_without_an_index_are_looked_at_by_the_server() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    let big = 9_007_199_254_740_993_i64;
    let documents = vec![
        doc! { "_id": 1, "a": { "b": 5 } },
        doc! { "_id": 2, "a": [{ "b": 5.0 }, { "b": 6 }] },
        doc! { "_id": 3, "a": { "b": "5" } },
        doc! { "_id": 4, "a": { "b": big } },
        doc! { "_id": 5, "a": { "b": f64::INFINITY } },
        doc! { "_id": 6, "a": { "b": "5".parse::<bson::Decimal128>().unwrap() } },
        doc! { "_id": 7, "a": { "b": "nul\0" } },
        doc! { "_id": 8, "a": { "b": bson::DateTime::from_millis(5) } },
        doc! { "_id": 9, "a": { "b": [[5]] } },
    ];
    store.insert(&target("c"), documents, true).await.unwrap();
    for (condition, expected) in [
        (Bson::Int32(5), vec![1, 2, 6]),
        (doc! { "$gt": 5 }.into(), vec![2, 4, 5]),
        (doc! { "$gte": 5, "$lt": 6 }.into(), vec![1, 2, 6]),
        (Bson::Int64(big), vec![4]),
        (Bson::Double(big as f64), vec![]),
        (doc! { "$lt": f64::INFINITY, "$gt": 5.5 }.into(), vec![2, 4]),
        ("5".into(), vec![3]),
        (doc! { "$gt": "5" }.into(), vec![7]),
        (doc! { "$in": ["5", 5] }.into(), vec![1, 2, 3, 6]),
        (doc! { "$exists": true }.into(), vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (doc! { "$lte": bson::DateTime::from_millis(5) }.into(), vec![8]),
    ] {
        let found = column(&store, &target("c"), filter(doc! { "a.b": condition.clone() }), "_id").await;
        assert_eq!(found, expected.into_iter().map(Bson::Int32).collect::<Vec<_>>(), "{condition}");
    }
    let told = store.explain(&target("c"), filter(doc! { "a.b": 5, "a.c": null })).await.unwrap();
    let expected =
        doc! { "backend": "postgres", "pushed": { "a.b": { "$eq": 5 } }, "matched": { "a.c": null } };
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_does_not_fit_its_time_is_given_up_and_undone() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    store.insert(&target("c"), vec![doc! { "_id": 1, "n": 0 }], true).await.unwrap();
    let transaction = store.begin().await.unwrap();
    let inside = Target { transaction: Some(transaction), ..target("c") };
    let increment = || update(doc! { "_id": 1 }, doc! { "$inc": { "n": 1 } });
    store.update(&inside, increment()).await.unwrap();
    // Waits for the row that the transaction holds.
    let hurried = Target { timeout: Some(Duration::from_millis(200)), ..target("c") };
    let error = store.update(&hurried, increment()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
    assert!(error.message().contains("timed out"), "{error}");
    store.commit(transaction).await.unwrap();
    let enough = Target { timeout: Some(Duration::from_secs(60)), ..target("c") };
    store.update(&enough, increment()).await.unwrap();
    assert_eq!(column(&store, &target("c"), Find::default(), "n").await, [Bson::Int32(2)]);
}

#[tokio::test]
async fn a_transaction_that_stays_open_too_long_is_aborted() {
    let schema = schema_or_return!();
    let limit = Duration::from_millis(300);
    let context = crate::common::context();
    let store = PostgresDocumentStore::open_with_limit(schema.config(), &context, limit).await.unwrap();
    store.insert(&target("c"), vec![doc! { "_id": 1, "n": 0 }], true).await.unwrap();
    let inside = Target { transaction: Some(store.begin().await.unwrap()), ..target("c") };
    let increment = || update(doc! { "_id": 1 }, doc! { "$inc": { "n": 1 } });
    store.update(&inside, increment()).await.unwrap();
    // Waits until the row is free, which is when the transaction is over.
    store.update(&target("c"), increment()).await.unwrap();
    assert_eq!(column(&store, &target("c"), Find::default(), "n").await, [Bson::Int32(1)]);
    let error = store.update(&inside, increment()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_cancelled_operation_leaves_the_transaction_whole_or_ends_it() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    store.insert(&target("c"), vec![doc! { "_id": "outside" }], true).await.unwrap();
    for limit in 0..20_u64 {
        let transaction = store.begin().await.unwrap();
        let tx = Target { transaction: Some(transaction), ..target("c") };
        store.insert(&tx, vec![doc! { "_id": "first" }], true).await.unwrap();
        let batch = (0..200).map(|n| doc! { "n": n }).collect();
        let insert = store.insert(&tx, batch, true);
        let cancelled = tokio::time::timeout(Duration::from_micros(limit * 300), insert).await.is_err();
        match store.commit(transaction).await {
            Ok(()) => {
                let count = store.count(&target("c"), doc! {}, 0, None).await.unwrap();
                assert!(count == 202 || (cancelled && count == 2), "{count}");
                store
                    .delete(&target("c"), Delete { filter: doc! { "_id": { "$ne": "outside" } }, many: true })
                    .await
                    .unwrap();
            }
            Err(error) => assert!(cancelled && error.kind() == ErrorKind::Conflict, "{error}"),
        }
        assert_eq!(store.count(&target("c"), doc! {}, 0, None).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn calls_after_close_fail() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    let transaction = store.begin().await.unwrap();
    store.close().await;
    store.close().await;
    for error in [
        store.insert(&target("c"), vec![doc! {}], true).await.unwrap_err(),
        store.ping().await.unwrap_err(),
        store.sql("SELECT 1", vec![]).await.unwrap_err(),
        store.begin().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
    }
    store.abort(transaction).await.unwrap();
    assert!(all(&schema.store().await, &target("c"), Find::default()).await.is_empty());
}
