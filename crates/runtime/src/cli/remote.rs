use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tandem_contract::{ErrorKind, FunctionName};

use super::args::RemoteArgs;
use super::failure::{Exit, Failure};

/// Names the develop token in requests.
const DEVELOP_TOKEN: &str = "x-develop-token";

/// How long a server may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// What may stand in a path without being encoded.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Runs a remote verb. One thread is plenty for one conversation.
pub(super) fn block_on(verb: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("the process cannot start: {error}")))?;
    runtime.block_on(verb)
}

/// A server as the management API shows it.
pub(super) struct Remote {
    http: reqwest::Client,
    url: reqwest::Url,
    token: String,
}

/// An answer of the server that is an error.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Refusal {
    /// A sentence.
    pub(super) error: String,
    /// The stable code.
    pub(super) code: String,
    /// Of compile errors: the line.
    pub(super) line: Option<u32>,
    /// Of compile errors: the column.
    pub(super) column: Option<u32>,
    /// Of compile errors: the lines around the place.
    pub(super) frame: Option<String>,
}

impl Remote {
    /// A server that `args` names. Nothing is sent yet.
    pub(super) fn new(args: &RemoteArgs) -> Result<Self, Failure> {
        let usage = |message: String| Failure::new(Exit::Usage, message);
        let url = reqwest::Url::parse(&args.url)
            .map_err(|error| usage(format!("--url {:?} is not a URL: {error}", args.url)))?;
        let host = url.host_str().unwrap_or_default();
        if !matches!(url.scheme(), "http" | "https") || host.is_empty() {
            return Err(usage(format!("--url {:?} must begin with http:// or https://", args.url)));
        }
        let mut http = reqwest::Client::builder().connect_timeout(CONNECT_WITHIN);
        // A proxy of the environment is for the world outside.
        if host == "localhost" || host == "[::1]" || host.starts_with("127.") {
            http = http.no_proxy();
        }
        let http = http
            .build()
            .map_err(|error| Failure::new(Exit::Failed, format!("HTTP cannot be set up: {error}")))?;
        Ok(Self { http, url, token: args.token.clone() })
    }

    /// A request below the server's address, with the token.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.query(method, path, &[])
    }

    /// The same with a query.
    pub(super) fn query(&self, method: Method, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        if self.token.is_empty() { request } else { request.header(DEVELOP_TOKEN, &self.token) }
    }

    /// Sends a request and gives the answer, whatever its status.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    /// Sends a request; an answer with an error status is a failure.
    pub(super) async fn fetch(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = self.send(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        Err(failure(status, &refusal(response).await))
    }

    /// Sends a request and reads the JSON of the answer.
    pub(super) async fn fetch_json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, Failure> {
        let response = self.fetch(request).await?;
        response.json().await.map_err(|error| self.strange(&error))
    }

    /// An answer that no Tandem gives.
    pub(super) fn strange(&self, error: &reqwest::Error) -> Failure {
        Failure::new(
            Exit::Failed,
            format!("{} does not answer like a Tandem server: {}", self.url, causes(error)),
        )
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if error.is_builder() {
            return Failure::new(Exit::Usage, format!("the request cannot be made: {}", causes(error)));
        }
        let causes = causes(error);
        let advice = if causes.contains("certificate") {
            "if an authority of your own vouches for it, name the authority's certificate in SSL_CERT_FILE"
        } else {
            "start a server with `tandem serve`, or name another with --url"
        };
        Failure::new(Exit::Unreachable, format!("{} cannot be reached: {causes}; {advice}", self.url))
    }
}

/// The path of a function's resource below `collection`.
pub(super) fn function_path(collection: &str, name: &str) -> Result<String, Failure> {
    FunctionName::new(name).map_err(|error| Failure::new(Exit::Usage, error.message()))?;
    Ok(format!("/{collection}/{name}"))
}

/// `text` as one or more segments of a path.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// Reads an error answer; a proxy in between may answer anything.
pub(super) async fn refusal(response: Response) -> Refusal {
    let status = response.status();
    let body = response.bytes().await.unwrap_or_default();
    serde_json::from_slice(&body).unwrap_or_else(|_| Refusal {
        error: format!("the answer has status {status}"),
        ..Refusal::default()
    })
}

/// What a refusal means to this process.
pub(super) fn failure(status: StatusCode, refusal: &Refusal) -> Failure {
    if status == StatusCode::UNAUTHORIZED {
        let message = format!("{}: give the server's token with --token or TANDEM_TOKEN", refusal.error);
        return Failure::new(Exit::Token, message);
    }
    Failure::new(exit_of(&refusal.code), &*refusal.error)
}

/// The exit code of an error code.
pub(super) fn exit_of(code: &str) -> Exit {
    match ErrorKind::ALL.into_iter().find(|kind| kind.code() == code) {
        Some(ErrorKind::FunctionNotFound | ErrorKind::NotFound) => Exit::NotFound,
        Some(ErrorKind::InvalidToken) => Exit::Token,
        Some(
            ErrorKind::FunctionError
            | ErrorKind::NotAFunction
            | ErrorKind::FunctionNotCompiled
            | ErrorKind::FunctionTimeout
            | ErrorKind::CpuLimit
            | ErrorKind::MemoryLimit
            | ErrorKind::InvokeDepth,
        ) => Exit::Function,
        _ => Exit::Failed,
    }
}

/// The error and what led to it: the outermost alone says only that sending failed.
fn causes(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_exits() {
        for (code, exit) in [
            ("FUNCTION_NOT_FOUND", Exit::NotFound),
            ("FUNCTION_ERROR", Exit::Function),
            ("CPU_LIMIT", Exit::Function),
            ("INVALID_TOKEN", Exit::Token),
            ("COMPILE_ERROR", Exit::Failed),
            ("", Exit::Failed),
        ] {
            assert_eq!(exit_of(code), exit, "{code}");
        }
    }

    #[test]
    fn a_wrong_address_is_a_usage_error() {
        for url in ["nonsense", "ftp://x", "127.0.0.1:8000"] {
            let args = RemoteArgs { url: url.to_owned(), token: String::new() };
            assert_eq!(Remote::new(&args).err().map(|failure| failure.exit), Some(Exit::Usage), "{url}");
        }
    }
}
