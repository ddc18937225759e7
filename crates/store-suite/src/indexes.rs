//! Indexes: made, listed, dropped, enforced, and used.

use std::sync::Arc;

use bson::{Bson, Document, doc};
use tandem_contract::{Delete, DocumentStore, ErrorKind, Find, IndexSpec, Update};

use crate::Place;
use crate::common::{all, column, filter, index, target, unique, update};

async fn explain(store: &dyn DocumentStore, find: Find) -> Document {
    store.explain(&target("c"), find).await.unwrap()
}

/// See the name.
pub async fn indexes_are_made_once_listed_and_dropped(place: &dyn Place) {
    let store = place.documents().await;
    let target = target("c");
    assert!(store.list_indexes(&target).await.unwrap().is_empty());
    assert_eq!(store.create_index(&target, index(doc! { "a": 1, "b.c": -1 })).await.unwrap(), "a_1_b.c_-1");
    let named = IndexSpec { name: Some("mine".into()), ..unique(doc! { "m": 1 }) };
    assert_eq!(store.create_index(&target, named.clone()).await.unwrap(), "mine");
    assert_eq!(store.create_index(&target, named.clone()).await.unwrap(), "mine");
    assert_eq!(store.create_index(&target, index(doc! { "_id": 1 })).await.unwrap(), "_id_");
    let clash = IndexSpec { unique: false, ..named.clone() };
    assert_eq!(store.create_index(&target, clash).await.unwrap_err().kind(), ErrorKind::Conflict);

    let listed = store.list_indexes(&target).await.unwrap();
    let names: Vec<_> = listed.iter().map(|index| index.name.clone().unwrap()).collect();
    assert_eq!(names, ["_id_", "a_1_b.c_-1", "mine"]);
    assert_eq!(listed[2], named);

    store.drop_index(&target, "mine").await.unwrap();
    assert_eq!(store.drop_index(&target, "mine").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.drop_index(&target, "_id_").await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(store.list_indexes(&target).await.unwrap().len(), 2);
    for keys in [doc! {}, doc! { "a": 0 }, doc! { "a": "x" }] {
        assert!(store.create_index(&target, index(keys)).await.is_err());
    }
}

/// See the name.
pub async fn a_unique_index_refuses_a_second_key_with_mongodbs_words(place: &dyn Place) {
    let store = place.documents().await;
    let target = target("c");
    store.create_index(&target, unique(doc! { "a": 1, "b": 1 })).await.unwrap();
    let batch = vec![
        doc! { "a": 1, "b": "x" },
        doc! { "a": 1, "b": "y" },
        doc! { "a": 1.0, "b": "x" },
        doc! {},
        doc! {},
    ];
    let result = store.insert(&target, batch, false).await.unwrap();
    let messages: Vec<_> = result.failures.iter().map(|failure| failure.error.message()).collect();
    assert_eq!(
        messages,
        [
            "E11000 duplicate key error collection: c index: a_1_b_1 dup key: { a: 1.0, b: \"x\" }",
            "E11000 duplicate key error collection: c index: a_1_b_1 dup key: { a: null, b: null }",
        ]
    );
    let error =
        store.update(&target, update(doc! { "b": "y" }, doc! { "$set": { "b": "x" } })).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateKey);
    // A key that was let go can be taken.
    store.update(&target, update(doc! { "b": "x" }, doc! { "$set": { "b": "z" } })).await.unwrap();
    store.update(&target, update(doc! { "b": "y" }, doc! { "$set": { "b": "x" } })).await.unwrap();
    store.delete(&target, Delete { filter: doc! { "b": "x" }, many: false }).await.unwrap();
    store.insert(&target, vec![doc! { "a": 1, "b": "x" }], true).await.unwrap();
}

/// See the name.
pub async fn of_many_that_insert_the_same_unique_key_one_wins(place: &dyn Place) {
    let store = place.documents().await;
    store.create_index(&target("c"), unique(doc! { "k": 1 })).await.unwrap();
    let racers: Vec<_> = (0..32)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(
                async move { store.insert(&target("c"), vec![doc! { "n": n, "k": "same" }], true).await },
            )
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        won += racer.await.unwrap().unwrap().inserted_ids.len();
    }
    assert_eq!(won, 1);
    assert_eq!(store.count(&target("c"), doc! { "k": "same" }, 0, None).await.unwrap(), 1);
}

