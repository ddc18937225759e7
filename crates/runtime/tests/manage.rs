//! The management API, health and signed URLs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{TestServer, error, header};
use serde_json::{Value, json};
use tandem_contract::{Bucket, Presign, PresignMethod};

async fn put(server: &TestServer, name: &str, body: Value) -> reqwest::Response {
    server.request("PUT", &format!("/functions/{name}")).body(body.to_string()).send().await.unwrap()
}

async fn get(server: &TestServer, path: &str) -> Value {
    serde_json::from_str(&server.send("GET", path, "").await.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn publish_read_list_delete() {
    let server = TestServer::start().await;
    let source = "export default (): number => 1";
    let body = json!({ "source": source, "methods": ["post", "get", "GET"], "description": "d" });
    let created = put(&server, "dir/hello", body).await;
    assert_eq!((created.status().as_u16(), header(&created, "etag").as_str()), (201, "\"1\""));
    let summary: Value = serde_json::from_str(&created.text().await.unwrap()).unwrap();
    assert_eq!((&summary["language"], &summary["methods"]), (&json!("typescript"), &json!(["GET", "POST"])));
    assert_eq!(summary["created_at"].as_str().unwrap().len(), "2026-01-01T00:00:00.000Z".len());
    assert_eq!(put(&server, "dir/hello", json!({ "source": source })).await.status(), 200);
    let whole = get(&server, "/functions/dir/hello").await;
    assert_eq!((&whole["source"], &whole["revision"]), (&json!(source), &json!(2)));
    assert!(!whole["compiled"].as_str().unwrap().contains("number"));
    put(&server, "a", json!({ "source": source })).await;
    let page = get(&server, "/functions?limit=1").await;
    assert_eq!((&page["functions"][0]["name"], &page["next"]), (&json!("a"), &json!("a")));
    assert_eq!(get(&server, "/functions?after=a").await["functions"][0]["name"], "dir/hello");
    assert_eq!(server.send("DELETE", "/functions/a", "").await.status(), 204);
    assert_eq!(
        error(server.send("DELETE", "/functions/a", "").await).await,
        (404, "FUNCTION_NOT_FOUND".to_owned())
    );
    assert_eq!(server.send("GET", "/functions/a", "").await.status(), 404);
}

#[tokio::test]
async fn a_source_that_does_not_compile_leaves_the_old_version() {
    let server = TestServer::start().await;
    server.publish("f", "json 1").await;
    let response = put(&server, "f", json!({ "source": "const a = 1;\nconst = 2;" })).await;
    assert_eq!(response.status(), 422);
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(
        (&body["code"], &body["line"], &body["file"]),
        (&json!("COMPILE_ERROR"), &json!(2), &json!("f.ts"))
    );
    assert!(body["column"].is_u64() && body["frame"].as_str().unwrap().contains("const = 2"), "{body}");
    assert_eq!(server.send("GET", "/invoke/f", "").await.text().await.unwrap(), "1");
}

#[tokio::test]
async fn malformed_publishes_are_refused() {
    let server = TestServer::start().await;
    for (body, word) in [
        (json!({ "source": "1", "sauce": 1 }), "sauce"),
        (json!({}), "source"),
        (json!({ "source": "1", "methods": ["FETCH"] }), "FETCH"),
        (json!({ "source": "1", "language": "perl" }), "perl"),
    ] {
        let response = put(&server, "f", body).await;
        assert_eq!(response.status(), 400);
        let text = response.text().await.unwrap();
        assert!(text.contains(word) && text.contains("BAD_REQUEST"), "{text}");
    }
    assert_eq!(
        error(put(&server, "__proto__", json!({ "source": "1" })).await).await,
        (400, "BAD_REQUEST".to_owned())
    );
    server.publish("f", "json 1").await;
    let only_new = server.request("PUT", "/functions/f").header("if-none-match", "*");
    let response = only_new.body(r#"{"source":"export default 1"}"#).send().await.unwrap();
    assert_eq!(error(response).await, (409, "CONFLICT".to_owned()));
    let stale = server.request("PUT", "/functions/f").header("if-match", "\"77\"");
    let response = stale.body(r#"{"source":"export default 1"}"#).send().await.unwrap();
    assert_eq!(error(response).await, (409, "CONFLICT".to_owned()));
}

#[tokio::test]
async fn unknown_routes_methods_and_tokens() {
    let server = TestServer::start().await;
    assert_eq!(error(server.send("GET", "/nowhere", "").await).await, (404, "NOT_FOUND".to_owned()));
    let response = server.send("POST", "/functions", "{}").await;
    assert_eq!(header(&response, "allow"), "GET, HEAD");
    assert_eq!(error(response).await, (405, "METHOD_NOT_ALLOWED".to_owned()));
    for path in ["/functions", "/functions/a", "/logs", "/logs/a", "/invoke/a"] {
        let response = server.client.get(format!("http://{}{path}", server.address)).send().await.unwrap();
        assert_eq!(error(response).await, (401, "INVALID_TOKEN".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn logs_are_listed_and_followed() {
    let server = TestServer::start().await;
    for (name, words) in [("f", "log hi"), ("g", "throw no")] {
        server.publish(name, words).await;
        server.send("GET", &format!("/invoke/{name}"), "").await;
    }
    let all = get(&server, "/logs").await;
    assert_eq!(
        (&all["invocations"][0]["code"], &all["invocations"][1]["lines"]),
        (&json!("FUNCTION_ERROR"), &json!(["hi"]))
    );
    assert_eq!(get(&server, "/logs?function=f").await["invocations"].as_array().unwrap().len(), 1);
    let cursor = all["cursor"].as_str().unwrap();
    assert_eq!(get(&server, &format!("/logs?after={cursor}")).await["invocations"], json!([]));
    server.send("GET", "/invoke/f", "").await;
    assert_eq!(
        get(&server, &format!("/logs?after={cursor}")).await["invocations"].as_array().unwrap().len(),
        1
    );
    assert_eq!(server.send("GET", "/logs/none", "").await.status(), 404);
    assert_eq!(server.send("GET", "/logs?limit=0", "").await.status(), 400);
}

#[tokio::test]
async fn health_and_metrics_need_no_token() {
    let server = TestServer::start().await;
    server.publish("f", "json 1").await;
    server.send("GET", "/invoke/f", "").await;
    let get = async |path: &str| {
        server.client.get(format!("http://{}{path}", server.address)).send().await.unwrap()
    };
    assert_eq!(get("/healthz").await.status(), 200);
    let ready: Value = serde_json::from_str(&get("/readyz").await.text().await.unwrap()).unwrap();
    assert_eq!((&ready["ready"], &ready["checks"]["storage"]["backend"]), (&json!(true), &json!("memory")));
    let metrics = get("/metrics").await.text().await.unwrap();
    for line in [
        r#"tandem_invocations_total{function="f",code="OK"} 1"#,
        "tandem_isolates 1",
        "tandem_queue_seconds_count 1",
    ] {
        assert!(metrics.lines().any(|have| have == line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn management_tells_when_the_store_is_down() {
    let server = TestServer::start().await;
    server.store.down.store(true, Ordering::SeqCst);
    let response = server.send("GET", "/functions", "").await;
    let text = response.text().await.unwrap();
    assert!(text.contains("STORE_UNAVAILABLE") && !text.contains("taken down by the test"), "{text}");
}

#[tokio::test]
async fn signed_urls_read_and_write() {
    let server = TestServer::start().await;
    let bucket = Bucket::new("default").unwrap();
    let sign = |method, key: &str| {
        let presign = Presign { method, expires_in: Duration::from_secs(60), content_type: None };
        server.signed_urls.sign(&bucket, key, &presign).unwrap()
    };
    let key = "a b/../ü?#%41.txt";
    let (read, write) = (sign(PresignMethod::Get, key), sign(PresignMethod::Put, key));
    let missing = server.client.get(&read).send().await.unwrap();
    assert_eq!(missing.status(), 404);
    assert!(!missing.headers().contains_key("access-control-allow-origin"));
    let written = server.client.put(&write).body("0123456789").send().await.unwrap();
    assert_eq!(written.status(), 200, "{}", written.text().await.unwrap());
    let whole = server.client.get(&read).send().await.unwrap();
    assert_eq!(
        (header(&whole, "content-length").as_str(), header(&whole, "x-content-type-options").as_str()),
        ("10", "nosniff")
    );
    let etag = header(&whole, "etag");
    assert_eq!(whole.text().await.unwrap(), "0123456789");
    let part = server.client.get(&read).header("range", "bytes=2-4").send().await.unwrap();
    assert_eq!((part.status().as_u16(), header(&part, "content-range").as_str()), (206, "bytes 2-4/10"));
    assert_eq!(part.text().await.unwrap(), "234");
    let beyond = server.client.get(&read).header("range", "bytes=10-").send().await.unwrap();
    assert_eq!((beyond.status().as_u16(), header(&beyond, "content-range").as_str()), (416, "bytes */10"));
    let same = server.client.get(&read).header("if-none-match", etag).send().await.unwrap();
    assert_eq!(same.status(), 304);
    let head = server.client.head(&read).send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "content-length").as_str()), (200, "10"));
    for (method, url) in [("PUT", read.clone()), ("GET", write), ("GET", read.replace("txt", "txu"))] {
        let request = server.client.request(method.parse().unwrap(), url);
        assert_eq!(request.send().await.unwrap().status(), 403);
    }
}
