use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::request::Parts;
use http::{Method, Request, Response};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tandem_contract::{Error, ErrorKind};

use super::error::Refusal;
use super::functions::iso8601;
use super::{READING, Server, json_response, manage, page_limit, parameter};
use crate::logs::{Query, Record};

/// `GET /logs?function=&limit=&after=`.
pub(super) async fn collection(State(server): State<Arc<Server>>, request: Request<Body>) -> Response<Body> {
    manage(&server, request, async |server: &Server, parts: &Parts, _: &mut Body| {
        only_get(parts)?;
        list(server, parts)
    })
    .await
}

/// `GET /logs/{request_id}`.
pub(super) async fn one(State(server): State<Arc<Server>>, request: Request<Body>) -> Response<Body> {
    manage(&server, request, async |server: &Server, parts: &Parts, _: &mut Body| {
        only_get(parts)?;
        of_request(server, parts)
    })
    .await
}

fn only_get(parts: &Parts) -> Result<(), Refusal> {
    match parts.method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Refusal::method_not_allowed(&parts.method, READING)),
    }
}

fn list(server: &Server, parts: &Parts) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Page<'a> {
        invocations: Vec<View<'a>>,
        cursor: String,
    }

    let ring = server.pipeline.logs();
    let limit = page_limit(parts)?;
    let function = parameter(parts, "function");
    let after = parameter(parts, "after")
        .map(|text| {
            text.parse::<u64>().map_err(|_| Refusal::bad_request("after takes a `cursor` of a page before"))
        })
        .transpose()?;
    // Read before the records: whatever is added meanwhile comes with the next page.
    let newest = ring.newest();
    let records = ring.find(Query { function: function.as_deref(), after, limit });
    let cursor = match records.first() {
        Some(record) => record.sequence,
        None => after.unwrap_or(newest),
    };
    json_response(&Page { invocations: records.iter().map(View::from).collect(), cursor: cursor.to_string() })
}

/// The outermost invocation of the request, and all that belong to it, in the order in which
/// they ended.
fn of_request(server: &Server, parts: &Parts) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Request<'a> {
        #[serde(flatten)]
        outermost: View<'a>,
        invocations: Vec<View<'a>>,
    }

    let raw = parts.uri.path().strip_prefix("/logs/").unwrap_or_default();
    let id = percent_decode_str(raw).decode_utf8().unwrap_or(Cow::Borrowed(raw));
    let records = server.pipeline.logs().of_request(&id);
    // A caller may reuse an id: the latest call is the one asked for.
    let outermost = records.iter().rev().min_by_key(|record| record.depth).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!("No invocation with the request id {id:?} is kept (logs.keep bounds how many are)"),
        )
    })?;
    json_response(&Request {
        outermost: View::from(outermost),
        invocations: records.iter().map(View::from).collect(),
    })
}

/// An invocation as clients see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'a> {
    request_id: &'a str,
    function: &'a str,
    depth: u32,
    code: &'static str,
    status: Option<u16>,
    time: String,
    elapsed: f64,
    lines: &'a [String],
    dropped: u64,
}

impl<'a> From<&'a Record> for View<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            request_id: &record.request_id,
            function: &record.function,
            depth: record.depth,
            code: record.code,
            status: record.status,
            time: iso8601(record.time),
            elapsed: (record.elapsed.as_secs_f64() * 1e6).round() / 1e3,
            lines: &record.lines,
            dropped: record.dropped,
        }
    }
}
