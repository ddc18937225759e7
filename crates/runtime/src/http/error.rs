//! The only place that gives an error a status.

use std::time::Duration;

use axum::body::Body;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use tandem_contract::{Error, ErrorKind};

use super::REQUEST_ID;

/// Seconds after which a client that was refused for load may try again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// The status of an error.
pub const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorKind::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::FunctionNotFound | ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorKind::FunctionNotCompiled
        | ErrorKind::InvalidBody
        | ErrorKind::InvalidArgument
        | ErrorKind::BadRequest => StatusCode::BAD_REQUEST,
        ErrorKind::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::CompileError => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Conflict | ErrorKind::DuplicateKey => StatusCode::CONFLICT,
        ErrorKind::FunctionTimeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Overloaded | ErrorKind::ShuttingDown | ErrorKind::StoreUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorKind::NotSupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::FunctionError
        | ErrorKind::NotAFunction
        | ErrorKind::CpuLimit
        | ErrorKind::MemoryLimit
        | ErrorKind::InvokeDepth
        | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An answer that is an error.
#[derive(Debug)]
pub struct Refusal {
    error: Error,
    allow: Option<HeaderValue>,
    retry_after: Option<HeaderValue>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, allow: None, retry_after: None }
    }
}

impl Refusal {
    /// An answer to a method that the resource does not take.
    pub fn method_not_allowed(method: &http::Method, allow: HeaderValue) -> Self {
        let methods = String::from_utf8_lossy(allow.as_bytes());
        let message = format!("{method} is not allowed here: use {methods}");
        let error = Error::new(ErrorKind::MethodNotAllowed, message);
        Self { error, allow: Some(allow), retry_after: None }
    }

    /// An answer to an address that sent too many wrong tokens, and may try again after `wait`.
    pub fn too_many_failures(wait: Duration) -> Self {
        let seconds = wait.as_secs_f64().ceil().max(1.0);
        let message = format!("Too many wrong tokens came from this address: try again in {seconds} s");
        let retry_after = HeaderValue::from_str(&seconds.to_string()).ok();
        Self { error: Error::new(ErrorKind::TooManyRequests, message), allow: None, retry_after }
    }

    /// An answer to a malformed request of the management API.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::BadRequest, message).into()
    }

    /// What went wrong.
    pub const fn kind(&self) -> ErrorKind {
        self.error.kind()
    }

    /// The answer.
    pub fn into_response(self, request_id: &str) -> Response<Body> {
        let mut response = response(&self.error, request_id);
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, allow);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    code: &'static str,
    #[serde(rename = "requestId")]
    request_id: &'a str,
    #[serde(flatten)]
    location: Option<&'a tandem_contract::SourceLocation>,
}

/// The answer to `error`. Its detail goes to the log, with the request id, and nowhere else.
pub fn response(error: &Error, request_id: &str) -> Response<Body> {
    let kind = error.kind();
    if let Some(detail) = error.detail() {
        let (code, message) = (kind.code(), error.message());
        if status(kind).is_server_error() {
            tracing::error!(request_id, code, message, detail, "request failed");
        } else {
            tracing::debug!(request_id, code, message, detail, "request refused");
        }
    }
    let body =
        ErrorBody { error: error.message(), code: kind.code(), request_id, location: error.location() };
    // Strings and numbers in memory: nothing there can fail to be written.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status(kind);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if matches!(status(kind), StatusCode::SERVICE_UNAVAILABLE) {
        headers.insert(RETRY_AFTER, RETRY_SECONDS);
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}
