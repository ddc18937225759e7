//! A server outside of any replica set: no change streams, no transactions.

use bson::doc;
use tandem_contract::{Change, DocumentStore, ErrorKind, Expected, FunctionStore};

use crate::common::{Scratch, draft, ids, target};
use crate::mongod::Mongod;
use crate::watch::next;

#[tokio::test]
async fn functions_are_published_and_followed_by_looking() {
    let Some(server) = Mongod::start(false).await else { return };
    let scratch = Scratch::at(&server.url()).await;
    let (one, two) = (scratch.functions().await, scratch.functions().await);
    one.put(draft("old", "one"), Expected::Any).await.unwrap();
    let mut changes = two.watch();
    assert_eq!(next(&mut changes).await, Change::Resync);
    assert_eq!(one.put(draft("f", "one"), Expected::Absent).await.unwrap().revision, 1);
    assert_eq!(next(&mut changes).await, Change::Published("f".to_owned()));
    one.put(draft("f", "two"), Expected::Revision(1)).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Published("f".to_owned()));
    one.delete("f").await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Deleted("f".to_owned()));
    // A row without a hash: its text is compared.
    let raw = scratch.raw("functions");
    raw.insert_one(doc! { "name": "g", "compiled": "x" }).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Published("g".to_owned()));
    raw.update_one(doc! { "name": "g" }, doc! { "$set": { "compiled": "y" } }).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Published("g".to_owned()));
}

#[tokio::test]
async fn documents_work_and_transactions_are_refused_by_name() {
    let Some(server) = Mongod::start(false).await else { return };
    let scratch = Scratch::at(&server.url()).await;
    let store = scratch.documents().await;
    let target = target("c");
    store.insert(&target, vec![doc! { "_id": 1 }], true).await.unwrap();
    assert_eq!(ids(&store, &target, doc! {}).await, [1.into()]);
    let error = store.begin().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert_eq!(error.message(), "NOT_SUPPORTED: transactions without a replica set on mongo");
}
