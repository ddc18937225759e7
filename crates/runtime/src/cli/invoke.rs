use std::io::{IsTerminal as _, Read as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flate2::read::GzDecoder;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::args::InvokeArgs;
use super::failure::{Exit, Failure};
use super::output::{self, BAD, DIM};
use super::remote::{Refusal, Remote, exit_of, failure, function_path};

/// The most that a log header may unpack to: it comes from another machine.
const MAX_LOGS: u64 = 64 << 20;

/// `tandem invoke`
pub(super) async fn run(args: &InvokeArgs) -> Result<(), Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let remote = Remote::new(&args.remote)?;
    let path = function_path("invoke", &args.name)?;
    let body = args.data.as_deref().map(read_body).transpose()?;
    let default = if body.is_some() { "POST" } else { "GET" };
    let method = args.method.as_deref().unwrap_or(default).to_uppercase();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| usage(format!("--method {method:?} is not an HTTP method")))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &args.header {
        let name = HeaderName::try_from(name)
            .map_err(|_| usage(format!("--header: {name:?} is not a header's name")))?;
        let value = HeaderValue::try_from(value)
            .map_err(|_| usage(format!("--header {name}: the value cannot be sent")))?;
        headers.append(name, value);
    }
    let query: Vec<(&str, &str)> = args.query.iter().map(|(name, value)| (&**name, &**value)).collect();
    let mut request = remote.query(method, &path, &query);
    if let Some(body) = body {
        if !headers.contains_key(CONTENT_TYPE) {
            if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
                return Err(usage(
                    "--data is not JSON; for another body name its type: --header 'content-type: text/plain'"
                        .to_owned(),
                ));
            }
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        request = request.body(body);
    }
    let response = remote.send(request.headers(headers)).await?;
    if args.json { report(&remote, response).await } else { print(&remote, response).await }
}

/// The body goes out as it comes in, so that a function that streams can be watched.
async fn print(remote: &Remote, mut response: Response) -> Result<(), Failure> {
    let status = response.status();
    let ran = Ran::of(response.headers());
    for line in &ran.logs {
        output::note(colored(line));
    }
    if status.as_u16() >= 400 {
        let body = response.bytes().await.map_err(|error| remote.strange(&error))?;
        return fail(status, &ran, &body);
    }
    let mut last = b'\n';
    while let Some(chunk) = response.chunk().await.map_err(|error| remote.strange(&error))? {
        last = chunk.last().copied().unwrap_or(last);
        output::raw(&chunk);
    }
    if last != b'\n' && std::io::stdout().is_terminal() {
        output::raw(b"\n");
    }
    note_time(&ran);
    Ok(())
}

async fn report(remote: &Remote, response: Response) -> Result<(), Failure> {
    let status = response.status();
    let ran = Ran::of(response.headers());
    let headers: Map<String, Value> = response
        .headers()
        .iter()
        .filter(|(name, _)| *name != FUNCTION_LOGS)
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let body = response.bytes().await.map_err(|error| remote.strange(&error))?;
    let text = || Value::from(String::from_utf8_lossy(&body).into_owned());
    output::json(&json!({
        "status": status.as_u16(),
        "requestId": ran.request_id,
        "executionTime": ran.milliseconds,
        "headers": headers,
        "body": serde_json::from_slice::<Value>(&body).unwrap_or_else(|_| text()),
        "logs": ran.logs,
    }));
    match outcome(status, &ran, &body) {
        Some(failure) => Err(Failure::said(failure.exit)),
        None => Ok(()),
    }
}

/// The reply of a function that chose an error status is data; anything else is said in a
/// sentence.
fn fail(status: StatusCode, ran: &Ran, body: &Bytes) -> Result<(), Failure> {
    let Some(failure) = outcome(status, ran, body) else { return Ok(()) };
    if failure.message.is_empty() {
        output::raw(body);
        output::note(format_args!("{DIM}status {status}{DIM:#}"));
    }
    note_time(ran);
    Err(failure)
}

