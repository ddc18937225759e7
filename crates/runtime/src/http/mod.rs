//! The server's HTTP: routes, statuses, headers, bodies. Everything behind it is in
//! [`crate::pipeline`].

mod body;
mod connection;
mod cors;
pub mod error;
mod failures;
mod functions;
mod health;
mod invoke;
mod json;
pub mod log_header;
mod logs;
mod multipart;
mod objects;
mod request_id;
mod respond;
mod server;
mod token;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{any, get};
use http::header::{CONTENT_TYPE, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tandem_contract::{BlobStore, Clock, Entropy, Error, ErrorKind, Result as PortResult};

pub use body::parse as parse_body;
pub use connection::{ConnectionLimits, Tls, TlsFiles, count_requests};
pub use cors::CorsPolicy;
pub use health::{Check, Health};
pub use server::serve;

use crate::metrics::Figure;
use crate::pipeline::Pipeline;
use crate::signed_url::SignedUrls;
use body::Intake;
use cors::Cors;
use error::Refusal;
use failures::Failures;
use request_id::RequestIds;
use token::Token;

/// Log lines of an invocation.
pub const FUNCTION_LOGS: &str = "x-function-logs";
/// Milliseconds an invocation took.
pub const EXECUTION_TIME: &str = "x-execution-time";
/// Names a request, in both directions.
pub const REQUEST_ID: &str = "x-request-id";

/// `Allow` where there is only something to read.
const READING: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// What bounds requests.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Bytes of a body.
    pub body: usize,
    /// Bytes of all bodies held at once.
    pub body_memory: usize,
    /// What bounds connections.
    pub connections: ConnectionLimits,
    /// Wrong tokens that an address may send a minute; 0: any number.
    pub token_failures: u32,
    /// Bytes of the encoded `x-function-logs`.
    pub log_header: usize,
}

/// What the HTTP layer is made of.
pub struct HttpParts {
    /// What runs functions.
    pub pipeline: Arc<Pipeline>,
    /// Where objects live.
    pub blobs: Arc<dyn BlobStore>,
    /// Checks signed URLs; `None` when the blob store signs its own.
    pub signed_urls: Option<Arc<SignedUrls>>,
    /// Tells whether the backends answer.
    pub health: Health,
    /// The develop token.
    pub token: String,
    /// Networks of the proxies that say in `X-Forwarded-For` who the client is.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Which pages of other origins may call.
    pub cors: CorsPolicy,
    /// Speaks HTTPS; `None` speaks HTTP.
    pub tls: Option<Arc<Tls>>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
    /// What bounds requests.
    pub limits: HttpLimits,
}

/// What every request shares.
pub struct Server {
    pipeline: Arc<Pipeline>,
    blobs: Arc<dyn BlobStore>,
    signed_urls: Option<Arc<SignedUrls>>,
    health: Health,
    token: Token,
    failures: Failures,
    trusted_proxies: Vec<ipnet::IpNet>,
    cors: Option<Cors>,
    tls: Option<Arc<Tls>>,
    request_ids: RequestIds,
    intake: Arc<Intake>,
    limits: HttpLimits,
}

impl Server {
    /// Puts it together.
    ///
    /// # Errors
    /// `Internal` when a name in the CORS policy cannot be sent.
    pub fn new(parts: HttpParts) -> PortResult<Arc<Self>> {
        let HttpParts { pipeline, blobs, signed_urls, health, token, clock, entropy, limits, .. } = parts;
        let intake = Intake::new(limits.body, limits.body_memory, limits.connections.body_timeout);
        let server = Arc::new(Self {
            failures: Failures::new(limits.token_failures, clock.monotonic()),
            pipeline,
            blobs,
            signed_urls,
            health,
            token: Token::new(&token),
            trusted_proxies: parts.trusted_proxies,
            cors: Cors::new(&parts.cors)?,
            tls: parts.tls,
            request_ids: RequestIds::new(clock, entropy),
            intake,
            limits,
        });
        let weak = Arc::downgrade(&server);
        server
            .pipeline
            .metrics()
            .register_source(move || weak.upgrade().map_or_else(Vec::new, |server| server.figures()));
        Ok(server)
    }

    /// Checks the token of a request that `peer` sent.
    ///
    /// # Errors
    /// `InvalidToken`, or `TooManyRequests` for an address that sent too many wrong ones.
    fn authorize(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Refusal> {
        let now = || self.pipeline.clock().monotonic();
        if !self.failures.is_quiet()
            && let Some(wait) = self.failures.wait(self.client(headers, peer), now())
        {
            return Err(Refusal::too_many_failures(wait));
        }
        self.token.check(headers).map_err(|error| {
            // Nothing was guessed where nothing was sent.
            if headers.contains_key(token::DEVELOP_TOKEN) {
                self.failures.count(self.client(headers, peer), now());
            }
            error.into()
        })
    }

    fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        connection::client_address(peer, headers, &self.trusted_proxies)
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure {
                name: "token_failures",
                help: "Wrong tokens",
                value: self.failures.counted(),
                monotonic: true,
            },
            Figure {
                name: "body_bytes",
                help: "Bytes of request bodies held",
                value: self.intake.held(),
                monotonic: false,
            },
        ]
    }
}

