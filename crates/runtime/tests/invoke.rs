//! `ALL /invoke/{name}`: what comes back, and in which order requests are refused.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{TOKEN, TestServer, error, header, limits, lines, raw};

#[tokio::test]
async fn a_value_with_its_headers() {
    let server = TestServer::start().await;
    server.publish("hello", "log one;log two;json [1]").await;
    let response =
        server.request("GET", "/invoke/hello").header("x-request-id", "mine").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(header(&response, "x-request-id"), "mine");
    assert!(header(&response, "x-execution-time").parse::<u64>().is_ok());
    assert_eq!(lines(&response), ["one", "two"]);
    assert_eq!(response.text().await.unwrap(), "[1]");
}

#[tokio::test]
async fn a_thrown_error_has_the_headers_too() {
    let server = TestServer::start().await;
    server.publish("bad", "log before;throw It broke").await;
    let response = server.send("POST", "/invoke/bad", "{}").await;
    assert_eq!(lines(&response), ["before"]);
    assert!(header(&response, "x-execution-time").parse::<u64>().is_ok());
    assert_eq!(error(response).await, (500, "FUNCTION_ERROR".to_owned()));
}

/// Each request is wrong in every way that comes later too, so that the order shows.
#[tokio::test]
async fn requests_are_refused_in_order() {
    let server = TestServer::start().await;
    server.publish_source("get", "export default 1").await;
    let body = r#"{"source":"export default 1","methods":["get"]}"#;
    server.request("PUT", "/functions/get").body(body).send().await.unwrap();
    server.store.write_foreign("row", None, true);
    let garbage = |path: &str| {
        let request = server.client.post(format!("http://{}{path}", server.address));
        request.header("content-type", "application/json").body("{")
    };
    let with_token = |path: &str| garbage(path).header("x-develop-token", TOKEN);

    let response = garbage("/invoke/none").send().await.unwrap();
    assert_eq!(error(response).await, (401, "INVALID_TOKEN".to_owned()));
    for name in ["none", "..%2fx", "__proto__", "a//b", "a%00", "%ff"] {
        let response = with_token(&format!("/invoke/{name}")).send().await.unwrap();
        assert_eq!(error(response).await, (404, "FUNCTION_NOT_FOUND".to_owned()), "{name}");
    }
    let response = with_token("/invoke/get").send().await.unwrap();
    assert_eq!(header(&response, "allow"), "GET, HEAD, OPTIONS");
    assert_eq!(error(response).await, (405, "METHOD_NOT_ALLOWED".to_owned()));
    let response = with_token("/invoke/row").send().await.unwrap();
    assert_eq!(error(response).await, (400, "FUNCTION_NOT_COMPILED".to_owned()));
    server.publish("any", "echo").await;
    let response = with_token("/invoke/any").body("x".repeat(65 * 1024)).send().await.unwrap();
    assert_eq!(error(response).await, (413, "BODY_TOO_LARGE".to_owned()));
    let response = with_token("/invoke/any").send().await.unwrap();
    assert_eq!(error(response).await, (400, "INVALID_BODY".to_owned()));
}

