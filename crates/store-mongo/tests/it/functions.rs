//! The contract of `FunctionStore`, line by line.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bson::{DateTime, doc};
use tandem_contract::{ErrorKind, Expected, FunctionStore, Language};

use crate::common::{Scratch, draft};

#[tokio::test]
async fn put_returns_what_get_reads() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.functions().await;
    let stored = store.put(draft("a/b", "one"), Expected::Absent).await.unwrap();
    assert_eq!(stored.revision, 1);
    assert_eq!(stored.created_at, stored.updated_at);
    assert_eq!(store.get("a/b").await.unwrap(), Some(stored));
    assert_eq!(store.get("a").await.unwrap(), None);
    scratch.end().await;
}

#[tokio::test]
async fn a_later_put_counts_on_and_keeps_the_first_time() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.functions().await;
    let first = store.put(draft("f", "one"), Expected::Any).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let second = store.put(draft("f", "two"), Expected::Revision(1)).await.unwrap();
    assert_eq!(second.revision, 2);
    assert_eq!(second.created_at, first.created_at);
    assert!(second.updated_at > first.updated_at);
    assert_eq!(store.get("f").await.unwrap(), Some(second));
    scratch.end().await;
}

#[tokio::test]
async fn a_revision_is_never_used_again() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.functions().await;
    store.put(draft("f", "one"), Expected::Any).await.unwrap();
    store.put(draft("f", "two"), Expected::Any).await.unwrap();
    assert!(store.delete("f").await.unwrap());
    assert!(!store.delete("f").await.unwrap());
    assert_eq!(store.put(draft("f", "three"), Expected::Absent).await.unwrap().revision, 3);
    // Another tool knows nothing of counters.
    scratch.raw("functions").delete_one(doc! { "name": "f" }).await.unwrap();
    assert_eq!(store.put(draft("f", "four"), Expected::Absent).await.unwrap().revision, 4);
    scratch.end().await;
}

#[tokio::test]
async fn expectations_that_fail_are_conflicts_and_change_nothing() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.functions().await;
    let wrong = store.put(draft("f", "x"), Expected::Revision(1)).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Conflict);
    let held = store.put(draft("f", "one"), Expected::Any).await.unwrap();
    for expected in [Expected::Absent, Expected::Revision(2)] {
        let error = store.put(draft("f", "x"), expected).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.message().contains("found revision 1"), "{error}");
    }
    assert_eq!(store.get("f").await.unwrap(), Some(held));
    scratch.end().await;
}

#[tokio::test]
async fn of_many_that_expect_the_same_one_wins() {
    let Some(scratch) = Scratch::new().await else { return };
    let stores = [Arc::new(scratch.functions().await), Arc::new(scratch.functions().await)];
    for (round, expected) in [Expected::Absent, Expected::Revision(1)].into_iter().enumerate() {
        let race = (0..8).map(|number| {
            let store = Arc::clone(&stores[number % 2]);
            tokio::spawn(async move { store.put(draft("f", &format!("{round} {number}")), expected).await })
        });
        let mut won = Vec::new();
        for publisher in race.collect::<Vec<_>>() {
            match publisher.await.unwrap() {
                Ok(function) => won.push(function),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
            }
        }
        assert_eq!(won.len(), 1);
        assert_eq!(stores[0].get("f").await.unwrap().as_ref(), won.first());
        if round == 0 {
            // The winner of the first round decides what the second expects.
            assert_eq!(won[0].revision, 1);
        }
    }
    scratch.end().await;
}

#[tokio::test]
async fn publishers_that_expect_nothing_all_publish_with_numbers_of_their_own() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = Arc::new(scratch.functions().await);
    let publishers = (0..16).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.put(draft("f", &number.to_string()), Expected::Any).await })
    });
    let (mut revisions, mut last) = (BTreeSet::new(), None);
    for publisher in publishers.collect::<Vec<_>>() {
        let function = publisher.await.unwrap().unwrap();
        assert!(revisions.insert(function.revision));
        if revisions.last() == Some(&function.revision) {
            last = Some(function);
        }
    }
    assert!(revisions.into_iter().eq(1..=16), "one more each time");
    assert_eq!(store.get("f").await.unwrap(), last);
    assert_eq!(scratch.raw("functions").count_documents(doc! {}).await.unwrap(), 1);
    scratch.end().await;
}

#[tokio::test]
async fn a_number_that_was_claimed_by_one_who_crashed_is_passed_over() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.functions().await;
    scratch.raw("functions.tandem").insert_one(doc! { "_id": "f", "revision": 4_i64 }).await.unwrap();
    assert_eq!(store.put(draft("f", "one"), Expected::Absent).await.unwrap().revision, 5);
    assert_eq!(store.put(draft("f", "two"), Expected::Any).await.unwrap().revision, 6);
    scratch.end().await;
}

