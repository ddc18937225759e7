//! Reads and writes of `DocumentStore`.

use std::sync::Arc;

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use futures_util::{StreamExt, TryStreamExt};
use tandem_contract::{
    Aggregate, Delete, DocumentStore, ErrorKind, Find, FindAndModify, ModifyAction, ReturnDocument, Target,
    Update, UpdateSpec,
};

use crate::Place;
use crate::common::{all, column, filter, target, update};

async fn numbers(store: &dyn DocumentStore, count: i32) -> Target {
    let target = target("numbers");
    let documents = (0..count).map(|n| doc! { "_id": n, "n": n, "odd": n % 2 == 1 }).collect();
    assert!(store.insert(&target, documents, true).await.unwrap().failures.is_empty());
    target
}

/// See the name.
pub async fn a_document_without_id_gets_an_object_id_as_its_first_field(place: &dyn Place) {
    let store = place.documents().await;
    let target = target("c");
    let result =
        store.insert(&target, vec![doc! { "a": 1 }, doc! { "b": 2, "_id": "x" }], true).await.unwrap();
    let stored = all(&*store, &target, Find::default()).await;
    let id: ObjectId = stored[0].get_object_id("_id").unwrap();
    assert_eq!(result.inserted_ids[&0], Bson::ObjectId(id));
    assert_eq!(stored[0].keys().collect::<Vec<_>>(), ["_id", "a"]);
    assert_eq!(stored[1].keys().collect::<Vec<_>>(), ["_id", "b"]);
    let array = store.insert(&target, vec![doc! { "_id": [1] }], true).await.unwrap();
    assert_eq!(array.failures[0].error.kind(), ErrorKind::InvalidArgument);
}

/// See the name.
pub async fn every_type_comes_back_as_it_was(place: &dyn Place) {
    let store = place.documents().await;
    let document = doc! {
        "_id": ObjectId::new(), "int": 1, "long": 1_i64, "double": 1.0, "text": "é\0", "null": null,
        "date": bson::DateTime::from_millis(-5), "bytes": bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![0, 1] },
        "regex": Bson::RegularExpression(bson::Regex { pattern: "^a".try_into().unwrap(), options: "i".try_into().unwrap() }),
        "decimal": "1.10".parse::<bson::Decimal128>().unwrap(), "list": [1, [2], { "x": 3 }], "nested": { "a": { "b": true } },
    };
    store.insert(&target("c"), vec![document.clone()], true).await.unwrap();
    assert_eq!(all(&*store, &target("c"), Find::default()).await, [document]);
}

/// See the name.
pub async fn a_collection_that_does_not_exist_reads_as_empty(place: &dyn Place) {
    let store = place.documents().await;
    let none = target("none");
    assert!(all(&*store, &none, Find::default()).await.is_empty());
    assert_eq!(store.count(&none, doc! {}, 0, None).await.unwrap(), 0);
    assert_eq!(store.delete(&none, Delete { filter: doc! {}, many: true }).await.unwrap(), 0);
    assert_eq!(store.update(&none, update(doc! {}, doc! { "$set": { "a": 1 } })).await.unwrap().matched, 0);
    assert!(store.distinct(&none, "a", doc! {}).await.unwrap().is_empty());
    assert!(!store.drop_collection(&none).await.unwrap());
    assert!(store.list_collections().await.unwrap().is_empty());
}

/// See the name.
pub async fn names_of_collections_are_checked(place: &dyn Place) {
    let store = place.documents().await;
    for name in ["", "a$b", "a\0b", "system.users", &"x".repeat(121)] {
        let error = store.count(&target(name), doc! {}, 0, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name:?}");
    }
    for name in ["b", "a.b", "B", "é"] {
        store.insert(&target(name), vec![doc! {}], true).await.unwrap();
    }
    assert_eq!(store.list_collections().await.unwrap(), ["B", "a.b", "b", "é"]);
    assert!(store.drop_collection(&target("b")).await.unwrap());
    assert_eq!(store.list_collections().await.unwrap(), ["B", "a.b", "é"]);
}

/// See the name.
pub async fn find_filters_sorts_skips_limits_and_projects(place: &dyn Place) {
    let store = place.documents().await;
    let target = numbers(&*store, 20).await;
    let find = Find {
        filter: doc! { "odd": true },
        projection: Some(doc! { "n": 1, "_id": 0 }),
        sort: Some(doc! { "n": -1 }),
        skip: 1,
        limit: Some(3),
    };
    assert_eq!(all(&*store, &target, find).await, [doc! { "n": 17 }, doc! { "n": 15 }, doc! { "n": 13 }]);
    let unsorted = Find { skip: 18, ..Find::default() };
    assert_eq!(column(&*store, &target, unsorted, "n").await, [Bson::Int32(18), Bson::Int32(19)]);
    let none = Find { limit: Some(0), ..Find::default() };
    assert!(all(&*store, &target, none).await.is_empty());
    let bad = store.find(&target, filter(doc! { "$nope": 1 })).await.err().unwrap();
    assert_eq!(bad.kind(), ErrorKind::InvalidArgument);
}

