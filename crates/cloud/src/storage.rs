//! What `cloud.storage` needs from the server besides a blob store.

use tandem_contract::{Bucket, Presign, Result};

/// Signs URLs that the server itself honours, for blob stores that cannot sign their own.
pub trait UrlSigner: Send + Sync + 'static {
    /// A URL that lets its bearer do what `presign` says with the object `key`, and nothing else.
    ///
    /// # Errors
    /// `InvalidArgument` when the expiry is out of range.
    fn sign(&self, bucket: &Bucket, key: &str, presign: &Presign) -> Result<String>;
}
