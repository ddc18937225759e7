//! Reading objects and what is known of them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::SystemTime;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use futures_util::{StreamExt, TryStreamExt, stream};
use tandem_blobs::{STORE, pieces, range};
use tandem_contract::{BlobMeta, BlobRange, BlobRead, BlobStream, Bucket, Error, Result};

use crate::failure::{Failure, chain};
use crate::metadata;
use crate::store::S3Blobs;

/// What an object is that has no content type.
const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

impl S3Blobs {
    pub(crate) async fn read(
        &self,
        bucket: &Bucket,
        key: &str,
        wanted: Option<BlobRange>,
    ) -> Result<Option<BlobRead>> {
        let name = self.name(key)?;
        let header = match wanted.map(header).transpose() {
            Ok(header) => header,
            Err(()) => {
                // It holds no byte of any object; the size is for the sentence.
                let Some(meta) = self.describe(bucket, key).await? else { return Ok(None) };
                range::resolve(wanted, meta.size)?;
                return Err(Error::internal("s3: a range was thought to be empty and is not"));
            }
        };
        let request = self.client.get_object().bucket(bucket.as_str()).key(name.as_ref()).set_range(header);
        let found = match request.send().await.map_err(Failure::from) {
            Ok(found) => found,
            Err(failure) if failure.is_absent() || failure.is_no_bucket() => return Ok(None),
            Err(failure) if failure.is_unsatisfiable() => {
                let Some(meta) = self.describe(bucket, key).await? else { return Ok(None) };
                range::resolve(wanted, meta.size)?;
                return Err(failure.error(self.site(bucket, key)));
            }
            Err(failure) => return Err(failure.error(self.site(bucket, key))),
        };
        let (size, sent) = extent(&found)?;
        let bytes = range::resolve(wanted, size)?;
        if bytes != sent {
            return Err(Error::internal(format_args!(
                "s3: {} sent the bytes {sent:?} of {size} where {bytes:?} were asked for",
                self.endpoint
            )));
        }
        let meta = BlobMeta {
            key: key.to_owned(),
            size,
            last_modified: time(found.last_modified),
            etag: etag(found.e_tag),
            content_type: Some(found.content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned())),
            metadata: pairs(found.metadata),
        };
        let stream = checked(found.body, bytes.end - bytes.start, self.endpoint.clone());
        Ok(Some(BlobRead { meta, range: bytes, stream }))
    }

    pub(crate) async fn describe(&self, bucket: &Bucket, key: &str) -> Result<Option<BlobMeta>> {
        let name = self.name(key)?;
        let request = self.client.head_object().bucket(bucket.as_str()).key(name.as_ref());
        let found = match request.send().await.map_err(Failure::from) {
            Ok(found) => found,
            Err(failure) if failure.is_absent() || failure.is_no_bucket() => return Ok(None),
            Err(failure) => return Err(failure.error(self.site(bucket, key))),
        };
        Ok(Some(BlobMeta {
            key: key.to_owned(),
            size: length(found.content_length)?,
            last_modified: time(found.last_modified),
            etag: etag(found.e_tag),
            content_type: Some(found.content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned())),
            metadata: pairs(found.metadata),
        }))
    }
}

/// A range as HTTP writes it; an error for one that holds no byte of any object. Numbers that
/// servers could not hold are left away: no object is as long.
fn header(wanted: BlobRange) -> Result<String, ()> {
    const LONGEST: u64 = i64::MAX as u64;
    match wanted {
        BlobRange::Bounded { start, end } if start >= end => Err(()),
        BlobRange::Suffix(0) => Err(()),
        BlobRange::Bounded { start, end } if end <= LONGEST => Ok(format!("bytes={start}-{}", end - 1)),
        BlobRange::Bounded { start, .. } | BlobRange::From(start) => {
            Ok(format!("bytes={}-", start.min(LONGEST)))
        }
        BlobRange::Suffix(length) => Ok(format!("bytes=-{}", length.min(LONGEST))),
    }
}

