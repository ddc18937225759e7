//! Whether the server decides conditional writes.
//!
//! There are servers that ignore `If-None-Match` and `If-Match` and write. So before the first
//! conditional write of a process, two that must fail are tried on an object of their own, and an
//! upload in parts. On Amazon S3 nothing is tried.

use bytes::Bytes;
use tandem_blobs::checks;
use tandem_contract::{Bucket, Condition, Error, Result};
use tokio::sync::OnceCell;

use crate::failure::Failure;
use crate::store::S3Blobs;

/// Where the tries happen; the name goes on with random digits.
const PROBE: &str = ".tandem/probe-";
/// An entity tag that no object has.
const NO_ETAG: &str = "\"00000000000000000000000000000000\"";

/// What is known of the server's conditions.
pub(crate) struct Conditions {
    decided: OnceCell<bool>,
}

impl Conditions {
    /// `known` when the server is known to decide them.
    pub(crate) fn new(known: bool) -> Self {
        Self { decided: if known { OnceCell::new_with(Some(true)) } else { OnceCell::new() } }
    }
}

/// A condition as headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    pub(crate) if_none_match: Option<String>,
    pub(crate) if_match: Option<String>,
}

impl S3Blobs {
    /// The headers of `condition`, once it is known that they are heeded.
    ///
    /// # Errors
    /// `NotSupported` when they are not; `Conflict` for an entity tag that no object can have.
    pub(crate) async fn condition(&self, bucket: &Bucket, condition: &Condition) -> Result<Headers> {
        let headers = match condition {
            Condition::None => return Ok(Headers::default()),
            Condition::Absent => Headers { if_none_match: Some("*".to_owned()), if_match: None },
            Condition::Matches(etag) => {
                Headers { if_none_match: None, if_match: Some(format!("\"{etag}\"")) }
            }
        };
        if !*self.conditions.decided.get_or_try_init(|| self.probe(bucket)).await? {
            return Err(Error::not_supported(
                "ifMatch and ifNoneMatch (the server ignores them, and would write anyway)",
                "this S3 server",
            ));
        }
        match condition {
            Condition::Matches(etag)
                if etag.is_empty() || !etag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') =>
            {
                Err(checks::conflict(condition))
            }
            _ => Ok(headers),
        }
    }

    async fn probe(&self, bucket: &Bucket) -> Result<bool> {
        let mut random = [0; 8];
        self.entropy.fill(&mut random)?;
        let name = format!("{PROBE}{:016x}", u64::from_be_bytes(random));
        let probe = Probe { store: self, bucket, name: &name };
        let decided = probe.run().await;
        // What is left of a probe is in nobody's way, and the next one has another name.
        let _ = self.client.delete_object().bucket(bucket.as_str()).key(&name).send().await;
        if matches!(decided, Ok(false)) {
            tracing::warn!(endpoint = %self.endpoint, "the S3 server ignores If-Match and If-None-Match: conditional writes are refused");
        }
        decided.map_err(|failure| failure.error(self.site(bucket, "")))
    }
}

/// One try of each kind.
struct Probe<'a> {
    store: &'a S3Blobs,
    bucket: &'a Bucket,
    name: &'a str,
}

impl Probe<'_> {
    async fn run(&self) -> Result<bool, Failure> {
        self.put(Headers::default()).await?;
        for headers in [
            Headers { if_none_match: Some("*".to_owned()), if_match: None },
            Headers { if_none_match: None, if_match: Some(NO_ETAG.to_owned()) },
        ] {
            if !is_refused(self.put(headers).await)? {
                return Ok(false);
            }
        }
        is_refused(self.complete().await)
    }

    async fn put(&self, headers: Headers) -> Result<(), Failure> {
        let request = self.store.client.put_object().bucket(self.bucket.as_str()).key(self.name);
        let request = request.body(Bytes::from_static(b"probe").into());
        let request = request.set_if_none_match(headers.if_none_match).set_if_match(headers.if_match);
        match request.send().await.map_err(Failure::from) {
            Err(failure) if failure.is_no_bucket() && self.store.create_buckets => {
                self.store.make_bucket(self.bucket).await?;
                let again = self.store.client.put_object().bucket(self.bucket.as_str()).key(self.name);
                again.body(Bytes::from_static(b"probe").into()).send().await.map(drop).map_err(Failure::from)
            }
            answer => answer.map(drop),
        }
    }

    /// An upload in parts onto the object that is there, which must fail.
    async fn complete(&self) -> Result<(), Failure> {
        let client = &self.store.client;
        let (bucket, name) = (self.bucket.as_str(), self.name);
        let begun = client.create_multipart_upload().bucket(bucket).key(name).send().await?;
        let id = begun.upload_id.unwrap_or_default();
        let body = Bytes::from_static(b"part").into();
        let part = client.upload_part().bucket(bucket).key(name).upload_id(&id).part_number(1).body(body);
        let sent = part.send().await?;
        let parts = crate::upload::completed([crate::upload::part(1, sent)]);
        let complete = client.complete_multipart_upload().bucket(bucket).key(name).upload_id(&id);
        let done = complete.multipart_upload(parts).if_none_match("*").send().await;
        if done.is_err() {
            // Gone already, when it was the completion that the condition ended.
            let _ = client.abort_multipart_upload().bucket(bucket).key(name).upload_id(&id).send().await;
        }
        done.map(drop).map_err(Failure::from)
    }
}

/// Whether a write that must fail did.
fn is_refused(answer: Result<(), Failure>) -> Result<bool, Failure> {
    match answer {
        Ok(()) => Ok(false),
        Err(failure) if failure.is_conflict() => Ok(true),
        Err(failure) if failure.is_unknown_operation() => Ok(false),
        Err(failure) => Err(failure),
    }
}
