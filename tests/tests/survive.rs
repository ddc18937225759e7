//! What a server has to survive that a single request cannot show: kills, floods, large uploads.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{TryStreamExt as _, stream};
use tandem_tests::backend::{Backends, Place};
use tandem_tests::case::{Expected, PublishOptions, Step};
use tandem_tests::client::{Answer, Client};
use tandem_tests::combination::Combination;
use tandem_tests::expect;
use tandem_tests::server::Server;
use tandem_tests::template::Names;

/// A server of each engine, one after the other.
fn servers() -> impl Iterator<Item = Server> {
    Backends::of_this_machine().engines.into_iter().map(|engine| {
        let (functions, documents, blobs) = (Place::Sqlite, Place::Sqlite, Place::Local);
        let combination = Combination { engine, functions, documents, blobs };
        Server::start(&combination, &BTreeMap::new()).expect("the server starts")
    })
}

async fn invoke(client: &Client, name: &str) -> Result<Answer, String> {
    client.step(&Step { invoke: Some(name.into()), ..Step::default() }, &Names::default()).await
}

async fn publish(client: &Client, name: &str, source: &str) -> Result<Answer, String> {
    client.publish(name, source, &PublishOptions::default()).await
}

#[tokio::test]
async fn kill_9_during_publish_leaves_the_old_version_or_the_new() {
    for mut server in servers() {
        for round in 0..6_u64 {
            let client = Client::new(server.url());
            let name = format!("killed-{round}");
            let publishing = {
                let name = name.clone();
                tokio::spawn(async move {
                    let mut acknowledged = 0_u64;
                    loop {
                        let source = format!("export default () => {}", acknowledged + 1);
                        match publish(&client, &name, &source).await {
                            Ok(answer) if answer.status < 300 => acknowledged += 1,
                            _ => return acknowledged,
                        }
                    }
                })
            };
            tokio::time::sleep(Duration::from_millis(60 + 37 * round)).await;
            server.kill();
            let acknowledged = publishing.await.expect("no task panics");
            server.spawn().expect("the server starts again");
            let answer = invoke(&Client::new(server.url()), &name).await.expect("there is an answer");
            let found: u64 = answer.text().parse().unwrap_or(0);
            assert!(
                found == acknowledged || found == acknowledged + 1,
                "{acknowledged} versions were acknowledged, {found} is served: {}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn sigterm_lets_invocations_finish_and_takes_no_new_ones() {
    for mut server in servers() {
        let client = Client::new(server.url());
        let source = "export default () => new Promise((r) => setTimeout(r, 800, 'finished'))";
        publish(&client, "slow", source).await.expect("it is published");
        let running = tokio::spawn({
            let client = client.clone();
            async move { invoke(&client, "slow").await }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let ended = tokio::task::spawn_blocking(move || server.terminate(Duration::from_secs(10)));
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Ok(refused) = invoke(&client, "slow").await {
            let expected = Expected { code: Some("SHUTTING_DOWN".into()), ..Expected::default() };
            expect::check(&expected, &refused, &Names::default()).expect("a new call is refused");
            assert!(refused.headers.contains_key("retry-after"));
        }
        let answer = running.await.expect("no task panics").expect("the call is answered");
        assert_eq!(answer.text(), "\"finished\"");
        let status = ended.await.expect("no task panics").expect("the server ends in time");
        assert!(status.success(), "the server ended with {status}");
    }
}

#[test]
fn floods_of_headers_and_garbage_are_refused() {
    for server in servers() {
        let send = |bytes: &[u8]| -> String {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server accepts");
            stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout can be set");
            // The server may close while this still writes.
            let _ = stream.write_all(bytes);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8_lossy(&answer).into_owned()
        };
        let many: String = (0..5000).map(|n| format!("x-flood-{n}: value\r\n")).collect();
        let large = format!("x-flood: {}\r\n", "y".repeat(4 << 20));
        for headers in [many, large] {
            let answer = send(format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes());
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET / HTTP/9.9\r\n\r\n", b"\0\0\0\0\r\n\r\n"]
        {
            let answer = send(garbage);
            let refused = ["HTTP/1.1 4", "HTTP/1.1 505"].iter().any(|start| answer.starts_with(start));
            assert!(answer.is_empty() || refused, "{answer}");
        }
        let healthy = send(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert!(healthy.starts_with("HTTP/1.1 200"), "{healthy}");
    }
}

#[tokio::test]
async fn a_gibibyte_streams_in_and_out_by_signed_urls() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 1024;
    const MOST_KIB: u64 = 32 << 10;
    for server in servers() {
        let client = Client::new(server.url());
        let source = "import cloud from '@tandem/cloud'; const big = cloud.storage.bucket(); export default async () => [await big.getUploadUrl('big'), await big.getDownloadUrl('big')]";
        publish(&client, "sign", source).await.expect("it is published");
        let urls = invoke(&client, "sign").await.expect("there is an answer");
        let [upload, download]: [String; 2] = serde_json::from_slice(&urls.body).expect("there are two URLs");
        let peak = || server.memory("VmHWM").expect("the kernel tells");
        let before = peak();
        let piece = bytes::Bytes::from(vec![7_u8; PIECE]);
        let body = stream::iter(std::iter::repeat_n(piece, PIECES).map(Ok::<_, std::io::Error>));
        let http = tandem_tests::client::builder().no_proxy().build().expect("an HTTP client can be made");
        let request =
            http.put(upload).header("content-length", PIECE * PIECES).body(reqwest::Body::wrap_stream(body));
        let response = request.send().await.expect("there is an answer");
        assert!(response.status().is_success(), "{}", response.status());
        let response = http.get(download).send().await.expect("there is an answer");
        let pieces = response.bytes_stream().map_ok(|piece| piece.len());
        let read = pieces.try_fold(0, async |sum, length| Ok(sum + length)).await.expect("it is whole");
        assert_eq!(read, PIECE * PIECES);
        let grown = peak() - before;
        assert!(grown <= MOST_KIB, "the process grew by {grown} KiB");
        let step = Step { path: Some("/readyz".into()), method: Some("GET".into()), ..Step::default() };
        let ready = client.step(&step, &Names::default()).await.expect("there is an answer");
        assert_eq!(ready.status, 200);
    }
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
async fn memory_of_functions_that_took_all_of_theirs_goes_back_to_the_system() {
    /// Each takes what it may have in blocks of other sizes.
    const SOURCES: [&str; 4] = [
        "export default () => { const a = []; for (;;) a.push(new Array(1000).fill(1)) }",
        "export default () => { const a = []; for (let n = 1 << 20; ; n *= 2) a.push('x'.repeat(n)) }",
        "export default () => { const a = []; for (;;) a.push(new Uint8Array(1 << 20)) }",
        "export default () => { const a = []; for (let n = 0; ; n++) a.push({ n, text: `number ${n}` }) }",
    ];
    const ROUNDS: usize = 6;
    const AT_ONCE: usize = 8;
    /// Two of the eight functions that have 24 MiB each would be more.
    const MOST_KIB: u64 = 40 << 10;
    for engine in Backends::of_this_machine().engines {
        let combination =
            Combination { engine, functions: Place::Sqlite, documents: Place::Sqlite, blobs: Place::Local };
        let settings = [("engine.limits.memory", "24MiB"), ("engine.limits.cpu_time", "10s")];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let server = Server::start(&combination, &BTreeMap::from(settings)).expect("the server starts");
        let client = Client::new(server.url());
        let held = || server.memory("RssAnon").expect("the kernel tells");
        publish(&client, "hello", "export default () => 'hello'").await.expect("it is published");
        for n in 0..AT_ONCE {
            let source = SOURCES[n % SOURCES.len()];
            publish(&client, &format!("takes-{n}"), source).await.expect("it is published");
        }
        invoke(&client, "hello").await.expect("there is an answer");
        let before = held();
        for _ in 0..ROUNDS {
            let names: Vec<String> = (0..AT_ONCE).map(|n| format!("takes-{n}")).collect();
            let calls = names.iter().map(|name| invoke(&client, name));
            for answer in join_all(calls).await {
                assert_eq!(answer.expect("there is an answer").status, 500);
            }
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while held() > before + MOST_KIB {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{combination}: {} MiB are held, {} before",
                held() >> 10,
                before >> 10
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        println!("{combination}: {} MiB held, {} before", held() >> 10, before >> 10);
    }
}

/// No single call is long, and each client waits for its answer before it asks again: what shows that
/// one isolate is not enough is only that it never rests.
#[tokio::test]
async fn a_function_that_computes_all_the_time_gets_another_isolate() {
    const SOURCE: &str = "
        const isolate = Math.random()
        export default () => {
            const end = Date.now() + 5
            while (Date.now() < end) {}
            return isolate
        }";
    /// Of one client. In one isolate all of them take eight times a second and a half.
    const CALLS: usize = 300;
    for server in servers() {
        let client = Client::new(server.url());
        publish(&client, "computes", SOURCE).await.expect("it is published");
        let isolates = Arc::new(Mutex::new(BTreeSet::new()));
        let calls = (0..8).map(|_| {
            let (client, isolates) = (client.clone(), Arc::clone(&isolates));
            async move {
                for _ in 0..CALLS {
                    let answer = invoke(&client, "computes").await.expect("there is an answer");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    let mut isolates = isolates.lock().expect("no task panics");
                    isolates.insert(answer.text());
                    if isolates.len() > 1 {
                        return;
                    }
                }
            }
        });
        join_all(calls).await;
        assert!(isolates.lock().expect("no task panics").len() > 1, "one isolate did all the work");
    }
}
