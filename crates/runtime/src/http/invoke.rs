use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tandem_contract::{Error, ErrorKind, RequestHead};

use super::error::Refusal;
use super::token::DEVELOP_TOKEN;
use super::{REQUEST_ID, Server, body, respond};
use crate::pipeline::{Entry, not_found};

/// The methods of a function that does not say which it takes.
const ANY: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// `ALL /invoke/{name}`.
pub(super) async fn handle<B>(server: &Arc<Server>, request: Request<B>, peer: IpAddr) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: std::fmt::Display + Send,
{
    let (parts, mut body) = request.into_parts();
    let request_id = server.request_ids.of(&parts.headers);
    match invoke(server, peer, &parts, &mut body, &request_id).await {
        Ok(response) => response,
        Err(refusal) => {
            body::discard(body, &parts.headers);
            server.pipeline.metrics().refused(refusal.kind().code());
            refusal.into_response(&request_id)
        }
    }
}

/// The checks in the order that clients may rely on, then the run.
async fn invoke<B>(
    server: &Arc<Server>,
    peer: IpAddr,
    parts: &Parts,
    body: &mut B,
    request_id: &Arc<str>,
) -> Result<Response<Body>, Refusal>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    server.authorize(&parts.headers, peer)?;
    let entry = find(server, parts.uri.path()).await?;
    if !takes(&entry, &parts.method) {
        return Err(Refusal::method_not_allowed(&parts.method, allow(&entry)));
    }
    if parts.method == Method::OPTIONS && !lists(&entry, "OPTIONS") {
        return Ok(options(&entry, request_id));
    }
    if let Err(error) = &entry.program
        && error.kind() == ErrorKind::FunctionNotCompiled
    {
        return Err(error.clone().into());
    }
    // Held until the function is done with it.
    let (body, _held) = server.intake.read(body).await?;
    let payload = body::parse(&parts.headers, body).await?;
    let waited = server.pipeline.clock().monotonic();
    let permit = server.pipeline.admission().admit(&entry.share).await?;
    let mut run = server.pipeline.prepare(entry, request_id.clone(), head(parts), payload);
    server.pipeline.metrics().queue.observe(run.started().saturating_duration_since(waited));
    let outcome = run.outcome().await;
    Ok(respond::respond(run, outcome, permit, server.limits.log_header))
}

async fn find(server: &Server, path: &str) -> Result<Arc<Entry>, Error> {
    let raw = path.strip_prefix("/invoke/").unwrap_or_default();
    let name = if raw.contains('%') {
        percent_decode_str(raw).decode_utf8().unwrap_or(Cow::Borrowed(raw))
    } else {
        Cow::Borrowed(raw)
    };
    server.pipeline.find(&name).await?.ok_or_else(|| not_found(&name))
}

/// What takes `GET` takes `HEAD`, as RFC 9110, 9.1 has it; every function answers `OPTIONS`.
fn takes(entry: &Entry, method: &Method) -> bool {
    entry.methods.is_empty()
        || lists(entry, method.as_str())
        || *method == Method::OPTIONS
        || (*method == Method::HEAD && lists(entry, "GET"))
}

fn lists(entry: &Entry, method: &str) -> bool {
    entry.methods.iter().any(|listed| listed == method)
}

fn allow(entry: &Entry) -> HeaderValue {
    let mut methods: Vec<&str> = match entry.methods.is_empty() {
        true => ANY.to_vec(),
        false => entry.methods.iter().map(String::as_str).collect(),
    };
    for (implied, also) in [("HEAD", lists(entry, "GET")), ("OPTIONS", true)] {
        if also && !methods.contains(&implied) {
            methods.push(implied);
        }
    }
    HeaderValue::try_from(methods.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// The answer to `OPTIONS` for a function that does not handle it itself.
fn options(entry: &Entry, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, allow(entry));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn head(parts: &Parts) -> RequestHead {
    RequestHead {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: function_headers(&parts.headers),
    }
}

/// All but the develop token, which lets its bearer replace every function.
fn function_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let visible = headers.iter().filter(|(name, _)| *name != DEVELOP_TOKEN);
    visible.map(|(name, value)| (name.as_str().to_owned(), super::latin1(value.as_bytes()))).collect()
}
