//! One connection from its first byte to its last: TLS, framing, patience.

mod framing;
mod guard;
mod refusal;
mod table;
mod tls;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Dispatch, Server};
use crate::metrics::Figure;
use framing::{Framing, HeadLimits};
use guard::{Answer, Guard};
use refusal::Refused;
use table::{Closed, Entry, Patience, Table};
pub use tls::{Tls, TlsFiles};

/// Header fields of a request; more are answered with 431.
const MAX_FIELDS: usize = 100;

/// Room for the bytes that hyper holds of a connection besides the head.
const BUFFER: usize = 64 * 1024;

/// Answers at once that are refusals of connections; more are closed without a word.
const REFUSALS: u64 = 256;

/// What bounds connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections at once.
    pub most: usize,
    /// Bytes of a path with its query.
    pub uri: usize,
    /// Bytes of a request's line and headers.
    pub head: usize,
    /// How long they may take to come.
    pub head_timeout: Duration,
    /// How long a body may stand still, in both directions.
    pub body_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
}

/// Accepted connections.
pub(super) struct Connections {
    dispatch: Dispatch,
    http: http1::Builder,
    heads: HeadLimits,
    handshake: Duration,
    table: Arc<Table>,
    tls: Option<Arc<Tls>>,
    malformed: Arc<AtomicU64>,
    refusals: Arc<AtomicU64>,
    pub(super) tasks: TaskTracker,
    /// No connection takes another request.
    pub(super) finishing: CancellationToken,
    /// Every connection is dropped.
    pub(super) aborted: CancellationToken,
}

impl Connections {
    pub(super) fn new(server: Arc<Server>) -> Arc<Self> {
        let limits = server.limits.connections;
        let heads = HeadLimits { head: limits.head, uri: limits.uri, fields: MAX_FIELDS };
        let mut http = http1::Builder::new();
        // The table keeps time for all connections; hyper's own timer would cost each request one.
        http.header_read_timeout(None)
            .max_headers(MAX_FIELDS)
            .max_buf_size(limits.head.saturating_add(BUFFER));
        let patience = Patience {
            most: limits.most,
            head: limits.head_timeout,
            answer: limits.body_timeout,
            idle: limits.idle_timeout,
        };
        let tls = server.tls.clone();
        let connections = Arc::new(Self {
            http,
            heads,
            handshake: limits.head_timeout,
            table: Table::new(patience),
            tls,
            malformed: Arc::default(),
            refusals: Arc::default(),
            tasks: TaskTracker::new(),
            finishing: CancellationToken::new(),
            aborted: CancellationToken::new(),
            dispatch: Dispatch::new(server),
        });
        connections.register();
        connections
    }

    /// Keeps time and the certificate, for ever.
    pub(super) async fn watch(&self) {
        let certificate = async {
            match &self.tls {
                Some(tls) => tls.watch().await,
                None => std::future::pending().await,
            }
        };
        tokio::join!(self.table.watch(), certificate);
    }

    /// Closes a connection that is idle, if there is one, for a file that is needed elsewhere.
    pub(super) fn make_room(&self) {
        self.table.make_room();
    }

    /// Serves `stream`, which came from `peer`.
    pub(super) fn start(&self, stream: TcpStream, peer: IpAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        match (self.table.enter(), &self.tls) {
            (Some(entry), None) => {
                self.tasks.spawn(self.run(stream, entry, peer));
            }
            (Some(entry), Some(tls)) => {
                let (tls, within) = (tls.clone(), self.handshake);
                let (serve, finishing) = (self.server_of(entry, peer), self.finishing.clone());
                self.tasks.spawn(async move {
                    let shaken = tokio::time::timeout(within, tls.accept(stream));
                    match finishing.run_until_cancelled(shaken).await {
                        Some(Ok(Ok(stream))) => serve(stream).await,
                        Some(Ok(Err(error))) => tracing::debug!(%error, "a TLS handshake failed"),
                        Some(Err(_)) => tracing::debug!("a TLS handshake took too long"),
                        None => {}
                    }
                });
            }
            (None, None) => self.refuse(stream),
            (None, Some(_)) => drop(stream),
        }
    }