/// See the name.
pub async fn inserts_of_the_same_moment_succeed_or_fail_each_by_itself(place: &dyn Place) {
    let store = place.documents().await;
    let target = target("c");
    store.create_index(&target, index(doc! { "k": 1 })).await.unwrap();
    store.create_index(&target, index(doc! { "tags": 1 })).await.unwrap();
    store.create_index(&target, IndexSpec { sparse: true, ..unique(doc! { "u": 1 }) }).await.unwrap();
    // Two of most `_id`s, several of one `u`, no `u`, and the first arrays that an index meets.
    let document = |n: i32| {
        let mut document = doc! { "_id": n % 120, "n": n, "k": n % 7 };
        match n % 10 {
            0 => document.insert("u", 0),
            1 => document.insert("tags", vec![n, n + 1]),
            2 => None,
            _ => document.insert("u", n),
        };
        document
    };
    let racers: Vec<_> = (0..200)
        .map(|n| {
            let (store, target) = (Arc::clone(&store), target.clone());
            tokio::spawn(async move { store.insert(&target, vec![document(n)], true).await })
        })
        .collect();
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for (n, racer) in (0..).zip(racers) {
        let result = racer.await.unwrap().unwrap();
        match result.failures.first() {
            None => won.push(document(n)),
            Some(failure) => {
                assert_eq!(failure.error.kind(), ErrorKind::DuplicateKey);
                lost.push((document(n), failure.error.message().to_owned()));
            }
        }
    }
    let mut stored = all(&*store, &target, filter(doc! {})).await;
    stored.sort_by_key(|document| document.get_i32("n").unwrap());
    assert_eq!(stored, won);
    for (document, message) in lost {
        // What it is told holds the key.
        let field = if message.contains("index: u_1") { "u" } else { "_id" };
        let holds = |stored: &&Document| stored.get(field) == document.get(field);
        assert_eq!(stored.iter().filter(holds).count(), 1, "{document}: {message}");
    }
    for k in 0..7 {
        let of_k = |stored: &&Document| stored.get("k") == Some(&Bson::Int32(k));
        let found = all(&*store, &target, filter(doc! { "k": k })).await;
        assert_eq!(found.len(), stored.iter().filter(of_k).count());
    }
    for document in stored.iter().filter(|stored| stored.contains_key("tags")) {
        let n = document.get_i32("n").unwrap();
        assert_eq!(
            all(&*store, &target, filter(doc! { "tags": n + 1 })).await,
            std::slice::from_ref(document)
        );
    }
}

/// See the name.
pub async fn an_index_on_documents_that_clash_is_refused_whole(place: &dyn Place) {
    let store = place.documents().await;
    let target = target("c");
    store.insert(&target, (0..200).map(|n| doc! { "a": n % 199 }).collect(), true).await.unwrap();
    let error = store.create_index(&target, unique(doc! { "a": 1 })).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateKey);
    assert_eq!(store.list_indexes(&target).await.unwrap().len(), 1);
    store.create_index(&target, index(doc! { "a": 1 })).await.unwrap();
    assert_eq!(all(&*store, &target, filter(doc! { "a": 0 })).await.len(), 2);
}

