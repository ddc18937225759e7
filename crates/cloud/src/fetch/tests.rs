//! Against a server of our own, because what matters here happens between requests.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tandem_contract::{ErrorKind, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{FetchBody, FetchRequest, Fetcher, RedirectMode, Sent};
use crate::settings::FetchSettings;

/// Answers by path and keeps each request as it came.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `answer` takes the path and gives status line and headers, each ended by CRLF, a blank line, and the body.
    async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&requests), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                tokio::spawn(async move {
                    let request = read_request(&mut connection).await;
                    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                    kept.lock().push(request);
                    connection.write_all(answer(&path).as_bytes()).await.unwrap();
                });
            }
        });
        Self { port, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn allowed(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

/// Head and body, the body in whatever framing it has.
async fn read_request(connection: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let count = connection.read(&mut buffer).await.unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        let complete = match length {
            Some(length) => body.len() >= length,
            None => !head.contains("transfer-encoding: chunked") || body.ends_with("0\r\n\r\n"),
        };
        if complete || count == 0 {
            return text;
        }
    }
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\nx-kept: yes\r\n\r\n{body}",
        body.len()
    )
}

fn redirect(status: u16, to: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

fn fetcher(allow: &[String]) -> Fetcher {
    Fetcher::new(&FetchSettings { allow: allow.to_vec() }).unwrap()
}

fn get(url: &str) -> FetchRequest {
    let headers =
        vec![("authorization".to_owned(), "secret".to_owned()), ("x-mine".to_owned(), "1".to_owned())];
    FetchRequest {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers,
        redirect: RedirectMode::Follow,
        body: FetchBody::Empty,
    }
}

fn post(url: &str, body: FetchBody) -> FetchRequest {
    let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
    FetchRequest {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers,
        redirect: RedirectMode::Follow,
        body,
    }
}

async fn text(sent: Sent) -> String {
    let chunks: Vec<Bytes> = sent.body.unwrap().try_collect().await.unwrap();
    String::from_utf8(chunks.concat()).unwrap()
}

fn refusal(result: Result<Sent>) -> (ErrorKind, String) {
    let error = result.err().unwrap();
    (error.kind(), error.message().to_owned())
}

#[tokio::test]
async fn an_allowed_host_answers() {
    let server = Server::start(|_| ok("hello")).await;
    let sent = fetcher(&[server.allowed()]).send(get(&server.url("/a?b=c#d"))).await.unwrap();
    assert_eq!((sent.status, sent.reason, sent.redirected), (200, "OK", false));
    assert_eq!(sent.url, server.url("/a?b=c"));
    assert!(sent.headers.contains(&("x-kept".to_owned(), "yes".to_owned())));
    assert!(!sent.headers.iter().any(|(name, _)| name == "connection"));
    assert_eq!(text(sent).await, "hello");
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n") && request.contains("x-mine: 1"), "{request}");
}

#[tokio::test]
async fn nothing_is_allowed_by_default() {
    let (kind, message) = refusal(fetcher(&[]).send(get("http://example.com/")).await);
    assert_eq!(kind, ErrorKind::Forbidden);
    assert!(message.contains("example.com") && message.contains("[fetch]"), "{message}");
}

#[tokio::test]
async fn only_http_is_fetched() {
    for url in ["file:///etc/passwd", "ftp://example.com/", "data:text/plain,x"] {
        assert_eq!(
            refusal(fetcher(&["*".to_owned()]).send(get(url)).await).0,
            ErrorKind::InvalidArgument,
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_redirect_does_not_lead_where_a_request_may_not() {
    let inner = Server::start(|_| ok("secret")).await;
    let target = inner.url("/metadata");
    let outer = Server::start(move |_| redirect(302, &target)).await;
    let (kind, message) = refusal(fetcher(&[outer.allowed()]).send(get(&outer.url("/"))).await);
    assert_eq!(kind, ErrorKind::Forbidden);
    assert!(message.contains("127.0.0.1"), "{message}");
    assert_eq!((outer.requests().len(), inner.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_refused_after_it_was_resolved() {
    let server = Server::start(|_| ok("secret")).await;
    let url = format!("http://localhost:{}/", server.port);
    let (kind, message) = refusal(fetcher(&["*".to_owned()]).send(get(&url)).await);
    assert_eq!(kind, ErrorKind::Forbidden, "{message}");
    assert!(message.contains("localhost"), "{message}");
    assert!(server.requests().is_empty());
    let sent = fetcher(&["localhost".to_owned()]).send(get(&url)).await.unwrap();
    assert_eq!(text(sent).await, "secret");
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let other = Server::start(|_| ok("done")).await;
    let target = other.url("/there");
    let first =
        Server::start(move |path| if path == "/" { redirect(307, "/same") } else { redirect(307, &target) })
            .await;
    let sent = fetcher(&[first.allowed(), other.allowed()]).send(get(&first.url("/"))).await.unwrap();
    assert!(sent.redirected);
    assert_eq!(sent.url, other.url("/there"));
    assert!(first.requests()[1].contains("authorization: secret"), "the same origin keeps them");
    assert!(!other.requests()[0].contains("authorization"));
    assert!(other.requests()[0].contains("x-mine: 1"));
}

#[tokio::test]
async fn a_body_is_sent_again_or_dropped_as_the_status_says() {
    let server = Server::start(|path| match path {
        "/302" => redirect(302, "/end"),
        "/307" => redirect(307, "/end"),
        _ => ok("end"),
    })
    .await;
    let fetcher = fetcher(&[server.allowed()]);
    let body = || FetchBody::Bytes(Bytes::from_static(b"content"));
    fetcher.send(post(&server.url("/302"), body())).await.unwrap();
    fetcher.send(post(&server.url("/307"), body())).await.unwrap();
    let requests = server.requests();
    assert!(requests[1].starts_with("GET /end") && !requests[1].contains("content-type"), "{}", requests[1]);
    assert!(requests[3].starts_with("POST /end") && requests[3].ends_with("content"), "{}", requests[3]);
}

#[tokio::test]
async fn a_stream_is_sent_once() {
    let server = Server::start(|path| if path == "/307" { redirect(307, "/end") } else { ok("end") }).await;
    let fetcher = fetcher(&[server.allowed()]);
    let body = || {
        FetchBody::Stream(stream::iter([Ok(Bytes::from_static(b"a")), Ok(Bytes::from_static(b"b"))]).boxed())
    };
    fetcher.send(post(&server.url("/"), body())).await.unwrap();
    assert!(server.requests()[0].contains("transfer-encoding: chunked"));
    let (kind, message) = refusal(fetcher.send(post(&server.url("/307"), body())).await);
    assert_eq!(kind, ErrorKind::FunctionError);
    assert!(message.contains("stream"), "{message}");
}

#[tokio::test]
async fn redirects_may_be_refused_or_kept() {
    let server = Server::start(|_| redirect(301, "/end")).await;
    let fetcher = fetcher(&[server.allowed()]);
    let kept =
        fetcher.send(FetchRequest { redirect: RedirectMode::Manual, ..get(&server.url("/")) }).await.unwrap();
    assert_eq!((kept.status, kept.redirected), (301, false));
    let refused = fetcher.send(FetchRequest { redirect: RedirectMode::Error, ..get(&server.url("/")) }).await;
    assert_eq!(refusal(refused).0, ErrorKind::FunctionError);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let server = Server::start(|_| redirect(302, "/again")).await;
    let (kind, message) = refusal(fetcher(&[server.allowed()]).send(get(&server.url("/"))).await);
    assert_eq!(kind, ErrorKind::FunctionError);
    assert!(message.contains("10 redirects"), "{message}");
    assert_eq!(server.requests().len(), 11);
}

#[tokio::test]
async fn a_host_that_refuses_is_named_without_the_drivers_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let allow = [address.to_string()];
    let (kind, message) = refusal(fetcher(&allow).send(get(&format!("http://{address}/"))).await);
    assert_eq!(kind, ErrorKind::FunctionError);
    assert_eq!(message, "fetch: 127.0.0.1 could not be reached: it refused the connection");
}

#[tokio::test]
async fn no_spelling_of_this_machine_passes_a_pattern() {
    let server = Server::start(|_| ok("secret")).await;
    let fetcher = fetcher(&["*".to_owned(), "*.localhost".to_owned()]);
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.01",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "%6cocalhost",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "user:password@127.0.0.1",
        "example.com@127.0.0.1",
    ] {
        let url = format!("http://{host}:{}/", server.port);
        let (kind, message) = refusal(fetcher.send(get(&url)).await);
        // Some systems do not know the name with its dot.
        let unknown = message.contains("no host has the name");
        assert!(
            unknown || matches!(kind, ErrorKind::Forbidden | ErrorKind::InvalidArgument),
            "{host}: {kind} {message}"
        );
    }
    assert!(server.requests().is_empty(), "{:?}", server.requests());
}

#[tokio::test]
async fn a_redirect_is_checked_whatever_it_is_spelt_like() {
    let inner = Server::start(|_| ok("secret")).await;
    let port = inner.port;
    for target in [
        format!("http://127.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("//127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://localhost.:{port}/"),
        "file:///etc/passwd".to_owned(),
        "ftp://127.0.0.1/".to_owned(),
    ] {
        let location = target.clone();
        let outer = Server::start(move |_| redirect(307, &location)).await;
        let (kind, message) = refusal(fetcher(&[outer.allowed()]).send(get(&outer.url("/"))).await);
        assert!(
            matches!(kind, ErrorKind::Forbidden | ErrorKind::InvalidArgument | ErrorKind::FunctionError),
            "{target}: {kind} {message}"
        );
        assert_eq!(outer.requests().len(), 1);
    }
    assert!(inner.requests().is_empty(), "{:?}", inner.requests());
}

/// A name that first leads where it may and then where it may not: the addresses that were checked
/// are the ones that are connected to, so that there is no second answer to believe.
#[tokio::test]
async fn what_was_checked_is_what_is_connected_to() {
    let allow = Arc::new(super::allow::AllowList::parse(&["*".to_owned(), "localhost".to_owned()]).unwrap());
    let mut resolver = super::client::CheckedResolver(Arc::clone(&allow));
    let name = |text: &str| text.parse::<hyper_util::client::legacy::connect::dns::Name>().unwrap();
    let addresses: Vec<_> =
        tower_service::Service::call(&mut resolver, name("localhost")).await.unwrap().collect();
    assert!(!addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback()));
    let strict = Arc::new(super::allow::AllowList::parse(&["*".to_owned()]).unwrap());
    let mut resolver = super::client::CheckedResolver(strict);
    assert!(tower_service::Service::call(&mut resolver, name("localhost")).await.is_err());
}
