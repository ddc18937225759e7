//! Which web pages of other origins may call.

use std::time::Duration;

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tandem_contract::{Error, Result};

/// What pages of other origins may do.
#[derive(Clone, Debug, Default)]
pub struct CorsPolicy {
    /// Origins that may call; `*` alone allows all; empty: none.
    pub origins: Vec<String>,
    /// Methods they may use.
    pub methods: Vec<String>,
    /// Headers they may send; `*` alone allows all.
    pub headers: Vec<String>,
    /// Headers of answers that they may read.
    pub expose: Vec<String>,
    /// Whether browsers may send cookies along.
    pub credentials: bool,
    /// How long a browser may remember the answer.
    pub max_age: Duration,
}

/// A policy in the words of the protocol.
pub(super) struct Cors {
    origins: Origins,
    methods: HeaderValue,
    /// `None` allows what is asked for.
    headers: Option<HeaderValue>,
    expose: HeaderValue,
    credentials: bool,
    max_age: HeaderValue,
}

enum Origins {
    All,
    These(Vec<HeaderValue>),
}

impl Cors {
    /// `None` when no page of another origin may call.
    ///
    /// # Errors
    /// `Internal` for values that no header can hold; the configuration's rules refuse them before.
    pub(super) fn new(policy: &CorsPolicy) -> Result<Option<Self>> {
        if policy.origins.is_empty() {
            return Ok(None);
        }
        let value = |text: &str| HeaderValue::from_str(text).map_err(Error::internal);
        let all = |list: &[String]| list.iter().any(|entry| entry == "*");
        let origins = if all(&policy.origins) {
            Origins::All
        } else {
            Origins::These(policy.origins.iter().map(|origin| value(origin)).collect::<Result<_>>()?)
        };
        Ok(Some(Self {
            origins,
            methods: value(&policy.methods.join(", "))?,
            headers: if all(&policy.headers) { None } else { Some(value(&policy.headers.join(", "))?) },
            expose: value(&policy.expose.join(", "))?,
            credentials: policy.credentials,
            max_age: HeaderValue::from(policy.max_age.as_secs()),
        }))
    }

    /// The answer to a browser that asks before it sends a request; `None` for other requests.
    pub(super) fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let asked = request.headers();
        if request.method() != Method::OPTIONS || !asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let origin = asked.get(ORIGIN)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if self.allow(origin, headers) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
            let allowed = match &self.headers {
                Some(headers) => Some(headers.clone()),
                None => asked.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
            };
            if let Some(allowed) = allowed {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            }
        }
        Some(response)
    }

    /// Lets the page that sent `origin` read an answer, if it may. What a function said about it
    /// does not count: the operator decides.
    pub(super) fn mark(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
        match origin {
            Some(origin) if self.allow(origin, headers) => {
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.clone());
            }
            Some(_) => {}
            None => self.vary(headers),
        }
    }

    fn allow(&self, origin: &HeaderValue, headers: &mut HeaderMap) -> bool {
        self.vary(headers);
        let allowed = match &self.origins {
            Origins::All => HeaderValue::from_static("*"),
            Origins::These(origins) if origins.contains(origin) => origin.clone(),
            Origins::These(_) => return false,
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }

    /// An answer that depends on the origin must not be kept for another.
    fn vary(&self, headers: &mut HeaderMap) {
        if matches!(self.origins, Origins::These(_)) {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
    }
}
