use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Dispatch, Server};

/// Headers of a request; more are answered with 431.
const MAX_HEADERS: usize = 100;

/// Bytes of a request's line and headers; more are answered with 431. hyper looks after each read,
/// so that up to as much again passes when it comes in one piece.
const MAX_HEAD: usize = 64 * 1024;

/// How long a client may take to send them, and how long a connection may be idle.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// How long to wait when the process has no file descriptor left for a connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// How long the last answers may take to leave after the invocations are over.
const FLUSH: Duration = Duration::from_secs(1);

/// Serves until `shutdown` resolves, then drains.
///
/// While invocations are in flight the server goes on answering, so that clients and balancers
/// read `SHUTTING_DOWN` instead of a refused connection; each answer closes its connection. It
/// ends when the last of them ended, or after `grace`. Whatever runs then is cut off.
///
/// # Errors
/// If the listener's address cannot be read.
pub async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    grace: Duration,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "listening");
    let connections = Connections::new(server.clone());
    let accept = connections.accept(&listener);
    tokio::pin!(accept);
    tokio::select! {
        () = &mut accept => {}
        () = shutdown => {}
    }
    let admission = server.pipeline.admission();
    tracing::info!(in_flight = admission.in_flight(), ?grace, "shutting down");
    admission.close();
    let deadline = tokio::time::Instant::now() + grace;
    tokio::select! {
        () = &mut accept => {}
        () = admission.drained() => {}
        () = tokio::time::sleep_until(deadline) => {
            tracing::warn!(in_flight = admission.in_flight(), "the grace is over: cutting off what still runs");
        }
    }
    connections.finishing.cancel();
    connections.tasks.close();
    if tokio::time::timeout(FLUSH, connections.tasks.wait()).await.is_err() {
        connections.aborted.cancel();
        connections.tasks.wait().await;
    }
    Ok(())
}

struct Connections {
    dispatch: Dispatch,
    http: http1::Builder,
    tasks: TaskTracker,
    /// No connection takes another request.
    finishing: CancellationToken,
    /// Every connection is dropped.
    aborted: CancellationToken,
}

impl Connections {
    fn new(server: Arc<Server>) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD);
        Self {
            dispatch: Dispatch::new(server),
            http,
            tasks: TaskTracker::new(),
            finishing: CancellationToken::new(),
            aborted: CancellationToken::new(),
        }
    }

    async fn accept(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.start(stream),
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections for now");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    fn start(&self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        let dispatch = self.dispatch.clone();
        let service = service_fn(move |request| {
            let dispatch = dispatch.clone();
            async move {
                let mut response = dispatch.answer(request).await;
                if dispatch.server.pipeline.admission().is_closed() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let (finishing, aborted) = (self.finishing.clone(), self.aborted.clone());
        self.tasks.spawn(async move {
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = finishing.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = connection.as_mut() => ended,
                        () = aborted.cancelled() => Ok(()),
                    }
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }
}

/// Whether accepting failed for the one connection only.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
