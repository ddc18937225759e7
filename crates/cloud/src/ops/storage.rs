//! `cloud.storage`. Every operation names its bucket and checks it: nothing is decided by a
//! script.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tandem_contract::{
    BlobBody, BlobListing, BlobMeta, BlobRange, Bucket, Condition, Error, ErrorKind, HostArgs, HostValue,
    Invocation, Presign, PresignMethod, PutOptions, Result,
};

use super::streams::{hold_incoming, take_outgoing};
use super::{Op, async_op};
use crate::cloud::Cloud;

pub(super) const OPS: &[Op] = &[
    async_op!("storage.write", write),
    async_op!("storage.read", read),
    async_op!("storage.open", open),
    async_op!("storage.stat", stat),
    async_op!("storage.delete", delete),
    async_op!("storage.copy", copy),
    async_op!("storage.list", list),
    async_op!("storage.sign", sign),
];

/// Bytes of an object that is read whole; larger ones are for `readStream`.
const LARGEST_WHOLE: u64 = 256 << 20;
/// Objects up to this size are read whole without waiting for their turn.
const LARGEST_AT_ONCE: u64 = 1 << 20;

/// Seven days, the longest that S3's signatures last.
const LONGEST_EXPIRY: f64 = 604_800.0;

/// Keys and prefixes of one page.
const PAGE: usize = 1000;

/// Reads an operation's JSON. What a function passed through unchecked is what can be wrong here.
fn request<'a, T: Deserialize<'a>>(args: &'a HostArgs) -> Result<T> {
    serde_json::from_str(&args.text).map_err(|error| {
        Error::new(
            ErrorKind::InvalidArgument,
            "cloud.storage: a key or an option has the wrong type, or holds text that is not valid Unicode",
        )
        .with_detail(error)
    })
}

/// The bucket that a function means, if it may use it.
fn bucket(cloud: &Cloud, name: Option<String>) -> Result<Bucket> {
    let settings = &cloud.storage;
    let Some(name) = name.filter(|name| *name != settings.default_bucket) else {
        return Bucket::new(&settings.default_bucket);
    };
    let bucket = Bucket::new(name)?;
    if settings.buckets.iter().any(|allowed| allowed == "*" || allowed == bucket.as_str()) {
        return Ok(bucket);
    }
    Err(Error::new(
        ErrorKind::Forbidden,
        format!(
            "Functions may not use the bucket {bucket}: add it to `buckets` under [storage] in the config"
        ),
    ))
}

fn missing(bucket: &Bucket, key: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("No object has the key {key:?} in the bucket {bucket}"))
}

fn json(value: &impl Serialize) -> Result<HostValue> {
    Ok(HostValue::Json(serde_json::to_vec(value).map_err(Error::internal)?.into()))
}

/// [`BlobMeta`] as functions see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    key: String,
    size: u64,
    /// Milliseconds since 1970; the script makes a `Date` of it.
    last_modified: u64,
    etag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<String, String>>,
}

impl Meta {
    fn listed(meta: BlobMeta) -> Self {
        Self {
            key: meta.key,
            size: meta.size,
            last_modified: milliseconds(meta.last_modified),
            etag: meta.etag,
            content_type: None,
            metadata: None,
        }
    }

