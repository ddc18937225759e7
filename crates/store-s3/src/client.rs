//! The SDK's clients.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
};
use aws_smithy_async::time::TimeSource;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use tandem_contract::{Clock, Error, OpenContext, Result};

use crate::config::{S3Config, refuse};
use crate::interceptors::ServerName;

/// What a region is called that nobody names: servers that know no regions take any.
const REGION: &str = "us-east-1";
/// The first pause between tries is a random part of this, each further one of twice as much.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long credentials may take to be found when a store opens. Those of an instance come from a
/// server of their own.
const CREDENTIALS_WITHIN: Duration = Duration::from_millis(2500);

/// The clients of one store.
pub(crate) struct Clients {
    /// Sends requests.
    pub(crate) sending: Client,
    /// Signs URLs for the address that clients see.
    pub(crate) signing: Client,
    /// Which server answers.
    pub(crate) server: ServerName,
}

impl Clients {
    /// Makes the clients that `config` describes, and finds their credentials.
    ///
    /// # Errors
    /// `InvalidArgument` that names the setting: no credentials, or a file of certificates that
    /// cannot be read.
    pub(crate) async fn open(config: &S3Config, context: &OpenContext) -> Result<Self> {
        let shared = shared(config, context).await?;
        find_credentials(&shared).await?;
        let server = ServerName::default();
        let base = aws_sdk_s3::config::Builder::from(&shared).force_path_style(config.is_path_style());
        let mut sending = base.clone().interceptor(server.clone());
        sending.set_endpoint_url(config.endpoint.clone());
        let public = config.public_endpoint.as_ref().or(config.endpoint.as_ref());
        // What the SDK would add for checksums is for its own requests: plain clients send no such
        // headers.
        let mut signing = base
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        signing.set_endpoint_url(public.cloned());
        Ok(Self {
            sending: Client::from_conf(sending.build()),
            signing: Client::from_conf(signing.build()),
            server,
        })
    }
}

async fn shared(config: &S3Config, context: &OpenContext) -> Result<SdkConfig> {
    let retries = RetryConfig::standard()
        .with_max_attempts(config.attempts)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.connect_timeout.get())
        .read_timeout(config.request_timeout.get())
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(config, &context.base)?)
        .retry_config(retries)
        .timeout_config(timeouts)
        .time_source(Time(Arc::clone(&context.clock)));
    if let Some(profile) = &config.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &config.region
        && (config.endpoint.is_some() || region != "auto")
    {
        loader = loader.region(Region::new(region.clone()));
    }
    if let (Some(access), Some(secret)) = (&config.access_key, &config.secret_key) {
        let token = config.session_token.as_ref().map(|token| token.expose().to_owned());
        let credentials = Credentials::new(access.expose(), secret.expose(), token, None, "storage.s3");
        loader = loader.credentials_provider(SharedCredentialsProvider::new(credentials));
        if config.region.is_none() && config.endpoint.is_some() {
            // Nothing is asked of the environment.
            loader = loader.region(Region::from_static(REGION));
        }
    }
    let shared = loader.load().await;
    Ok(match shared.region() {
        Some(_) => shared,
        None => shared.into_builder().region(Region::from_static(REGION)).build(),
    })
}

/// Credentials that are not there would otherwise show with the first request of a function.
async fn find_credentials(shared: &SdkConfig) -> Result<()> {
    let missing = || {
        refuse(
            "access_key",
            "is not set, and neither the environment, a profile nor a role of this machine gives credentials",
        )
    };
    let provider = shared.credentials_provider().ok_or_else(missing)?;
    match tokio::time::timeout(CREDENTIALS_WITHIN, provider.provide_credentials()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(missing().with_detail(crate::failure::chain(&error))),
        Err(_) => Err(missing().with_detail(format_args!("no answer within {CREDENTIALS_WITHIN:?}"))),
    }
}

fn http_client(config: &S3Config, base: &Path) -> Result<SharedHttpClient> {
    let mut trusted = TrustStore::default();
    if let Some(file) = &config.ca_file {
        let path = base.join(file);
        let pem = std::fs::read(&path)
            .map_err(|error| refuse("ca_file", &format!("cannot be read: {}: {error}", path.display())))?;
        if !pem
            .windows(b"-----BEGIN CERTIFICATE-----".len())
            .any(|part| part == b"-----BEGIN CERTIFICATE-----")
        {
            return Err(refuse("ca_file", &format!("holds no certificate in PEM: {}", path.display())));
        }
        trusted = trusted.with_pem_certificate(pem);
    }
    let tls = TlsContext::builder().with_trust_store(trusted).build().map_err(Error::internal)?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls)
        .build_https())
}

/// The clock that signatures are made by.
struct Time(Arc<dyn Clock>);

impl TimeSource for Time {
    fn now(&self) -> SystemTime {
        self.0.wall()
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}