/// See the name.
pub async fn a_long_answer_streams_in_insertion_order_while_others_write(place: &dyn Place) {
    let store = place.documents().await;
    let target = numbers(&*store, 5000).await;
    let mut stream = store.find(&target, Find::default()).await.unwrap();
    let mut seen = vec![stream.next().await.unwrap().unwrap().get_i32("n").unwrap()];
    store.delete(&target, Delete { filter: doc! { "n": 4000 }, many: false }).await.unwrap();
    let rest: Vec<Document> = stream.try_collect().await.unwrap();
    seen.extend(rest.iter().map(|document| document.get_i32("n").unwrap()));
    assert_eq!(seen, (0..5000).filter(|n| *n != 4000).collect::<Vec<_>>());
}

/// See the name.
pub async fn many_open_cursors_do_not_hold_the_readers(place: &dyn Place) {
    let store = place.documents().await;
    let target = numbers(&*store, 500).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut stream = store.find(&target, Find::default()).await.unwrap();
        stream.next().await.unwrap().unwrap();
        open.push(stream);
    }
    assert_eq!(store.count(&target, doc! {}, 0, None).await.unwrap(), 500);
    for stream in open {
        assert_eq!(stream.try_collect::<Vec<_>>().await.unwrap().len(), 499);
    }
}

/// See the name.
pub async fn count_and_distinct(place: &dyn Place) {
    let store = place.documents().await;
    let target = numbers(&*store, 10).await;
    for (filter, skip, limit, expected) in [
        (doc! {}, 0, None, 10),
        (doc! {}, 8, Some(5), 2),
        (doc! {}, 20, None, 0),
        (doc! { "odd": true }, 1, Some(3), 3),
        (doc! { "odd": true }, 4, Some(3), 1),
        (doc! { "_id": 3 }, 0, None, 1),
    ] {
        assert_eq!(store.count(&target, filter.clone(), skip, limit).await.unwrap(), expected, "{filter}");
    }
    assert_eq!(store.estimated_count(&target).await.unwrap(), 10);
    store.insert(&target, vec![doc! { "odd": ["yes", true] }], true).await.unwrap();
    let values = store.distinct(&target, "odd", doc! {}).await.unwrap();
    assert_eq!(values, [Bson::Boolean(false), Bson::Boolean(true), Bson::String("yes".into())]);
}

