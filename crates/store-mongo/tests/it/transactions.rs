//! Transactions.

use bson::doc;
use futures_util::StreamExt;
use tandem_contract::{DocumentStore, ErrorKind, Find, Target, TransactionId};

use crate::common::{Scratch, ids, target, update};

fn inside(collection: &str, transaction: TransactionId) -> Target {
    Target { transaction: Some(transaction), ..target(collection) }
}

#[tokio::test]
async fn what_is_inside_is_seen_outside_after_the_commit_only() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    store.insert(&target("c"), vec![doc! { "_id": 0 }], true).await.unwrap();
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    store.insert(&tx, vec![doc! { "_id": 1 }, doc! { "_id": 2 }], true).await.unwrap();
    store.update(&tx, update(doc! { "_id": 0 }, doc! { "$set": { "a": 1 } })).await.unwrap();
    assert_eq!(store.count(&tx, doc! {}, 0, None).await.unwrap(), 3);
    assert_eq!(store.estimated_count(&tx).await.unwrap(), 3);
    assert_eq!(ids(&store, &target("c"), doc! {}).await, [0.into()]);
    store.commit(transaction).await.unwrap();
    assert_eq!(ids(&store, &target("c"), doc! {}).await, [0.into(), 1.into(), 2.into()]);
    let error = store.count(&tx, doc! {}, 0, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    scratch.end().await;
}

#[tokio::test]
async fn what_is_aborted_never_was() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let transaction = store.begin().await.unwrap();
    store.insert(&inside("c", transaction), vec![doc! { "_id": 1 }], true).await.unwrap();
    store.abort(transaction).await.unwrap();
    store.abort(transaction).await.unwrap();
    assert!(ids(&store, &target("c"), doc! {}).await.is_empty());
    assert_eq!(store.commit(transaction).await.unwrap_err().kind(), ErrorKind::Conflict);
    scratch.end().await;
}

#[tokio::test]
async fn of_two_that_write_the_same_document_one_is_told_to_try_again() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    store.insert(&target("c"), vec![doc! { "_id": 1, "n": 0 }], true).await.unwrap();
    let (one, two) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    let change = || update(doc! { "_id": 1 }, doc! { "$inc": { "n": 1 } });
    store.update(&inside("c", one), change()).await.unwrap();
    let error = store.update(&inside("c", two), change()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    // It stays lost.
    let error = store.count(&inside("c", two), doc! {}, 0, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    store.commit(one).await.unwrap();
    assert_eq!(store.commit(two).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(ids(&store, &target("c"), doc! { "n": 1 }).await, [1.into()]);
    scratch.end().await;
}

#[tokio::test]
async fn a_failed_operation_ends_the_transaction_and_is_named_as_the_reason() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    store.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    let inserted = store.insert(&tx, vec![doc! { "_id": 2 }, doc! { "_id": 1 }], true).await.unwrap();
    assert_eq!(inserted.failures[0].error.kind(), ErrorKind::DuplicateKey);
    for error in
        [store.count(&tx, doc! {}, 0, None).await.unwrap_err(), store.commit(transaction).await.unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("E11000"), "{error}");
    }
    assert_eq!(ids(&store, &target("c"), doc! {}).await, [1.into()]);
    scratch.end().await;
}

#[tokio::test]
async fn a_cursor_reads_on_between_other_operations() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let many = (0..300).map(|id| doc! { "_id": id }).collect();
    store.insert(&target("c"), many, true).await.unwrap();
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    let mut found = store.find(&tx, Find::default()).await.unwrap();
    let mut count = 0;
    while let Some(document) = found.next().await {
        let id = document.unwrap().get_i32("_id").unwrap();
        if id % 100 == 0 {
            store.update(&tx, update(doc! { "_id": id }, doc! { "$set": { "seen": true } })).await.unwrap();
        }
        count += 1;
    }
    drop(found);
    store.commit(transaction).await.unwrap();
    assert_eq!(count, 300);
    assert_eq!(store.count(&target("c"), doc! { "seen": true }, 0, None).await.unwrap(), 3);
    scratch.end().await;
}

#[tokio::test]
async fn operations_of_whole_collections_are_refused_by_name() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let transaction = store.begin().await.unwrap();
    let error = store.drop_collection(&inside("c", transaction)).await.unwrap_err();
    assert_eq!(error.message(), "NOT_SUPPORTED: drop in a transaction on mongo");
    store.abort(transaction).await.unwrap();
    scratch.end().await;
}
