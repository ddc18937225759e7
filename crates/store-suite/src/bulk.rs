//! Batches, ordered and not, with failures in the middle.

use bson::{Bson, doc};
use tandem_contract::{Delete, ErrorKind, Find, Update, WriteModel};

use crate::Place;
use crate::common::{all, column, target, unique, update};

/// See the name.
pub async fn an_ordered_insert_stops_at_the_first_failure(place: &dyn Place) {
    let store = place.documents().await;
    let batch = || vec![doc! { "_id": 1 }, doc! { "_id": 2 }, doc! { "_id": 1 }, doc! { "_id": 3 }];
    let result = store.insert(&target("ordered"), batch(), true).await.unwrap();
    assert_eq!(
        result.inserted_ids.into_iter().collect::<Vec<_>>(),
        [(0, Bson::Int32(1)), (1, Bson::Int32(2))]
    );
    assert_eq!(result.failures.len(), 1);
    assert_eq!(result.failures[0].index, 2);
    assert_eq!(result.failures[0].error.kind(), ErrorKind::DuplicateKey);
    assert_eq!(
        result.failures[0].error.message(),
        "E11000 duplicate key error collection: ordered index: _id_ dup key: { _id: 1 }"
    );
    let result = store.insert(&target("unordered"), batch(), false).await.unwrap();
    assert_eq!(result.inserted_ids.keys().copied().collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(result.failures.len(), 1);
    let ids = column(&*store, &target("unordered"), Find::default(), "_id").await;
    assert_eq!(ids, [1, 2, 3].map(Bson::Int32));
}

/// See the name.
pub async fn a_failed_operation_undoes_itself_only(place: &dyn Place) {
    let store = place.documents().await;
    let target = target("c");
    store.create_index(&target, unique(doc! { "u": 1 })).await.unwrap();
    let start = (1..=3).map(|n| doc! { "_id": n, "u": n }).collect();
    store.insert(&target, start, true).await.unwrap();
    // Sets 1 to 11 before it fails on 2.
    let clash = Update { many: true, ..update(doc! { "_id": { "$lte": 2 } }, doc! { "$set": { "u": 11 } }) };
    let models = vec![
        WriteModel::Insert(doc! { "_id": 4, "u": 4 }),
        WriteModel::Update(clash),
        WriteModel::Update(update(doc! { "_id": 3 }, doc! { "$inc": { "u": 30 } })),
        WriteModel::Update(Update { upsert: true, ..update(doc! { "_id": 9 }, doc! { "$set": { "u": 9 } }) }),
        WriteModel::Delete(Delete { filter: doc! { "_id": 4 }, many: false }),
        WriteModel::Insert(doc! { "_id": 5, "u": 33 }),
    ];
    let result = store.bulk_write(&target, models.clone(), false).await.unwrap();
    assert_eq!(result.failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [1, 5]);
    assert_eq!(result.failures[0].error.kind(), ErrorKind::DuplicateKey);
    assert_eq!((result.matched, result.modified, result.deleted), (1, 1, 1));
    assert_eq!(result.inserted_ids.into_iter().collect::<Vec<_>>(), [(0, Bson::Int32(4))]);
    assert_eq!(result.upserted_ids.into_iter().collect::<Vec<_>>(), [(3, Bson::Int32(9))]);
    let expected = [(1, 1), (2, 2), (3, 33), (9, 9)].map(|(id, u)| doc! { "_id": id, "u": u });
    assert_eq!(all(&*store, &target, Find::default()).await, expected);

    let result = store.bulk_write(&target, models, true).await.unwrap();
    assert_eq!(result.failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [1]);
    assert_eq!(result.modified, 0);
    assert_eq!(store.count(&target, doc! {}, 0, None).await.unwrap(), 5);
}

/// See the name.
pub async fn an_update_of_many_that_fails_changes_nothing(place: &dyn Place) {
    let store = place.documents().await;
    let target = target("c");
    store.create_index(&target, unique(doc! { "u": 1 })).await.unwrap();
    store.insert(&target, (0..10).map(|n| doc! { "_id": n, "u": n }).collect(), true).await.unwrap();
    let before = all(&*store, &target, Find::default()).await;
    let clash = Update { many: true, ..update(doc! {}, doc! { "$set": { "u": 100 } }) };
    assert_eq!(store.update(&target, clash).await.unwrap_err().kind(), ErrorKind::DuplicateKey);
    assert_eq!(all(&*store, &target, Find::default()).await, before);
}
