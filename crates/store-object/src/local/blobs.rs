//! The port on top of the file operations.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use tandem_contract::{
    BlobBody, BlobListing, BlobMeta, BlobPage, BlobRange, BlobRead, BlobStore, Bucket, Error, Presign,
    PutOptions, Result,
};

use super::write::Draft;
use super::{Root, blocking, walk};
use tandem_blobs::Incoming;
use tandem_blobs::{PIECE, STORE, checks};

/// The blob store `local`.
pub(crate) struct LocalBlobs {
    root: Arc<Root>,
}

impl LocalBlobs {
    pub(crate) fn new(root: Root) -> Self {
        Self { root: Arc::new(root) }
    }

    /// Runs `work` on a thread that may block, unless the store is closed.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Root) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.root.closed.load(Ordering::Acquire) {
            return Err(Error::unavailable(STORE, "local: it was closed"));
        }
        let root = Arc::clone(&self.root);
        blocking(move || work(&root)).await
    }

    /// Writes the pieces to a draft. Small ones are gathered, so that a piece costs no thread switch.
    async fn receive(&self, mut incoming: Incoming) -> Result<Draft> {
        let mut draft = self.run(Draft::new).await?;
        let mut gathered = Vec::new();
        while let Some(piece) = incoming.next().await? {
            if gathered.len() + piece.len() < PIECE {
                if gathered.capacity() == 0 {
                    gathered.reserve_exact(PIECE);
                }
                gathered.extend_from_slice(&piece);
                continue;
            }
            (draft, gathered) = self
                .run(move |_| {
                    draft.write(&gathered)?;
                    draft.write(&piece)?;
                    gathered.clear();
                    Ok((draft, gathered))
                })
                .await?;
        }
        self.run(move |_| draft.write(&gathered).map(|()| draft)).await
    }
}

#[async_trait]
impl BlobStore for LocalBlobs {
    async fn put(&self, bucket: &Bucket, key: &str, body: BlobBody, options: PutOptions) -> Result<BlobMeta> {
        checks::key(key)?;
        let description = checks::describe(&options)?;
        let (bucket, key) = (bucket.clone(), key.to_owned());
        match body {
            BlobBody::Bytes(bytes) => {
                self.run(move |root| {
                    let mut draft = Draft::new(root)?;
                    draft.write(&bytes)?;
                    draft.publish(root, &bucket, key, description, &options.condition)
                })
                .await
            }
            BlobBody::Stream { .. } => {
                let draft = self.receive(Incoming::new(body)).await?;
                self.run(move |root| draft.publish(root, &bucket, key, description, &options.condition)).await
            }
        }
    }

    async fn get(&self, bucket: &Bucket, key: &str, range: Option<BlobRange>) -> Result<Option<BlobRead>> {
        checks::key(key)?;
        let (bucket, key) = (bucket.clone(), key.to_owned());
        self.run(move |root| root.read(&bucket, key, range)).await
    }

    async fn head(&self, bucket: &Bucket, key: &str) -> Result<Option<BlobMeta>> {
        checks::key(key)?;
        let (bucket, key) = (bucket.clone(), key.to_owned());
        self.run(move |root| root.head(&bucket, key)).await
    }

    async fn delete(&self, bucket: &Bucket, key: &str) -> Result<()> {
        checks::key(key)?;
        let (bucket, key) = (bucket.clone(), key.to_owned());
        self.run(move |root| root.delete(&bucket, &key)).await
    }

    async fn delete_many(&self, bucket: &Bucket, keys: &[String]) -> Result<()> {
        for key in keys {
            checks::key(key)?;
        }
        let (bucket, keys) = (bucket.clone(), keys.to_vec());
        self.run(move |root| keys.iter().try_for_each(|key| root.delete(&bucket, key))).await
    }

    async fn copy(&self, bucket: &Bucket, from: &str, to: &str) -> Result<bool> {
        checks::key(from)?;
        checks::key(to)?;
        let (bucket, from, to) = (bucket.clone(), from.to_owned(), to.to_owned());
        self.run(move |root| root.copy(&bucket, &from, to)).await
    }

    async fn list(&self, bucket: &Bucket, listing: BlobListing) -> Result<BlobPage> {
        let bucket = bucket.clone();
        self.run(move |root| walk::list(root, &bucket, listing)).await
    }

    async fn presign(&self, _bucket: &Bucket, _key: &str, _presign: &Presign) -> Result<Option<String>> {
        Ok(None)
    }

    async fn ping(&self, _bucket: &Bucket) -> Result<()> {
        self.run(Root::check).await
    }

    async fn close(&self) {
        self.root.closed.store(true, Ordering::Release);
    }
}
