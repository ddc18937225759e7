//! Writing objects.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tandem_blobs::checks::{self, Description};
use tandem_blobs::{Incoming, Parts, STORE};
use tandem_contract::{BlobBody, BlobMeta, Bucket, Condition, Error, ErrorKind, PutOptions, Result};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::conditions::Headers;
use crate::failure::Failure;
use crate::interceptors::Tries;
use crate::metadata;
use crate::reading::etag;
use crate::store::S3Blobs;

/// Parts of an object at most.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const PARTS: i32 = 10_000;
/// Parts of one upload that are sent at once, while another is gathered.
const AT_ONCE: usize = 1;
/// How often a write is tried that a server denies to have a place for.
const ATTEMPTS: usize = 10;

impl S3Blobs {
    pub(crate) async fn write(
        &self,
        bucket: &Bucket,
        key: &str,
        body: BlobBody,
        options: &PutOptions,
    ) -> Result<BlobMeta> {
        let target = Target::new(self, bucket, key, options).await?;
        let whole = match body {
            BlobBody::Bytes(bytes) if bytes.len() as u64 <= self.multipart_above => bytes,
            body => {
                let incoming = Incoming::new(body);
                let declared = incoming.declared().unwrap_or_default();
                // As small as it may be, so that an object of the declared length fits.
                let size = self
                    .part_size
                    .max(usize::try_from(declared.div_ceil(PARTS as u64)).map_err(Error::internal)?);
                let mut parts = Parts::new(incoming, size);
                let first = parts.next().await?.unwrap_or_default();
                match parts.next().await? {
                    None => first,
                    Some(second) => return target.in_parts([first, second], parts).await,
                }
            }
        };
        target.at_once(whole).await
    }

    /// Makes a bucket; no failure when it is there by now.
    pub(crate) async fn make_bucket(&self, bucket: &Bucket) -> Result<(), Failure> {
        match self.client.create_bucket().bucket(bucket.as_str()).send().await.map_err(Failure::from) {
            Err(failure)
                if !failure.has_code("BucketAlreadyOwnedByYou")
                    && !failure.has_code("BucketAlreadyExists") =>
            {
                Err(failure)
            }
            _ => Ok(()),
        }
    }
}

/// Where an object goes, and what goes with it.
pub(crate) struct Target<'a> {
    store: &'a S3Blobs,
    bucket: &'a Bucket,
    key: &'a str,
    name: String,
    description: Description,
    condition: Condition,
    headers: Headers,
}

impl<'a> Target<'a> {
    async fn new(store: &'a S3Blobs, bucket: &'a Bucket, key: &'a str, options: &PutOptions) -> Result<Self> {
        let name = store.name(key)?.into_owned();
        let description = checks::describe(options)?;
        let headers = store.condition(bucket, &options.condition).await?;
        let condition = options.condition.clone();
        Ok(Self { store, bucket, key, name, description, condition, headers })
    }

    /// For a copy of what `meta` describes.
    pub(crate) fn of_copy(
        store: &'a S3Blobs,
        bucket: &'a Bucket,
        key: &'a str,
        meta: &BlobMeta,
    ) -> Result<Self> {
        let options = PutOptions {
            content_type: meta.content_type.clone(),
            metadata: meta.metadata.clone(),
            condition: Condition::None,
        };
        Ok(Self {
            store,
            bucket,
            key,
            name: store.name(key)?.into_owned(),
            description: checks::describe(&options)?,
            condition: Condition::None,
            headers: Headers::default(),
        })
    }

    async fn at_once(self, bytes: Bytes) -> Result<BlobMeta> {
        let tries = Tries::default();
        let send = || async {
            let mut request = self.store.client.put_object().bucket(self.bucket.as_str()).key(&self.name);
            for (name, value) in &self.description.metadata {
                request = request.metadata(name, metadata::encode(value));
            }
            request
                .content_type(&self.description.content_type)
                .set_if_match(self.headers.if_match.clone())
                .set_if_none_match(self.headers.if_none_match.clone())
                .body(bytes.clone().into())
                .customize()
                .interceptor(tries.clone())
                .send()
                .await
                .map_err(Failure::from)
        };
        let mut sent = match send().await {
            Err(failure) if failure.is_no_bucket() && self.store.create_buckets => {
                self.store.make_bucket(self.bucket).await.map_err(|failure| self.error(&failure))?;
                send().await
            }
            sent => sent,
        };
        for _ in 1..ATTEMPTS {
            // A server on a file system lost the folder to a delete meanwhile.
            match &sent {
                Err(failure) if failure.is_absent() && self.condition == Condition::None => {
                    sent = send().await
                }
                _ => break,
            }
        }
        let sent = sent.map_err(|failure| self.refusal(&failure, &tries))?;
        Ok(self.written(bytes.len() as u64, sent.e_tag, &tries))
    }

