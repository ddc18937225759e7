//! HTTP calls and how long they take.
//!
//! What the caller costs counts in every figure, so it does little: a request is written in one go and
//! of the answer only the status and the length are read.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::work::{self, DOCUMENTS};

/// Where calls go, and the token they carry.
pub(crate) struct Client {
    host: String,
    token: String,
}

impl Client {
    /// Calls `host`, as `address:port`.
    pub(crate) fn new(host: &str, token: &str) -> Self {
        Self { host: host.to_owned(), token: token.to_owned() }
    }

    /// The time that one operation takes up with `batch` of them in each call of `path`.
    ///
    /// # Errors
    /// The first call's that failed.
    pub(crate) async fn measure(
        &self,
        path: &str,
        batch: u64,
        in_flight: usize,
        duration: Duration,
    ) -> Result<Duration, String> {
        let mut connections = Vec::new();
        for _ in 0..in_flight {
            connections.push(Arc::new(Mutex::new(self.connect().await?)));
        }
        let start = self.start("POST", path);
        let call = move |worker: usize, n: u64| {
            let connection = Arc::clone(&connections[worker]);
            let body = format!("{{\"n\":{},\"count\":{batch},\"documents\":{DOCUMENTS}}}", n * 7 % DOCUMENTS);
            let request = finish(&start, &body);
            async move { connection.lock().await.exchange(&request).await }
        };
        let answered = work::measure(in_flight, duration, call).await?;
        Ok(answered.div_f64(batch as f64))
    }

    /// Sends one request on a connection of its own.
    ///
    /// # Errors
    /// What the server says in place of 200 or 201, or that it does not answer.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &str) -> Result<(), String> {
        let request = finish(&self.start(method, path), body);
        self.connect().await?.exchange(&request).await.map_err(|error| format!("{path}: {error}"))
    }

    async fn connect(&self) -> Result<Connection, String> {
        let stream =
            TcpStream::connect(&self.host).await.map_err(|error| format!("{}: {error}", self.host))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Connection { stream, received: Vec::new() })
    }

    fn start(&self, method: &str, path: &str) -> String {
        let Self { host, token } = self;
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nx-develop-token: {token}\r\n\
             content-type: application/json\r\ncontent-length: "
        )
    }
}

fn finish(start: &str, body: &str) -> String {
    format!("{start}{}\r\n\r\n{body}", body.len())
}

/// One connection; a call uses it alone.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    async fn exchange(&mut self, request: &str) -> Result<(), String> {
        self.stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        self.received.clear();
        let (status, head, length) = loop {
            self.read().await?;
            if let Some(head) = read_head(&self.received)? {
                break head;
            }
        };
        while self.received.len() < head + length {
            self.read().await?;
        }
        match status {
            200 | 201 => Ok(()),
            status => Err(format!("{status}: {}", String::from_utf8_lossy(&self.received[head..]))),
        }
    }

    async fn read(&mut self) -> Result<(), String> {
        match self.stream.read_buf(&mut self.received).await {
            Ok(0) => Err("the server hung up".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The status, and the lengths of head and body; nothing while the head is not whole.
fn read_head(received: &[u8]) -> Result<Option<(u16, usize, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(received).map_err(|error| error.to_string())?
    else {
        return Ok(None);
    };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| str::from_utf8(header.value).ok()?.parse().ok());
    match (response.code, length) {
        (Some(status), Some(length)) => Ok(Some((status, head, length))),
        _ => Err("an answer without a length".to_owned()),
    }
}
