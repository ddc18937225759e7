//! The port on [`InMemory`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, future};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutOptions as StorePutOptions, UpdateVersion,
};
use tandem_contract::{
    BlobBody, BlobListing, BlobMeta, BlobPage, BlobRange, BlobRead, BlobStore, Bucket, Condition, Error,
    Presign, PutOptions, Result,
};

use super::path_key;
use super::quota::{Quota, Reservation};
use tandem_blobs::Incoming;
use tandem_blobs::checks::{self, Description};
use tandem_blobs::{Offer, Page};
use tandem_blobs::{STORE, pieces, range};

/// How often a read starts over when the object is replaced while it opens.
const ATTEMPTS: usize = 100;

/// The blob store `memory`.
pub(crate) struct MemoryBlobs {
    store: InMemory,
    quota: Arc<Quota>,
    /// Held by every write, so that the size of what it replaces is known.
    writing: tokio::sync::Mutex<()>,
    /// What entity tags start with, because [`InMemory`] counts from 0 in every process.
    instance: String,
    closed: AtomicBool,
}

impl MemoryBlobs {
    /// An empty store for at most `limit` bytes.
    pub(crate) fn new(limit: u64, instance: u64) -> Self {
        Self {
            store: InMemory::new(),
            quota: Arc::new(Quota::new(limit)),
            writing: tokio::sync::Mutex::new(()),
            instance: format!("{instance:016x}-"),
            closed: AtomicBool::new(false),
        }
    }

    fn path(&self, bucket: &Bucket, key: &str) -> Result<Path> {
        checks::key(key)?;
        self.check_open()?;
        path_key::path(bucket, key)
    }

