//! The server's HTTP: routes, statuses, headers, bodies. Everything behind it is in
//! [`crate::pipeline`].

mod body;
pub mod error;
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

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::any;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tandem_contract::{BlobStore, Clock, Entropy, Error, ErrorKind};

pub use health::{Check, Health};
pub use server::serve;

use crate::pipeline::Pipeline;
use crate::signed_url::SignedUrls;
use error::Refusal;
use request_id::RequestIds;
use token::Token;

/// Log lines of an invocation.
pub const FUNCTION_LOGS: &str = "x-function-logs";
/// Milliseconds an invocation took.
pub const EXECUTION_TIME: &str = "x-execution-time";
/// Names a request, in both directions.
pub const REQUEST_ID: &str = "x-request-id";

/// What bounds requests.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Bytes of a body.
    pub body: usize,
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
    request_ids: RequestIds,
    limits: HttpLimits,
}

impl Server {
    /// Puts it together.
    pub fn new(parts: HttpParts) -> Arc<Self> {
        let HttpParts { pipeline, blobs, signed_urls, health, token, clock, entropy, limits } = parts;
        Arc::new(Self {
            pipeline,
            blobs,
            signed_urls,
            health,
            token: Token::new(&token),
            request_ids: RequestIds::new(clock, entropy),
            limits,
        })
    }
}

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

    async fn answer(&self, request: Request<hyper::body::Incoming>) -> Response<Body> {
        if request.uri().path().starts_with("/invoke/") {
            return invoke::handle(&self.server, request).await;
        }
        let answer = hyper::service::Service::call(&self.routes, request.map(Body::new)).await;
        answer.unwrap_or_else(|never| match never {})
    }
}

fn routes(server: Arc<Server>) -> Router {
    Router::new()
        .route("/functions", any(functions::collection))
        .route("/functions/{*name}", any(functions::one))
        .route("/logs", any(logs::collection))
        .route("/logs/{request_id}", any(logs::one))
        .route("/healthz", any(health::healthz))
        .route("/readyz", any(health::readyz))
        .route("/metrics", any(health::metrics))
        .route("/objects/{bucket}/{*key}", any(objects::one))
        .fallback(unknown)
        .with_state(server)
}

async fn unknown(State(server): State<Arc<Server>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let request_id = server.request_ids.of(&parts.headers);
    body::discard(body, &parts.headers);
    let path = parts.uri.path();
    Refusal::from(Error::new(ErrorKind::NotFound, format!("There is nothing at {path}")))
        .into_response(&request_id)
}

/// Runs a handler of the management API: gives the request its id, checks the token, and makes
/// an answer of an error.
async fn manage<F>(server: &Arc<Server>, request: Request<Body>, handler: F) -> Response<Body>
where
    F: AsyncFnOnce(&Server, &Parts, &mut Body) -> Result<Response<Body>, Refusal>,
{
    let (parts, mut body) = request.into_parts();
    let request_id = server.request_ids.of(&parts.headers);
    let answer = match server.token.check(&parts.headers) {
        Ok(()) => handler(server, &parts, &mut body).await,
        Err(error) => Err(error.into()),
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
