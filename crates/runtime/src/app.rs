//! Puts the server together from a configuration, and takes it apart again.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tandem_cloud::{CloudHost, CloudParts, FetchSettings, StorageSettings};
use tandem_contract::{Bucket, Error, Invoker, OpenContext, Result};
use tokio::net::TcpListener;

use crate::config::{Config, CorsConfig, TlsConfig};
use crate::http::{
    self, Check, ConnectionLimits, CorsPolicy, Health, HttpLimits, HttpParts, Server, Tls, TlsFiles,
};
use crate::logs::LogRing;
use crate::metrics::Metrics;
use crate::pipeline::{AdmissionLimits, Pipeline, PipelineLimits, PipelineParts};
use crate::registry::Registry;
use crate::signed_url::SignedUrls;
use crate::stores::Stores;

/// Functions held ready to run. What an isolate needs is much more than what this keeps of a
/// function, so it may be far above `engine.isolates`.
const CACHED_FUNCTIONS: usize = 4096;

/// How long an engine may take to stop once no invocation is in flight.
const ENGINE_STOP: Duration = Duration::from_secs(1);

/// A server, open but not listening yet.
pub struct App {
    pipeline: Arc<Pipeline>,
    server: Arc<Server>,
    stores: Stores,
    grace: Duration,
}

impl App {
    /// Opens every part that `config` picks, in the order in which they need each other.
    ///
    /// `token` is the develop token. `address` is where the server will listen, for signed URLs
    /// unless `server.public_url` says where clients see it.
    ///
    /// # Errors
    /// Those of the backends; what was opened before is closed.
    pub async fn open(
        config: &Config,
        registry: &Registry,
        context: OpenContext,
        token: &str,
        address: SocketAddr,
    ) -> Result<Self> {
        let stores = Stores::open(config, registry, &context).await?;
        match Self::start(config, registry, &context, token, address, &stores) {
            Ok((pipeline, server)) => {
                Ok(Self { pipeline, server, stores, grace: config.server.shutdown_grace.get() })
            }
            Err(error) => {
                stores.close().await;
                Err(error)
            }
        }
    }

    fn start(
        config: &Config,
        registry: &Registry,
        context: &OpenContext,
        token: &str,
        address: SocketAddr,
        stores: &Stores,
    ) -> Result<(Arc<Pipeline>, Arc<Server>)> {
        let OpenContext { clock, entropy, .. } = context.clone();
        let tls = tls(config, &context.base)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base = config.server.public_url.clone().unwrap_or_else(|| reachable(scheme, address));
        let signed_urls = Arc::new(SignedUrls::new(token, &base, clock.clone())?);
        let host = CloudHost::new(CloudParts {
            documents: stores.documents.clone(),
            blobs: stores.blobs.clone(),
            signer: Some(signed_urls.clone()),
            env: config.env.resolve(utf8_variables()),
            storage: StorageSettings {
                default_bucket: config.storage.bucket.clone(),
                buckets: config.storage.buckets.clone(),
            },
            fetch: FetchSettings { allow: config.fetch.allow.clone() },
            clock: clock.clone(),
            entropy: entropy.clone(),
        })?;
        let engine = registry.engines.open_engine(
            &config.engine.selected,
            config.engine.engine_limits(),
            host.clone(),
        )?;
        let pipeline = Pipeline::start(PipelineParts {
            functions: stores.functions.clone(),
            engine,
            clock: clock.clone(),
            metrics: Metrics::new(),
            logs: Arc::new(LogRing::new(config.logs.keep)),
            limits: pipeline_limits(config),
        });
        let invoker: Arc<dyn Invoker> = pipeline.clone();
        host.connect(&invoker)?;
        let server = Server::new(HttpParts {
            pipeline: pipeline.clone(),
            blobs: stores.blobs.clone(),
            signed_urls: Some(signed_urls),
            health: Health::new(checks(stores, config, &Bucket::new(&config.storage.bucket)?), clock.clone()),
            token: token.to_owned(),
            trusted_proxies: config.server.trusted_proxies.clone(),
            cors: cors(config),
            tls,
            clock,
            entropy,
            limits: http_limits(config),
        })?;
        Ok((pipeline, server))
    }