    fn full(mut meta: BlobMeta) -> Self {
        let content_type = meta.content_type.take();
        let metadata = std::mem::take(&mut meta.metadata);
        Self { content_type, metadata: Some(metadata), ..Self::listed(meta) }
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Write {
    bucket: Option<String>,
    key: String,
    content_type: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
    if_none_match: Option<String>,
    if_match: Option<String>,
    /// The handle of the stream that holds the content; otherwise it comes as the call's bytes.
    stream: Option<u64>,
}

impl Write {
    fn options(&mut self) -> Result<PutOptions> {
        let condition = match (self.if_none_match.take(), self.if_match.take()) {
            (None, None) => Condition::None,
            (Some(any), None) if any == "*" => Condition::Absent,
            (None, Some(etag)) => Condition::Matches(etag.trim_matches('"').to_owned()),
            (Some(_), None) => return Err(invalid("ifNoneMatch takes only \"*\"")),
            (Some(_), Some(_)) => return Err(invalid("ifNoneMatch and ifMatch exclude each other")),
        };
        let mut metadata = BTreeMap::new();
        for (name, value) in self.metadata.take().unwrap_or_default() {
            check_metadata(&name, &value)?;
            metadata.insert(name.to_ascii_lowercase(), value);
        }
        let content_type = self.content_type.take();
        if content_type.as_deref().is_some_and(|value| value.is_empty() || !is_header_value(value)) {
            return Err(invalid("contentType is not a content type"));
        }
        Ok(PutOptions { content_type, metadata, condition })
    }
}

/// Every store keeps metadata in headers: what those cannot carry is refused on all.
fn check_metadata(name: &str, value: &str) -> Result<()> {
    let named =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if named && is_header_value(value) {
        return Ok(());
    }
    Err(invalid(format!(
        "metadata {name:?}: names are letters, digits, `-`, `_` and `.`, values printable ASCII characters"
    )))
}

fn is_header_value(value: &str) -> bool {
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.trim() == value
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

async fn write(cloud: Arc<Cloud>, invocation: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let mut request: Write = request(&args)?;
    let bucket = bucket(&cloud, request.bucket.take())?;
    let options = request.options()?;
    let body = match request.stream {
        Some(handle) => BlobBody::Stream { stream: take_outgoing(&invocation, handle)?, length: None },
        None => BlobBody::Bytes(args.bytes.unwrap_or_default()),
    };
    let meta = cloud.blobs.put(&bucket, &request.key, body, options).await?;
    json(&Meta::full(meta))
}

#[derive(Deserialize)]
struct Read {
    bucket: Option<String>,
    key: String,
    /// The first byte.
    start: Option<u64>,
    /// One past the last byte.
    end: Option<u64>,
}

async fn read(cloud: Arc<Cloud>, _: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let request: Read = request(&args)?;
    let bucket = bucket(&cloud, request.bucket)?;
    let mut blob =
        cloud.blobs.get(&bucket, &request.key, None).await?.ok_or_else(|| missing(&bucket, &request.key))?;
    if blob.meta.size > LARGEST_WHOLE {
        return Err(invalid(format!(
            "readFile: {:?} has {} bytes, {LARGEST_WHOLE} at most can be read whole: use readStream",
            request.key, blob.meta.size
        )));
    }
    // Until the function has it, it counts for none of its limits.
    let _turn = match blob.meta.size {
        0..=LARGEST_AT_ONCE => None,
        size => {
            let kib = u32::try_from(size >> 10).unwrap_or(u32::MAX);
            Some(cloud.reading.acquire_many(kib).await.map_err(Error::internal)?)
        }
    };
    let Some(first) = blob.stream.next().await.transpose()? else {
        return Ok(HostValue::Bytes(Bytes::new()));
    };
    let Some(second) = blob.stream.next().await.transpose()? else { return Ok(HostValue::Bytes(first)) };
    let mut whole = BytesMut::with_capacity(usize::try_from(blob.meta.size).unwrap_or_default());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(chunk) = blob.stream.next().await.transpose()? {
        whole.extend_from_slice(&chunk);
    }
    Ok(HostValue::Bytes(whole.freeze()))
}

#[derive(Serialize)]
struct Opened {
    stream: u64,
}

async fn open(cloud: Arc<Cloud>, invocation: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let request: Read = request(&args)?;
    let bucket = bucket(&cloud, request.bucket)?;
    let range = match (request.start.unwrap_or_default(), request.end) {
        (0, None) => None,
        (start, None) => Some(BlobRange::From(start)),
        (start, Some(end)) if end >= start => Some(BlobRange::Bounded { start, end }),
        (start, Some(end)) => {
            return Err(invalid(format!("readStream: the end {end} is before the start {start}")));
        }
    };
    let blob =
        cloud.blobs.get(&bucket, &request.key, range).await?.ok_or_else(|| missing(&bucket, &request.key))?;
    json(&Opened { stream: hold_incoming(&cloud, &invocation, blob.stream)? })
}

#[derive(Deserialize)]
struct Stat {
    bucket: Option<String>,
    key: String,
    /// Answer `undefined` for what is not there.
    #[serde(default)]
    optional: bool,
}

async fn stat(cloud: Arc<Cloud>, _: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let request: Stat = request(&args)?;
    let bucket = bucket(&cloud, request.bucket)?;
    match cloud.blobs.head(&bucket, &request.key).await? {
        Some(meta) => json(&Meta::full(meta)),
        None if request.optional => Ok(HostValue::Undefined),
        None => Err(missing(&bucket, &request.key)),
    }
}

#[derive(Deserialize)]
struct Delete {
    bucket: Option<String>,
    keys: Vec<String>,
}

async fn delete(cloud: Arc<Cloud>, _: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let request: Delete = request(&args)?;
    let bucket = bucket(&cloud, request.bucket)?;
    match request.keys.as_slice() {
        [key] => cloud.blobs.delete(&bucket, key).await?,
        keys => cloud.blobs.delete_many(&bucket, keys).await?,
    }
    Ok(HostValue::Undefined)
}

#[derive(Deserialize)]
struct Copy {
    bucket: Option<String>,
    from: String,
    to: String,
}

async fn copy(cloud: Arc<Cloud>, _: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let request: Copy = request(&args)?;
    let bucket = bucket(&cloud, request.bucket)?;
    if cloud.blobs.copy(&bucket, &request.from, &request.to).await? {
        Ok(HostValue::Undefined)
    } else {
        Err(missing(&bucket, &request.from))
    }
}

#[derive(Deserialize)]
struct List {
    bucket: Option<String>,
    prefix: String,
    delimiter: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Page {
    files: Vec<Meta>,
    prefixes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

async fn list(cloud: Arc<Cloud>, _: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let request: List = request(&args)?;
    let bucket = bucket(&cloud, request.bucket)?;
    let listing = BlobListing {
        prefix: request.prefix,
        delimiter: request.delimiter.filter(|delimiter| !delimiter.is_empty()),
        cursor: request.cursor,
        limit: Some(request.limit.map_or(PAGE, |limit| limit.min(PAGE))),
    };
    let page = cloud.blobs.list(&bucket, listing).await?;
    let files = page.blobs.into_iter().map(Meta::listed).collect();
    json(&Page { files, prefixes: page.prefixes, next: page.next })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sign {
    bucket: Option<String>,
    key: String,
    method: Method,
    expires_in: f64,
    content_type: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Method {
    Get,
    Put,
}

async fn sign(cloud: Arc<Cloud>, _: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let request: Sign = request(&args)?;
    let bucket = bucket(&cloud, request.bucket)?;
    let presign = Presign {
        method: match request.method {
            Method::Get => PresignMethod::Get,
            Method::Put => PresignMethod::Put,
        },
        expires_in: expiry(request.expires_in)?,
        content_type: request.content_type,
    };
    if let Some(url) = cloud.blobs.presign(&bucket, &request.key, &presign).await? {
        return Ok(HostValue::Text(url));
    }
    let signer = cloud.signer.as_ref().ok_or_else(|| {
        Error::new(
            ErrorKind::NotSupported,
            "NOT_SUPPORTED: signed URLs on this blob store, and the server signs none",
        )
    })?;
    signer.sign(&bucket, &request.key, &presign).map(HostValue::Text)
}

fn expiry(seconds: f64) -> Result<Duration> {
    if (1.0..=LONGEST_EXPIRY).contains(&seconds) && seconds.fract() == 0.0 {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(invalid(format!(
        "expiresIn must be a whole number of seconds from 1 to {LONGEST_EXPIRY} (seven days), not {seconds}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: &str) -> Result<PutOptions> {
        let mut request: Write = serde_json::from_str(json).unwrap();
        request.options()
    }

    #[test]
    fn conditions_are_those_of_http() {
        assert_eq!(options(r#"{"key":"k"}"#).unwrap().condition, Condition::None);
        assert_eq!(options(r#"{"key":"k","ifNoneMatch":"*"}"#).unwrap().condition, Condition::Absent);
        let quoted = options(r#"{"key":"k","ifMatch":"\"abc\""}"#).unwrap();
        assert_eq!(quoted.condition, Condition::Matches("abc".to_owned()));
        assert!(options(r#"{"key":"k","ifNoneMatch":"abc"}"#).is_err());
        assert!(options(r#"{"key":"k","ifNoneMatch":"*","ifMatch":"abc"}"#).is_err());
    }

    #[test]
    fn metadata_fits_into_headers() {
        let kept = options(r#"{"key":"k","metadata":{"Author-1":"Ada L."}}"#).unwrap();
        assert_eq!(kept.metadata.get("author-1").map(String::as_str), Some("Ada L."));
        for json in [
            r#"{"key":"k","metadata":{"":"x"}}"#,
            r#"{"key":"k","metadata":{"a b":"x"}}"#,
            r#"{"key":"k","metadata":{"a":"x\ny"}}"#,
            r#"{"key":"k","metadata":{"a":"é"}}"#,
            r#"{"key":"k","contentType":"text/plain\r\nx: y"}"#,
        ] {
            assert_eq!(options(json).unwrap_err().kind(), ErrorKind::InvalidArgument, "{json}");
        }
    }

    #[test]
    fn an_expiry_is_whole_seconds_up_to_a_week() {
        assert_eq!(expiry(1.0).unwrap(), Duration::from_secs(1));
        assert_eq!(expiry(604_800.0).unwrap(), Duration::from_secs(604_800));
        for seconds in [0.0, -1.0, 0.5, 604_801.0, f64::NAN, f64::INFINITY] {
            assert_eq!(expiry(seconds).unwrap_err().kind(), ErrorKind::InvalidArgument, "{seconds}");
        }
    }
}
