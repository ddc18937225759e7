//! The port on a cloud's store.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use object_store::{
    Attribute, Attributes, CopyOptions, Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore,
    ObjectStoreExt,
};
use parking_lot::Mutex;
use tandem_blobs::{STORE, aside, checks, pieces, range};
use tandem_contract::{
    BlobBody, BlobListing, BlobMeta, BlobPage, BlobRange, BlobRead, BlobStore, Bucket, Error, ErrorKind,
    Presign, PresignMethod, PutOptions, Result,
};
use tokio_util::task::TaskTracker;

use super::{failure, metadata};

/// How often a read starts over when the object is replaced while it opens.
const ATTEMPTS: usize = 10;
/// Longest name that either cloud holds, in bytes.
const NAME_LIMIT: usize = 1024;
/// Deletes at once.
const AT_ONCE: usize = 16;
/// How long a sign of life may take.
const SIGN_OF_LIFE: Duration = Duration::from_millis(2500);
/// How long uploads that were broken off may take to be cleaned up when the store closes.
const LAST_TASKS: Duration = Duration::from_secs(5);

/// What a cloud's store can do.
pub(super) trait Cloud: ObjectStore + PaginatedListStore + Signer {
    /// As in the configuration.
    const NAME: &'static str;
    /// Whether conditions compare versions rather than entity tags.
    const TAGS_ARE_VERSIONS: bool;
    /// Whether a signature can cover a content type.
    const SIGNS_CONTENT_TYPES: bool;
    /// Whether a listing holds the object whose name is the prefix.
    const LISTS_PREFIX_ITSELF: bool;
    /// Whether the names of metadata may hold other than letters, digits and `_`.
    const NAMES_ARE_FREE: bool;
}

/// Makes the store of a bucket.
type MakeStore<C> = Box<dyn Fn(&Bucket) -> object_store::Result<C> + Send + Sync>;

/// A blob store in a cloud.
pub(super) struct CloudBlobs<C> {
    make: MakeStore<C>,
    stores: Mutex<HashMap<Bucket, Arc<C>>>,
    /// Whether a listing can begin in the middle.
    pub(super) has_offsets: bool,
    pub(super) tasks: TaskTracker,
    closed: AtomicBool,
}

impl<C: Cloud> CloudBlobs<C> {
    /// A store that has not sent anything yet.
    pub(super) fn new(make: MakeStore<C>, has_offsets: bool) -> Self {
        let (stores, closed) = (Mutex::default(), AtomicBool::new(false));
        Self { make, stores, has_offsets, tasks: TaskTracker::new(), closed }
    }

