use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use futures_util::future::{BoxFuture, join_all};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use tandem_contract::{Clock, Error, Result};
use tokio::sync::Mutex;

use super::{Server, json_response};

/// How long a backend may take to show a sign of life.
const PING_WITHIN: Duration = Duration::from_secs(2);

/// How long an answer stands: probes of many balancers must not add up to load.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// What OpenMetrics text is served as.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// One backend to ask.
pub struct Check {
    /// The section of the config it comes from: `functions`, `documents`, `storage`.
    pub name: &'static str,
    /// What the config selected there, for example `sqlite`.
    pub backend: String,
    /// Asks it for a sign of life.
    pub ping: Box<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>,
}

/// Tells whether the backends answer.
pub struct Health {
    checks: Vec<Check>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Instant, Arc<Report>)>>,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    checks: BTreeMap<&'static str, Answer>,
}

#[derive(Serialize)]
struct Answer {
    ok: bool,
    backend: String,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Health {
    /// Asks these backends.
    pub fn new(checks: Vec<Check>, clock: Arc<dyn Clock>) -> Self {
        Self { checks, clock, last: Mutex::new(None) }
    }

    async fn report(&self) -> Arc<Report> {
        // Held while asking, so that many probes at once ask once.
        let mut last = self.last.lock().await;
        if let Some((since, report)) = &*last
            && self.clock.monotonic().saturating_duration_since(*since) < FRESH_FOR
        {
            return report.clone();
        }
        let answers = join_all(self.checks.iter().map(|check| self.ask(check))).await;
        let checks: BTreeMap<_, _> = answers.into_iter().collect();
        let report = Arc::new(Report { ready: checks.values().all(|answer| answer.ok), checks });
        *last = Some((self.clock.monotonic(), report.clone()));
        report
    }

    async fn ask(&self, check: &Check) -> (&'static str, Answer) {
        let started = self.clock.monotonic();
        let answer = tokio::time::timeout(PING_WITHIN, (check.ping)()).await;
        let elapsed = self.clock.monotonic().saturating_duration_since(started);
        let ms = (elapsed.as_secs_f64() * 1e6).round() / 1e3;
        let error = match answer {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(Error::unavailable(check.name, format!("no answer within {PING_WITHIN:?}"))),
        };
        if let Some(error) = &error {
            tracing::warn!(%error, backend = check.backend, check = check.name, "not ready");
        }
        let error = error.map(|error| error.message().to_owned());
        (check.name, Answer { ok: error.is_none(), backend: check.backend.clone(), ms, error })
    }
}

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> Response<Body> {
    let mut response = Response::new(Body::from("ok\n"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// `GET /readyz`: every backend answers, and the server is not going down.
pub(super) async fn readyz(State(server): State<Arc<Server>>) -> Response<Body> {
    #[derive(Serialize)]
    struct View<'a> {
        ready: bool,
        #[serde(rename = "shuttingDown", skip_serializing_if = "std::ops::Not::not")]
        shutting_down: bool,
        checks: &'a BTreeMap<&'static str, Answer>,
    }

    let report = server.health.report().await;
    let shutting_down = server.pipeline.admission().is_closed();
    let ready = report.ready && !shutting_down;
    match json_response(&View { ready, shutting_down, checks: &report.checks }) {
        Ok(mut response) => {
            if !ready {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            response
        }
        Err(refusal) => refusal.into_response(""),
    }
}

/// `GET /metrics`.
pub(super) async fn metrics(State(server): State<Arc<Server>>) -> Response<Body> {
    match server.pipeline.metrics().encode() {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(CONTENT_TYPE, OPEN_METRICS);
            response
        }
        Err(error) => super::error::response(&error, ""),
    }
}