#[tokio::test]
async fn bodies_of_every_kind() {
    let server = TestServer::start().await;
    server.publish("echo", "echo").await;
    let boundary = "--B\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B\r\n\
        content-disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\ncontent-type: text/plain\r\n\r\nfile\r\n--B--\r\n";
    for (content_type, body, kind, seen) in [
        ("application/json", " {\"a\":[1]}", "json", r#"{"a":[1]}"#),
        ("application/problem+json; charset=utf-8", "1", "json", "1"),
        ("application/json", "", "empty", "null"),
        ("application/x-www-form-urlencoded", "a=1&a=2&b=%20", "form", r#"[["a","1"],["a","2"],["b"," "]]"#),
        (
            "multipart/form-data; boundary=B",
            boundary,
            "multipart",
            r#"{"fields":[["a","1"]],"files":[["f","x.txt","text/plain",4]]}"#,
        ),
        ("text/plain", "häh", "text", "\"häh\""),
        ("Text/HTML; Charset=\"ISO-8859-1\"", "a", "text", "\"a\""),
        ("image/png", "1234", "bytes", "4"),
    ] {
        let request = server.request("POST", "/invoke/echo?q=1").header("content-type", content_type);
        let got: serde_json::Value =
            serde_json::from_str(&request.body(body).send().await.unwrap().text().await.unwrap()).unwrap();
        assert_eq!(
            (got["kind"].as_str().unwrap(), got["body"].to_string()),
            (kind, seen.to_owned()),
            "{content_type}"
        );
        assert_eq!((got["path"].as_str(), got["query"].as_str()), (Some("/invoke/echo"), Some("q=1")));
        assert!(!got["headers"].to_string().contains(TOKEN), "functions never see the token");
    }
    for (content_type, body) in [
        ("application/json", &b"\xef\xbb\xbf{}"[..]),
        ("text/plain", b"\xff"),
        ("text/plain; charset=utf-7", b"a"),
        ("multipart/form-data", b"a"),
        ("multipart/form-data; boundary=B", b"--B\r\nrubbish"),
    ] {
        let request = server.request("POST", "/invoke/echo").header("content-type", content_type);
        let response = request.body(body).send().await.unwrap();
        assert_eq!(error(response).await, (400, "INVALID_BODY".to_owned()), "{content_type} {body:?}");
    }
    let request = server.request("POST", "/invoke/echo").header("content-encoding", "gzip");
    assert_eq!(error(request.body("x").send().await.unwrap()).await, (400, "INVALID_BODY".to_owned()));
}

#[tokio::test]
async fn a_response_sets_what_it_may() {
    let server = TestServer::start().await;
    for (name, words) in [
        ("ok", "response 201 Set-Cookie a=b"),
        ("own", "response 200 X-Function-Logs forged"),
        ("length", "response 200 content-length 999"),
        ("empty", "response 204 x-a b"),
        ("invalid", "response 200 x-a \u{1}"),
        ("name", "response 200 a:b c"),
        ("status", "response 99 x-a b"),
        ("latin", "response 200 x-a \u{e9}"),
        ("wide", "response 200 x-a \u{20ac}"),
    ] {
        server.publish(name, words).await;
    }
    let get = async |name: &str| server.send("GET", &format!("/invoke/{name}"), "").await;
    let ok = get("ok").await;
    assert_eq!((ok.status().as_u16(), header(&ok, "set-cookie").as_str()), (201, "a=b"));
    assert_eq!(lines(&get("own").await), Vec::<String>::new());
    let length = get("length").await;
    assert_eq!(header(&length, "content-length"), "4");
    assert_eq!(length.text().await.unwrap(), "text");
    assert_eq!(get("empty").await.text().await.unwrap(), "");
    assert_eq!(get("latin").await.headers()["x-a"].as_bytes(), b"\xe9");
    for name in ["invalid", "name", "status", "wide"] {
        assert_eq!(error(get(name).await).await, (500, "FUNCTION_ERROR".to_owned()), "{name}");
    }
}

#[tokio::test]
async fn a_stream_is_recorded_when_it_ends() {
    let server = TestServer::start().await;
    server.publish("stream", "log head;stream").await;
    let response = server.send("GET", "/invoke/stream", "").await;
    assert_eq!(
        (lines(&response), header(&response, "content-type")),
        (vec!["head".to_owned()], "text/plain".to_owned())
    );
    let id = header(&response, "x-request-id");
    assert_eq!(response.text().await.unwrap(), "0\n1\n2\n");
    let log: serde_json::Value =
        serde_json::from_str(&server.send("GET", &format!("/logs/{id}"), "").await.text().await.unwrap())
            .unwrap();
    assert_eq!(log["lines"], serde_json::json!(["head", "piece 0", "piece 1", "piece 2"]));
}

#[tokio::test]
async fn head_and_options() {
    let server = TestServer::start().await;
    server.publish("any", "log ran;echo").await;
    let body = r#"{"source":"export default \"<<echo>>\"","methods":["POST"]}"#;
    server.request("PUT", "/functions/post").body(body).send().await.unwrap();
    let body = r#"{"source":"export default \"<<echo>>\"","methods":["OPTIONS"]}"#;
    server.request("PUT", "/functions/options").body(body).send().await.unwrap();
    let head = server.send("HEAD", "/invoke/any", "").await;
    assert_eq!((head.status().as_u16(), lines(&head)), (200, vec!["ran".to_owned()]));
    assert_eq!(head.text().await.unwrap(), "");
    assert_eq!(server.send("HEAD", "/invoke/post", "").await.status(), 405);
    let options = server.send("OPTIONS", "/invoke/post", "").await;
    assert_eq!((options.status().as_u16(), header(&options, "allow").as_str()), (204, "POST, OPTIONS"));
    assert!(!options.headers().contains_key("x-function-logs"));
    assert_eq!(server.send("OPTIONS", "/invoke/options", "").await.status(), 200);
    let url = format!("http://{}/invoke/any", server.address);
    let unsigned = server.client.request(reqwest::Method::OPTIONS, url).send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
}

#[tokio::test]
async fn calls_between_functions_share_the_request_and_end_at_the_depth() {
    let server = TestServer::start().await;
    server.publish("child", "log from child").await;
    server.publish("parent", "log from parent;call child").await;
    server.publish("loop", "call loop").await;
    server.publish("lost", "call none").await;
    let response = server.send("GET", "/invoke/parent", "").await;
    assert_eq!(lines(&response), ["from parent"]);
    let id = header(&response, "x-request-id");
    let log: serde_json::Value =
        serde_json::from_str(&server.send("GET", &format!("/logs/{id}"), "").await.text().await.unwrap())
            .unwrap();
    assert_eq!((&log["function"], &log["status"]), (&"parent".into(), &200.into()));
    assert_eq!(log["invocations"][0]["function"], "child");
    assert_eq!(log["invocations"][0]["lines"], serde_json::json!(["from child"]));
    assert_eq!(error(server.send("GET", "/invoke/loop", "").await).await, (500, "INVOKE_DEPTH".to_owned()));
    assert_eq!(error(server.send("GET", "/invoke/lost", "").await).await.1, "FUNCTION_NOT_FOUND");
}

#[tokio::test]
async fn too_many_at_once_are_refused() {
    let mut limits = limits();
    (limits.admission.capacity, limits.admission.queue) = (1, 0);
    let server = TestServer::start_with(limits).await;
    server.publish("slow", "sleep 60000").await;
    let held = tokio::spawn(server.request("GET", "/invoke/slow").send());
    while server.pipeline.admission().in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    let response = server.send("GET", "/invoke/slow", "").await;
    assert_eq!(header(&response, "retry-after"), "1");
    assert_eq!(error(response).await, (503, "OVERLOADED".to_owned()));
    // The client goes away: the place is free again, and the record says so.
    held.abort();
    while server.pipeline.admission().in_flight() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let records = server.pipeline.logs().find(tandem_runtime::logs::Query { limit: 9, ..Default::default() });
    assert_eq!(records[0].code, "CANCELLED");
}

#[tokio::test]
async fn floods_of_headers_and_refused_uploads_leave_the_server_well() {
    let server = TestServer::start().await;
    server.publish("echo", "echo").await;
    let many = "a: b\r\n".repeat(200);
    let answer =
        raw(server.address, format!("GET /invoke/echo HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = "b".repeat(200 * 1024);
    let answer =
        raw(server.address, format!("GET /invoke/echo HTTP/1.1\r\na: {long}\r\n\r\n").as_bytes()).await;
    // What the server did not read resets the connection, which may overtake the answer.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let upload = server.request("POST", "/invoke/echo").body(vec![0; 20 * 1024 * 1024]).send().await.unwrap();
    assert_eq!(error(upload).await, (413, "BODY_TOO_LARGE".to_owned()));
    assert_eq!(server.send("GET", "/invoke/echo", "").await.status(), 200);
}

#[tokio::test]
async fn shutting_down_lets_what_runs_end_and_refuses_the_rest() {
    let mut server = TestServer::start().await;
    server.publish("slow", "sleep 300;json 1").await;
    let running = tokio::spawn(server.request("GET", "/invoke/slow").send());
    while server.pipeline.admission().in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    server.stop();
    while !server.pipeline.admission().is_closed() {
        tokio::task::yield_now().await;
    }
    let refused = server.send("GET", "/invoke/slow", "").await;
    assert_eq!(header(&refused, "connection"), "close");
    assert_eq!(error(refused).await, (503, "SHUTTING_DOWN".to_owned()));
    assert_eq!(server.request("GET", "/readyz").send().await.unwrap().status(), 503);
    assert_eq!(running.await.unwrap().unwrap().text().await.unwrap(), "1");
    server.stopped().await;
    assert!(server.request("GET", "/healthz").send().await.is_err());
}
