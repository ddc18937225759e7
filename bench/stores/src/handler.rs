//! The same operations behind an HTTP server in Rust, as somebody would write it who uses the driver.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::driver::Driver;
use crate::work::Operation;

/// Starts the server with threads of its own, for as long as the program runs.
///
/// # Errors
/// No port, or no thread.
pub(crate) fn start(driver: Arc<dyn Driver>) -> std::io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    std::thread::Builder::new().name("handler".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let driver = Arc::clone(&driver);
                let service = service_fn(move |request| answer(Arc::clone(&driver), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
    })?;
    Ok(address)
}

/// Where `operation` is called.
pub(crate) fn path(operation: Operation) -> String {
    format!("/{}", operation.name())
}

async fn answer(
    driver: Arc<dyn Driver>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match run(&*driver, request).await {
        Ok(()) => (StatusCode::OK, "true".to_owned()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

async fn run(driver: &dyn Driver, request: Request<Incoming>) -> Result<(), String> {
    let operation = Operation::ALL.into_iter().find(|operation| path(*operation) == request.uri().path());
    let operation = operation.ok_or("no such operation")?;
    let body = request.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let number = |name: &str| body[name].as_u64().ok_or_else(|| format!("{name} is no number"));
    let (first, count) = (number("n")?, number("count")?);
    for n in first..first + count {
        driver.call(operation, n).await?;
    }
    Ok(())
}