/// See the name.
pub async fn sparse_and_partial_indexes_leave_documents_out(place: &dyn Place) {
    let store = place.documents().await;
    let target = target("c");
    store.create_index(&target, IndexSpec { sparse: true, ..unique(doc! { "s": 1 }) }).await.unwrap();
    let partial = Some(doc! { "live": true });
    store
        .create_index(&target, IndexSpec { partial_filter: partial, ..unique(doc! { "p": 1 }) })
        .await
        .unwrap();
    let batch = vec![
        doc! { "_id": 1, "p": 1 },
        doc! { "_id": 2, "p": 1 },
        doc! { "_id": 3, "p": 1, "live": true },
        doc! { "_id": 4, "s": 4, "p": 2, "live": true },
    ];
    assert!(store.insert(&target, batch, true).await.unwrap().failures.is_empty());
    for clash in [doc! { "p": 2, "live": true }, doc! { "s": 4 }] {
        let result = store.insert(&target, vec![clash], true).await.unwrap();
        assert_eq!(result.failures[0].error.kind(), ErrorKind::DuplicateKey);
    }
    let error = store.update(&target, update(doc! { "_id": 1 }, doc! { "$set": { "live": true } })).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::DuplicateKey);
    // Neither index holds all that these match.
    assert_eq!(column(&*store, &target, filter(doc! { "s": null }), "_id").await, [1, 2, 3].map(Bson::Int32));
    assert_eq!(column(&*store, &target, filter(doc! { "p": 1 }), "_id").await, [1, 2, 3].map(Bson::Int32));
    assert_eq!(explain(&*store, filter(doc! { "p": 1 })).await.get("index"), None);
    let live = filter(doc! { "p": 1, "live": true });
    assert_eq!(explain(&*store, live.clone()).await.get_str("index").unwrap(), "p_1");
    assert_eq!(column(&*store, &target, live, "_id").await, [Bson::Int32(3)]);
    assert_eq!(explain(&*store, filter(doc! { "s": 4 })).await.get_str("index").unwrap(), "s_1");
}

/// See the name.
pub async fn explain_tells_what_keys_answer(place: &dyn Place) {
    let store = place.documents().await;
    store
        .insert(&target("c"), (0..50).map(|n| doc! { "_id": n, "a": n % 5, "b": n }).collect(), true)
        .await
        .unwrap();
    store.create_index(&target("c"), index(doc! { "a": 1, "b": -1 })).await.unwrap();

    let equal = explain(&*store, filter(doc! { "a": 2, "c": null })).await;
    let expected = doc! { "backend": store.backend(), "pushed": { "a": { "$eq": 2 } }, "matched": { "c": null }, "index": "a_1_b_-1" };
    assert_eq!(equal, expected);
    let id = explain(&*store, filter(doc! { "_id": 3 })).await;
    assert_eq!(id.get_str("index").unwrap(), "_id_");
    let scan = explain(&*store, filter(doc! { "b": 3 })).await;
    assert_eq!(scan.get("index"), None);

    let sorted = Find { sort: Some(doc! { "b": 1 }), ..filter(doc! { "a": 2 }) };
    assert_eq!(explain(&*store, sorted.clone()).await.get_str("sort").unwrap(), "index");
    let values = column(&*store, &target("c"), sorted, "b").await;
    assert_eq!(values, (0..10).map(|n| Bson::Int32(n * 5 + 2)).collect::<Vec<_>>());
    let other = Find { sort: Some(doc! { "b": 1, "c": 1 }), ..filter(doc! { "a": 2 }) };
    assert_eq!(explain(&*store, other).await.get_str("sort").unwrap(), "memory");

    let ranges = filter(doc! { "a": { "$in": [1, 3] }, "b": { "$gte": 11, "$lt": 24 } });
    let told = explain(&*store, ranges.clone()).await;
    assert_eq!(told.get_document("matched").unwrap(), &doc! {});
    assert_eq!(column(&*store, &target("c"), ranges, "_id").await, [11, 13, 16, 18, 21, 23].map(Bson::Int32));
}

