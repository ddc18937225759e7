//! Requests as users send them.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;

use crate::case::{PublishOptions, Step, TokenSent};
use crate::server::TOKEN;
use crate::template::Names;

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Names lower case; a repeated one holds the values joined by a line break.
    pub headers: BTreeMap<String, String>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<serde_json::Value, String> {
        serde_json::from_slice(&self.body)
            .map_err(|error| format!("the body is not JSON ({error}): {}", self.text()))
    }

    /// The lines in `x-function-logs`; none where the header is missing.
    ///
    /// # Errors
    /// When the header is not base64 of gzip of a JSON array of strings.
    pub fn logs(&self) -> Result<Vec<String>, String> {
        let Some(header) = self.headers.get("x-function-logs") else { return Ok(Vec::new()) };
        let packed = STANDARD.decode(header).map_err(|error| format!("x-function-logs: {error}"))?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_string(&mut text)
            .map_err(|error| format!("x-function-logs: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("x-function-logs: {error}"))
    }
}

/// A client to be, with the TLS that a build of the whole workspace needs to be told of.
pub fn builder() -> reqwest::ClientBuilder {
    // Refused when it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

/// Speaks to one server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    /// A client of the server at `url`.
    ///
    /// # Panics
    /// When the HTTP client cannot be made.
    pub fn new(url: String) -> Self {
        let http = builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client can be made");
        Self { http, url }
    }

    /// Publishes `source` under `name`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn publish(
        &self,
        name: &str,
        source: &str,
        options: &PublishOptions,
    ) -> Result<Answer, String> {
        let mut body = serde_json::json!({ "source": source });
        if let Some(language) = &options.language {
            body["language"] = language.as_str().into();
        }
        if let Some(methods) = &options.methods {
            body["methods"] = methods.clone().into();
        }
        if let Some(description) = &options.description {
            body["description"] = description.as_str().into();
        }
        let request =
            self.http.put(format!("{}/functions/{name}", self.url)).header("x-develop-token", TOKEN);
        self.send(request.header("content-type", "application/json").body(body.to_string())).await
    }

    /// Sends what `step` says.
    ///
    /// # Errors
    /// When the step cannot be sent or there is no answer.
    pub async fn step(&self, step: &Step, names: &Names) -> Result<Answer, String> {
        let path = match &step.path {
            Some(path) => names.fill(path),
            None => format!("/invoke/{}", names.published(step.invoke.as_deref().unwrap_or("main"))),
        };
        let query = step.query.as_ref().map_or_else(String::new, |query| format!("?{}", names.fill(query)));
        let method = step.method.as_deref().unwrap_or("POST");
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let mut request = self.http.request(method, format!("{}{path}{query}", self.url));
        match &step.token {
            None | Some(TokenSent::Whether(true)) => request = request.header("x-develop-token", TOKEN),
            Some(TokenSent::Whether(false)) => {}
            Some(TokenSent::Text(token)) => request = request.header("x-develop-token", token),
        }
        for (name, value) in &step.headers {
            request = request.header(name, names.fill(value));
        }
        if let Some(json) = &step.json {
            if !step.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
                request = request.header("content-type", "application/json");
            }
            request = request.body(names.fill_json(json).to_string());
        } else if let Some(body) = &step.body {
            request = request.body(names.fill(body));
        } else if let Some(body) = &step.body_base64 {
            request = request.body(STANDARD.decode(body).map_err(|error| error.to_string())?);
        } else if let Some((piece, count)) = &step.body_repeat {
            request = request.body(piece.repeat(*count));
        }
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, String> {
        let response = request.send().await.map_err(|error| format!("{error:?}"))?;
        let status = response.status().as_u16();
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers
                .entry(name.as_str().to_owned())
                .and_modify(|all| {
                    all.push('\n');
                    all.push_str(&value);
                })
                .or_insert(value);
        }
        let body = response.bytes().await.map_err(|error| format!("{error:?}"))?.to_vec();
        Ok(Answer { status, headers, body })
    }
}
