//! Copying within a bucket.

use std::fmt::Write as _;

use aws_sdk_s3::types::MetadataDirective;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tandem_contract::{Bucket, Error, Result};

use crate::failure::Failure;
use crate::store::S3Blobs;
use crate::upload::Target;

/// Everything but RFC 3986's unreserved characters and the slash.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// Bytes that S3 copies in one request.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
const IN_ONE: u64 = 5 << 30;
/// Bytes of a part of a copy; at 10,000 parts, more than an object may have.
const PART: u64 = 1 << 30;

impl S3Blobs {
    pub(crate) async fn duplicate(&self, bucket: &Bucket, from: &str, to: &str) -> Result<bool> {
        let (source, name) = (self.name(from)?, self.name(to)?);
        if source == name {
            // S3 refuses it, and there is nothing to do.
            return Ok(self.describe(bucket, from).await?.is_some());
        }
        let request = self
            .client
            .copy_object()
            .bucket(bucket.as_str())
            .key(name.as_ref())
            .copy_source(header(bucket, &source))
            .metadata_directive(MetadataDirective::Copy);
        match request.send().await.map_err(Failure::from) {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_absent() || failure.is_no_bucket() => Ok(false),
            Err(failure) if failure.has_code("InvalidRequest") || failure.has_code("EntityTooLarge") => {
                self.duplicate_in_parts(bucket, from, to, failure).await
            }
            Err(failure) => Err(failure.error(self.site(bucket, to))),
        }
    }

    /// For an object that is too large for one request; any other gives `failure` back.
    async fn duplicate_in_parts(
        &self,
        bucket: &Bucket,
        from: &str,
        to: &str,
        failure: Failure,
    ) -> Result<bool> {
        let Some(meta) = self.describe(bucket, from).await? else { return Ok(false) };
        if meta.size <= IN_ONE {
            return Err(failure.error(self.site(bucket, to)));
        }
        let source = self.name(from)?;
        let target = Target::of_copy(self, bucket, to, &meta)?;
        let mut upload = target.begin().await?;
        for start in (0..meta.size).step_by(usize::try_from(PART).map_err(Error::internal)?) {
            let end = meta.size.min(start + PART);
            let mut source = header(bucket, &source);
            // The version that was described, and no other.
            let etag = format!("\"{}\"", meta.etag);
            let range = format!("bytes={start}-{}", end - 1);
            upload.copy(&mut source, &range, &etag).await?;
        }
        upload.complete(meta.size).await.map(|_| true)
    }
}

/// `CopyObject` names its source in a header, escaped as in a URL.
fn header(bucket: &Bucket, name: &str) -> String {
    let mut text = format!("{bucket}/");
    // Writing to a string does not fail.
    let _ = write!(text, "{}", utf8_percent_encode(name, ESCAPED));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_escaped() {
        let bucket = Bucket::new("photos").unwrap();
        assert_eq!(header(&bucket, "a b/ä+%?.jpg"), "photos/a%20b/%C3%A4%2B%25%3F.jpg");
    }
}