/// `None` for a reply; a failure with a message for an error of the server or of the run.
fn outcome(status: StatusCode, ran: &Ran, body: &[u8]) -> Option<Failure> {
    if status.as_u16() < 400 {
        return None;
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if exit_of(&refusal.code) != Exit::Failed || ran.milliseconds.is_none() => {
            Some(failure(status, &refusal))
        }
        _ if ran.milliseconds.is_some() => Some(Failure::said(Exit::Function)),
        _ => Some(Failure::new(Exit::Failed, format!("the answer has status {status}"))),
    }
}

const FUNCTION_LOGS: &str = "x-function-logs";

/// What the headers tell of a run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ran {
    logs: Vec<String>,
    /// `None` when the function did not run.
    milliseconds: Option<u64>,
    request_id: Option<String>,
}

impl Ran {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            logs: text(FUNCTION_LOGS).and_then(decode_logs).unwrap_or_default(),
            milliseconds: text("x-execution-time").and_then(|text| text.parse().ok()),
            request_id: text("x-request-id").map(str::to_owned),
        }
    }
}

fn decode_logs(header: &str) -> Option<Vec<String>> {
    let packed = BASE64_STANDARD.decode(header).ok()?;
    let mut json = Vec::new();
    GzDecoder::new(&packed[..]).take(MAX_LOGS).read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

fn note_time(ran: &Ran) {
    if let Some(milliseconds) = ran.milliseconds
        && std::io::stderr().is_terminal()
    {
        let id = ran.request_id.as_deref().unwrap_or_default();
        output::note(format_args!("{DIM}{milliseconds} ms  {id}{DIM:#}"));
    }
}

/// A log line, its level in colour.
pub(super) fn colored(line: &str) -> String {
    if line.starts_with("[ERROR] ") || line.starts_with("[WARN] ") {
        format!("{BAD}{line}{BAD:#}")
    } else {
        line.to_owned()
    }
}

fn read_body(data: &str) -> Result<Bytes, Failure> {
    let unreadable = |what: &str, error: std::io::Error| {
        Failure::new(Exit::Usage, format!("--data: {what} cannot be read: {error}"))
    };
    match (data, data.strip_prefix('@')) {
        ("-", _) => {
            let mut body = Vec::new();
            std::io::stdin().read_to_end(&mut body).map_err(|error| unreadable("standard input", error))?;
            Ok(body.into())
        }
        (_, Some(file)) => std::fs::read(file).map(Bytes::from).map_err(|error| unreadable(file, error)),
        (text, None) => Ok(Bytes::copy_from_slice(text.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn the_log_header_is_decoded() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(br#"["a","[WARN] b"]"#).unwrap();
        let header = BASE64_STANDARD.encode(gzip.finish().unwrap());
        assert_eq!(decode_logs(&header), Some(vec!["a".to_owned(), "[WARN] b".to_owned()]));
        assert_eq!(decode_logs("nonsense"), None);
    }

    #[test]
    fn outcomes_have_exit_codes() {
        let ran = Ran { milliseconds: Some(1), ..Ran::default() };
        let refused = Ran::default();
        let exit = |status: u16, ran: &Ran, body: &str| {
            outcome(StatusCode::from_u16(status).unwrap(), ran, body.as_bytes()).map(|failure| failure.exit)
        };
        assert_eq!(exit(200, &ran, "1"), None);
        assert_eq!(exit(500, &ran, r#"{"error":"boom","code":"FUNCTION_ERROR"}"#), Some(Exit::Function));
        assert_eq!(
            exit(404, &refused, r#"{"error":"no","code":"FUNCTION_NOT_FOUND"}"#),
            Some(Exit::NotFound)
        );
        assert_eq!(exit(404, &ran, r#"{"missing":true}"#), Some(Exit::Function));
        assert_eq!(
            exit(401, &refused, r#"{"error":"Invalid token","code":"INVALID_TOKEN"}"#),
            Some(Exit::Token)
        );
        assert_eq!(exit(502, &refused, "<html>"), Some(Exit::Failed));
    }
}
