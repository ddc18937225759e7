//! Buckets of other names, for tests that share a server.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_contract::{
    BlobBody, BlobListing, BlobMeta, BlobPage, BlobRange, BlobRead, BlobStore, Bucket, Presign, PutOptions,
    Result,
};

/// A store whose every bucket is another one of the store behind it, with a prefix of its own.
pub struct Renamed {
    store: Arc<dyn BlobStore>,
    prefix: String,
}

impl Renamed {
    /// The bucket `name` is `{prefix}{name}` of `store`.
    pub fn new(store: Arc<dyn BlobStore>, prefix: impl Into<String>) -> Self {
        Self { store, prefix: prefix.into() }
    }

    fn bucket(&self, bucket: &Bucket) -> Result<Bucket> {
        Bucket::new(format!("{}{bucket}", self.prefix))
    }
}

#[async_trait]
impl BlobStore for Renamed {
    async fn put(&self, bucket: &Bucket, key: &str, body: BlobBody, options: PutOptions) -> Result<BlobMeta> {
        self.store.put(&self.bucket(bucket)?, key, body, options).await
    }

    async fn get(&self, bucket: &Bucket, key: &str, range: Option<BlobRange>) -> Result<Option<BlobRead>> {
        self.store.get(&self.bucket(bucket)?, key, range).await
    }

    async fn head(&self, bucket: &Bucket, key: &str) -> Result<Option<BlobMeta>> {
        self.store.head(&self.bucket(bucket)?, key).await
    }

    async fn delete(&self, bucket: &Bucket, key: &str) -> Result<()> {
        self.store.delete(&self.bucket(bucket)?, key).await
    }

    async fn delete_many(&self, bucket: &Bucket, keys: &[String]) -> Result<()> {
        self.store.delete_many(&self.bucket(bucket)?, keys).await
    }

    async fn copy(&self, bucket: &Bucket, from: &str, to: &str) -> Result<bool> {
        self.store.copy(&self.bucket(bucket)?, from, to).await
    }

    async fn list(&self, bucket: &Bucket, listing: BlobListing) -> Result<BlobPage> {
        self.store.list(&self.bucket(bucket)?, listing).await
    }

    async fn presign(&self, bucket: &Bucket, key: &str, presign: &Presign) -> Result<Option<String>> {
        self.store.presign(&self.bucket(bucket)?, key, presign).await
    }

    async fn ping(&self, bucket: &Bucket) -> Result<()> {
        self.store.ping(&self.bucket(bucket)?).await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