    async fn in_parts(self, first: [Bytes; 2], mut rest: Parts) -> Result<BlobMeta> {
        let mut upload = self.begin().await?;
        for part in first {
            upload.send(part).await?;
        }
        while let Some(part) = rest.next().await? {
            upload.send(part).await?;
        }
        let size = upload.size;
        upload.complete(size).await
    }

    /// Begins an upload in parts.
    pub(crate) async fn begin(self) -> Result<Upload<'a>> {
        let send = || async {
            let mut request =
                self.store.client.create_multipart_upload().bucket(self.bucket.as_str()).key(&self.name);
            for (name, value) in &self.description.metadata {
                request = request.metadata(name, metadata::encode(value));
            }
            let request = request.content_type(&self.description.content_type);
            request.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await.map_err(Failure::from)
        };
        let begun = match send().await {
            Err(failure) if failure.is_no_bucket() && self.store.create_buckets => {
                self.store.make_bucket(self.bucket).await.map_err(|failure| self.error(&failure))?;
                send().await
            }
            begun => begun,
        };
        let begun = begun.map_err(|failure| self.error(&failure))?;
        let id = begun.upload_id.ok_or_else(|| Error::internal("s3: an upload without an id"))?;
        let place = Place {
            client: self.store.client.clone(),
            bucket: self.bucket.to_string(),
            name: self.name.clone(),
            id,
        };
        let abort = Abort { place: Some(place.clone()), tasks: self.store.tasks.clone() };
        Ok(Upload {
            target: self,
            place,
            sending: JoinSet::new(),
            parts: Vec::new(),
            next: 1,
            size: 0,
            abort,
        })
    }

    fn written(&self, size: u64, tag: Option<String>, tries: &Tries) -> BlobMeta {
        let Description { content_type, metadata } = self.description.clone();
        BlobMeta {
            key: self.key.to_owned(),
            size,
            last_modified: tries.answered_at().unwrap_or_else(|| self.store.clock.wall()),
            etag: etag(tag),
            content_type: Some(content_type),
            metadata,
        }
    }

    /// The error of a write that makes the object. One that was tried again may be refused because of
    /// what its own first try did.
    fn refusal(&self, failure: &Failure, tries: &Tries) -> Error {
        let conditional = self.condition != Condition::None;
        let by_itself = failure.has_code("NoSuchUpload")
            || (conditional && (failure.is_conflict() || failure.is_absent()));
        if !(by_itself && tries.left_doubt()) {
            return self.error(failure);
        }
        Error::new(
            ErrorKind::StoreUnavailable,
            "The blob store did not answer a write and refused it when asked again, maybe because it had \
             been done: look at the object before you write it again",
        )
        .with_detail(format!("s3: {}: {failure:?}", self.store.endpoint))
    }

    fn error(&self, failure: &Failure) -> Error {
        let conditional = self.condition != Condition::None;
        // An object that must match is not there at all.
        if conditional && (failure.is_conflict() || failure.is_absent()) {
            return checks::conflict(&self.condition);
        }
        failure.error(self.store.site(self.bucket, self.key))
    }
}

/// An upload in parts, aborted unless it is completed.
pub(crate) struct Upload<'a> {
    target: Target<'a>,
    place: Place,
    sending: JoinSet<Result<CompletedPart, Failure>>,
    parts: Vec<CompletedPart>,
    next: i32,
    size: u64,
    abort: Abort,
}