    /// The pipeline, for publishing without HTTP.
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// Serves until `shutdown` resolves, lets what is in flight end within the configured grace,
    /// and closes every part, the stores last.
    ///
    /// # Errors
    /// `Internal` when the listener does not work.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<()> {
        let served = http::serve(self.server.clone(), listener, shutdown, self.grace).await;
        self.close().await;
        served.map_err(Error::internal)
    }

    /// Closes every part, the stores last.
    pub async fn close(self) {
        self.pipeline.admission().close();
        self.pipeline.stop().await;
        self.pipeline.engine().shutdown(ENGINE_STOP).await;
        self.stores.close().await;
    }
}

fn checks(stores: &Stores, config: &Config, bucket: &Bucket) -> Vec<Check> {
    let Stores { functions, documents, blobs } = stores;
    let (functions, documents, blobs) = (functions.clone(), documents.clone(), blobs.clone());
    let bucket = bucket.clone();
    vec![
        Check {
            name: "functions",
            backend: config.functions.selected.name.clone(),
            ping: Box::new(move || {
                let functions = functions.clone();
                Box::pin(async move { functions.ping().await })
            }),
        },
        Check {
            name: "documents",
            backend: config.documents.selected.name.clone(),
            ping: Box::new(move || {
                let documents = documents.clone();
                Box::pin(async move { documents.ping().await })
            }),
        },
        Check {
            name: "storage",
            backend: config.storage.selected.name.clone(),
            ping: Box::new(move || {
                let (blobs, bucket) = (blobs.clone(), bucket.clone());
                Box::pin(async move { blobs.ping(&bucket).await })
            }),
        },
    ]
}

fn pipeline_limits(config: &Config) -> PipelineLimits {
    let fairness = &config.server.fairness;
    PipelineLimits {
        admission: AdmissionLimits {
            capacity: config.server.max_in_flight,
            queue: config.server.queue,
            longest_wait: config.engine.limits.wall_time.get(),
            factor: fairness.factor,
            weights: fairness.weights.iter().map(|(name, weight)| (name.clone(), weight.0)).collect(),
        },
        wall_time: config.engine.limits.wall_time.get(),
        cpu_time: config.engine.limits.cpu_time.get(),
        invoke_depth: config.engine.limits.invoke_depth,
        logs: config.logs.log_limits(),
        cached_functions: CACHED_FUNCTIONS,
    }
}

fn http_limits(config: &Config) -> HttpLimits {
    let server = &config.server;
    HttpLimits {
        body: server.body_limit.as_usize(),
        body_memory: server.body_memory.as_usize(),
        connections: ConnectionLimits {
            most: server.max_connections,
            uri: server.uri_limit.as_usize(),
            head: server.head_limit.as_usize(),
            head_timeout: server.head_timeout.get(),
            body_timeout: server.body_timeout.get(),
            idle_timeout: server.idle_timeout.get(),
        },
        token_failures: server.token_failures,
        log_header: config.logs.header_limit.as_usize(),
    }
}

fn cors(config: &Config) -> CorsPolicy {
    let CorsConfig { origins, methods, headers, expose, credentials, max_age } = config.server.cors.clone();
    CorsPolicy { origins, methods, headers, expose, credentials, max_age: max_age.get() }
}

fn tls(config: &Config, base: &Path) -> Result<Option<Arc<Tls>>> {
    let TlsConfig { cert: Some(cert), key: Some(key) } = &config.server.tls else { return Ok(None) };
    Tls::open(TlsFiles { cert: base.join(cert), key: base.join(key) }).map(Some)
}

/// The URL of a server at `address`. One that listens on every address is reached on this machine.
fn reachable(scheme: &str, mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("{scheme}://{address}")
}

/// The process's variables. One that is not UTF-8 cannot be a JavaScript string.
fn utf8_variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