/// See the name.
pub async fn updates_tell_what_they_did(place: &dyn Place) {
    let store = place.documents().await;
    let target = numbers(&*store, 6).await;
    let many = Update { many: true, ..update(doc! { "n": { "$gte": 2 } }, doc! { "$max": { "n": 4 } }) };
    let done = store.update(&target, many).await.unwrap();
    assert_eq!((done.matched, done.modified, done.upserted_id), (4, 2, None));
    let ns = column(&*store, &target, Find::default(), "n").await;
    assert_eq!(ns, [0, 1, 4, 4, 4, 5].map(Bson::Int32));

    let replacement = UpdateSpec::Replacement(doc! { "new": true });
    let replace = Update { update: replacement, ..update(doc! { "n": 4 }, doc! {}) };
    assert_eq!(store.update(&target, replace.clone()).await.unwrap().modified, 1);
    assert_eq!(all(&*store, &target, filter(doc! { "new": true })).await, [doc! { "_id": 2, "new": true }]);
    let error = store.update(&target, Update { many: true, ..replace }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let moved =
        store.update(&target, update(doc! { "_id": 1 }, doc! { "$set": { "_id": 9 } })).await.unwrap_err();
    assert_eq!(moved.kind(), ErrorKind::InvalidArgument);
}

/// See the name.
pub async fn an_upsert_inserts_when_nothing_matches(place: &dyn Place) {
    let store = place.documents().await;
    let target = target("c");
    let upsert = |id: i32| Update { upsert: true, ..update(doc! { "_id": id }, doc! { "$inc": { "n": 1 } }) };
    let first = store.update(&target, upsert(1)).await.unwrap();
    assert_eq!((first.matched, first.upserted_id), (0, Some(Bson::Int32(1))));
    let second = store.update(&target, upsert(1)).await.unwrap();
    assert_eq!((second.matched, second.modified, second.upserted_id), (1, 1, None));
    assert_eq!(all(&*store, &target, Find::default()).await, [doc! { "_id": 1, "n": 2 }]);
    let unnamed = Update { upsert: true, ..update(doc! { "k": "v" }, doc! { "$set": { "a": 1 } }) };
    let id = store.update(&target, unnamed).await.unwrap().upserted_id.unwrap();
    assert_eq!(
        all(&*store, &target, filter(doc! { "k": "v" })).await,
        [doc! { "_id": id, "k": "v", "a": 1 }]
    );
}

/// See the name.
pub async fn find_and_modify_returns_the_version_asked_for(place: &dyn Place) {
    let store = place.documents().await;
    let target = numbers(&*store, 4).await;
    let operation = |returning, upsert, filter: Document| FindAndModify {
        filter,
        sort: Some(doc! { "n": -1 }),
        projection: Some(doc! { "n": 1 }),
        action: ModifyAction::Update {
            update: UpdateSpec::Operators(doc! { "$inc": { "n": 10 } }),
            upsert,
            returning,
            array_filters: Vec::new(),
        },
    };
    let odd = doc! { "odd": true };
    let before = store.find_and_modify(&target, operation(ReturnDocument::Before, false, odd.clone())).await;
    assert_eq!(before.unwrap(), Some(doc! { "_id": 3, "n": 3 }));
    let after = store.find_and_modify(&target, operation(ReturnDocument::After, false, odd)).await;
    assert_eq!(after.unwrap(), Some(doc! { "_id": 3, "n": 23 }));
    let nothing = doc! { "_id": 100 };
    let none = store.find_and_modify(&target, operation(ReturnDocument::After, false, nothing.clone())).await;
    assert_eq!(none.unwrap(), None);
    let made = store.find_and_modify(&target, operation(ReturnDocument::After, true, nothing)).await;
    assert_eq!(made.unwrap(), Some(doc! { "_id": 100, "n": 10 }));
    let made =
        store.find_and_modify(&target, operation(ReturnDocument::Before, true, doc! { "_id": 101 })).await;
    assert_eq!(made.unwrap(), None);
    let delete = FindAndModify {
        filter: doc! { "n": { "$lt": 10 } },
        sort: Some(doc! { "n": -1 }),
        projection: None,
        action: ModifyAction::Delete,
    };
    assert_eq!(store.find_and_modify(&target, delete).await.unwrap().unwrap().get_i32("n").unwrap(), 2);
    assert_eq!(store.count(&target, doc! {}, 0, None).await.unwrap(), 5);
}

/// See the name.
pub async fn pipelines_start_in_the_store_and_join_other_collections(place: &dyn Place) {
    let store = place.documents().await;
    let numbers = numbers(&*store, 10).await;
    let names = vec![doc! { "_id": 1, "name": "one" }, doc! { "_id": 3, "name": "three" }];
    store.insert(&target("names"), names, true).await.unwrap();
    let pipeline = vec![
        doc! { "$match": { "odd": true } },
        doc! { "$sort": { "n": -1 } },
        doc! { "$skip": 2 },
        doc! { "$limit": 3 },
        doc! { "$lookup": { "from": "names", "localField": "n", "foreignField": "_id", "as": "name" } },
        doc! { "$project": { "n": 1, "name": "$name.name", "_id": 0 } },
    ];
    let stream = store.aggregate(&numbers, Aggregate { pipeline }).await.unwrap();
    let results: Vec<Document> = stream.try_collect().await.unwrap();
    let expected =
        [doc! { "n": 5, "name": [] }, doc! { "n": 3, "name": ["three"] }, doc! { "n": 1, "name": ["one"] }];
    assert_eq!(results, expected);
}

/// See the name.
pub async fn sixty_four_writers_lose_no_increment(place: &dyn Place) {
    let store = place.documents().await;
    let other = place.documents().await;
    let writers = (0..64).map(|n| {
        let store = Arc::clone(if n % 2 == 0 { &store } else { &other });
        tokio::spawn(async move {
            for _ in 0..5 {
                let once =
                    Update { upsert: true, ..update(doc! { "_id": "n" }, doc! { "$inc": { "n": 1 } }) };
                store.update(&target("counters"), once).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(all(&*store, &target("counters"), Find::default()).await, [doc! { "_id": "n", "n": 320 }]);
}

/// See the name.
pub async fn limits_on_size_are_kept(place: &dyn Place) {
    let store = place.documents().await;
    let huge = doc! { "text": "x".repeat(17 << 20) };
    let result = store.insert(&target("c"), vec![huge], true).await.unwrap();
    assert_eq!(result.failures[0].error.kind(), ErrorKind::InvalidArgument);
    for _ in 0..9 {
        store.insert(&target("c"), vec![doc! { "text": "x".repeat(12 << 20) }], true).await.unwrap();
    }
    let sort = Some(doc! { "text": 1 });
    let error = store.find(&target("c"), Find { sort: sort.clone(), ..Find::default() }).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("Sort memory"), "{error}");
}
