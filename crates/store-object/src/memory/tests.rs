use std::path::PathBuf;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tandem_contract::{BlobBody, Bucket, Error, ErrorKind, PutOptions, SystemClock, SystemEntropy};

use super::*;

async fn open(limit: &str) -> Arc<dyn BlobStore> {
    let config: MemoryConfig = serde_json::from_value(json!({ "limit": limit })).unwrap();
    let context =
        OpenContext { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), base: PathBuf::new() };
    MemoryFactory::open(config, context).await.unwrap()
}

async fn put(store: &Arc<dyn BlobStore>, key: &str, size: usize) -> Result<()> {
    let body = BlobBody::Bytes(Bytes::from(vec![0; size]));
    store.put(&Bucket::new("default")?, key, body, PutOptions::default()).await.map(drop)
}

async fn refused(store: &Arc<dyn BlobStore>, key: &str, size: usize) {
    let error = put(store, key, size).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::StoreUnavailable, "The blob store has no space left")
    );
    assert!(error.detail().unwrap().contains("storage.memory.limit"), "{error}");
}

#[tokio::test]
async fn the_limit_counts_every_object() {
    let (store, bucket) = (open("1KiB").await, Bucket::new("default").unwrap());
    refused(&store, "a", 1025).await;
    put(&store, "a", 500).await.unwrap();
    put(&store, "b", 500).await.unwrap();
    refused(&store, "c", 25).await;
    assert!(store.copy(&bucket, "a", "c").await.is_err());
    store.delete(&bucket, "a").await.unwrap();
    // Replaced and deleted objects give back what they held, again and again.
    for _ in 0..100 {
        put(&store, "b", 512).await.unwrap();
        assert!(store.copy(&bucket, "b", "b").await.unwrap());
        put(&store, "c", 300).await.unwrap();
        store.delete(&bucket, "c").await.unwrap();
        store.delete(&bucket, "c").await.unwrap();
    }
    put(&store, "a", 512).await.unwrap();
    refused(&store, "c", 1).await;
}

#[tokio::test]
async fn failed_writes_give_back_what_they_held() {
    let (store, bucket) = (open("1KiB").await, Bucket::new("default").unwrap());
    for length in [None, Some(1000)] {
        let pieces = vec![Ok(Bytes::from(vec![0; 900])), Err(Error::internal("cut"))];
        let body = BlobBody::Stream { stream: stream::iter(pieces).boxed(), length };
        store.put(&bucket, "k", body, PutOptions::default()).await.unwrap_err();
    }
    // An endless body ends at the limit.
    let endless = stream::repeat_with(|| Ok(Bytes::from(vec![0; 100]))).boxed();
    let body = BlobBody::Stream { stream: endless, length: None };
    let error = store.put(&bucket, "k", body, PutOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
    put(&store, "k", 1024).await.unwrap();
}