    fn check_open(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(Error::unavailable(STORE, "memory: it was closed")),
            false => Ok(()),
        }
    }

    /// Gathers a body, counted against the quota.
    async fn receive(&self, mut incoming: Incoming) -> Result<(Bytes, Reservation)> {
        let mut reservation = Reservation::new(Arc::clone(&self.quota));
        // What is declared is reserved at once: a body that cannot fit is refused unread.
        let declared = incoming.declared().unwrap_or_default();
        reservation.grow(declared)?;
        let mut gathered = BytesMut::new();
        let mut first = Bytes::new();
        let mut received = 0;
        while let Some(piece) = incoming.next().await? {
            received += piece.len() as u64;
            if received > declared {
                reservation.grow(piece.len() as u64)?;
            }
            if first.is_empty() && gathered.is_empty() {
                first = piece;
                continue;
            }
            if gathered.is_empty() {
                let capacity = usize::try_from(declared).unwrap_or_default().max(first.len() + piece.len());
                gathered.reserve(capacity);
                gathered.extend_from_slice(&first);
            }
            gathered.extend_from_slice(&piece);
        }
        Ok((if gathered.is_empty() { first } else { gathered.freeze() }, reservation))
    }

    /// The object at `path` as the store knows it.
    async fn find(&self, path: &Path) -> Result<Option<ObjectMeta>> {
        match self.store.head(path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::internal(error)),
        }
    }

    /// Bytes of the object at `path`, to be given back when it is replaced.
    async fn size(&self, path: &Path) -> Result<u64> {
        Ok(self.find(path).await?.map_or(0, |meta| meta.size))
    }

    /// The entity tag that functions see for the store's own, which is quoted.
    fn etag(&self, own: Option<String>) -> String {
        format!("{}{}", self.instance, own.unwrap_or_default().trim_matches('"'))
    }

    fn mode(&self, condition: &Condition) -> Result<PutMode> {
        Ok(match condition {
            Condition::None => PutMode::Overwrite,
            Condition::Absent => PutMode::Create,
            Condition::Matches(etag) => {
                let own = etag.strip_prefix(&self.instance).ok_or_else(|| checks::conflict(condition))?;
                PutMode::Update(UpdateVersion { e_tag: Some(format!("\"{own}\"")), version: None })
            }
        })
    }

    fn listed(&self, key: String, meta: &ObjectMeta) -> BlobMeta {
        BlobMeta {
            key,
            size: meta.size,
            last_modified: meta.last_modified.into(),
            etag: self.etag(meta.e_tag.clone()),
            content_type: None,
            metadata: BTreeMap::new(),
        }
    }

    fn described(&self, key: &str, meta: &ObjectMeta, attributes: &Attributes) -> BlobMeta {
        let metadata = attributes.iter().filter_map(|(name, value)| match name {
            Attribute::Metadata(name) => Some((name.to_string(), value.as_ref().to_owned())),
            _ => None,
        });
        let content_type = attributes.get(&Attribute::ContentType).map(|value| value.as_ref().to_owned());
        BlobMeta { content_type, metadata: metadata.collect(), ..self.listed(key.to_owned(), meta) }
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn put(&self, bucket: &Bucket, key: &str, body: BlobBody, options: PutOptions) -> Result<BlobMeta> {
        let path = self.path(bucket, key)?;
        let description = checks::describe(&options)?;
        let mode = self.mode(&options.condition)?;
        let (bytes, reservation) = self.receive(Incoming::new(body)).await?;
        let attributes = attributes(description);
        let put = StorePutOptions { mode, attributes: attributes.clone(), ..StorePutOptions::default() };
        let writing = self.writing.lock().await;
        let replaced = self.size(&path).await?;
        self.store.put_opts(&path, bytes.into(), put).await.map_err(|error| match error {
            StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } => {
                checks::conflict(&options.condition)
            }
            other => Error::internal(other),
        })?;
        reservation.keep();
        self.quota.release(replaced);
        let stored = self.find(&path).await?.ok_or_else(|| Error::internal("memory: a write was lost"))?;
        drop(writing);
        Ok(self.described(key, &stored, &attributes))
    }

    async fn get(&self, bucket: &Bucket, key: &str, range: Option<BlobRange>) -> Result<Option<BlobRead>> {
        let path = self.path(bucket, key)?;
        for _ in 0..ATTEMPTS {
            let Some(found) = self.find(&path).await? else { return Ok(None) };
            let range = range::resolve(range, found.size)?;
            let options = GetOptions {
                if_match: found.e_tag,
                // An empty range is refused, and the range of an empty object is empty.
                range: (!range.is_empty()).then(|| GetRange::Bounded(range.clone())),
                ..GetOptions::default()
            };
            let read = match self.store.get_opts(&path, options).await {
                Ok(read) => read,
                Err(StoreError::NotFound { .. }) => return Ok(None),
                Err(StoreError::Precondition { .. }) => continue,
                Err(error) => return Err(Error::internal(error)),
            };
            let meta = self.described(key, &read.meta, &read.attributes);
            let pieces = read.into_stream().map_err(Error::internal).map_ok(pieces::cut).try_flatten();
            return Ok(Some(BlobRead { meta, range, stream: pieces.boxed() }));
        }
        Err(Error::unavailable(STORE, "memory: the object was replaced each time it was read"))
    }

    async fn head(&self, bucket: &Bucket, key: &str) -> Result<Option<BlobMeta>> {
        let path = self.path(bucket, key)?;
        match self.store.get_opts(&path, GetOptions { head: true, ..GetOptions::default() }).await {
            Ok(found) => Ok(Some(self.described(key, &found.meta, &found.attributes))),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::internal(error)),
        }
    }

    async fn delete(&self, bucket: &Bucket, key: &str) -> Result<()> {
        let path = self.path(bucket, key)?;
        let _writing = self.writing.lock().await;
        let size = self.size(&path).await?;
        match self.store.delete(&path).await {
            Ok(()) => self.quota.release(size),
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(Error::internal(error)),
        }
        Ok(())
    }

    async fn delete_many(&self, bucket: &Bucket, keys: &[String]) -> Result<()> {
        for key in keys {
            checks::key(key)?;
        }
        for key in keys {
            self.delete(bucket, key).await?;
        }
        Ok(())
    }

    async fn copy(&self, bucket: &Bucket, from: &str, to: &str) -> Result<bool> {
        let (from, to) = (self.path(bucket, from)?, self.path(bucket, to)?);
        let _writing = self.writing.lock().await;
        let Some(source) = self.find(&from).await? else { return Ok(false) };
        let replaced = self.size(&to).await?;
        let mut reservation = Reservation::new(Arc::clone(&self.quota));
        reservation.grow(source.size)?;
        self.store.copy(&from, &to).await.map_err(Error::internal)?;
        reservation.keep();
        self.quota.release(replaced);
        Ok(true)
    }

    async fn list(&self, bucket: &Bucket, listing: BlobListing) -> Result<BlobPage> {
        self.check_open()?;
        let mut page = Page::new(listing)?;
        let all = self.store.list(Some(&path_key::bucket(bucket)?));
        let wanted = all.try_filter_map(|meta| {
            let key = path_key::key(&meta.location).filter(|key| page.wants(key));
            future::ready(Ok(key.map(|key| (key, meta))))
        });
        // Paths with escapes do not sort as their keys do.
        let wanted: BTreeMap<String, ObjectMeta> = wanted.try_collect().await.map_err(Error::internal)?;
        for (key, meta) in wanted {
            if page.offer(&key, || Ok(Some(self.listed(key.clone(), &meta))))? == Offer::Full {
                break;
            }
        }
        Ok(page.finish())
    }

    async fn presign(&self, _bucket: &Bucket, _key: &str, _presign: &Presign) -> Result<Option<String>> {
        Ok(None)
    }

    async fn ping(&self, _bucket: &Bucket) -> Result<()> {
        self.check_open()
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

fn attributes(description: Description) -> Attributes {
    let Description { content_type, metadata } = description;
    let metadata = metadata.into_iter().map(|(name, value)| (Attribute::Metadata(name.into()), value));
    std::iter::once((Attribute::ContentType, content_type)).chain(metadata).collect()
}