    /// The store of `bucket`.
    pub(super) fn store(&self, bucket: &Bucket) -> Result<Arc<C>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::unavailable(STORE, format_args!("{}: it was closed", C::NAME)));
        }
        let mut stores = self.stores.lock();
        if let Some(store) = stores.get(bucket) {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new((self.make)(bucket).map_err(|error| Self::error(bucket, &error))?);
        stores.insert(bucket.clone(), Arc::clone(&store));
        Ok(store)
    }

    /// The path under which `key` is stored.
    pub(super) fn path(key: &str) -> Result<Path> {
        checks::key(key)?;
        let name = aside::name(key).unwrap_or_else(|| key.to_owned());
        if name.len() > NAME_LIMIT {
            let message = format!("The key, as it is stored, has {} bytes: at most {NAME_LIMIT}", name.len());
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Path::parse(name).map_err(Error::internal)
    }

    pub(super) fn error(bucket: &Bucket, error: &StoreError) -> Error {
        failure::error(C::NAME, bucket, error)
    }

    /// The entity tag that functions see.
    pub(super) fn etag(etag: Option<String>, version: Option<String>) -> String {
        let tag = if C::TAGS_ARE_VERSIONS { version.or(etag) } else { etag };
        tag.unwrap_or_default().trim_start_matches("W/").trim_matches('"').to_owned()
    }

    /// What is told of the object without its attributes.
    pub(super) fn listed(key: String, meta: ObjectMeta) -> BlobMeta {
        BlobMeta {
            key,
            size: meta.size,
            last_modified: meta.last_modified.into(),
            etag: Self::etag(meta.e_tag, meta.version),
            content_type: None,
            metadata: BTreeMap::new(),
        }
    }

    fn described(key: &str, meta: ObjectMeta, attributes: &Attributes) -> BlobMeta {
        let content_type = attributes.get(&Attribute::ContentType).map(|value| value.as_ref().to_owned());
        let metadata = attributes.iter().filter_map(|(name, value)| match name {
            Attribute::Metadata(name) => {
                let name = name.to_ascii_lowercase();
                let name = if C::NAMES_ARE_FREE { name } else { metadata::read_name(&name) };
                Some((name, metadata::decode(value)))
            }
            _ => None,
        });
        BlobMeta {
            content_type: Some(content_type.unwrap_or_else(|| "application/octet-stream".to_owned())),
            metadata: metadata.collect(),
            ..Self::listed(key.to_owned(), meta)
        }
    }

    async fn open(
        &self,
        bucket: &Bucket,
        key: &str,
        options: GetOptions,
    ) -> Result<Option<object_store::GetResult>> {
        match self.store(bucket)?.get_opts(&Self::path(key)?, options).await {
            Ok(found) => Ok(Some(found)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(Self::error(bucket, &error)),
        }
    }
}

#[async_trait]
impl<C: Cloud> BlobStore for CloudBlobs<C> {
    async fn put(&self, bucket: &Bucket, key: &str, body: BlobBody, options: PutOptions) -> Result<BlobMeta> {
        self.write(bucket, key, body, options).await
    }

    async fn get(&self, bucket: &Bucket, key: &str, wanted: Option<BlobRange>) -> Result<Option<BlobRead>> {
        let path = Self::path(key)?;
        for _ in 0..ATTEMPTS {
            // Clouds differ in which ranges they take, so it is made one of two numbers first.
            let mut options = GetOptions::default();
            if wanted.is_some() {
                let Some(meta) = self.head(bucket, key).await? else { return Ok(None) };
                let bytes = range::resolve(wanted, meta.size)?;
                let Some(found) =
                    self.open(bucket, key, GetOptions { head: true, ..GetOptions::default() }).await?
                else {
                    return Ok(None);
                };
                options.if_match = found.meta.e_tag;
                options.range = Some(GetRange::Bounded(bytes));
            }
            let found = match self.store(bucket)?.get_opts(&path, options).await {
                Ok(found) => found,
                Err(StoreError::NotFound { .. }) => return Ok(None),
                Err(StoreError::Precondition { .. }) => continue,
                Err(error) => return Err(Self::error(bucket, &error)),
            };
            let (range, meta) =
                (found.range.clone(), Self::described(key, found.meta.clone(), &found.attributes));
            let bucket = bucket.clone();
            let stream = found.into_stream().map_err(move |error| Self::error(&bucket, &error));
            let stream = stream.map_ok(pieces::cut).try_flatten().boxed();
            return Ok(Some(BlobRead { meta, range, stream }));
        }
        Err(Error::unavailable(
            STORE,
            format_args!("{}: the object was replaced each time it was read", C::NAME),
        ))
    }

    async fn head(&self, bucket: &Bucket, key: &str) -> Result<Option<BlobMeta>> {
        let found = self.open(bucket, key, GetOptions { head: true, ..GetOptions::default() }).await?;
        Ok(found.map(|found| Self::described(key, found.meta.clone(), &found.attributes)))
    }

    async fn delete(&self, bucket: &Bucket, key: &str) -> Result<()> {
        match self.store(bucket)?.delete(&Self::path(key)?).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(Self::error(bucket, &error)),
        }
    }

    async fn delete_many(&self, bucket: &Bucket, keys: &[String]) -> Result<()> {
        for key in keys {
            checks::key(key)?;
        }
        let removals: Vec<_> = keys.iter().map(|key| self.delete(bucket, key)).collect();
        stream::iter(removals).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn copy(&self, bucket: &Bucket, from: &str, to: &str) -> Result<bool> {
        let (source, target) = (Self::path(from)?, Self::path(to)?);
        if source == target {
            return Ok(self.head(bucket, from).await?.is_some());
        }
        match self.store(bucket)?.copy_opts(&source, &target, CopyOptions::default()).await {
            Ok(()) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(Self::error(bucket, &error)),
        }
    }

    async fn list(&self, bucket: &Bucket, listing: BlobListing) -> Result<BlobPage> {
        self.page(bucket, listing).await
    }

    async fn presign(&self, bucket: &Bucket, key: &str, presign: &Presign) -> Result<Option<String>> {
        let mut headers = HeaderMap::new();
        let method = match (presign.method, &presign.content_type) {
            (PresignMethod::Get, _) => Method::GET,
            (PresignMethod::Put, Some(_)) if !C::SIGNS_CONTENT_TYPES => return Ok(None),
            (PresignMethod::Put, Some(content_type)) => {
                let value = HeaderValue::from_str(content_type).map_err(|_| {
                    Error::new(ErrorKind::InvalidArgument, "contentType is not a content type")
                })?;
                headers.insert(CONTENT_TYPE, value);
                Method::PUT
            }
            // Azure wants a header of its own with each upload, which plain clients do not send.
            (PresignMethod::Put, None) if !C::SIGNS_CONTENT_TYPES => return Ok(None),
            (PresignMethod::Put, None) => Method::PUT,
        };
        let mut options = SignedUrlOptions::new();
        options.signed_headers = headers;
        match self
            .store(bucket)?
            .signed_url_opts(method, &Self::path(key)?, presign.expires_in, &options)
            .await
        {
            Ok(url) => Ok(Some(url.into())),
            // There are credentials that cannot sign; the server can.
            Err(error) => {
                tracing::debug!(cloud = C::NAME, error = %Self::error(bucket, &error), "no presigned URL");
                Ok(None)
            }
        }
    }

    async fn ping(&self, bucket: &Bucket) -> Result<()> {
        let store = self.store(bucket)?;
        let options = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        match tokio::time::timeout(SIGN_OF_LIFE, store.list_paginated(None, options)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Self::error(bucket, &error)),
            Err(_) => {
                Err(Error::unavailable(STORE, format_args!("{}: no answer within {SIGN_OF_LIFE:?}", C::NAME)))
            }
        }
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.tasks.close();
        if tokio::time::timeout(LAST_TASKS, self.tasks.wait()).await.is_err() {
            tracing::warn!(cloud = C::NAME, "uploads that were broken off could not be cleaned up in time");
        }
    }
}
