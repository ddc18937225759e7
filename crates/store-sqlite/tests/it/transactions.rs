//! Transactions: isolated, atomic, and never open for ever.

use std::sync::Arc;

use bson::{Bson, doc};
use futures_util::StreamExt;
use tandem_contract::{Delete, DocumentStore, ErrorKind, Expected, Find, FunctionStore, Target};
use tempfile::tempdir;

use crate::common::{all, documents, draft, functions, index, target, unique, update};

fn inside(collection: &str, transaction: u64) -> Target {
    Target { transaction: Some(transaction), ..target(collection) }
}

#[tokio::test]
async fn what_is_not_committed_is_seen_inside_only() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let outside = target("c");
    store.insert(&outside, vec![doc! { "_id": 1, "n": 1 }], true).await.unwrap();
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    store.update(&tx, update(doc! { "_id": 1 }, doc! { "$set": { "n": 2 } })).await.unwrap();
    store.insert(&tx, vec![doc! { "_id": 2, "n": 2 }], true).await.unwrap();
    assert_eq!(store.count(&tx, doc! { "n": 2 }, 0, None).await.unwrap(), 2);
    assert_eq!(all(&store, &outside, Find::default()).await, [doc! { "_id": 1, "n": 1 }]);
    store.commit(transaction).await.unwrap();
    assert_eq!(store.count(&outside, doc! { "n": 2 }, 0, None).await.unwrap(), 2);
}

#[tokio::test]
async fn an_abort_undoes_everything_and_may_come_twice() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    store.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    store.delete(&tx, Delete { filter: doc! {}, many: true }).await.unwrap();
    store.insert(&inside("made", transaction), vec![doc! {}], true).await.unwrap();
    store.create_index(&tx, index(doc! { "a": 1 })).await.unwrap();
    store.abort(transaction).await.unwrap();
    store.abort(transaction).await.unwrap();
    assert_eq!(all(&store, &target("c"), Find::default()).await, [doc! { "_id": 1 }]);
    assert_eq!(store.list_collections().await.unwrap(), ["c"]);
    assert_eq!(store.list_indexes(&target("c")).await.unwrap().len(), 1);
    // The index that was undone leaves nothing in a cache.
    store.create_index(&target("c"), unique(doc! { "b": 1 })).await.unwrap();
    assert_eq!(store.list_indexes(&target("c")).await.unwrap()[1].keys, doc! { "b": 1 });
}

#[tokio::test]
async fn a_transaction_that_is_over_says_so() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    store.insert(&tx, vec![doc! {}, doc! {}], true).await.unwrap();
    let stream = store.find(&tx, Find::default()).await.unwrap();
    store.commit(transaction).await.unwrap();
    drop(stream);
    for error in [
        store.insert(&tx, vec![doc! {}], true).await.unwrap_err(),
        store.count(&tx, doc! {}, 0, None).await.unwrap_err(),
        store.commit(transaction).await.unwrap_err(),
        store.commit(12345).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.message().contains("is not open"), "{error}");
    }
}

#[tokio::test]
async fn a_stream_of_a_transaction_ends_with_it() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    store.insert(&tx, (0..1000).map(|n| doc! { "n": n }).collect(), true).await.unwrap();
    let stream = store.find(&tx, Find::default()).await.unwrap();
    store.abort(transaction).await.unwrap();
    let items: Vec<_> = stream.collect().await;
    let error = items.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(items.len() < 1000);
}

#[tokio::test]
async fn an_operation_that_fails_inside_undoes_itself_only() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    store.create_index(&target("c"), unique(doc! { "u": 1 })).await.unwrap();
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    store.insert(&tx, vec![doc! { "_id": 1, "u": 1 }, doc! { "_id": 2, "u": 2 }], true).await.unwrap();
    let clash = update(doc! {}, doc! { "$set": { "u": 2 } });
    let clash = tandem_contract::Update { many: true, ..clash };
    assert_eq!(store.update(&tx, clash).await.unwrap_err().kind(), ErrorKind::DuplicateKey);
    store.commit(transaction).await.unwrap();
    let expected = [doc! { "_id": 1, "u": 1 }, doc! { "_id": 2, "u": 2 }];
    assert_eq!(all(&store, &target("c"), Find::default()).await, expected);
}

#[tokio::test]
async fn a_cancelled_operation_leaves_the_transaction_whole() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    store.insert(&tx, vec![doc! { "_id": "first" }], true).await.unwrap();
    for limit in 0..20_u32 {
        let batch = (0..500).map(|n| doc! { "n": n }).collect();
        let insert = store.insert(&tx, batch, true);
        if tokio::time::timeout(std::time::Duration::from_micros(u64::from(limit) * 100), insert)
            .await
            .is_ok()
        {
            store
                .delete(&tx, Delete { filter: doc! { "n": { "$exists": true } }, many: true })
                .await
                .unwrap();
        }
    }
    store.commit(transaction).await.unwrap();
    // One that was cancelled after its end counts as done.
    let left = store.count(&target("c"), doc! {}, 0, None).await.unwrap();
    assert_eq!(left % 500, 1, "{left}");
}

#[tokio::test]
async fn writers_outside_wait_for_the_end() {
    let folder = tempdir().unwrap();
    let store = Arc::new(documents(folder.path()).await);
    let publisher = functions(folder.path()).await;
    let transaction = store.begin().await.unwrap();
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.update(&target("c"), update(doc! { "_id": 1 }, doc! { "$inc": { "n": 1 } })).await }
    });
    let tx = inside("c", transaction);
    store.insert(&tx, vec![doc! { "_id": 1, "n": 1 }], true).await.unwrap();
    let second = async {
        let second = store.begin().await.unwrap();
        store.abort(second).await.unwrap();
    };
    let published = publisher.put(draft("f", "x"), Expected::Any);
    let (committed, published, ()) = tokio::join!(store.commit(transaction), published, second);
    committed.unwrap();
    published.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(all(&*store, &target("c"), Find::default()).await[0].get("n"), Some(&Bson::Int32(2)));
}
