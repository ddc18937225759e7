//! Deleting and copying.

use std::collections::BTreeMap;

use futures_util::{FutureExt, StreamExt, stream};
use tandem_contract::{BlobBody, Condition, ErrorKind, PutOptions};

use super::cases::{Store, all_keys, bucket, kind, pattern, put, read, text};

pub async fn deleting(store: Store) {
    let keys: Vec<String> = (0..20).map(|n| format!("d{}/{n}", n % 3)).collect();
    for key in &keys {
        put(&store, key, key).await;
    }
    let mut doomed = keys[5..].to_vec();
    doomed.push("absent".to_owned());
    store.delete_many(&bucket(), &doomed).await.unwrap();
    store.delete_many(&bucket(), &doomed).await.unwrap();
    store.delete_many(&bucket(), &[]).await.unwrap();
    let mut left = keys[..5].to_vec();
    left.sort();
    assert_eq!(all_keys(&store, "").await, left);
    // One bad key, and none is deleted.
    let bad = [left[0].clone(), String::new()];
    assert_eq!(kind(store.delete_many(&bucket(), &bad).await), ErrorKind::InvalidArgument);
    assert_eq!(all_keys(&store, "").await, left);
}

pub async fn deleting_more_than_a_request_holds(store: Store) {
    let keys: Vec<String> = (0..1100).map(|n| format!("many/{n}")).collect();
    stream::iter(&keys).for_each_concurrent(16, |key| put(&store, key, "").map(drop)).await;
    put(&store, "kept", "").await;
    store.delete_many(&bucket(), &keys).await.unwrap();
    assert_eq!(all_keys(&store, "").await, ["kept"]);
}

pub async fn copying(store: Store) {
    let bytes = pattern(1_500_000);
    let options = PutOptions {
        content_type: Some("text/plain".to_owned()),
        metadata: BTreeMap::from([("a".to_owned(), "1".to_owned())]),
        condition: Condition::None,
    };
    let from = store.put(&bucket(), "from", BlobBody::Bytes(bytes.clone()), options).await.unwrap();
    put(&store, "to/here", "replaced").await;
    assert!(store.copy(&bucket(), "from", "to/here").await.unwrap());
    assert!(read(&store, "to/here", None).await.unwrap() == bytes);
    let to = store.head(&bucket(), "to/here").await.unwrap().unwrap();
    assert_eq!((to.key.as_str(), to.size), ("to/here", from.size));
    assert_eq!((to.content_type, to.metadata), (from.content_type, from.metadata));
    store.delete(&bucket(), "from").await.unwrap();
    assert!(read(&store, "to/here", None).await.unwrap() == bytes);
}

pub async fn copying_onto_itself(store: Store) {
    put(&store, "k", "same").await;
    assert!(store.copy(&bucket(), "k", "k").await.unwrap());
    assert_eq!(text(&store, "k").await.as_deref(), Some("same"));
}