    fn refuse(&self, stream: TcpStream) {
        if self.refusals.fetch_add(1, Ordering::Relaxed) >= REFUSALS {
            self.refusals.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (refusals, id) = (self.refusals.clone(), self.dispatch.new_request_id());
        self.tasks.spawn(async move {
            Refused::Full.send(stream, &id).await;
            refusals.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn server_of<S>(&self, entry: Entry, peer: IpAddr) -> impl FnOnce(S) -> Running + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let parts = Parts {
            dispatch: self.dispatch.clone(),
            http: self.http.clone(),
            heads: self.heads,
            malformed: self.malformed.clone(),
            finishing: self.finishing.clone(),
            aborted: self.aborted.clone(),
        };
        move |stream| Box::pin(serve(parts, stream, entry, peer))
    }

    fn run(&self, stream: TcpStream, entry: Entry, peer: IpAddr) -> Running {
        self.server_of(entry, peer)(stream)
    }

    fn register(self: &Arc<Self>) {
        let (table, malformed) = (self.table.clone(), self.malformed.clone());
        self.dispatch.server.pipeline.metrics().register_source(move || {
            let [open, refused, expired] = table.figures();
            let malformed = malformed.load(Ordering::Relaxed);
            let counter = |name, help, value| Figure { name, help, value, monotonic: true };
            vec![
                Figure { name: "connections", help: "Connections open", value: open, monotonic: false },
                counter("connections_refused", "Connections refused because there were too many", refused),
                counter("connections_expired", "Connections closed for being slow or idle", expired),
                counter("requests_malformed", "Requests that broke the protocol", malformed),
            ]
        });
    }
}

type Running = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// What one connection needs of all.
struct Parts {
    dispatch: Dispatch,
    http: http1::Builder,
    heads: HeadLimits,
    malformed: Arc<AtomicU64>,
    finishing: CancellationToken,
    aborted: CancellationToken,
}

async fn serve<S>(parts: Parts, stream: S, entry: Entry, peer: IpAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Parts { dispatch, http, heads, malformed, finishing, aborted } = parts;
    let state = entry.connection.clone();
    let service = {
        let (dispatch, state) = (dispatch.clone(), state.clone());
        service_fn(move |request| {
            state.request_began();
            let (dispatch, state) = (dispatch.clone(), state.clone());
            async move {
                let mut response = dispatch.answer(request, peer).await;
                if dispatch.server.pipeline.admission().is_closed() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| Answer::new(body, state)))
            }
        })
    };
    let guard = Guard::new(stream, heads, state.clone());
    let mut connection = http.serve_connection(TokioIo::new(guard), service);
    let ended = tokio::select! {
        ended = &mut connection => ended.map(|()| None),
        closed = state.to_be_closed() => Ok(Some(closed)),
        () = finishing.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            tokio::select! {
                ended = &mut connection => ended.map(|()| None),
                closed = state.to_be_closed() => Ok(Some(closed)),
                () = aborted.cancelled() => Ok(None),
            }
        }
    };
    let (stream, broken) = connection.into_parts().io.into_inner().into_parts();
    let refused = match (broken, ended) {
        (Some(broken), _) => {
            malformed.fetch_add(1, Ordering::Relaxed);
            (!broken.is_begun).then_some(Refused::Broke(broken.violation))
        }
        (None, Ok(Some(Closed::SlowHead))) => Some(Refused::SlowHead),
        (None, Ok(_)) => None,
        (None, Err(error)) => {
            tracing::debug!(%error, "a connection broke off");
            None
        }
    };
    // In the middle of an answer another one would be read as its rest.
    if let Some(refused) = refused
        && !state.is_busy()
        && !state.is_blocked()
    {
        refused.send(stream, &dispatch.new_request_id()).await;
    }
    drop(entry);
}

/// How many whole requests `bytes` holds, read in pieces of `size`; `None` when they break the
/// protocol, or end in the middle of one.
pub fn count_requests(bytes: &[u8], size: usize) -> Option<u64> {
    let mut framing = Framing::new(HeadLimits { head: BUFFER, uri: BUFFER, fields: MAX_FIELDS });
    for piece in bytes.chunks(size.max(1)) {
        framing.feed(piece).ok()?;
    }
    framing.is_between().then(|| framing.requests())
}

/// The address of a client that came through proxies: the last one that is not a proxy's.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[ipnet::IpNet]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(&address.to_canonical()));
    if !is_proxy(peer) {
        return peer;
    }
    let listed: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut nearest = peer;
    for entry in listed.iter().rev() {
        let Some(address) = address_of(entry.trim()) else { break };
        nearest = address;
        if !is_proxy(address) {
            break;
        }
    }
    nearest
}

/// With or without a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proxy_may_say_who_the_client_is() {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let of = |peer: &str, forwarded: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", HeaderValue::from_str(value).unwrap());
            }
            client_address(peer.parse().unwrap(), &headers, &proxies).to_string()
        };
        assert_eq!(of("1.2.3.4", &["5.6.7.8"]), "1.2.3.4");
        assert_eq!(of("10.0.0.1", &["5.6.7.8"]), "5.6.7.8");
        assert_eq!(of("10.0.0.1", &["9.9.9.9, 5.6.7.8, 10.2.2.2"]), "5.6.7.8", "the client may lie");
        assert_eq!(of("10.0.0.1", &["9.9.9.9", "5.6.7.8:1234"]), "5.6.7.8");
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(of("::ffff:10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
    }
}
