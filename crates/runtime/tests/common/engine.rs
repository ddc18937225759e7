use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde_json::json;
use tandem_contract::{
    EngineMetrics, Error, ErrorKind, Invocation, Invoker, JsEngine, Level, Outcome, Payload, Program, Reply,
    Result,
};

/// Runs the words between `<<` and `>>` in a module's text, one after the other, `;` between them:
///
/// - `log X`: prints X; `logs N`: prints N lines
/// - `echo`: returns what the function would see in `ctx`
/// - `json X`: returns this JSON text; `throw X`: throws
/// - `sleep MS`, `call NAME`: awaits; a failed call is thrown
/// - `response STATUS NAME VALUE`: returns a response with one header and the body `text`
/// - `stream`: returns a response that streams, printing while it does
/// - `modules`: returns the names of the program's modules and its hash
#[derive(Default)]
pub(crate) struct WordEngine {
    invoker: OnceLock<Weak<dyn Invoker>>,
    pub(crate) invoked: AtomicUsize,
}

impl WordEngine {
    pub(crate) fn connect(&self, invoker: Arc<dyn Invoker>) {
        let _ = self.invoker.set(Arc::downgrade(&invoker));
    }
}

impl JsEngine for WordEngine {
    fn invoke(&self, program: Arc<Program>, invocation: Arc<Invocation>) -> BoxFuture<'static, Outcome> {
        self.invoked.fetch_add(1, Ordering::SeqCst);
        let invoker = self.invoker.get().and_then(Weak::upgrade);
        async move {
            let started = Instant::now();
            let deadline = tokio::time::Instant::from_std(invocation.input.deadline);
            let run = run(&program, &invocation, invoker);
            let result = tokio::time::timeout_at(deadline, run).await.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::FunctionTimeout, "The function took too long"))
            });
            let (logs, dropped_logs) = invocation.console.take();
            Outcome { result, logs, dropped_logs, elapsed: started.elapsed() }
        }
        .boxed()
    }

    fn retire(&self, _name: &str, _keep_hash: Option<&str>) {}

    fn metrics(&self) -> EngineMetrics {
        EngineMetrics { isolates: 1, ..EngineMetrics::default() }
    }

    fn shutdown(&self, _grace: Duration) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

async fn run(
    program: &Program,
    invocation: &Arc<Invocation>,
    invoker: Option<Arc<dyn Invoker>>,
) -> Result<Reply> {
    let code = &program.modules[0].code;
    let words =
        code.split_once("<<").and_then(|(_, rest)| rest.split_once(">>")).map_or("", |(words, _)| words);
    let print = |text: &str| invocation.console.print(Level::Info, text);
    for word in words.split(';') {
        let (verb, rest) = word.trim().split_once(' ').unwrap_or((word.trim(), ""));
        match verb {
            "log" => print(rest),
            "logs" => (0..rest.parse().unwrap()).for_each(|n: u32| print(&format!("line {n} of many"))),
            "echo" => return Ok(Reply::Json(echo(invocation))),
            "json" => return Ok(Reply::Json(Bytes::copy_from_slice(rest.as_bytes()))),
            "throw" => return Err(Error::new(ErrorKind::FunctionError, rest)),
            "sleep" => tokio::time::sleep(Duration::from_millis(rest.parse().unwrap())).await,
            "call" => {
                let invoker = invoker.clone().unwrap();
                invoker.invoke(invocation, rest.to_owned(), Some(Bytes::from_static(b"{}"))).await.result?;
            }
            "response" => {
                let mut parts = rest.splitn(3, ' ');
                let status = parts.next().unwrap().parse().unwrap();
                let (name, value) = (parts.next().unwrap_or("x-a"), parts.next().unwrap_or("b"));
                let headers = vec![(name.to_owned(), value.to_owned())];
                return Ok(Reply::Response { status, headers, body: Bytes::from_static(b"text") });
            }
            "stream" => return Ok(streamed(invocation.clone())),
            "modules" => {
                let names: Vec<&str> = program.modules.iter().map(|module| module.name.as_str()).collect();
                return Ok(Reply::Json(json!({ "names": names, "hash": &*program.hash }).to_string().into()));
            }
            _ => {}
        }
    }
    Ok(Reply::Json(Bytes::from_static(b"null")))
}

fn streamed(invocation: Arc<Invocation>) -> Reply {
    let pieces = stream::iter(0..3).then(move |n| {
        invocation.console.print(Level::Info, &format!("piece {n}"));
        async move { Ok(Bytes::from(format!("{n}\n"))) }
    });
    let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
    Reply::Stream { status: 200, headers, body: pieces.boxed() }
}

fn echo(invocation: &Invocation) -> Bytes {
    let input = &invocation.input;
    let (kind, body) = match &input.payload {
        Payload::Empty => ("empty", json!(null)),
        Payload::Json(text) => ("json", serde_json::from_slice(text).unwrap()),
        Payload::Form(pairs) => ("form", json!(pairs)),
        Payload::Multipart { fields, files } => {
            let files: Vec<_> = files
                .iter()
                .map(|file| json!([file.field, file.name, file.content_type, file.bytes.len()]))
                .collect();
            ("multipart", json!({ "fields": fields, "files": files }))
        }
        Payload::Text(text) => ("text", json!(text)),
        Payload::Bytes(bytes) => ("bytes", json!(bytes.len())),
    };
    let head = &input.head;
    json!({
        "method": head.method, "path": head.path, "query": head.query, "headers": head.headers,
        "kind": kind, "body": body, "depth": input.depth, "requestId": &*input.request_id,
    })
    .to_string()
    .into()
}
