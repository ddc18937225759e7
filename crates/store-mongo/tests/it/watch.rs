//! The change feed.

use bson::doc;
use futures_util::StreamExt;
use tandem_contract::{Change, ChangeStream, Expected, FunctionStore};
use tokio::time::timeout;

use crate::common::{SOON, Scratch, draft};

pub(crate) async fn next(changes: &mut ChangeStream) -> Change {
    timeout(SOON, changes.next()).await.expect("a change in time").expect("the feed goes on")
}

#[tokio::test]
async fn changes_of_this_store_another_and_other_tools_are_told() {
    let Some(scratch) = Scratch::new().await else { return };
    let (one, two) = (scratch.functions().await, scratch.functions().await);
    let mut changes = two.watch();
    assert_eq!(next(&mut changes).await, Change::Resync);
    one.put(draft("f", "one"), Expected::Any).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Published("f".to_owned()));
    two.put(draft("f", "two"), Expected::Any).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Published("f".to_owned()));
    one.delete("f").await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Deleted("f".to_owned()));

    let raw = scratch.raw("functions");
    raw.insert_one(doc! { "name": "g", "compiled": "x", "hash": "h" }).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Published("g".to_owned()));
    raw.update_one(doc! { "name": "g" }, doc! { "$set": { "compiled": "y", "hash": "i" } }).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Published("g".to_owned()));
    // What it was called cannot be told from such events: everything is compared.
    raw.update_one(doc! { "name": "g" }, doc! { "$set": { "name": "h" } }).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Resync);
    raw.delete_one(doc! { "name": "h" }).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Resync);
    scratch.end().await;
}

#[tokio::test]
async fn a_dropped_collection_is_a_resync_and_the_feed_goes_on() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.functions().await;
    store.put(draft("f", "one"), Expected::Any).await.unwrap();
    let mut changes = store.watch();
    assert_eq!(next(&mut changes).await, Change::Resync);
    scratch.raw("functions").drop().await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Resync);
    // Open again, and what was missed meanwhile is to be compared.
    assert_eq!(next(&mut changes).await, Change::Resync);
    store.put(draft("g", "one"), Expected::Any).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Published("g".to_owned()));
    scratch.end().await;
}

#[tokio::test]
async fn the_feed_ends_with_the_store() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.functions().await;
    let mut changes = store.watch();
    assert_eq!(next(&mut changes).await, Change::Resync);
    store.close().await;
    assert_eq!(timeout(SOON, changes.next()).await.expect("it ends"), None);
    scratch.end().await;
}
