//! Presigned URLs.

use aws_sdk_s3::presigning::PresigningConfig;
use tandem_contract::{Bucket, Error, ErrorKind, Presign, PresignMethod, Result};

use crate::failure::chain;
use crate::store::S3Blobs;

impl S3Blobs {
    /// A URL for the address that clients see; `None` for a key whose path clients would rewrite,
    /// `a/../b` to `b`, however it is escaped: there the server signs a URL of its own.
    pub(crate) async fn presigned_url(
        &self,
        bucket: &Bucket,
        key: &str,
        presign: &Presign,
    ) -> Result<Option<String>> {
        let name = self.name(key)?;
        if name.split('/').any(|part| matches!(part, "." | "..")) {
            return Ok(None);
        }
        let config = PresigningConfig::builder().start_time(self.clock.wall()).expires_in(presign.expires_in);
        let config = config.build().map_err(|error| {
            let message = "The expiry of a signed URL is between 1 second and 7 days (604800 seconds)";
            Error::new(ErrorKind::InvalidArgument, message).with_detail(error)
        })?;
        let signed = match presign.method {
            PresignMethod::Get => {
                let request = self.signing.get_object().bucket(bucket.as_str()).key(name.as_ref());
                request.presigned(config).await.map_err(|error| chain(&error))
            }
            PresignMethod::Put => {
                let request = self.signing.put_object().bucket(bucket.as_str()).key(name.as_ref());
                let request = request.set_content_type(presign.content_type.clone());
                request.presigned(config).await.map_err(|error| chain(&error))
            }
        };
        let signed = signed.map_err(|detail| {
            Error::unavailable(tandem_blobs::STORE, format_args!("s3: cannot sign: {detail}"))
        })?;
        Ok(Some(signed.uri().to_owned()))
    }
}