/// Where a request came from.
#[derive(Clone, Copy)]
struct Peer(IpAddr);

/// Answers requests: invocations at once, everything else through the router, which would cost an
/// invocation several allocations.
#[derive(Clone)]
struct Dispatch {
    server: Arc<Server>,
    routes: TowerToHyperService<Router>,
}

impl Dispatch {
    fn new(server: Arc<Server>) -> Self {
        let routes = TowerToHyperService::new(routes(server.clone()));
        Self { server, routes }
    }

    async fn answer(&self, request: Request<hyper::body::Incoming>, peer: IpAddr) -> Response<Body> {
        let Some(cors) = &self.server.cors else { return self.route(request, peer).await };
        if let Some(preflight) = cors.preflight(&request) {
            return preflight;
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let mut response = self.route(request, peer).await;
        cors.mark(origin.as_ref(), response.headers_mut());
        response
    }

    async fn route(&self, mut request: Request<hyper::body::Incoming>, peer: IpAddr) -> Response<Body> {
        if request.uri().path().starts_with("/invoke/") {
            return invoke::handle(&self.server, request, peer).await;
        }
        request.extensions_mut().insert(Peer(peer));
        let answer = hyper::service::Service::call(&self.routes, request.map(Body::new)).await;
        answer.unwrap_or_else(|never| match never {})
    }

    /// An id for an answer to what never became a request.
    fn new_request_id(&self) -> Arc<str> {
        self.server.request_ids.of(&HeaderMap::new())
    }
}

fn routes(server: Arc<Server>) -> Router {
    Router::new()
        .route("/functions", any(functions::collection))
        .route("/functions/{*name}", any(functions::one))
        .route("/logs", any(logs::collection))
        .route("/logs/{request_id}", any(logs::one))
        .route("/healthz", get(health::healthz).fallback(not_allowed))
        .route("/readyz", get(health::readyz).fallback(not_allowed))
        .route("/metrics", get(health::metrics).fallback(not_allowed))
        .route("/objects/{bucket}/{*key}", any(objects::one))
        .fallback(unknown)
        .with_state(server)
}

async fn unknown(State(server): State<Arc<Server>>, request: Request<Body>) -> Response<Body> {
    refuse(&server, request, |parts| {
        Error::new(ErrorKind::NotFound, format!("There is nothing at {}", parts.uri.path())).into()
    })
}

/// The answer to another method where there is only something to read.
async fn not_allowed(State(server): State<Arc<Server>>, request: Request<Body>) -> Response<Body> {
    refuse(&server, request, |parts| Refusal::method_not_allowed(&parts.method, READING))
}

fn refuse(server: &Server, request: Request<Body>, why: impl FnOnce(&Parts) -> Refusal) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let request_id = server.request_ids.of(&parts.headers);
    body::discard(body, &parts.headers);
    why(&parts).into_response(&request_id)
}

/// Runs a handler of the management API: gives the request its id, checks the token, and makes
/// an answer of an error.
async fn manage<F>(server: &Arc<Server>, request: Request<Body>, handler: F) -> Response<Body>
where
    F: AsyncFnOnce(&Server, &Parts, &mut Body) -> Result<Response<Body>, Refusal>,
{
    let (parts, mut body) = request.into_parts();
    let request_id = server.request_ids.of(&parts.headers);
    // Every request comes through `Dispatch`, which says from where.
    let peer = parts.extensions.get().map_or(IpAddr::from([0, 0, 0, 0]), |Peer(peer)| *peer);
    let answer = match server.authorize(&parts.headers, peer) {
        Ok(()) => handler(server, &parts, &mut body).await,
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok(mut response) => {
            if let Ok(id) = HeaderValue::from_str(&request_id) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            response
        }
        Err(refusal) => {
            body::discard(body, &parts.headers);
            refusal.into_response(&request_id)
        }
    }
}

/// An answer in JSON.
fn json_response(value: &impl Serialize) -> Result<Response<Body>, Refusal> {
    let body = serde_json::to_vec(value).map_err(Error::internal)?;
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The value of a query parameter, the first if there are several.
fn parameter(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query()?;
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// How many entries a listing may have: `limit`, or the default of 100.
fn page_limit(parts: &Parts) -> Result<usize, Refusal> {
    let Some(text) = parameter(parts, "limit") else { return Ok(100) };
    let limit = text.parse().ok().filter(|limit| (1..=1000).contains(limit));
    limit.ok_or_else(|| Refusal::bad_request(format!("limit {text:?} is not a number from 1 to 1000")))
}

/// Bytes as text, each the character of its number.
fn latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => text.to_owned(),
        _ => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}
