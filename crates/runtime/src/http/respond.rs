//! From an outcome to an answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tandem_contract::{BodyStream, Error, ErrorKind, Outcome, Reply, Result};

use super::{EXECUTION_TIME, FUNCTION_LOGS, REQUEST_ID, error, log_header};
use crate::pipeline::{Permit, Run, RunEnd};

/// Headers that a function may set. Node stops at 2000 it receives; clients often at 100.
const MAX_HEADERS: usize = 256;

/// Answers with what `run` came to, and writes its record: at once, or when the stream ends.
pub(super) fn respond(run: Run, outcome: Outcome, permit: Permit, header_limit: usize) -> Response<Body> {
    let Outcome { result, logs, dropped_logs, elapsed } = outcome;
    let request_id = run.invocation().input.request_id.clone();
    let reply = result.and_then(|reply| Head::of(&reply).map(|head| (head, reply)));
    let mut end = RunEnd {
        error: reply.as_ref().err().map(Error::kind),
        status: None,
        elapsed,
        lines: logs,
        dropped: dropped_logs,
    };
    let log_value = log_header::encode(&end.lines, end.dropped, &request_id, header_limit);
    let mut response = match reply {
        Err(error) => {
            let response = error::response(&error, &request_id);
            end.status = Some(response.status().as_u16());
            run.end(end);
            response
        }
        Ok((head, reply)) => {
            end.status = Some(head.status.as_u16());
            let body = match reply {
                Reply::Stream { body, .. } if head.has_body() => {
                    Body::from_stream(Streaming { body, run: Some((run, end)), _permit: permit })
                }
                Reply::Stream { .. } => {
                    run.end(end);
                    Body::empty()
                }
                Reply::Json(bytes) | Reply::Bytes(bytes) | Reply::Response { body: bytes, .. } => {
                    run.end(end);
                    if head.has_body() { Body::from(bytes) } else { Body::empty() }
                }
            };
            let mut response = Response::new(body);
            *response.status_mut() = head.status;
            *response.headers_mut() = head.headers;
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(FUNCTION_LOGS, log_value);
    headers.insert(EXECUTION_TIME, milliseconds(elapsed));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

fn milliseconds(elapsed: Duration) -> HeaderValue {
    HeaderValue::from(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

impl Head {
    fn of(reply: &Reply) -> Result<Self> {
        match reply {
            Reply::Json(_) => Ok(Self::plain(HeaderValue::from_static("application/json"))),
            Reply::Bytes(_) => Ok(Self::plain(HeaderValue::from_static("application/octet-stream"))),
            Reply::Response { status, headers, .. } | Reply::Stream { status, headers, .. } => {
                Self::chosen(*status, headers)
            }
        }
    }

    fn plain(content_type: HeaderValue) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, content_type);
        Self { status: StatusCode::OK, headers }
    }

    fn chosen(status: u16, chosen: &[(String, String)]) -> Result<Self> {
        let status = StatusCode::from_u16(status)
            .ok()
            .filter(|status| (200..600).contains(&status.as_u16()))
            .ok_or_else(|| refused(format!("The response has status {status}: use 200 to 599")))?;
        if chosen.len() > MAX_HEADERS {
            let count = chosen.len();
            return Err(refused(format!("The response has {count} headers: at most {MAX_HEADERS} are sent")));
        }
        let mut headers = HeaderMap::with_capacity(chosen.len() + 4);
        for (name, value) in chosen {
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| refused(format!("The response has a header with the invalid name {name:?}")))?;
            if is_reserved(&parsed) {
                continue;
            }
            let value = from_latin1(value).ok_or_else(|| {
                refused(format!(
                    "The response header {name:?} has a value with characters that cannot be sent"
                ))
            })?;
            headers.append(parsed, value);
        }
        Ok(Self { status, headers })
    }

    fn has_body(&self) -> bool {
        !matches!(self.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
    }
}

/// Headers that belong to the connection, not to the function: RFC 9110, 7.6.1. The length is
/// that of the body that is sent; a function that says another would break the connection.
fn is_reserved(name: &HeaderName) -> bool {
    [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
        || [FUNCTION_LOGS, EXECUTION_TIME, REQUEST_ID].contains(&name.as_str())
}

fn from_latin1(text: &str) -> Option<HeaderValue> {
    if text.is_ascii() {
        return HeaderValue::from_str(text).ok();
    }
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::FunctionError, message)
}

/// A body that a function still makes. The invocation holds its place until the last byte.
struct Streaming {
    body: BodyStream,
    run: Option<(Run, RunEnd)>,
    _permit: Permit,
}

impl Stream for Streaming {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.body.as_mut().poll_next(cx);
        match &next {
            Poll::Ready(None) => self.end(None),
            Poll::Ready(Some(Err(error))) => {
                tracing::warn!(%error, "a function's stream broke off");
                self.end(Some(error.kind()));
            }
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        next
    }
}

impl Streaming {
    fn end(&mut self, error: Option<ErrorKind>) {
        let Some((run, mut end)) = self.run.take() else { return };
        let (more, dropped) = run.invocation().console.take();
        end.lines.extend(more);
        end.dropped += dropped;
        end.error = error;
        end.elapsed = run.age();
        run.end(end);
    }
}

/// The client went away: what was printed before the head is in `end`, the rest in the console.
impl Drop for Streaming {
    fn drop(&mut self) {
        if let Some((run, end)) = self.run.take() {
            run.cancel(end.lines, end.dropped);
        }
    }
}
