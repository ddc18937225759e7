//! The port on the SDK.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use tandem_blobs::{STORE, aside, checks};
use tandem_contract::{
    BlobBody, BlobListing, BlobMeta, BlobPage, BlobRange, BlobRead, BlobStore, Bucket, Clock, Entropy, Error,
    OpenContext, Presign, PutOptions, Result,
};
use tokio_util::task::TaskTracker;

use crate::client::Clients;
use crate::conditions::Conditions;
use crate::config::{ListingOrder, S3Config};
use crate::failure::{Failure, Site, too_long};
use crate::interceptors::ServerName;

/// How long a sign of life may take: `tandem check` is to be over within three seconds.
const SIGN_OF_LIFE: Duration = Duration::from_millis(2500);
/// How long aborted uploads may take to be cleaned up when the store closes.
const LAST_TASKS: Duration = Duration::from_secs(5);
/// Longest name that S3 holds, in bytes.
const NAME_LIMIT: usize = 1024;

/// The blob store `s3`.
pub(crate) struct S3Blobs {
    pub(crate) client: Client,
    pub(crate) signing: Client,
    /// As errors call the server.
    pub(crate) endpoint: String,
    pub(crate) portable: bool,
    pub(crate) create_buckets: bool,
    pub(crate) part_size: usize,
    pub(crate) multipart_above: u64,
    pub(crate) conditions: Conditions,
    /// What must be done even when whoever began it is gone.
    pub(crate) tasks: TaskTracker,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    listing: ListingOrder,
    pub(crate) server: ServerName,
    closed: AtomicBool,
}

impl S3Blobs {
    /// A store whose server was not reached yet.
    pub(crate) fn new(clients: Clients, config: &S3Config, context: OpenContext) -> Self {
        Self {
            client: clients.sending,
            signing: clients.signing,
            endpoint: config.endpoint.clone().unwrap_or_else(|| "Amazon S3".to_owned()),
            portable: config.is_portable(),
            create_buckets: config.create_buckets,
            part_size: config.part_size.as_usize(),
            multipart_above: config.multipart_above.get(),
            conditions: Conditions::new(config.endpoint.is_none()),
            tasks: TaskTracker::new(),
            clock: context.clock,
            entropy: context.entropy,
            listing: config.listing,
            server: clients.server,
            closed: AtomicBool::new(false),
        }
    }

    /// Finds out whether there is a server that takes the credentials. Which buckets there are is
    /// nobody's business, so a refusal of just that is a sign of life.
    pub(crate) async fn reach(&self) -> Result<()> {
        let request = self.client.list_buckets().customize().config_override(impatient());
        match request.send().await.map_err(Failure::from) {
            Ok(_) => Ok(()),
            Err(failure) if failure.has_code("AccessDenied") || failure.is_unknown_operation() => Ok(()),
            Err(Failure::Refused { status, code, .. })
                if status == 404 || (status == 400 && code.is_empty()) =>
            {
                let detail = format!(
                    "s3: {} answers {status} {code}: is storage.s3.endpoint an S3 server?",
                    self.endpoint
                );
                Err(Error::unavailable(STORE, detail))
            }
            Err(failure) => Err(failure.error(Site { endpoint: &self.endpoint, bucket: "(all)", key: None })),
        }
    }

    /// The name under which `key` is stored.
    ///
    /// # Errors
    /// `InvalidArgument` for a key that the port does not allow, or whose name is too long;
    /// `StoreUnavailable` when the store is closed.
    pub(crate) fn name<'k>(&self, key: &'k str) -> Result<Cow<'k, str>> {
        checks::key(key)?;
        self.check_open()?;
        let name = match self.portable {
            true => aside::name(key).map_or(Cow::Borrowed(key), Cow::Owned),
            false => Cow::Borrowed(key),
        };
        if name.len() > NAME_LIMIT {
            return Err(too_long(key));
        }
        if name.trim().is_empty() {
            // The SDK takes it for no key.
            return Err(Error::not_supported(
                "a key of white space with storage.s3.key_names = \"exact\"",
                "s3",
            ));
        }
        Ok(name)
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(Error::unavailable(STORE, "s3: it was closed")),
            false => Ok(()),
        }
    }

    pub(crate) fn site<'a>(&'a self, bucket: &'a Bucket, key: &'a str) -> Site<'a> {
        Site { endpoint: &self.endpoint, bucket: bucket.as_str(), key: Some(key) }
    }

    /// Whether the server lists folder by folder, as far as is known.
    pub(crate) fn lists_by_folder(&self) -> bool {
        match self.listing {
            ListingOrder::Auto => self.server.is_seaweedfs(),
            ListingOrder::ByKey => false,
            ListingOrder::ByFolder => true,
        }
    }
}

/// For questions whose answer is either quick or no.
fn impatient() -> aws_sdk_s3::config::Builder {
    let timeouts = TimeoutConfig::builder().operation_timeout(SIGN_OF_LIFE).connect_timeout(SIGN_OF_LIFE);
    aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled()).timeout_config(timeouts.build())
}

#[async_trait]
impl BlobStore for S3Blobs {
    async fn put(&self, bucket: &Bucket, key: &str, body: BlobBody, options: PutOptions) -> Result<BlobMeta> {
        self.write(bucket, key, body, &options).await
    }

    async fn get(&self, bucket: &Bucket, key: &str, range: Option<BlobRange>) -> Result<Option<BlobRead>> {
        self.read(bucket, key, range).await
    }

    async fn head(&self, bucket: &Bucket, key: &str) -> Result<Option<BlobMeta>> {
        self.describe(bucket, key).await
    }

    async fn delete(&self, bucket: &Bucket, key: &str) -> Result<()> {
        self.remove(bucket, key).await
    }

    async fn delete_many(&self, bucket: &Bucket, keys: &[String]) -> Result<()> {
        self.remove_many(bucket, keys).await
    }

    async fn copy(&self, bucket: &Bucket, from: &str, to: &str) -> Result<bool> {
        self.duplicate(bucket, from, to).await
    }

    async fn list(&self, bucket: &Bucket, listing: BlobListing) -> Result<BlobPage> {
        self.page(bucket, listing).await
    }

    async fn presign(&self, bucket: &Bucket, key: &str, presign: &Presign) -> Result<Option<String>> {
        self.presigned_url(bucket, key, presign).await
    }

    async fn ping(&self, bucket: &Bucket) -> Result<()> {
        self.check_open()?;
        let request =
            self.client.head_bucket().bucket(bucket.as_str()).customize().config_override(impatient());
        match request.send().await.map_err(Failure::from) {
            Ok(_) => Ok(()),
            // The answer to HEAD has no body, and so no code.
            Err(Failure::Refused { status: 404, .. }) if self.create_buckets => Ok(()),
            Err(Failure::Refused { status: 404, .. }) => {
                let code = "NoSuchBucket".to_owned();
                Err(Failure::Refused { status: 404, code, message: String::new() }
                    .error(self.site(bucket, "")))
            }
            Err(failure) => Err(failure.error(self.site(bucket, ""))),
        }
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.tasks.close();
        if tokio::time::timeout(LAST_TASKS, self.tasks.wait()).await.is_err() {
            tracing::warn!("s3: uploads that were broken off could not be cleaned up in time");
        }
    }
}
