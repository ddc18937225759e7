//! Transactions: isolated, atomic, and never open for ever.

use bson::doc;
use futures_util::StreamExt;
use tandem_contract::{Delete, ErrorKind, Find, Target};

use crate::Place;
use crate::common::{all, index, target, unique, update};

fn inside(collection: &str, transaction: u64) -> Target {
    Target { transaction: Some(transaction), ..target(collection) }
}

/// See the name.
pub async fn what_is_not_committed_is_seen_inside_only(place: &dyn Place) {
    let store = place.documents().await;
    let outside = target("c");
    store.insert(&outside, vec![doc! { "_id": 1, "n": 1 }], true).await.unwrap();
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    store.update(&tx, update(doc! { "_id": 1 }, doc! { "$set": { "n": 2 } })).await.unwrap();
    store.insert(&tx, vec![doc! { "_id": 2, "n": 2 }], true).await.unwrap();
    assert_eq!(store.count(&tx, doc! { "n": 2 }, 0, None).await.unwrap(), 2);
    assert_eq!(all(&*store, &outside, Find::default()).await, [doc! { "_id": 1, "n": 1 }]);
    store.commit(transaction).await.unwrap();
    assert_eq!(store.count(&outside, doc! { "n": 2 }, 0, None).await.unwrap(), 2);
}

/// See the name.
pub async fn an_abort_undoes_everything_and_may_come_twice(place: &dyn Place) {
    let store = place.documents().await;
    store.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    store.delete(&tx, Delete { filter: doc! {}, many: true }).await.unwrap();
    store.insert(&inside("made", transaction), vec![doc! {}], true).await.unwrap();
    store.create_index(&tx, index(doc! { "a": 1 })).await.unwrap();
    store.abort(transaction).await.unwrap();
    store.abort(transaction).await.unwrap();
    assert_eq!(all(&*store, &target("c"), Find::default()).await, [doc! { "_id": 1 }]);
    assert_eq!(store.list_collections().await.unwrap(), ["c"]);
    assert_eq!(store.list_indexes(&target("c")).await.unwrap().len(), 1);
    // The index that was undone leaves nothing in a cache.
    store.create_index(&target("c"), unique(doc! { "b": 1 })).await.unwrap();
    assert_eq!(store.list_indexes(&target("c")).await.unwrap()[1].keys, doc! { "b": 1 });
}

/// See the name.
pub async fn a_transaction_that_is_over_says_so(place: &dyn Place) {
    let store = place.documents().await;
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

/// See the name.
pub async fn a_stream_of_a_transaction_ends_with_it(place: &dyn Place) {
    let store = place.documents().await;
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

/// See the name.
pub async fn an_operation_that_fails_inside_undoes_itself_only(place: &dyn Place) {
    let store = place.documents().await;
    store.create_index(&target("c"), unique(doc! { "u": 1 })).await.unwrap();
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    store.insert(&tx, vec![doc! { "_id": 1, "u": 1 }, doc! { "_id": 2, "u": 2 }], true).await.unwrap();
    let clash = update(doc! {}, doc! { "$set": { "u": 2 } });
    let clash = tandem_contract::Update { many: true, ..clash };
    assert_eq!(store.update(&tx, clash).await.unwrap_err().kind(), ErrorKind::DuplicateKey);
    store.commit(transaction).await.unwrap();
    let expected = [doc! { "_id": 1, "u": 1 }, doc! { "_id": 2, "u": 2 }];
    assert_eq!(all(&*store, &target("c"), Find::default()).await, expected);
}
