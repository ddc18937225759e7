//! The same operations in functions of a running server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::work::{self, DOCUMENTS, Operation};

/// Each does as many operations as it is told to, one after another.
const SOURCES: [(&str, &str); 3] = [
    (
        "bench-seed",
        r#"import cloud from "@tandem/cloud";
const rows = cloud.database().collection("bench");
export default async ({ body }) => {
  await rows.drop();
  await rows.createIndex({ n: 1 });
  const all = [];
  for (let n = 0; n < body.count; n++) all.push({ n, name: `name ${n}`, text: "x".repeat(200) });
  for (let from = 0; from < all.length; from += 1000) await rows.insertMany(all.slice(from, from + 1000));
};"#,
    ),
    (
        "bench-findOne",
        r#"import cloud from "@tandem/cloud";
const rows = cloud.database().collection("bench");
export default async ({ body }) => {
  let found;
  for (let i = 0; i < body.count; i++) found = await rows.findOne({ n: (body.n + i) % body.documents });
  return found.name;
};"#,
    ),
    (
        "bench-insertOne",
        r#"import cloud from "@tandem/cloud";
const rows = cloud.database().collection("bench_inserts");
const text = "x".repeat(200);
export default async ({ body }) => {
  let made;
  for (let i = 0; i < body.count; i++) made = await rows.insertOne({ n: body.n, name: "inserted", text });
  return made.acknowledged;
};"#,
    ),
];

/// The functions, published.
pub(crate) struct Functions {
    host: String,
    token: String,
}

/// One connection; a call uses it alone.
type Connection = Arc<Mutex<SendRequest<Full<Bytes>>>>;

impl Functions {
    /// Publishes them.
    ///
    /// # Errors
    /// What the server says, or that it does not answer.
    pub(crate) async fn publish(url: &str, token: &str) -> Result<Self, String> {
        let host = url.strip_prefix("http://").ok_or("--url must start with http://")?;
        let functions = Self { host: host.trim_end_matches('/').to_owned(), token: token.to_owned() };
        let connection = functions.connect().await?;
        for (name, source) in SOURCES {
            let body = serde_json::json!({ "source": source, "language": "javascript" }).to_string();
            functions.send(&connection, "PUT", &format!("/functions/{name}"), body).await?;
        }
        Ok(functions)
    }

    /// Makes the collection anew.
    pub(crate) async fn seed(&self, count: u64) -> Result<(), String> {
        let connection = self.connect().await?;
        let body = serde_json::json!({ "count": count }).to_string();
        self.send(&connection, "POST", "/invoke/bench-seed", body).await
    }

    /// The time that one operation takes up with `batch` of them in each invocation.
    pub(crate) async fn measure(
        &self,
        operation: Operation,
        batch: u64,
        in_flight: usize,
        duration: Duration,
    ) -> Result<Duration, String> {
        let path = format!("/invoke/bench-{}", operation.name());
        let mut connections = Vec::new();
        for _ in 0..in_flight {
            connections.push(self.connect().await?);
        }
        let call = |n: u64| {
            let connection = &connections[n as usize % in_flight];
            let body = format!("{{\"n\":{},\"count\":{batch},\"documents\":{DOCUMENTS}}}", n * 7 % DOCUMENTS);
            self.send(connection, "POST", &path, body)
        };
        let invocation = work::measure(in_flight, duration, call).await?;
        Ok(invocation.div_f64(batch as f64))
    }

    async fn connect(&self) -> Result<Connection, String> {
        let stream =
            TcpStream::connect(&self.host).await.map_err(|error| format!("{}: {error}", self.host))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(Arc::new(Mutex::new(sender)))
    }

    async fn send(
        &self,
        connection: &Connection,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<(), String> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("x-develop-token", &self.token)
            .header("content-type", "application/json")
            .body(Full::from(body))
            .map_err(|error| error.to_string())?;
        let mut sender = connection.lock().await;
        sender.ready().await.map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        match status {
            StatusCode::OK | StatusCode::CREATED => Ok(()),
            status => Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body))),
        }
    }
}