/// See the name.
pub async fn arrays_are_found_by_their_elements_once(place: &dyn Place) {
    let store = place.documents().await;
    let target = target("c");
    store.create_index(&target, index(doc! { "tags": 1 })).await.unwrap();
    let batch = vec![
        doc! { "_id": 1, "tags": ["a", "b", "a"] },
        doc! { "_id": 2, "tags": "b" },
        doc! { "_id": 3, "tags": [] },
        doc! { "_id": 4 },
    ];
    store.insert(&target, batch, true).await.unwrap();
    let ids = |find| column(&*store, &target, find, "_id");
    assert_eq!(ids(filter(doc! { "tags": "a" })).await, [Bson::Int32(1)]);
    assert_eq!(ids(filter(doc! { "tags": { "$in": ["a", "b"] } })).await, [1, 2].map(Bson::Int32));
    assert_eq!(ids(filter(doc! { "tags": { "$gte": "a" } })).await, [1, 2].map(Bson::Int32));
    assert_eq!(ids(filter(doc! { "tags": null })).await, [Bson::Int32(4)]);
    assert_eq!(ids(filter(doc! { "tags": [] })).await, [Bson::Int32(3)]);
    let pull = Update { many: true, ..update(doc! {}, doc! { "$pull": { "tags": "a" } }) };
    let _ = store.update(&target, pull).await;
    store.update(&target, update(doc! { "_id": 1 }, doc! { "$set": { "tags": ["c"] } })).await.unwrap();
    assert!(ids(filter(doc! { "tags": "a" })).await.is_empty());
    assert_eq!(ids(filter(doc! { "tags": "c" })).await, [Bson::Int32(1)]);
    store.drop_collection(&target).await.unwrap();
    store.insert(&target, vec![doc! { "_id": 7, "tags": "b" }], true).await.unwrap();
    assert_eq!(ids(filter(doc! { "tags": "b" })).await, [Bson::Int32(7)]);
}

/// See the name.
pub async fn the_documents_of_one_key_come_whole_and_in_order(place: &dyn Place) {
    /// More than stores read at once.
    const MANY: i32 = 300;
    let store = place.documents().await;
    let target = target("c");
    store.create_index(&target, index(doc! { "k": 1 })).await.unwrap();
    store.create_index(&target, unique(doc! { "u.a": 1, "u.b": -1 })).await.unwrap();
    let batch = (0..MANY).map(|n| doc! { "_id": n, "k": n % 2, "n": n, "u": { "a": n / 10, "b": n % 10 } });
    store.insert(&target, batch.collect(), true).await.unwrap();
    let ids = |find| column(&*store, &target, find, "_id");
    let odd: Vec<_> = (0..MANY).filter(|n| n % 2 == 1).map(Bson::Int32).collect();
    assert_eq!(ids(filter(doc! { "k": 1 })).await, odd);
    assert_eq!(ids(filter(doc! { "k": { "$in": [1] } })).await, odd);
    assert_eq!(ids(filter(doc! { "k": 1.0, "n": { "$gte": 100 } })).await, odd[50..]);
    let some = |document, skip, limit| Find { skip, limit: Some(limit), ..filter(document) };
    assert_eq!(ids(some(doc! { "k": 1 }, 70, 3)).await, odd[70..73]);
    assert_eq!(ids(some(doc! { "k": 1, "n": { "$gt": 200 } }, 0, 1)).await, odd[100..101]);
    assert_eq!(ids(some(doc! { "u.a": 12, "u.b": 3 }, 0, 1)).await, [Bson::Int32(123)]);
    assert!(ids(filter(doc! { "u.a": 12, "u.b": 30 })).await.is_empty());
    assert!(ids(filter(doc! { "k": "1" })).await.is_empty());
    assert_eq!(store.count(&target, doc! { "k": 1 }, 0, None).await.unwrap(), odd.len() as u64);

    // What a write moves into the key that it reads is not met again.
    let step =
        Update { many: true, ..update(doc! { "k": 1 }, doc! { "$inc": { "k": 1 }, "$set": { "n": 0 } }) };
    assert_eq!(store.update(&target, step).await.unwrap().modified, odd.len() as u64);
    assert_eq!(ids(filter(doc! { "k": 2, "n": 0 })).await, odd);
    assert_eq!(store.delete(&target, Delete { filter: doc! { "k": 2 }, many: false }).await.unwrap(), 1);
    assert_eq!(ids(filter(doc! { "k": 2 })).await, odd[1..]);
    assert_eq!(
        store.delete(&target, Delete { filter: doc! { "k": 2 }, many: true }).await.unwrap(),
        odd.len() as u64 - 1
    );
    assert!(ids(filter(doc! { "k": 2 })).await.is_empty());
}
