use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, Method, Response};
use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tandem_contract::{Error, ErrorKind, Result};
use tokio::sync::OnceCell;
use tower_service::Service;
use url::Url;

use super::allow::AllowList;
use super::redirect::{self, RedirectMode, becomes_get, failed, host};
use super::wire::{self, FetchBody, FetchRequest, WireBody};
use crate::ops::streams::ByteStream;
use crate::settings::FetchSettings;

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may wait for the next request.
const IDLE: Duration = Duration::from_secs(30);

/// Connections to one host that may wait for the next request.
const IDLE_PER_HOST: usize = 16;

type HttpClient = Client<HttpsConnector<HttpConnector<CheckedResolver>>, WireBody>;

/// The client of one server.
pub(crate) struct Fetcher {
    allow: Arc<AllowList>,
    /// Made when it is first needed: reading the machine's certificates takes a while.
    client: OnceCell<HttpClient>,
}

/// An answer whose body is still to come.
pub(crate) struct Sent {
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    /// Where the answer came from, without the fragment.
    pub(crate) url: String,
    pub(crate) redirected: bool,
    /// Values as Latin-1 text.
    pub(crate) headers: Vec<(String, String)>,
    /// `None` where the answer has no body.
    pub(crate) body: Option<ByteStream>,
}

impl Fetcher {
    /// # Errors
    /// `InvalidArgument` naming the entry of `allow` that is none.
    pub(crate) fn new(settings: &FetchSettings) -> Result<Self> {
        Ok(Self { allow: Arc::new(AllowList::parse(&settings.allow)?), client: OnceCell::new() })
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// `Forbidden` for what the settings do not allow, `InvalidArgument` for what cannot be sent,
    /// `FunctionError` for what failed on the network.
    pub(crate) async fn send(&self, request: FetchRequest) -> Result<Sent> {
        let mut attempt = Attempt::new(request)?;
        for followed in 0..=redirect::MOST {
            self.check(&attempt.url)?;
            let response = self.exchange(&mut attempt).await?;
            match attempt.follow(&response)? {
                true if followed == redirect::MOST => break,
                true => {}
                false => return Ok(sent(&attempt, response, followed > 0)),
            }
        }
        Err(failed(format!(
            "fetch: more than {} redirects, the last of them to {}",
            redirect::MOST,
            host(&attempt.url)
        )))
    }

    fn check(&self, url: &Url) -> Result<()> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("fetch: addresses start with http: or https:, not {}:", url.scheme()),
            ));
        }
        self.allow.check(url)
    }

    async fn exchange(&self, attempt: &mut Attempt) -> Result<Response<Incoming>> {
        let body = attempt.take_body()?;
        let request = wire::wire_request(&attempt.method, &attempt.url, &attempt.headers, body)?;
        let client = self.client.get_or_try_init(|| connect(Arc::clone(&self.allow))).await?;
        client.request(request).await.map_err(|error| network_error(&attempt.url, &error))
    }
}

/// A request on its way through redirects.
struct Attempt {
    method: Method,
    url: Url,
    headers: HeaderMap,
    redirect: RedirectMode,
    body: AttemptBody,
}

enum AttemptBody {
    Empty,
    Bytes(Bytes),
    Stream(ByteStream),
    /// A stream that was sent already.
    Spent,
}

impl Attempt {
    fn new(request: FetchRequest) -> Result<Self> {
        let invalid =
            |what: &str| Error::new(ErrorKind::InvalidArgument, format!("fetch: the {what} cannot be sent"));
        Ok(Self {
            method: Method::from_bytes(request.method.as_bytes()).map_err(|_| invalid("method"))?,
            url: Url::parse(&request.url).map_err(|_| invalid("address"))?,
            headers: wire::request_headers(&request.headers)?,
            redirect: request.redirect,
            body: match request.body {
                FetchBody::Empty => AttemptBody::Empty,
                FetchBody::Bytes(bytes) => AttemptBody::Bytes(bytes),
                FetchBody::Stream(stream) => AttemptBody::Stream(stream),
            },
        })
    }

    fn take_body(&mut self) -> Result<WireBody> {
        match std::mem::replace(&mut self.body, AttemptBody::Spent) {
            AttemptBody::Empty => {
                self.body = AttemptBody::Empty;
                Ok(wire::empty_body())
            }
            AttemptBody::Bytes(bytes) => {
                self.body = AttemptBody::Bytes(bytes.clone());
                Ok(wire::whole_body(bytes))
            }
            AttemptBody::Stream(stream) => Ok(wire::stream_body(stream)),
            AttemptBody::Spent => {
                Err(failed("fetch: a redirect asks for the body again, and a stream can be sent only once"))
            }
        }
    }

