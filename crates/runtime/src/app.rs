//! Puts the server together from a configuration, and takes it apart again.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tandem_cloud::{CloudHost, CloudParts, FetchSettings, StorageSettings};
use tandem_contract::{BlobStore, Bucket, DocumentStore, Error, FunctionStore, Invoker, OpenContext, Result};
use tokio::net::TcpListener;

use crate::config::Config;
use crate::http::{self, Check, Health, HttpLimits, HttpParts, Server};
use crate::logs::LogRing;
use crate::metrics::Metrics;
use crate::pipeline::{Pipeline, PipelineLimits, PipelineParts};
use crate::registry::Registry;
use crate::signed_url::SignedUrls;

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

struct Stores {
    functions: Arc<dyn FunctionStore>,
    documents: Arc<dyn DocumentStore>,
    blobs: Arc<dyn BlobStore>,
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
        let base = config.server.public_url.clone().unwrap_or_else(|| reachable(address));
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
            health: Health::new(stores.checks(config, &Bucket::new(&config.storage.bucket)?), clock.clone()),
            token: token.to_owned(),
            clock,
            entropy,
            limits: HttpLimits {
                body: config.server.body_limit.as_usize(),
                log_header: config.logs.header_limit.as_usize(),
            },
        });
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

impl Stores {
    async fn open(config: &Config, registry: &Registry, context: &OpenContext) -> Result<Self> {
        let functions = registry.functions.open(&config.functions.selected, context.clone()).await?;
        let documents = match registry.documents.open(&config.documents.selected, context.clone()).await {
            Ok(documents) => documents,
            Err(error) => {
                functions.close().await;
                return Err(error);
            }
        };
        match registry.blobs.open(&config.storage.selected, context.clone()).await {
            Ok(blobs) => Ok(Self { functions, documents, blobs }),
            Err(error) => {
                documents.close().await;
                functions.close().await;
                Err(error)
            }
        }
    }

    fn checks(&self, config: &Config, bucket: &Bucket) -> Vec<Check> {
        let Self { functions, documents, blobs } = self;
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

    async fn close(&self) {
        self.blobs.close().await;
        self.documents.close().await;
        self.functions.close().await;
    }
}

fn pipeline_limits(config: &Config) -> PipelineLimits {
    PipelineLimits {
        max_in_flight: config.server.max_in_flight,
        queue: config.server.queue,
        wall_time: config.engine.limits.wall_time.get(),
        cpu_time: config.engine.limits.cpu_time.get(),
        invoke_depth: config.engine.limits.invoke_depth,
        logs: config.logs.log_limits(),
        cached_functions: CACHED_FUNCTIONS,
    }
}

/// The URL of a server at `address`. One that listens on every address is reached on this machine.
fn reachable(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("http://{address}")
}

/// The process's variables. One that is not UTF-8 cannot be a JavaScript string.
fn utf8_variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
