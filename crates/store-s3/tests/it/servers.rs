//! The servers that this machine offers, from `TANDEM_TEST_S3`: a JSON array of objects.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tandem_contract::{BackendFactory, BlobStore, OpenContext, Result, SystemClock, SystemEntropy};
use tandem_store_s3::S3Factory;

/// An S3 server.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

impl Server {
    /// The settings that reach it. SeaweedFS lets those who write one key with a condition wait for
    /// each other, a second or so each: the sixteenth would give up on a slow machine, and be told of
    /// its own first try at the second.
    pub(crate) fn settings(&self) -> Value {
        json!({
            "endpoint": self.endpoint,
            "region": self.region,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "create_buckets": true,
            "request_timeout": "180s",
        })
    }
}

/// The servers, or none when the variable is not set and need not be.
pub(crate) fn all() -> Vec<Server> {
    match std::env::var("TANDEM_TEST_S3") {
        Ok(text) => serde_json::from_str(&text).expect("TANDEM_TEST_S3 is a JSON array of servers"),
        Err(_) => {
            assert!(
                std::env::var_os("TANDEM_REQUIRE_ALL").is_none(),
                "TANDEM_TEST_S3 is not set: no S3 server to test on"
            );
            eprintln!("NOT TESTED: no S3 server, TANDEM_TEST_S3 is not set");
            Vec::new()
        }
    }
}

pub(crate) fn context() -> OpenContext {
    OpenContext {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        base: Path::new(".").to_owned(),
    }
}

/// Opens the store with `settings`.
pub(crate) async fn open(settings: Value) -> Result<Arc<dyn BlobStore>> {
    S3Factory::open(serde_json::from_value(settings).expect("settings"), context()).await
}
