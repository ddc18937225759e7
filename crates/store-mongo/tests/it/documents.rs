//! The contract of `DocumentStore`: shapes, errors and types. What the language means is the
//! server's; the suite's differential test compares it with other backends.

use std::time::Duration;

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, Regex, Timestamp, doc};
use futures_util::TryStreamExt;
use tandem_contract::{
    Aggregate, Delete, DocumentStore, ErrorKind, Find, FindAndModify, IndexSpec, ModifyAction,
    ReturnDocument, Target, Update, UpdateSpec, WriteModel,
};

use crate::common::{Scratch, all, ids, target, update};

fn index(keys: Document) -> IndexSpec {
    IndexSpec {
        keys,
        name: None,
        unique: false,
        sparse: false,
        partial_filter: None,
        expire_after_seconds: None,
    }
}

#[tokio::test]
async fn types_survive_both_ways() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let document = doc! {
        "_id": ObjectId::new(), "int": 1, "long": i64::MAX, "double": 1.0, "zero": -0.0, "nan": f64::NAN,
        "decimal": "1.10".parse::<Decimal128>().unwrap(), "date": DateTime::from_millis(-5),
        "bytes": Binary { subtype: BinarySubtype::Generic, bytes: vec![0, 255] },
        "regex": Regex { pattern: "a".try_into().unwrap(), options: "i".try_into().unwrap() },
        "stamp": Timestamp { time: 1, increment: 2 }, "null": Bson::Null, "text": "é\u{1F600}\0",
        "nested": { "b": 1, "a": [1, [2.5, {}]] }, "min": Bson::MinKey, "": "empty name",
    };
    store.insert(&target("c"), vec![document.clone()], true).await.unwrap();
    let found = all(&store, &target("c"), doc! {}).await.unwrap();
    // Debug text tells types apart, and is equal for NaN.
    assert_eq!(format!("{:?}", found[0]), format!("{document:?}"));
    scratch.end().await;
}

#[tokio::test]
async fn an_id_is_made_and_stands_first() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let inserted = store.insert(&target("c"), vec![doc! { "a": 1 }], true).await.unwrap();
    let found = all(&store, &target("c"), doc! {}).await.unwrap();
    assert_eq!(found[0].keys().collect::<Vec<_>>(), ["_id", "a"]);
    assert_eq!(found[0].get("_id"), inserted.inserted_ids.get(&0));
    assert!(matches!(inserted.inserted_ids[&0], Bson::ObjectId(_)));
    scratch.end().await;
}

#[tokio::test]
async fn inserts_that_fail_are_told_by_place() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let batch = || vec![doc! { "_id": 1 }, doc! { "_id": 1 }, doc! { "_id": 2 }, doc! { "_id": [1] }];
    let ordered = store.insert(&target("o"), batch(), true).await.unwrap();
    assert_eq!(ordered.inserted_ids.into_iter().collect::<Vec<_>>(), [(0, 1.into())]);
    assert_eq!(ordered.failures.len(), 1);
    assert_eq!((ordered.failures[0].index, ordered.failures[0].error.kind()), (1, ErrorKind::DuplicateKey));
    let message = ordered.failures[0].error.message();
    assert_eq!(message, "E11000 duplicate key error collection: o index: _id_ dup key: { _id: 1 }");

    let unordered = store.insert(&target("u"), batch(), false).await.unwrap();
    assert_eq!(unordered.inserted_ids.into_iter().collect::<Vec<_>>(), [(0, 1.into()), (2, 2.into())]);
    let failed: Vec<_> = unordered.failures.iter().map(|f| (f.index, f.error.kind())).collect();
    assert_eq!(failed, [(1, ErrorKind::DuplicateKey), (3, ErrorKind::InvalidArgument)]);
    assert_eq!(ids(&store, &target("u"), doc! {}).await, [1.into(), 2.into()]);
    scratch.end().await;
}

