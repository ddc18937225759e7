//! A server on real sockets, with the real pipeline and HTTP layer. The function store keeps its
//! rows in memory, so that a test can take it down and count what is read; the engine runs the
//! few words of [`engine`].

#![expect(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod engine;
pub(crate) mod store;

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use reqwest::{Client, Method, RequestBuilder, Response};
use tandem_contract::{
    BackendFactory, BlobStore, Bucket, LogLimits, OpenContext, SystemClock, SystemEntropy,
};
use tandem_runtime::http::{
    Check, ConnectionLimits, CorsPolicy, Health, HttpLimits, HttpParts, Server, serve,
};
use tandem_runtime::logs::LogRing;
use tandem_runtime::metrics::Metrics;
use tandem_runtime::pipeline::{AdmissionLimits, Pipeline, PipelineLimits, PipelineParts};
use tandem_runtime::signed_url::SignedUrls;
use tandem_store_object::{MemoryConfig, MemoryFactory};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use engine::WordEngine;
use store::MemoryFunctions;

pub(crate) const TOKEN: &str = "test-token";

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<MemoryFunctions>,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) engine: Arc<WordEngine>,
    pub(crate) signed_urls: Arc<SignedUrls>,
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
}

/// What stands between a client and the pipeline.
pub(crate) struct Door {
    pub(crate) limits: HttpLimits,
    pub(crate) cors: CorsPolicy,
}

impl Default for Door {
    fn default() -> Self {
        let connections = ConnectionLimits {
            most: 1000,
            uri: 2048,
            head: 16 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(10),
        };
        let body = 64 * 1024;
        let limits =
            HttpLimits { body, body_memory: 1 << 20, connections, token_failures: 5, log_header: 4096 };
        Self { limits, cors: CorsPolicy::default() }
    }
}

pub(crate) fn limits() -> PipelineLimits {
    PipelineLimits {
        admission: AdmissionLimits {
            capacity: 64,
            queue: 64,
            longest_wait: Duration::from_secs(30),
            factor: 0.0,
            weights: Vec::new(),
        },
        wall_time: Duration::from_secs(30),
        cpu_time: Duration::from_secs(5),
        invoke_depth: 4,
        logs: LogLimits { lines: 256, line_limit: 32 * 1024 },
        cached_functions: 1000,
    }
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(limits()).await
    }

    pub(crate) async fn start_with(limits: PipelineLimits) -> Self {
        Self::start_behind(limits, Door::default()).await
    }

    pub(crate) async fn start_behind(limits: PipelineLimits, door: Door) -> Self {
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let store = Arc::new(MemoryFunctions::default());
        let engine = Arc::new(WordEngine::default());
        let pipeline = Pipeline::start(PipelineParts {
            functions: store.clone(),
            engine: engine.clone(),
            clock: clock.clone(),
            metrics: Metrics::new(),
            logs: Arc::new(LogRing::new(100)),
            limits,
        });
        engine.connect(pipeline.clone());
        let context = OpenContext { clock: clock.clone(), entropy: entropy.clone(), base: ".".into() };
        let blobs: Arc<dyn BlobStore> = MemoryFactory::open(MemoryConfig::default(), context).await.unwrap();
        let signed_urls =
            Arc::new(SignedUrls::new(TOKEN, &format!("http://{address}"), clock.clone()).unwrap());
        let check = {
            let blobs = blobs.clone();
            Check {
                name: "storage",
                backend: "memory".to_owned(),
                ping: Box::new(move || {
                    let blobs = blobs.clone();
                    Box::pin(async move { blobs.ping(&Bucket::new("default").unwrap()).await })
                }),
            }
        };
        let server = Server::new(HttpParts {
            pipeline: pipeline.clone(),
            blobs,
            signed_urls: Some(signed_urls.clone()),
            health: Health::new(vec![check], clock.clone()),
            token: TOKEN.to_owned(),
            clock,
            entropy,
            trusted_proxies: Vec::new(),
            cors: door.cors,
            tls: None,
            limits: door.limits,
        })
        .unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move {
            let shutdown = async move {
                let _ = stopped.await;
            };
            serve(server, listener, shutdown, Duration::from_secs(10)).await.unwrap();
        });
        Self {
            address,
            store,
            pipeline,
            engine,
            signed_urls,
            client: client(),
            stop: Some(stop),
            served: Some(served),
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("http://{}{path}", self.address)).header("x-develop-token", TOKEN)
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &'static str) -> Response {
        let request = self.request(method, path).header("content-type", "application/json");
        request.body(body).send().await.unwrap()
    }

    /// Publishes a function that runs `words`.
    pub(crate) async fn publish(&self, name: &str, words: &str) {
        self.publish_source(name, &words_source(words)).await;
    }

    pub(crate) async fn publish_source(&self, name: &str, source: &str) {
        let body = serde_json::json!({ "source": source }).to_string();
        let response = self.request("PUT", &format!("/functions/{name}")).body(body).send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{status} {}", response.text().await.unwrap());
    }

    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub(crate) async fn stopped(&mut self) {
        self.served.take().unwrap().await.unwrap();
    }
}

pub(crate) fn words_source(words: &str) -> String {
    let literal = serde_json::Value::from(format!("<<{words}>>"));
    format!("export default () => {literal};\n")
}

/// Reads raw bytes over a fresh connection: what no client library would send.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap().to_owned()
}

pub(crate) fn lines(response: &Response) -> Vec<String> {
    let packed =
        base64::engine::general_purpose::STANDARD.decode(header(response, "x-function-logs")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Status and code of an error, whose shape is checked.
pub(crate) async fn error(response: Response) -> (u16, String) {
    let (status, id) = (response.status().as_u16(), header(&response, "x-request-id"));
    let body: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(body["requestId"], id, "{body}");
    assert!(body["error"].is_string(), "{body}");
    (status, body["code"].as_str().unwrap().to_owned())
}

/// An HTTP client, with the TLS provider that the binary picks at its start.
fn client() -> Client {
    // Refused when it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}
