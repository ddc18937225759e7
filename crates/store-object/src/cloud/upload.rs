//! Writing objects.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use object_store::{
    Attribute, Attributes, Error as StoreError, MultipartUpload, ObjectStore, PutMode, PutMultipartOptions,
    PutOptions as StorePutOptions, PutPayload, PutResult, UpdateVersion,
};
use tandem_blobs::checks::{self, Description};
use tandem_blobs::{Incoming, Parts, STORE};
use tandem_contract::{BlobBody, BlobMeta, Bucket, Condition, Error, ErrorKind, PutOptions, Result};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::blobs::{Cloud, CloudBlobs};
use super::metadata;

/// Bytes of a part of a large upload.
const PART: usize = 8 << 20;
/// Parts of one upload that are sent at once, while another is gathered.
const AT_ONCE: usize = 1;
/// Bytes of an object that is written under a condition.
const CONDITIONAL: usize = 64 << 20;

impl<C: Cloud> CloudBlobs<C> {
    pub(super) async fn write(
        &self,
        bucket: &Bucket,
        key: &str,
        body: BlobBody,
        options: PutOptions,
    ) -> Result<BlobMeta> {
        let path = Self::path(key)?;
        let description = checks::describe(&options)?;
        let store = self.store(bucket)?;
        let mode = Self::mode(&options.condition)?;
        let attributes = attributes::<C>(&description);
        let mut parts = Parts::new(Incoming::new(body), PART);
        let mut first = parts.next().await?.unwrap_or_default();
        let second = parts.next().await?;
        let (size, result) = match (second, &options.condition) {
            (Some(second), Condition::None) => {
                let attributes = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
                let begun = store.put_multipart_opts(&path, attributes).await;
                let begun = begun.map_err(|error| Self::error(bucket, &error))?;
                let mut upload =
                    Upload { abort: Abort::new(begun, &self.tasks), sending: JoinSet::new(), size: 0 };
                upload.run(first, second, parts).await.map_err(|fault| fault.into_error::<C>(bucket))?
            }
            (second, _) => {
                if let Some(second) = second {
                    first = gather::<C>(first, second, parts).await?;
                }
                let size = first.len() as u64;
                let options = StorePutOptions { mode, attributes, ..StorePutOptions::default() };
                (size, store.put_opts(&path, PutPayload::from_bytes(first), options).await)
            }
        };
        let result = result.map_err(|error| match error {
            StoreError::AlreadyExists { .. }
            | StoreError::Precondition { .. }
            | StoreError::NotFound { .. }
                if options.condition != Condition::None =>
            {
                checks::conflict(&options.condition)
            }
            error => Self::error(bucket, &error),
        })?;
        let Description { content_type, metadata } = description;
        Ok(BlobMeta {
            key: key.to_owned(),
            size,
            last_modified: SystemTime::now(),
            etag: Self::etag(result.e_tag, result.version),
            content_type: Some(content_type),
            metadata,
        })
    }

    fn mode(condition: &Condition) -> Result<PutMode> {
        Ok(match condition {
            Condition::None => PutMode::Overwrite,
            Condition::Absent => PutMode::Create,
            Condition::Matches(etag) => {
                if etag.is_empty()
                    || !etag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
                    || etag == "*"
                {
                    return Err(checks::conflict(condition));
                }
                if !C::TAGS_ARE_VERSIONS {
                    return Ok(PutMode::Update(UpdateVersion {
                        e_tag: Some(format!("\"{etag}\"")),
                        version: None,
                    }));
                }
                if !etag.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(checks::conflict(condition));
                }
                PutMode::Update(UpdateVersion { e_tag: None, version: Some(etag.clone()) })
            }
        })
    }
}

/// A whole body, for a write under a condition.
async fn gather<C: Cloud>(first: Bytes, second: Bytes, mut rest: Parts) -> Result<Bytes> {
    let mut whole = BytesMut::from(&first[..]);
    let mut next = Some(second);
    while let Some(part) = next {
        if whole.len() + part.len() > CONDITIONAL {
            return Err(Error::not_supported("ifMatch and ifNoneMatch with more than 64 MiB", C::NAME));
        }
        whole.extend_from_slice(&part);
        next = rest.next().await?;
    }
    Ok(whole.freeze())
}

/// An upload in parts.
struct Upload {
    abort: Abort,
    sending: JoinSet<object_store::Result<()>>,
    size: u64,
}

/// Why an upload did not end well.
enum Fault {
    Body(Error),
    Store(StoreError),
}

impl Fault {
    fn into_error<C: Cloud>(self, bucket: &Bucket) -> Error {
        match self {
            Self::Body(error) => error,
            Self::Store(error) => CloudBlobs::<C>::error(bucket, &error),
        }
    }
}

impl Upload {
    async fn run(
        &mut self,
        first: Bytes,
        second: Bytes,
        mut rest: Parts,
    ) -> Result<(u64, object_store::Result<PutResult>), Fault> {
        self.send(first).await?;
        self.send(second).await?;
        while let Some(part) = rest.next().await.map_err(Fault::Body)? {
            self.send(part).await?;
        }
        while !self.sending.is_empty() {
            self.join().await?;
        }
        let Some(upload) = &mut self.abort.upload else { return Err(gone()) };
        let completed = upload.complete().await;
        if completed.is_ok() {
            self.abort.upload = None;
        }
        Ok((self.size, completed))
    }

    async fn send(&mut self, bytes: Bytes) -> Result<(), Fault> {
        while self.sending.len() >= AT_ONCE {
            self.join().await?;
        }
        self.size += bytes.len() as u64;
        let Some(upload) = &mut self.abort.upload else { return Err(gone()) };
        self.sending.spawn(upload.put_part(PutPayload::from_bytes(bytes)));
        Ok(())
    }

    async fn join(&mut self) -> Result<(), Fault> {
        match self.sending.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(Fault::Store(error)),
            Some(Err(stopped)) => Err(Fault::Body(Error::unavailable(STORE, stopped))),
        }
    }
}

fn gone() -> Fault {
    Fault::Body(Error::new(ErrorKind::Conflict, "The upload is over"))
}

/// Aborts an upload when it is dropped, also when whoever waits for it has gone.
struct Abort {
    /// `None` once there is nothing to abort.
    upload: Option<Box<dyn MultipartUpload>>,
    tasks: TaskTracker,
}

impl Abort {
    fn new(upload: Box<dyn MultipartUpload>, tasks: &TaskTracker) -> Self {
        Self { upload: Some(upload), tasks: tasks.clone() }
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        self.tasks.spawn_on(
            async move {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(%error, "the parts of an upload that was broken off are still there");
                }
            },
            &runtime,
        );
    }
}

fn attributes<C: Cloud>(description: &Description) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, description.content_type.clone().into());
    for (name, value) in &description.metadata {
        let name = if C::NAMES_ARE_FREE { name.clone() } else { metadata::write_name(name) };
        attributes.insert(Attribute::Metadata(name.into()), metadata::encode(value).into());
    }
    attributes
}
