//! Deleting.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures_util::{StreamExt, TryStreamExt, stream};
use tandem_contract::{Bucket, Error, Result};

use crate::failure::Failure;
use crate::interceptors::ContentMd5;
use crate::store::S3Blobs;

/// Keys that S3 takes in one request.
const BATCH: usize = 1000;
/// Single deletes at once, where there is no other way.
const AT_ONCE: usize = 16;

impl S3Blobs {
    pub(crate) async fn remove(&self, bucket: &Bucket, key: &str) -> Result<()> {
        let name = self.name(key)?;
        let request = self.client.delete_object().bucket(bucket.as_str()).key(name.as_ref());
        match request.send().await.map_err(Failure::from) {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_absent() || failure.is_no_bucket() => Ok(()),
            Err(failure) => Err(failure.error(self.site(bucket, key))),
        }
    }

    pub(crate) async fn remove_many(&self, bucket: &Bucket, keys: &[String]) -> Result<()> {
        for key in keys {
            self.name(key)?;
        }
        // The request is XML, which cannot hold every character.
        let (plain, other): (Vec<&String>, Vec<&String>) = keys.iter().partition(|key| fits_xml(key));
        // Gateways with MinIO's front end leave the folders of what is deleted together, and then
        // list them and refuse keys of their names.
        let in_batches = !self.server.is_minio();
        for batch in plain.chunks(BATCH) {
            if !in_batches || !self.remove_batch(bucket, batch).await? {
                self.remove_each(bucket, batch).await?;
            }
        }
        self.remove_each(bucket, &other).await
    }

    async fn remove_each(&self, bucket: &Bucket, keys: &[&String]) -> Result<()> {
        let removals: Vec<_> = keys.iter().map(|key| self.remove(bucket, key)).collect();
        stream::iter(removals).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// `false` when the server has no such operation.
    async fn remove_batch(&self, bucket: &Bucket, keys: &[&String]) -> Result<bool> {
        let mut names = Vec::with_capacity(keys.len());
        for key in keys {
            let name = ObjectIdentifier::builder().key(self.name(key)?);
            names.push(name.build().map_err(Error::internal)?);
        }
        let delete =
            Delete::builder().set_objects(Some(names)).quiet(true).build().map_err(Error::internal)?;
        let request = self.client.delete_objects().bucket(bucket.as_str()).delete(delete);
        let answer = match request.customize().interceptor(ContentMd5).send().await.map_err(Failure::from) {
            Ok(answer) => answer,
            Err(failure) if failure.is_no_bucket() => return Ok(true),
            Err(failure) if failure.is_unknown_operation() => return Ok(false),
            Err(failure) => return Err(failure.error(self.site(bucket, ""))),
        };
        let failed = answer.errors().iter().find(|error| error.code() != Some("NoSuchKey"));
        match failed {
            None => Ok(true),
            Some(error) => {
                let code = error.code().unwrap_or_default().to_owned();
                let message = error.message().unwrap_or_default().to_owned();
                let status = if code == "AccessDenied" { 403 } else { 500 };
                Err(Failure::Refused { status, code, message }
                    .error(self.site(bucket, error.key().unwrap_or_default())))
            }
        }
    }
}

fn fits_xml(key: &str) -> bool {
    !key.chars().any(|char| char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}'))
}
