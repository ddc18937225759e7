use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tandem_contract::{BlobStore, Clock, DocumentStore, Entropy, Error, Invocation, Invoker, Result};
use tokio::sync::Semaphore;

use crate::fetch::Fetcher;
use crate::settings::{CloudParts, StorageSettings};
use crate::storage::UrlSigner;

/// What every handler of the op table gets.
pub(crate) struct Cloud {
    pub(crate) documents: Arc<dyn DocumentStore>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) signer: Option<Arc<dyn UrlSigner>>,
    pub(crate) storage: StorageSettings,
    pub(crate) fetch: Fetcher,
    pub(crate) clock: Arc<dyn Clock>,
    /// When this host was made.
    pub(crate) started: Instant,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// `cloud.env` as JSON text.
    pub(crate) env: Bytes,
    /// Weak, because the pipeline that invokes functions holds this host too.
    invoker: OnceLock<Weak<dyn Invoker>>,
    last_handle: AtomicU64,
    /// KiB that large objects which are read whole may take on their way to functions.
    pub(crate) reading: Semaphore,
}

/// KiB of [`Cloud::reading`]: two of the largest objects.
const READING: usize = 512 << 10;

impl Cloud {
    pub(crate) fn new(parts: CloudParts) -> Result<Self> {
        let env = serde_json::to_vec(&parts.env).map_err(Error::internal)?;
        Ok(Self {
            documents: parts.documents,
            blobs: parts.blobs,
            signer: parts.signer,
            storage: parts.storage,
            fetch: Fetcher::new(&parts.fetch)?,
            started: parts.clock.monotonic(),
            clock: parts.clock,
            entropy: parts.entropy,
            env: env.into(),
            invoker: OnceLock::new(),
            last_handle: AtomicU64::new(0),
            reading: Semaphore::new(READING),
        })
    }

    pub(crate) fn connect(&self, invoker: &Arc<dyn Invoker>) -> bool {
        self.invoker.set(Arc::downgrade(invoker)).is_ok()
    }

    pub(crate) fn invoker(&self) -> Result<Arc<dyn Invoker>> {
        self.invoker.get().and_then(Weak::upgrade).ok_or_else(|| {
            Error::internal("cloud.invoke before the host was connected, or after its pipeline was dropped")
        })
    }

    /// A number that names something held for an invocation. Never used twice, so that a script
    /// which keeps one past its invocation cannot meet what belongs to another.
    pub(crate) fn next_handle(&self) -> u64 {
        self.last_handle.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How much of the invocation's time is left.
    pub(crate) fn time_left(&self, invocation: &Invocation) -> Duration {
        invocation.input.deadline.saturating_duration_since(self.clock.monotonic())
    }
}
