//! What stands between a client and the pipeline, on raw sockets: framing, patience, tokens, CORS.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Door, TOKEN, TestServer, error, header, limits, raw};
use tandem_runtime::http::{ConnectionLimits, CorsPolicy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A door that loses patience soon.
fn impatient() -> Door {
    let mut door = Door::default();
    let connections = &mut door.limits.connections;
    *connections = ConnectionLimits {
        head_timeout: Duration::from_millis(500),
        body_timeout: Duration::from_millis(500),
        idle_timeout: Duration::from_secs(1),
        ..*connections
    };
    door
}

fn invoke(fields: &str, rest: &str) -> Vec<u8> {
    format!("POST /invoke/echo HTTP/1.1\r\nhost: x\r\nx-develop-token: {TOKEN}\r\n{fields}\r\n{rest}")
        .into_bytes()
}

async fn server(door: Door) -> TestServer {
    let server = TestServer::start_behind(limits(), door).await;
    server.publish("echo", "echo").await;
    server
}

#[tokio::test]
async fn shapes_that_smuggle_are_refused() {
    let server = server(Door::default()).await;
    let hidden = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    for (fields, rest) in [
        ("content-length: 3\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\ncontent-length: 3\r\n", "0\r\n\r\n"),
        ("content-length: 0\r\ncontent-length: 35\r\n", hidden),
        ("content-length: 35\r\ncontent-length: 35\r\n", hidden),
        ("content-length: 0, 35\r\n", hidden),
        ("content-length: +0\r\n", hidden),
        ("content-length : 35\r\n", hidden),
        ("content-length\t: 35\r\n", hidden),
        (" content-length: 35\r\n", hidden),
        ("x: a\r\n\tb\r\n", ""),
        ("x: a\ncontent-length: 35\r\n", hidden),
        ("x: a\rcontent-length: 35\r\n", hidden),
        ("x: \0\r\n", ""),
        ("transfer-encoding: identity\r\n", ""),
        ("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("transfer-encoding: xchunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding:\x0bchunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "0\n\n"),
        ("transfer-encoding: chunked\r\n", "1\r\naX\r\n0\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "-1\r\na\r\n0\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "0\r\ncontent-length: 1\r\n\r\n"),
        ("host: y\r\n", ""),
    ] {
        let answer = raw(server.address, &invoke(fields, rest)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{fields:?}: {answer}");
        assert!(
            answer.contains("\"code\":\"BAD_REQUEST\"") && answer.contains("connection: close"),
            "{answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{fields:?}: {answer}");
    }
    let metrics = server.client.get(format!("http://{}/metrics", server.address)).send().await.unwrap();
    assert!(metrics.text().await.unwrap().contains("tandem_requests_malformed_total 23"));
}

#[tokio::test]
async fn what_comes_in_several_pieces_is_refused_alike() {
    let server = server(Door::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&invoke("transfer-encoding: chunked\r\n", "")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(b"1\r\naa\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("INVALID_BODY"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn requests_before_a_broken_one_are_answered() {
    let server = server(Door::default()).await;
    let good = invoke("content-type: text/plain\r\ncontent-length: 2\r\n", "hi");
    let answer = raw(server.address, &[&good[..], &good[..], b"GET / HTTP/1.1\nhost: x\n\n"].concat()).await;
    let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
    assert_eq!(statuses, ["200", "200", "400"], "{answer}");
}

#[tokio::test]
async fn heads_that_are_too_long_are_told_apart() {
    let server = server(Door::default()).await;
    let get = |uri: &str, fields: &str| format!("GET {uri} HTTP/1.1\r\nhost: x\r\n{fields}\r\n").into_bytes();
    for (request, status) in [
        (get(&format!("/{}", "a".repeat(3000)), ""), "414"),
        (get("/", &format!("x: {}\r\n", "a".repeat(20_000))), "431"),
        (get("/", &"x: a\r\n".repeat(101)), "431"),
        (b"GET / HTTP/2.0\r\n\r\n".to_vec(), "505"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "505"),
        (b"GET /\r\n\r\n".to_vec(), "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n".to_vec(), "400"),
        (get("/healthz", "connection: close\r\n"), "200"),
    ] {
        let answer = raw(server.address, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
}

#[tokio::test]
async fn slow_heads_and_idle_connections_are_closed() {
    let server = server(impatient()).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let dripped = tokio::time::timeout(Duration::from_secs(10), async {
        let mut answer = String::new();
        for byte in
            b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter().cycle()
        {
            if slow.write_all(&[*byte]).await.is_err() {
                break;
            }
            let mut piece = [0; 1024];
            match tokio::time::timeout(Duration::from_millis(50), slow.read(&mut piece)).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(read)) => answer.push_str(&String::from_utf8_lossy(&piece[..read])),
                Err(_) => {}
            }
        }
        answer
    });
    let answer = dripped.await.expect("the server closes a connection whose head does not end");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let idle = raw(server.address, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200 ") && !idle.contains("408"), "{idle}");
    assert_eq!(raw(server.address, b"").await, "", "nothing was asked");
}

#[tokio::test]
async fn a_body_that_drips_or_stands_still_is_given_up() {
    let server = server(impatient()).await;
    let still = raw(server.address, &invoke("content-length: 10\r\n", "abc")).await;
    assert!(still.starts_with("HTTP/1.1 400 ") && still.contains("INVALID_BODY"), "{still}");
    let mut drip = TcpStream::connect(server.address).await.unwrap();
    drip.write_all(&invoke("content-length: 10000\r\n", "")).await.unwrap();
    let given_up = tokio::time::timeout(Duration::from_secs(10), async {
        let mut piece = [0; 1024];
        loop {
            drip.write_all(b"a").await.ok();
            if let Ok(Ok(read)) =
                tokio::time::timeout(Duration::from_millis(100), drip.read(&mut piece)).await
            {
                return String::from_utf8_lossy(&piece[..read]).into_owned();
            }
        }
    });
    let answer = given_up.await.expect("a byte now and then is no progress");
    assert!(answer.contains("INVALID_BODY"), "{answer}");
}

#[tokio::test]
async fn one_connection_too_many_takes_the_place_of_an_idle_one() {
    let mut door = Door::default();
    door.limits.connections.most = 2;
    let server = TestServer::start_behind(limits(), door).await;
    let get = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let mut third = TcpStream::connect(server.address).await.unwrap();
    third.write_all(get).await.unwrap();
    let mut piece = [0; 512];
    let read = third.read(&mut piece).await.unwrap();
    assert!(piece[..read].starts_with(b"HTTP/1.1 200"));
    assert_eq!(first.read(&mut piece).await.unwrap_or(0), 0, "the one that was idle longest is gone");
    second.write_all(b"GET /he").await.unwrap();
    third.write_all(b"GET /he").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let refused = raw(server.address, get).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1"), "{refused}");
}

#[tokio::test]
async fn bodies_share_one_bound() {
    let mut door = Door::default();
    (door.limits.body, door.limits.body_memory) = (100_000, 150_000);
    let server = server(door).await;
    let mut held = TcpStream::connect(server.address).await.unwrap();
    held.write_all(&invoke("content-length: 99999\r\n", &"a".repeat(99_000))).await.unwrap();
    let big = || server.request("POST", "/invoke/echo").body("b".repeat(90_000)).send();
    let metrics = async || {
        let url = format!("http://{}/metrics", server.address);
        server.client.get(url).send().await.unwrap().text().await.unwrap()
    };
    let until_held = async |bytes: &str| {
        let line = format!("tandem_body_bytes {bytes}\n");
        let waiting = async {
            while !metrics().await.contains(&line) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(8), waiting).await.expect("bodies are counted");
    };
    until_held("99000").await;
    let refused = big().await.unwrap();
    assert_eq!(header(&refused, "retry-after"), "1");
    assert_eq!(error(refused).await, (503, "OVERLOADED".to_owned()));
    drop(held);
    until_held("0").await;
    assert_eq!(big().await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_address_that_guesses_is_refused_for_a_while() {
    let server = server(Door::default()).await;
    let guess = || {
        let request = server.client.get(format!("http://{}/invoke/echo", server.address));
        request.header("x-develop-token", "guess").send()
    };
    for _ in 0..6 {
        assert_eq!(error(guess().await.unwrap()).await, (401, "INVALID_TOKEN".to_owned()));
    }
    let refused = guess().await.unwrap();
    assert!(header(&refused, "retry-after").parse::<u64>().is_ok_and(|seconds| (1..=12).contains(&seconds)));
    assert_eq!(error(refused).await, (429, "TOO_MANY_REQUESTS".to_owned()));
    let right = server.send("GET", "/invoke/echo", "").await;
    assert_eq!(error(right).await.0, 429, "or a guess that is right could be told from the others");
    let healthy = server.client.get(format!("http://{}/healthz", server.address)).send().await.unwrap();
    assert_eq!(healthy.status(), 200);
}

#[tokio::test]
async fn requests_without_a_token_are_no_guesses() {
    let server = server(Door::default()).await;
    for _ in 0..50 {
        let url = format!("http://{}/invoke/echo", server.address);
        assert_eq!(server.client.get(url).send().await.unwrap().status(), 401);
    }
    assert_eq!(server.send("GET", "/invoke/echo", "").await.status(), 200);
}

#[tokio::test]
async fn pages_of_other_origins_may_call_only_if_configured() {
    let closed = server(Door::default()).await;
    let preflight = |server: &TestServer, origin: &'static str, path: &str| {
        let request =
            server.client.request("OPTIONS".parse().unwrap(), format!("http://{}{path}", server.address));
        request
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-develop-token")
            .send()
    };
    let refused = preflight(&closed, "https://app.example", "/invoke/echo").await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(!refused.headers().contains_key("access-control-allow-origin"));

    let cors = CorsPolicy {
        origins: vec!["https://app.example".to_owned()],
        methods: vec!["POST".to_owned()],
        headers: vec!["x-develop-token".to_owned()],
        expose: vec!["x-request-id".to_owned()],
        credentials: true,
        max_age: Duration::from_secs(60),
    };
    let open = server(Door { cors, ..Door::default() }).await;
    for path in ["/invoke/echo", "/objects/default/a?signature=x", "/functions"] {
        let allowed = preflight(&open, "https://app.example", path).await.unwrap();
        assert_eq!(allowed.status(), 204, "{path}");
        for (name, value) in [
            ("access-control-allow-origin", "https://app.example"),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", "x-develop-token"),
            ("access-control-allow-credentials", "true"),
            ("access-control-max-age", "60"),
            ("vary", "origin"),
        ] {
            assert_eq!(header(&allowed, name), value, "{path}: {name}");
        }
        let other = preflight(&open, "https://evil.example", path).await.unwrap();
        assert!(!other.headers().contains_key("access-control-allow-origin"), "{path}");
        assert!(!other.headers().contains_key("access-control-allow-methods"), "{path}");
    }
    let call =
        |origin: &'static str| open.request("POST", "/invoke/echo").header("origin", origin).body("a").send();
    let answered = call("https://app.example").await.unwrap();
    assert_eq!(header(&answered, "access-control-allow-origin"), "https://app.example");
    assert_eq!(header(&answered, "access-control-expose-headers"), "x-request-id");
    let other = call("https://app.example.evil").await.unwrap();
    assert_eq!(other.status(), 200);
    assert!(!other.headers().contains_key("access-control-allow-origin"));
    let failed = open.client.get(format!("http://{}/invoke/echo", open.address));
    let failed = failed.header("origin", "https://app.example").send().await.unwrap();
    assert_eq!(
        (failed.status().as_u16(), header(&failed, "access-control-allow-origin").as_str()),
        (401, "https://app.example")
    );
}
