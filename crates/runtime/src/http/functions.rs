use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use tandem_contract::{Expected, Function, FunctionName, FunctionSummary, Language, Revision};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::error::Refusal;
use super::{READING, Server, json_response, manage, page_limit, parameter};
use crate::pipeline::{Publish, not_found};

/// Methods that a function may be limited to.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// `GET /functions`.
pub(super) async fn collection(State(server): State<Arc<Server>>, request: Request<Body>) -> Response<Body> {
    manage(&server, request, async |server: &Server, parts: &Parts, _: &mut Body| match parts.method {
        Method::GET | Method::HEAD => list(server, parts).await,
        _ => Err(Refusal::method_not_allowed(&parts.method, READING)),
    })
    .await
}

/// `GET`, `PUT` and `DELETE /functions/{name}`.
pub(super) async fn one(State(server): State<Arc<Server>>, request: Request<Body>) -> Response<Body> {
    manage(&server, request, async |server: &Server, parts: &Parts, body: &mut Body| match parts.method {
        Method::GET | Method::HEAD => read(server, parts).await,
        Method::PUT => publish(server, parts, body).await,
        Method::DELETE => delete(server, parts).await,
        _ => {
            let allow = HeaderValue::from_static("GET, HEAD, PUT, DELETE");
            Err(Refusal::method_not_allowed(&parts.method, allow))
        }
    })
    .await
}

async fn list(server: &Server, parts: &Parts) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Page<'a> {
        functions: Vec<Summary<'a>>,
        next: Option<String>,
    }

    let limit = page_limit(parts)?;
    let after = parameter(parts, "after");
    let page = server.pipeline.functions().list(after.as_deref(), limit).await?;
    json_response(&Page { functions: page.functions.iter().map(Summary::from).collect(), next: page.next })
}

async fn read(server: &Server, parts: &Parts) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        summary: Summary<'a>,
        source: &'a str,
        compiled: Option<&'a str>,
    }

    let name = name_of(parts);
    if FunctionName::new(&*name).is_err() {
        return Err(not_found(&name).into());
    }
    let function = server.pipeline.functions().get(&name).await?.ok_or_else(|| not_found(&name))?;
    let whole = Whole {
        summary: Summary::from(&function),
        source: &function.source,
        compiled: function.compiled.as_deref(),
    };
    with_revision(json_response(&whole)?, function.revision)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishBody {
    source: String,
    #[serde(default)]
    language: Option<Language>,
    #[serde(default)]
    methods: Option<Vec<String>>,
    #[serde(default)]
    description: Option<String>,
}

async fn publish(server: &Server, parts: &Parts, body: &mut Body) -> Result<Response<Body>, Refusal> {
    let name = FunctionName::new(name_of(parts)).map_err(|error| Refusal::bad_request(error.message()))?;
    let expected = expected(parts)?;
    let (body, _held) = server.intake.read(body).await?;
    let body: PublishBody = serde_json::from_slice(&body)
        .map_err(|error| Refusal::bad_request(format!("The body cannot be read: {error}")))?;
    let published = server
        .pipeline
        .publish(Publish {
            name,
            source: body.source,
            language: body.language.unwrap_or_default(),
            methods: methods(body.methods.unwrap_or_default())?,
            description: body.description.unwrap_or_default(),
            expected,
        })
        .await?;
    let mut response = json_response(&Summary::from(&published.function))?;
    if published.created {
        *response.status_mut() = StatusCode::CREATED;
    }
    with_revision(response, published.function.revision)
}

async fn delete(server: &Server, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let name = name_of(parts);
    let deleted = match FunctionName::new(&*name) {
        Ok(name) => server.pipeline.delete(&name).await?,
        Err(_) => false,
    };
    if !deleted {
        return Err(not_found(&name).into());
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

fn name_of(parts: &Parts) -> Cow<'_, str> {
    let raw = parts.uri.path().strip_prefix("/functions/").unwrap_or_default();
    percent_decode_str(raw).decode_utf8().unwrap_or(Cow::Borrowed(raw))
}

/// `If-None-Match: *` publishes only what is new, `If-Match: "7"` only over revision 7.
fn expected(parts: &Parts) -> Result<Expected, Refusal> {
    if let Some(value) = parts.headers.get(IF_NONE_MATCH) {
        return match value.as_bytes() {
            b"*" => Ok(Expected::Absent),
            _ => Err(Refusal::bad_request("If-None-Match takes `*` here")),
        };
    }
    let Some(value) = parts.headers.get(IF_MATCH) else { return Ok(Expected::Any) };
    let revision = value.to_str().ok().and_then(|text| text.trim_matches('"').parse().ok());
    revision
        .map(Expected::Revision)
        .ok_or_else(|| Refusal::bad_request("If-Match takes a revision here, for example \"7\""))
}

fn methods(given: Vec<String>) -> Result<Vec<String>, Refusal> {
    let mut methods = BTreeSet::new();
    for method in given {
        let upper = method.to_ascii_uppercase();
        if !METHODS.contains(&upper.as_str()) {
            let known = METHODS.join(", ");
            return Err(Refusal::bad_request(format!("methods: {method:?} is none of {known}")));
        }
        methods.insert(upper);
    }
    Ok(methods.into_iter().collect())
}

fn with_revision(mut response: Response<Body>, revision: Revision) -> Result<Response<Body>, Refusal> {
    if let Ok(tag) = HeaderValue::try_from(format!("\"{revision}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// A function without its texts, as clients see it.
#[derive(Serialize)]
struct Summary<'a> {
    name: &'a str,
    language: Language,
    hash: &'a str,
    methods: &'a [String],
    description: &'a str,
    revision: Revision,
    created_at: String,
    updated_at: String,
}

impl<'a> From<&'a FunctionSummary> for Summary<'a> {
    fn from(function: &'a FunctionSummary) -> Self {
        Self {
            name: &function.name,
            language: function.language,
            hash: &function.hash,
            methods: &function.methods,
            description: &function.description,
            revision: function.revision,
            created_at: iso8601(function.created_at),
            updated_at: iso8601(function.updated_at),
        }
    }
}

impl<'a> From<&'a Function> for Summary<'a> {
    fn from(function: &'a Function) -> Self {
        Self {
            name: &function.name,
            language: function.language,
            hash: &function.hash,
            methods: &function.methods,
            description: &function.description,
            revision: function.revision,
            created_at: iso8601(function.created_at),
            updated_at: iso8601(function.updated_at),
        }
    }
}

/// As `Date.prototype.toISOString` writes it.
pub(super) fn iso8601(time: SystemTime) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from(time).format(FORMAT).unwrap_or_default()
}
