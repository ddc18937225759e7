use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

use crate::{Error, ErrorKind, Result};

/// Pieces of an object on their way; ends after the first error.
pub type BlobStream = BoxStream<'static, Result<Bytes>>;

/// A bucket's name: 1 to 63 of `a–z A–Z 0–9 . _ -`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(String);

impl Bucket {
    /// Checks `name`.
    ///
    /// # Errors
    /// `InvalidArgument` with the rule that it breaks.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let charset = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        let head = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if charset && head && name.len() <= 63 && !name.contains("..") {
            Ok(Self(name))
        } else {
            Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "Invalid bucket name {name:?}: 1 to 63 letters, digits, `.`, `_` or `-`, the first a letter or digit"
                ),
            ))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is written.
pub enum BlobBody {
    /// The whole object.
    Bytes(Bytes),
    /// The object in pieces, with its length where it is known beforehand.
    Stream {
        /// The pieces; an error in it aborts the write and leaves no object.
        stream: BlobStream,
        /// Bytes in all. A stream that yields another number is refused and leaves no object.
        length: Option<u64>,
    },
}

/// What must hold for a write to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: replace what is there.
    #[default]
    None,
    /// No object has the key (`If-None-Match: *`).
    Absent,
    /// The object has this entity tag (`If-Match`).
    Matches(String),
}

/// How an object is written.
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// `application/octet-stream` where left out.
    pub content_type: Option<String>,
    /// Pairs that come back with the object; names lower case.
    pub metadata: BTreeMap<String, String>,
    /// What must hold.
    pub condition: Condition,
}

/// What is known of an object without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobMeta {
    /// Its key, every character as it was written.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written, as finely as the store tells it; what a write returns may be a
    /// second off.
    pub last_modified: SystemTime,
    /// Changes whenever the content does; without quotes.
    pub etag: String,
    /// As written, or `application/octet-stream`; `None` in listings that do not tell.
    pub content_type: Option<String>,
    /// As written; empty in listings.
    pub metadata: BTreeMap<String, String>,
}

/// A part of an object, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobRange {
    /// From `start` up to but not including `end`.
    Bounded {
        /// The first byte.
        start: u64,
        /// One past the last byte; past the object's end means up to its end.
        end: u64,
    },
    /// From this byte to the end.
    From(u64),
    /// The last so many bytes.
    Suffix(u64),
}

/// An object being read.
pub struct BlobRead {
    /// Of the whole object, whatever the range.
    pub meta: BlobMeta,
    /// The bytes that `stream` yields, as `start..end` of the object.
    pub range: std::ops::Range<u64>,
    /// The bytes.
    pub stream: BlobStream,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct BlobListing {
    /// Only keys that start with this, by characters, not by path parts.
    pub prefix: String,
    /// Fold keys that hold this after the prefix into one entry of `prefixes`.
    pub delimiter: Option<String>,
    /// [`BlobPage::next`] of the page before.
    pub cursor: Option<String>,
    /// At most so many keys and prefixes; 1000 where left out.
    pub limit: Option<usize>,
}

/// A page of a listing.
#[derive(Clone, Debug, Default)]
pub struct BlobPage {
    /// In byte order of key.
    pub blobs: Vec<BlobMeta>,
    /// What the delimiter folded, in byte order.
    pub prefixes: Vec<String>,
    /// `None` on the last page.
    pub next: Option<String>,
}

/// What a signed URL lets its bearer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresignMethod {
    /// Read.
    Get,
    /// Write.
    Put,
}

/// A signed URL to make.
#[derive(Clone, Debug)]
pub struct Presign {
    /// What it lets the bearer do.
    pub method: PresignMethod,
    /// For how long; at most seven days.
    pub expires_in: Duration,
    /// For [`PresignMethod::Put`]: the only content type accepted.
    pub content_type: Option<String>,
}

/// Where objects live.
///
/// Keys are any UTF-8 without NUL, 1 to 1024 bytes, and are kept to the last character. A bucket
/// that does not exist yet is made by the first write where the backend can; until then reads find
/// nothing in it.
///
/// # Errors
/// Every method: `StoreUnavailable` when the store does not answer, `Forbidden` when it refuses
/// the credentials, `InvalidArgument` for a key that breaks the rule above, `Internal` when the
/// store answers nonsense. Other kinds are listed with the method.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Writes an object, whole or not at all.
    ///
    /// # Errors
    /// `Conflict` when the condition does not hold, or the store cannot hold the key beside others
    /// that are there; `NotSupported` for a condition that the store cannot decide;
    /// `InvalidArgument` when a stream's length is not the one declared; `NotFound` when there is no
    /// such bucket and the store makes none; the stream's own error when it fails.
    async fn put(&self, bucket: &Bucket, key: &str, body: BlobBody, options: PutOptions) -> Result<BlobMeta>;

    /// Opens an object for reading; `Ok(None)` when there is none.
    ///
    /// # Errors
    /// `InvalidArgument` when the range starts past the end.
    async fn get(&self, bucket: &Bucket, key: &str, range: Option<BlobRange>) -> Result<Option<BlobRead>>;

    /// What is known of an object; `Ok(None)` when there is none.
    async fn head(&self, bucket: &Bucket, key: &str) -> Result<Option<BlobMeta>>;

    /// Deletes an object; no error when there is none.
    async fn delete(&self, bucket: &Bucket, key: &str) -> Result<()>;

    /// Deletes objects; no error for those that are not there.
    async fn delete_many(&self, bucket: &Bucket, keys: &[String]) -> Result<()> {
        for key in keys {
            self.delete(bucket, key).await?;
        }
        Ok(())
    }

    /// Copies an object with its content type and metadata; `false` when `from` is not there.
    async fn copy(&self, bucket: &Bucket, from: &str, to: &str) -> Result<bool>;

    /// Lists a page of keys in byte order. A bucket that does not exist lists as empty.
    async fn list(&self, bucket: &Bucket, listing: BlobListing) -> Result<BlobPage>;

    /// Makes a URL that works without credentials; `Ok(None)` when this store cannot sign, and
    /// the server must sign a URL of its own.
    async fn presign(&self, bucket: &Bucket, key: &str, presign: &Presign) -> Result<Option<String>>;

    /// Asks the store for a sign of life, and whether `bucket` can be used.
    ///
    /// # Errors
    /// `NotFound` that names the bucket when there is none and no write would make it.
    async fn ping(&self, bucket: &Bucket) -> Result<()>;

    /// Lets go of connections. Later calls fail.
    async fn close(&self);
}