#[tokio::test]
async fn updates_have_the_drivers_counts() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let c = target("c");
    store.insert(&c, (0..4).map(|id| doc! { "_id": id, "a": id % 2 }).collect(), true).await.unwrap();
    let many = |filter, change| Update { many: true, ..update(filter, change) };
    let done = store.update(&c, many(doc! { "a": 1 }, doc! { "$set": { "a": 1, "b": 1 } })).await.unwrap();
    assert_eq!((done.matched, done.modified, done.upserted_id), (2, 2, None));
    let done = store.update(&c, many(doc! { "a": 1 }, doc! { "$set": { "b": 1 } })).await.unwrap();
    assert_eq!((done.matched, done.modified), (2, 0));
    let upsert = Update { upsert: true, ..many(doc! { "_id": 9 }, doc! { "$set": { "b": 1 } }) };
    let done = store.update(&c, upsert).await.unwrap();
    assert_eq!((done.matched, done.modified, done.upserted_id), (0, 0, Some(9.into())));
    let replace =
        Update { update: UpdateSpec::Replacement(doc! { "z": 1 }), ..update(doc! { "_id": 9 }, doc! {}) };
    let done = store.update(&c, replace.clone()).await.unwrap();
    assert_eq!((done.matched, done.modified), (1, 1));
    assert_eq!(all(&store, &c, doc! { "_id": 9 }).await.unwrap(), [doc! { "_id": 9, "z": 1 }]);
    let error = store.update(&c, Update { many: true, ..replace }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let pipeline = UpdateSpec::Pipeline(vec![doc! { "$set": { "sum": { "$add": ["$a", 1] } } }]);
    let done = store.update(&c, Update { update: pipeline, ..many(doc! { "a": 1 }, doc! {}) }).await.unwrap();
    assert_eq!(done.modified, 2);
    let filters = Update {
        array_filters: vec![doc! { "x": { "$gt": 1 } }],
        ..update(doc! { "_id": 0 }, doc! { "$set": { "list.$[x]": 0 } })
    };
    store.update(&c, update(doc! { "_id": 0 }, doc! { "$set": { "list": [1, 2, 3] } })).await.unwrap();
    store.update(&c, filters).await.unwrap();
    let found = all(&store, &c, doc! { "_id": 0 }).await.unwrap();
    assert_eq!(found[0].get_array("list").unwrap(), &[1.into(), 0.into(), 0.into()]);
    assert_eq!(store.delete(&c, Delete { filter: doc! { "a": 0 }, many: false }).await.unwrap(), 1);
    assert_eq!(store.delete(&c, Delete { filter: doc! {}, many: true }).await.unwrap(), 4);
    scratch.end().await;
}

#[tokio::test]
async fn find_and_modify_gives_the_version_asked_for() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let c = target("c");
    store.insert(&c, vec![doc! { "_id": 1, "n": 1 }, doc! { "_id": 2, "n": 5 }], true).await.unwrap();
    let modify = |filter, returning, upsert| FindAndModify {
        filter,
        sort: Some(doc! { "n": -1 }),
        projection: Some(doc! { "_id": 0, "n": 1 }),
        action: ModifyAction::Update {
            update: UpdateSpec::Operators(doc! { "$inc": { "n": 1 } }),
            upsert,
            returning,
            array_filters: Vec::new(),
        },
    };
    let run = |operation| store.find_and_modify(&c, operation);
    assert_eq!(run(modify(doc! {}, ReturnDocument::Before, false)).await.unwrap(), Some(doc! { "n": 5 }));
    assert_eq!(run(modify(doc! {}, ReturnDocument::After, false)).await.unwrap(), Some(doc! { "n": 7 }));
    assert_eq!(run(modify(doc! { "_id": 3 }, ReturnDocument::After, false)).await.unwrap(), None);
    assert_eq!(run(modify(doc! { "_id": 3 }, ReturnDocument::Before, true)).await.unwrap(), None);
    let delete = FindAndModify {
        filter: doc! {},
        sort: Some(doc! { "n": 1 }),
        projection: None,
        action: ModifyAction::Delete,
    };
    assert_eq!(run(delete).await.unwrap(), Some(doc! { "_id": 1, "n": 1 }));
    scratch.end().await;
}

#[tokio::test]
async fn bulk_writes_have_the_drivers_shape() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let c = target("c");
    let upsert = |id: i32| {
        WriteModel::Update(Update { upsert: true, ..update(doc! { "_id": id }, doc! { "$set": { "u": 1 } }) })
    };
    let models = vec![
        WriteModel::Insert(doc! { "_id": 1 }),
        WriteModel::Insert(doc! { "_id": 2 }),
        WriteModel::Update(update(doc! { "_id": 1 }, doc! { "$set": { "a": 1 } })),
        upsert(3),
        upsert(3),
        WriteModel::Delete(Delete { filter: doc! { "_id": 2 }, many: false }),
        WriteModel::Insert(doc! { "_id": 1 }),
        WriteModel::Insert(doc! { "_id": 4 }),
    ];
    let done = store.bulk_write(&c, models.clone(), true).await.unwrap();
    assert_eq!(done.inserted_ids.into_iter().collect::<Vec<_>>(), [(0, 1.into()), (1, 2.into())]);
    assert_eq!((done.matched, done.modified, done.deleted), (2, 1, 1));
    assert_eq!(done.upserted_ids.into_iter().collect::<Vec<_>>(), [(3, 3.into())]);
    assert_eq!(done.failures.len(), 1);
    assert_eq!((done.failures[0].index, done.failures[0].error.kind()), (6, ErrorKind::DuplicateKey));
    let done = store.bulk_write(&c, models, false).await.unwrap();
    assert_eq!(done.inserted_ids.into_iter().collect::<Vec<_>>(), [(1, 2.into()), (7, 4.into())]);
    assert_eq!(done.failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [0, 6]);
    scratch.end().await;
}