impl Upload<'_> {
    /// Sends a part, or waits until it may be sent.
    async fn send(&mut self, bytes: Bytes) -> Result<()> {
        let number = self.number()?;
        self.size += bytes.len() as u64;
        while self.sending.len() >= AT_ONCE {
            self.join().await?;
        }
        let place = self.place.clone();
        self.sending.spawn(async move {
            let Place { client, bucket, name, id } = place;
            let request = client.upload_part().bucket(bucket).key(name).upload_id(id).part_number(number);
            let request = request.checksum_algorithm(ChecksumAlgorithm::Crc32).body(bytes.into());
            Ok(part(number, request.send().await?))
        });
        Ok(())
    }

    /// Copies a part of another object, if that still has the entity tag.
    pub(crate) async fn copy(&mut self, source: &mut str, range: &str, etag: &str) -> Result<()> {
        let number = self.number()?;
        let Place { client, bucket, name, id } = &self.place;
        let request = client.upload_part_copy().bucket(bucket).key(name).upload_id(id).part_number(number);
        let request = request.copy_source(&*source).copy_source_range(range).copy_source_if_match(etag);
        let copied = request.send().await.map_err(|error| self.target.error(&error.into()))?;
        let result =
            copied.copy_part_result.ok_or_else(|| Error::internal("s3: a copied part without a result"))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(result.e_tag);
        self.parts.push(part.set_checksum_crc32(result.checksum_crc32).build());
        Ok(())
    }

    /// Makes the parts the object.
    pub(crate) async fn complete(mut self, size: u64) -> Result<BlobMeta> {
        while !self.sending.is_empty() {
            self.join().await?;
        }
        self.parts.sort_by_key(|part| part.part_number);
        let Headers { if_match, if_none_match } = self.target.headers.clone();
        let tries = Tries::default();
        let Place { client, bucket, name, id } = &self.place;
        let request = client.complete_multipart_upload().bucket(bucket).key(name).upload_id(id);
        let request = request
            .multipart_upload(completed(self.parts))
            .set_if_match(if_match)
            .set_if_none_match(if_none_match);
        let done = request.customize().interceptor(tries.clone()).send().await;
        let done = done.map_err(|error| self.target.refusal(&error.into(), &tries))?;
        self.abort.place = None;
        Ok(self.target.written(size, done.e_tag, &tries))
    }

    fn number(&mut self) -> Result<i32> {
        if self.next > PARTS {
            let message = format!(
                "An object has at most {PARTS} parts of storage.s3.part_size ({} bytes): declare its length, or raise the setting",
                self.target.store.part_size
            );
            return Err(Error::new(ErrorKind::BodyTooLarge, message));
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    async fn join(&mut self) -> Result<()> {
        match self.sending.join_next().await {
            None => Ok(()),
            Some(Ok(Ok(part))) => {
                self.parts.push(part);
                Ok(())
            }
            Some(Ok(Err(failure))) => Err(self.target.error(&failure)),
            Some(Err(stopped)) => Err(Error::unavailable(STORE, stopped)),
        }
    }
}

/// Where the server keeps an upload.
#[derive(Clone)]
struct Place {
    client: Client,
    bucket: String,
    name: String,
    id: String,
}

/// Aborts an upload when it is dropped, also when whoever waits for it has gone: parts that are
/// left behind cost money, and nobody sees them.
struct Abort {
    /// `None` once there is nothing to abort.
    place: Option<Place>,
    tasks: TaskTracker,
}

impl Drop for Abort {
    fn drop(&mut self) {
        let Some(Place { client, bucket, name, id }) = self.place.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let abort = client.abort_multipart_upload().bucket(&bucket).key(name).upload_id(id);
        self.tasks.spawn_on(
            async move {
                if let Err(error) = abort.send().await {
                    let failure = Failure::from(error);
                    if !failure.has_code("NoSuchUpload") {
                        tracing::warn!(
                            bucket,
                            ?failure,
                            "s3: the parts of an upload that was broken off are still there"
                        );
                    }
                }
            },
            &runtime,
        );
    }
}

pub(crate) fn part(number: i32, sent: UploadPartOutput) -> CompletedPart {
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(sent.e_tag)
        .set_checksum_crc32(sent.checksum_crc32)
        .build()
}

pub(crate) fn completed(parts: impl IntoIterator<Item = CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts.into_iter().collect())).build()
}