/// The object's size and which of its bytes were sent.
fn extent(found: &GetObjectOutput) -> Result<(u64, Range<u64>)> {
    let length = length(found.content_length)?;
    let Some(text) = &found.content_range else { return Ok((length, 0..length)) };
    let nonsense = || Error::internal(format_args!("s3: Content-Range: {text}"));
    let (bytes, size) =
        text.strip_prefix("bytes ").and_then(|text| text.split_once('/')).ok_or_else(nonsense)?;
    let size: u64 = size.parse().map_err(|_| nonsense())?;
    if size == 0 {
        // `bytes 0--1/0`: an empty object has no range, and some servers send one.
        return Ok((0, 0..0));
    }
    let (first, last) = bytes.split_once('-').ok_or_else(nonsense)?;
    let (first, last): (u64, u64) =
        (first.parse().map_err(|_| nonsense())?, last.parse().map_err(|_| nonsense())?);
    if first > last || last >= size || last - first + 1 != length {
        return Err(nonsense());
    }
    Ok((size, first..last + 1))
}

/// The body in pieces, whole or an error: also where it is shorter than what was announced.
fn checked(body: ByteStream, length: u64, endpoint: String) -> BlobStream {
    let broken =
        move |what: String| Error::unavailable(STORE, format_args!("s3: {endpoint} broke off: {what}"));
    stream::try_unfold((body, 0), move |(mut body, received)| {
        let broken = broken.clone();
        async move {
            match body.try_next().await.map_err(|error| broken(chain(&error)))? {
                Some(bytes) => {
                    let received = received + bytes.len() as u64;
                    Ok(Some((bytes, (body, received))))
                }
                None if received == length => Ok(None),
                None => Err(broken(format!("{received} of {length} bytes came"))),
            }
        }
    })
    .map_ok(pieces::cut)
    .try_flatten()
    .boxed()
}

pub(crate) fn etag(header: Option<String>) -> String {
    let text = header.unwrap_or_default();
    text.trim_start_matches("W/").trim_matches('"').to_owned()
}

pub(crate) fn time(time: Option<DateTime>) -> SystemTime {
    time.and_then(|time| SystemTime::try_from(time).ok()).unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(crate) fn length(header: Option<i64>) -> Result<u64> {
    // An empty object's length is left out by some.
    u64::try_from(header.unwrap_or_default()).map_err(|_| Error::internal("s3: a length below zero"))
}

fn pairs(headers: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    let headers = headers.unwrap_or_default().into_iter();
    headers.map(|(name, value)| (name.to_ascii_lowercase(), metadata::decode(&value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(length: i64, range: Option<&str>) -> Result<(u64, Range<u64>)> {
        extent(
            &GetObjectOutput::builder()
                .content_length(length)
                .set_content_range(range.map(str::to_owned))
                .build(),
        )
    }

    #[test]
    fn ranges_are_written_for_every_server() {
        for (range, text) in [
            (BlobRange::Bounded { start: 2, end: 5 }, "bytes=2-4"),
            (BlobRange::Bounded { start: 2, end: u64::MAX }, "bytes=2-"),
            (BlobRange::From(7), "bytes=7-"),
            (BlobRange::Suffix(u64::MAX), "bytes=-9223372036854775807"),
        ] {
            assert_eq!(header(range).as_deref(), Ok(text));
        }
        assert!(
            header(BlobRange::Bounded { start: 5, end: 5 }).is_err() && header(BlobRange::Suffix(0)).is_err()
        );
    }

    #[test]
    fn what_was_sent_is_what_the_server_says() {
        assert_eq!(sent(10, None).unwrap(), (10, 0..10));
        assert_eq!(sent(3, Some("bytes 7-9/10")).unwrap(), (10, 7..10));
        assert_eq!(sent(0, Some("bytes 0--1/0")).unwrap(), (0, 0..0));
        for nonsense in ["bytes 7-9/*", "bytes 9-7/10", "bytes 7-10/10", "bytes 7-9", "7-9/10"] {
            assert!(sent(3, Some(nonsense)).is_err(), "{nonsense}");
        }
        assert!(sent(2, Some("bytes 7-9/10")).is_err());
    }
}