#[tokio::test]
async fn a_bulk_of_thousands_is_cut_into_commands() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let mut models: Vec<_> = (0..2500).map(|id| WriteModel::Insert(doc! { "_id": id })).collect();
    models.insert(2400, WriteModel::Insert(doc! { "_id": 0 }));
    let done = store.bulk_write(&target("c"), models, true).await.unwrap();
    assert_eq!((done.inserted_ids.len(), done.failures[0].index), (2400, 2400));
    assert_eq!(store.count(&target("c"), doc! {}, 0, None).await.unwrap(), 2400);
    scratch.end().await;
}

#[tokio::test]
async fn reads_are_windows_of_what_matches() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let c = target("c");
    store.insert(&c, (0..250).map(|id| doc! { "_id": id, "m": id % 3 }).collect(), true).await.unwrap();
    let find = Find {
        filter: doc! { "m": 1 },
        projection: Some(doc! { "_id": 1 }),
        sort: Some(doc! { "_id": -1 }),
        skip: 1,
        limit: Some(2),
    };
    let found: Vec<_> = store.find(&c, find.clone()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(found, [doc! { "_id": 244 }, doc! { "_id": 241 }]);
    let none = Find { limit: Some(0), ..find };
    assert!(store.find(&c, none).await.unwrap().try_collect::<Vec<_>>().await.unwrap().is_empty());
    assert_eq!(ids(&store, &c, doc! {}).await.len(), 250);
    assert_eq!(store.count(&c, doc! { "m": 0 }, 4, Some(10)).await.unwrap(), 10);
    assert_eq!(store.count(&c, doc! { "m": 0 }, 80, None).await.unwrap(), 4);
    assert_eq!(store.estimated_count(&c).await.unwrap(), 250);
    let mut values = store.distinct(&c, "m", doc! {}).await.unwrap();
    values.sort_by_key(Bson::as_i32);
    assert_eq!(values, [0.into(), 1.into(), 2.into()]);
    let pipeline =
        vec![doc! { "$group": { "_id": "$m", "n": { "$sum": 1 } } }, doc! { "$sort": { "_id": 1 } }];
    let groups: Vec<_> =
        store.aggregate(&c, Aggregate { pipeline }).await.unwrap().try_collect().await.unwrap();
    assert_eq!(groups[0], doc! { "_id": 0, "n": 84 });
    assert!(ids(&store, &target("nothing"), doc! {}).await.is_empty());
    scratch.end().await;
}

#[tokio::test]
async fn indexes_are_made_listed_and_dropped() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let c = target("c");
    assert!(store.list_indexes(&c).await.unwrap().is_empty());
    assert_eq!(store.create_index(&c, index(doc! { "a": 1, "b": -1 })).await.unwrap(), "a_1_b_-1");
    assert_eq!(store.create_index(&c, index(doc! { "a": 1, "b": -1 })).await.unwrap(), "a_1_b_-1");
    let full = IndexSpec {
        unique: true,
        partial_filter: Some(doc! { "a": { "$exists": true } }),
        expire_after_seconds: Some(60),
        name: Some("own".to_owned()),
        ..index(doc! { "d": 1 })
    };
    assert_eq!(store.create_index(&c, full.clone()).await.unwrap(), "own");
    assert_eq!(store.create_index(&c, index(doc! { "_id": 1 })).await.unwrap(), "_id_");
    let listed = store.list_indexes(&c).await.unwrap();
    assert_eq!(
        listed.iter().filter_map(|index| index.name.as_deref()).collect::<Vec<_>>(),
        ["_id_", "a_1_b_-1", "own"]
    );
    assert_eq!(listed[2], full);
    let clash = IndexSpec { name: Some("own".to_owned()), ..index(doc! { "e": 1 }) };
    assert_eq!(store.create_index(&c, clash).await.unwrap_err().kind(), ErrorKind::Conflict);
    store.drop_index(&c, "own").await.unwrap();
    for (name, kind) in
        [("own", ErrorKind::NotFound), ("*", ErrorKind::NotFound), ("_id_", ErrorKind::InvalidArgument)]
    {
        assert_eq!(store.drop_index(&c, name).await.unwrap_err().kind(), kind, "{name}");
    }
    assert_eq!(store.drop_index(&target("nothing"), "x").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.list_collections().await.unwrap(), ["c"]);
    assert!(store.drop_collection(&c).await.unwrap());
    assert!(!store.drop_collection(&c).await.unwrap());
    scratch.end().await;
}