#[tokio::test]
async fn rows_of_another_tool_have_defaults() {
    let Some(scratch) = Scratch::new().await else { return };
    let raw = scratch.raw("functions");
    raw.insert_one(
        doc! { "name": "seed", "code": "export default 1", "compiled": "exports.default = 1", "hash": "h1" },
    )
    .await
    .unwrap();
    let time = DateTime::from_millis(1_600_000_000_000);
    raw.insert_one(doc! { "_id": 7, "name": "bare", "compiled": "abc", "methods": "get", "createdAt": time, "updated_at": 1_600_000_001_000i64 })
        .await
        .unwrap();
    raw.insert_one(doc! { "note": "not a function" }).await.unwrap();
    let store = scratch.functions().await;
    let function = store.get("seed").await.unwrap().unwrap();
    assert_eq!(function.compiled.as_deref(), Some("exports.default = 1"));
    assert_eq!((function.hash.as_str(), function.source.as_str()), ("h1", "export default 1"));
    assert_eq!((function.language, function.revision), (Language::TypeScript, 1));
    assert!(function.methods.is_empty() && function.source_map.is_none());
    assert!(function.created_at > UNIX_EPOCH);
    let bare = store.get("bare").await.unwrap().unwrap();
    assert_eq!(bare.hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(bare.methods, ["GET"]);
    assert_eq!(bare.created_at, UNIX_EPOCH + Duration::from_secs(1_600_000_000));
    assert_eq!(bare.updated_at, UNIX_EPOCH + Duration::from_secs(1_600_000_001));
    let page = store.list(None, 10).await.unwrap();
    let listed: Vec<_> = page.functions.iter().map(|row| (row.name.as_str(), row.hash.as_str())).collect();
    assert_eq!(listed, [("bare", bare.hash.as_str()), ("seed", "h1")]);
    scratch.end().await;
}

#[tokio::test]
async fn publishing_over_a_row_of_another_tool_keeps_what_is_its_own() {
    let Some(scratch) = Scratch::new().await else { return };
    let raw = scratch.raw("functions");
    raw.insert_one(doc! { "name": "f", "code": "old", "compiled": "old", "hash": "h", "owner": { "team": 1 }, "tags": ["a"] })
        .await
        .unwrap();
    let id = raw.find_one(doc! {}).await.unwrap().unwrap().get_object_id("_id").unwrap();
    let store = scratch.functions().await;
    let stored = store.put(draft("f", "new"), Expected::Revision(1)).await.unwrap();
    assert_eq!(stored.revision, 2);
    assert_eq!(store.get("f").await.unwrap(), Some(stored));
    let row = raw.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(row.get_object_id("_id").unwrap(), id);
    assert_eq!(row.get_document("owner").unwrap(), &doc! { "team": 1 });
    assert_eq!(row.get_array("tags").unwrap().len(), 1);
    // The tool reads its own field.
    assert_eq!(row.get_str("code").unwrap(), "// new");
    assert!(!row.contains_key("source"));
    scratch.end().await;
}

#[tokio::test]
async fn pages_come_in_byte_order() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.functions().await;
    for name in ["b", "a/b", "a-b", "Z", "a", "a.b", "a_b"] {
        store.put(draft(name, name), Expected::Any).await.unwrap();
    }
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(after.as_deref(), 2).await.unwrap();
        assert!(page.functions.len() <= 2);
        names.extend(page.functions.into_iter().map(|function| function.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["Z", "a", "a-b", "a.b", "a/b", "a_b", "b"]);
    assert_eq!(store.list(None, 7).await.unwrap().next, None);
    for limit in [0, 1001] {
        assert_eq!(store.list(None, limit).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    scratch.end().await;
}

#[tokio::test]
async fn names_stored_twice_are_read_and_listed_once_but_not_published() {
    let Some(scratch) = Scratch::new().await else { return };
    let raw = scratch.raw("functions");
    raw.insert_many([
        doc! { "_id": 2, "name": "f", "compiled": "two" },
        doc! { "_id": 1, "name": "f", "compiled": "one" },
    ])
    .await
    .unwrap();
    let store = scratch.functions().await;
    assert_eq!(store.get("f").await.unwrap().unwrap().compiled.as_deref(), Some("one"));
    assert_eq!(store.list(None, 10).await.unwrap().functions.len(), 1);
    let error = store.put(draft("f", "x"), Expected::Any).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("more than once"), "{error}");
    // Others are not held up.
    assert_eq!(store.put(draft("g", "x"), Expected::Absent).await.unwrap().revision, 1);
    assert!(store.delete("f").await.unwrap());
    assert_eq!(store.put(draft("f", "x"), Expected::Absent).await.unwrap().revision, 2);
    scratch.end().await;
}

#[tokio::test]
async fn the_index_is_made_once_and_one_of_another_tool_will_do() {
    let Some(scratch) = Scratch::new().await else { return };
    let raw = scratch.raw("functions");
    let options = mongodb::options::IndexOptions::builder().unique(true).name("own".to_owned()).build();
    let model = mongodb::IndexModel::builder().keys(doc! { "name": 1 }).options(options).build();
    raw.create_index(model).await.unwrap();
    let store = scratch.functions().await;
    store.put(draft("f", "x"), Expected::Any).await.unwrap();
    drop(scratch.functions().await);
    assert_eq!(raw.list_index_names().await.unwrap(), ["_id_", "own"]);
    scratch.end().await;
}

#[tokio::test]
async fn functions_cannot_be_reached_as_documents() {
    use tandem_contract::{Aggregate, DocumentStore};
    let Some(scratch) = Scratch::new().await else { return };
    let functions = scratch.functions().await;
    functions.put(draft("f", "x"), Expected::Any).await.unwrap();
    let documents = scratch.documents().await;
    for name in ["functions", "functions.tandem"] {
        let error = crate::common::all(&documents, &crate::common::target(name), doc! {}).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    let pipeline = vec![doc! { "$unionWith": "functions" }];
    let union = documents.aggregate(&crate::common::target("c"), Aggregate { pipeline }).await;
    assert_eq!(union.err().unwrap().kind(), ErrorKind::InvalidArgument);
    assert!(documents.list_collections().await.unwrap().is_empty());
    scratch.end().await;
}

#[tokio::test]
async fn a_store_that_was_closed_refuses() {
    let Some(scratch) = Scratch::new().await else { return };
    let (one, two) = (scratch.functions().await, scratch.functions().await);
    one.close().await;
    assert_eq!(one.get("f").await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    // The connections are shared; the other store still has them.
    two.put(draft("f", "x"), Expected::Any).await.unwrap();
    scratch.end().await;
}
