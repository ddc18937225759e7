use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::Server;
use super::connection::Connections;

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
    let watch = tokio::spawn({
        let connections = connections.clone();
        async move { connections.watch().await }
    });
    let accept = accept(&connections, &listener);
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
    watch.abort();
    Ok(())
}

async fn accept(connections: &Connections, listener: &TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => connections.start(stream, peer.ip()),
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections for now");
                connections.make_room();
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Whether accepting failed for the one connection only.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
