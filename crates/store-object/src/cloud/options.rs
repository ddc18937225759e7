//! How requests are sent, the same for every cloud.

use std::time::Duration;

use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use tandem_contract::{Error, ErrorKind, Result};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer, or the next piece of it, may take.
const READ: Duration = Duration::from_secs(30);

/// The client for a server at `endpoint`, or for the cloud itself.
///
/// `object_store` bounds whole answers unless told otherwise, and a large object takes its time.
pub(super) fn client(endpoint: Option<&str>) -> ClientOptions {
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(CONNECT)
        .with_timeout_disabled()
        .with_read_timeout(READ)
}

/// Three more tries within ten seconds, after pauses of random length.
pub(super) fn retries() -> RetryConfig {
    let pauses = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    };
    RetryConfig { backoff: pauses, max_retries: 3, retry_timeout: Duration::from_secs(10) }
}

/// The HTTP client takes the process's provider of cryptography, and the first to set it wins: all
/// of Tandem uses this one.
pub(super) fn install_tls() {
    // It may be there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Refuses an address that is none.
pub(super) fn check_endpoint(setting: &str, endpoint: Option<&str>) -> Result<()> {
    let fits = |text: &str| {
        ["http://", "https://"]
            .iter()
            .any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
            && !text.contains(['@', '?', '#'])
    };
    match endpoint {
        Some(text) if !fits(text) => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("{setting} is not an address: write one such as https://storage.example.com"),
        )),
        _ => Ok(()),
    }
}
