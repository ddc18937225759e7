//! Which version of a function a call runs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{TestServer, error};
use tandem_contract::Change;

async fn value(server: &TestServer, name: &str) -> String {
    server.send("GET", &format!("/invoke/{name}"), "").await.text().await.unwrap()
}

/// Waits for what the change feed brings about.
async fn becomes(server: &TestServer, name: &str, expected: &str) {
    for _ in 0..500 {
        if value(server, name).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} is {} and not {expected}", value(server, name).await);
}

#[tokio::test]
async fn own_changes_show_at_once() {
    let server = TestServer::start().await;
    assert_eq!(server.send("GET", "/invoke/f", "").await.status(), 404);
    for n in 0..50 {
        server.publish("f", &format!("json {n}")).await;
        assert_eq!(value(&server, "f").await, n.to_string());
    }
    assert_eq!(server.request("DELETE", "/functions/f").send().await.unwrap().status(), 204);
    assert_eq!(error(server.send("GET", "/invoke/f", "").await).await.1, "FUNCTION_NOT_FOUND");
}

#[tokio::test]
async fn many_first_calls_load_once() {
    let server = TestServer::start().await;
    server.publish("f", "json 1").await;
    let before = server.store.reads.load(Ordering::SeqCst);
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let pipeline = server.pipeline.clone();
            tokio::spawn(async move { pipeline.find("f").await.unwrap().is_some() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
    // One load, and at most one more when the feed told of the publish meanwhile.
    let reads = server.store.reads.load(Ordering::SeqCst) - before;
    assert!((1..=3).contains(&reads), "{reads}");
}

#[tokio::test]
async fn changes_of_others_come_through_the_feed() {
    let server = TestServer::start().await;
    server.store.write_foreign("f", Some("exports.default = '<<json 1>>'"), true);
    becomes(&server, "f", "1").await;
    server.store.write_foreign("f", Some("exports.default = '<<json 2>>'"), true);
    becomes(&server, "f", "2").await;
    server.store.write_foreign("f", Some("exports.default = '<<json 3>>'"), false);
    server.store.tell(Change::Resync);
    becomes(&server, "f", "3").await;
}

#[tokio::test]
async fn a_store_that_is_down_leaves_cached_functions_serving() {
    let server = TestServer::start().await;
    server.publish("f", "json 1").await;
    assert_eq!(value(&server, "f").await, "1");
    server.store.down.store(true, Ordering::SeqCst);
    server.store.tell(Change::Published("f".to_owned()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(value(&server, "f").await, "1");
    let response = server.send("GET", "/invoke/other", "").await;
    assert_eq!(error(response).await, (503, "STORE_UNAVAILABLE".to_owned()));
    server.store.write_foreign("f", Some("exports.default = '<<json 2>>'"), false);
    server.store.down.store(false, Ordering::SeqCst);
    becomes(&server, "f", "2").await;
}

#[tokio::test]
async fn a_change_in_an_import_reloads_what_imports_it() {
    let server = TestServer::start().await;
    let importing = |name: &str| {
        format!("import {{ x }} from \"@/{name}\";\nexport default () => [x, \"<<modules>>\"];\n")
    };
    server.publish_source("a", &importing("b")).await;
    let response = server.send("GET", "/invoke/a", "").await;
    assert_eq!(response.status(), 500);
    let text = response.text().await.unwrap();
    assert!(text.contains(r#"Function \"@/b\" imported by \"a\" does not exist"#), "{text}");

    server.publish_source("c", "export const x = 1;").await;
    server.publish_source("b", "export { x } from \"@/c\";").await;
    let first = value(&server, "a").await;
    assert!(first.contains(r#""names":["a","b","c"]"#), "{first}");
    server.publish_source("c", "export const x = 2;").await;
    let second = value(&server, "a").await;
    assert_ne!(first, second);
    server.request("DELETE", "/functions/c").send().await.unwrap();
    assert_eq!(server.send("GET", "/invoke/a", "").await.status(), 500);
}

#[tokio::test]
async fn a_cycle_is_refused_at_publish_and_at_call() {
    let server = TestServer::start().await;
    server.publish_source("a", "import \"@/b\";\nexport default 1;").await;
    let body = serde_json::json!({ "source": "import \"@/a\";\nexport default 1;" }).to_string();
    let response = server.request("PUT", "/functions/b").body(body).send().await.unwrap();
    let text = response.text().await.unwrap();
    assert!(text.contains("Import cycle: @/b → @/a → @/b") && text.contains("COMPILE_ERROR"), "{text}");
    server.store.write_foreign("b", Some("require(\"@/a\")"), true);
    for _ in 0..500 {
        let text = value(&server, "a").await;
        if text.contains("Import cycle: @/a → @/b → @/a") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{}", value(&server, "a").await);
}