    /// Turns this into the request that a redirect asks for; `false` when the answer is to be
    /// given to the function.
    fn follow(&mut self, response: &Response<Incoming>) -> Result<bool> {
        if self.redirect == RedirectMode::Manual {
            return Ok(false);
        }
        let Some(next) = redirect::target(&self.url, response.status(), response.headers())? else {
            return Ok(false);
        };
        if self.redirect == RedirectMode::Error {
            return Err(failed(format!(
                "fetch: {} redirects, and the request does not allow that",
                host(&self.url)
            )));
        }
        if becomes_get(&self.method, response.status()) {
            self.method = Method::GET;
            self.body = AttemptBody::Empty;
            redirect::strip_body_headers(&mut self.headers);
        }
        if next.origin() != self.url.origin() {
            redirect::strip_credentials(&mut self.headers);
        }
        self.url = next;
        Ok(true)
    }
}

fn sent(attempt: &Attempt, response: Response<Incoming>, redirected: bool) -> Sent {
    let mut url = attempt.url.clone();
    url.set_fragment(None);
    let (head, body) = response.into_parts();
    let has_none = attempt.method == Method::HEAD || matches!(head.status.as_u16(), 204 | 205 | 304);
    let origin = host(&attempt.url).to_owned();
    let stream = move || {
        let broken = move |error: hyper::Error| {
            failed(format!("fetch: the answer of {origin} broke off")).with_detail(error)
        };
        BodyDataStream::new(body).map_err(broken).boxed()
    };
    Sent {
        status: head.status.as_u16(),
        reason: head.status.canonical_reason().unwrap_or_default(),
        url: url.into(),
        redirected,
        headers: wire::response_headers(&head.headers),
        body: (!has_none).then(stream),
    }
}

async fn connect(allow: Arc<AllowList>) -> Result<HttpClient> {
    let mut http = HttpConnector::new_with_resolver(CheckedResolver(allow));
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.set_nodelay(true);
    // Reads the machine's certificates from disk.
    let tls = tokio::task::spawn_blocking(tls_config).await.map_err(Error::internal)??;
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .build(https))
}

/// Trusts the machine's own certificates. A machine without any can still fetch over http.
fn tls_config() -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?;
    let config = match builder.clone().with_native_roots() {
        Ok(config) => config,
        Err(error) => {
            tracing::warn!(%error, "no root certificates: fetch over https will fail; install ca-certificates");
            builder.with_root_certificates(rustls::RootCertStore::empty())
        }
    };
    Ok(config.with_no_client_auth())
}

/// Resolves names and leaves out the addresses that they may not lead to.
#[derive(Clone)]
pub(super) struct CheckedResolver(pub(super) Arc<AllowList>);

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Refused;
    type Future = BoxFuture<'static, Result<Self::Response, Refused>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allow = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str();
            let unknown = || failed(format!("fetch: no host has the name {host:?}"));
            let found = tokio::net::lookup_host((host, 0))
                .await
                .map_err(|error| Refused(unknown().with_detail(error)))?;
            let mut refusal = None;
            let mut allowed = Vec::new();
            for address in found {
                match allow.check_address(host, address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(error) => refusal = Some(error),
                }
            }
            match refusal {
                Some(error) if allowed.is_empty() => Err(Refused(error)),
                _ if allowed.is_empty() => Err(Refused(unknown())),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}

/// Carries what the resolver says through the client's own errors.
#[derive(Debug)]
pub(super) struct Refused(Error);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Refused {}

/// The error, its source, the source of that, and so on.
fn causes_of<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        causes.push(cause);
        next = cause.source();
    }
    causes
}

/// What the function reads of a client's error: one of a few sentences.
fn network_error(url: &Url, error: &hyper_util::client::legacy::Error) -> Error {
    let causes = causes_of(error);
    if let Some(Refused(refused)) = causes.iter().find_map(|cause| cause.downcast_ref::<Refused>()) {
        return refused.clone();
    }
    if let Some(own) = causes.iter().find_map(|cause| cause.downcast_ref::<Error>()) {
        return own.clone();
    }
    let io = causes.iter().find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let what = if causes.iter().any(|cause| cause.is::<rustls::Error>())
        || io == Some(std::io::ErrorKind::InvalidData)
    {
        "its certificate or its TLS was not accepted"
    } else {
        match io {
            Some(std::io::ErrorKind::ConnectionRefused) => "it refused the connection",
            Some(std::io::ErrorKind::TimedOut) => "it did not answer in time",
            _ if error.is_connect() => "no connection came about",
            _ => "the connection broke off",
        }
    };
    let detail: Vec<String> = causes.iter().map(ToString::to_string).collect();
    failed(format!("fetch: {} could not be reached: {what}", host(url))).with_detail(detail.join(": "))
}