#[tokio::test]
async fn explain_tells_the_index() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let c = target("c");
    store.create_index(&c, index(doc! { "a": 1 })).await.unwrap();
    let find = Find { filter: doc! { "a": 1 }, sort: Some(doc! { "b": 1 }), ..Find::default() };
    let explained = store.explain(&c, find).await.unwrap();
    assert_eq!(
        explained,
        doc! { "backend": "mongo", "pushed": { "a": 1 }, "matched": {}, "index": "a_1", "sort": "memory" }
    );
    scratch.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_and_nothing_of_the_server() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    let c = target("c");
    store.insert(&c, vec![doc! { "_id": 1, "a": "text" }], true).await.unwrap();
    let database = scratch.config.database.clone().unwrap();
    let filter = all(&store, &c, doc! { "$nope": 1 }).await.unwrap_err();
    assert_eq!(filter.kind(), ErrorKind::InvalidArgument);
    assert!(filter.message().contains("$nope"), "{filter}");
    let inc = store.update(&c, update(doc! {}, doc! { "$inc": { "a": 1 } })).await.unwrap_err();
    let unknown =
        store.update(&c, Update { many: true, ..update(doc! {}, doc! { "$nope": { "a": 1 } }) }).await;
    let stage = store.aggregate(&c, Aggregate { pipeline: vec![doc! { "$nope": 1 }] }).await.err().unwrap();
    let id = store.update(&c, update(doc! {}, doc! { "$set": { "_id": 2 } })).await.unwrap_err();
    for error in [&filter, &inc, &unknown.unwrap_err(), &stage, &id] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(!error.message().contains(&database), "{error}");
        assert!(!error.message().contains("127.0.0.1"), "{error}");
    }
    store.create_index(&c, IndexSpec { unique: true, ..index(doc! { "a": 1 }) }).await.unwrap();
    let duplicate = store
        .update(&c, Update { upsert: true, ..update(doc! { "_id": 2 }, doc! { "$set": { "a": "text" } }) });
    let duplicate = duplicate.await.unwrap_err();
    assert_eq!(duplicate.kind(), ErrorKind::DuplicateKey);
    assert_eq!(
        duplicate.message(),
        "E11000 duplicate key error collection: c index: a_1 dup key: { a: \"text\" }"
    );
    let sql = store.sql("SELECT 1", Vec::new()).await.unwrap_err();
    assert_eq!(sql.message(), "NOT_SUPPORTED: cloud.sql on mongo");
    scratch.end().await;
}

#[tokio::test]
async fn a_slow_query_ends_at_its_deadline_and_in_the_server_too() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    store.insert(&target("c"), (0..50).map(|id| doc! { "_id": id }).collect(), true).await.unwrap();
    let slow = doc! { "$where": "sleep(2000) || true" };
    let short = Target { timeout: Some(Duration::from_millis(300)), ..target("c") };
    let read = all(&store, &short, slow.clone()).await.unwrap_err();
    let many = Update { many: true, ..update(slow.clone(), doc! { "$set": { "a": 1 } }) };
    let write = store.update(&short, many).await.unwrap_err();
    let delete = store.delete(&short, Delete { filter: slow, many: true }).await.unwrap_err();
    for error in [read, write, delete] {
        assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{error}");
        assert_eq!(error.message(), "The document store timed out");
    }
    // Nothing of it goes on: the server stopped at the time it was told.
    let admin = scratch.client.database("admin");
    let running = doc! { "currentOp": 1, "ns": format!("{}.c", scratch.config.database.as_deref().unwrap()), "active": true };
    let started = std::time::Instant::now();
    loop {
        let reply = admin.run_command(running.clone()).await.unwrap();
        if reply.get_array("inprog").unwrap().is_empty() {
            break;
        }
        assert!(started.elapsed() < crate::common::SOON, "still running: {reply}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    scratch.end().await;
}
