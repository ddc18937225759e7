//! The contract of `FunctionStore`, line by line.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::StreamExt;
use tandem_contract::{Change, ChangeStream, ErrorKind, Expected, FunctionStore, Language};
use tandem_store_postgres::{PostgresConfig, PostgresFunctionStore};
use tokio::time::timeout;

use crate::common::{context, draft, schema_or_return};

/// Longer than the contract's second, for machines under load.
const SOON: Duration = Duration::from_secs(20);

async fn next(changes: &mut ChangeStream) -> Option<Change> {
    timeout(SOON, changes.next()).await.unwrap()
}

#[tokio::test]
async fn ten_that_open_at_once_find_the_schema_made_once() {
    let schema = schema_or_return!();
    let stores: Vec<_> = (0..10)
        .map(|n| {
            let config = schema.config_of(&format!("opener{n}"));
            tokio::spawn(async move { PostgresFunctionStore::open(config, &context()).await })
        })
        .collect();
    for store in stores {
        let store = store.await.unwrap().unwrap();
        store.put(draft("f", "x"), Expected::Any).await.unwrap();
    }
    assert_eq!(schema.functions().await.get("f").await.unwrap().unwrap().revision, 10);
}

#[tokio::test]
async fn put_returns_what_get_reads() {
    let schema = schema_or_return!();
    let store = schema.functions().await;
    let stored = store.put(draft("a/b", "one"), Expected::Absent).await.unwrap();
    assert_eq!(stored.revision, 1);
    assert_eq!(stored.methods, ["GET", "POST"]);
    // The store keeps milliseconds.
    assert_eq!(store.get("a/b").await.unwrap(), Some(stored));
    assert_eq!(store.get("a").await.unwrap(), None);
    assert_eq!(store.get("a\0").await.unwrap(), None);
    assert!(!store.delete("a\0").await.unwrap());
}

#[tokio::test]
async fn a_later_put_counts_on_and_keeps_the_first_time() {
    let schema = schema_or_return!();
    let store = schema.functions().await;
    let first = store.put(draft("f", "one"), Expected::Any).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let second = store.put(draft("f", "two"), Expected::Revision(1)).await.unwrap();
    assert_eq!(second.revision, 2);
    assert_eq!(second.created_at, first.created_at);
    assert!(second.updated_at > first.updated_at);
    assert_eq!(store.get("f").await.unwrap(), Some(second));
}

#[tokio::test]
async fn a_revision_is_never_used_again() {
    let schema = schema_or_return!();
    let store = schema.functions().await;
    store.put(draft("f", "one"), Expected::Any).await.unwrap();
    store.put(draft("f", "two"), Expected::Any).await.unwrap();
    assert!(store.delete("f").await.unwrap());
    assert!(!store.delete("f").await.unwrap());
    assert_eq!(store.put(draft("f", "three"), Expected::Absent).await.unwrap().revision, 3);

    let mut tool = schema.other_tool().await;
    schema.run(&mut tool, "UPDATE $$.functions SET compiled = 'z', hash = 'w' WHERE name = 'f'").await;
    assert_eq!(store.get("f").await.unwrap().unwrap().revision, 4);
    schema.run(&mut tool, "DELETE FROM $$.functions").await;
    schema.run(&mut tool, "INSERT INTO $$.functions (name, compiled, hash) VALUES ('f', 'x', 'y')").await;
    assert_eq!(store.get("f").await.unwrap().unwrap().revision, 5);
    assert_eq!(store.put(draft("f", "four"), Expected::Any).await.unwrap().revision, 6);
}

#[tokio::test]
async fn expectations_that_fail_are_conflicts_and_change_nothing() {
    let schema = schema_or_return!();
    let store = schema.functions().await;
    let wrong = store.put(draft("f", "x"), Expected::Revision(1)).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Conflict);
    let held = store.put(draft("f", "one"), Expected::Any).await.unwrap();
    assert_eq!(held.revision, 1);
    for expected in [Expected::Absent, Expected::Revision(2)] {
        let error = store.put(draft("f", "x"), expected).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    assert_eq!(store.get("f").await.unwrap(), Some(held));
}

#[tokio::test]
async fn of_many_that_expect_the_same_one_wins() {
    let schema = schema_or_return!();
    let one = Arc::new(schema.functions().await);
    let two = Arc::new(schema.other_functions().await);
    for (expected, revision) in [(Expected::Absent, 1), (Expected::Revision(1), 2)] {
        let race = |n: usize| {
            let store = Arc::clone(if n.is_multiple_of(2) { &one } else { &two });
            tokio::spawn(async move { store.put(draft("f", &n.to_string()), expected).await })
        };
        let mut won = 0;
        for result in (0..8).map(race).collect::<Vec<_>>() {
            match result.await.unwrap() {
                Ok(function) => {
                    won += 1;
                    assert_eq!(function.revision, revision);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
            }
        }
        assert_eq!(won, 1);
    }
}

#[tokio::test]
async fn rows_of_another_tool_have_defaults() {
    let schema = schema_or_return!();
    let store = schema.functions().await;
    let mut tool = schema.other_tool().await;
    let add = "INSERT INTO $$.functions (name, compiled, hash) VALUES ('seed', 'exports.default = 1', 'h1')";
    schema.run(&mut tool, add).await;
    schema.run(&mut tool, "INSERT INTO $$.functions (name, compiled) VALUES ('bare', 'abc')").await;
    let function = store.get("seed").await.unwrap().unwrap();
    assert_eq!(function.compiled.as_deref(), Some("exports.default = 1"));
    assert_eq!((function.hash.as_str(), function.source.as_str()), ("h1", ""));
    assert_eq!((function.language, function.revision), (Language::TypeScript, 1));
    assert_eq!((function.created_at, function.updated_at), (UNIX_EPOCH, UNIX_EPOCH));
    assert!(function.methods.is_empty() && function.source_map.is_none());
    let bare = store.get("bare").await.unwrap().unwrap();
    assert_eq!(bare.hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(store.list(None, 10).await.unwrap().functions[0].hash, bare.hash);
}

#[tokio::test]
async fn pages_come_in_byte_order() {
    let schema = schema_or_return!();
    let store = schema.functions().await;
    for name in ["b", "a/z", "B", "a", "a-b", "a_b"] {
        store.put(draft(name, name), Expected::Absent).await.unwrap();
    }
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(after.as_deref(), 2).await.unwrap();
        assert!(page.functions.len() <= 2);
        names.extend(page.functions.into_iter().map(|function| function.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["B", "a", "a-b", "a/z", "a_b", "b"]);
    for limit in [0, 1001] {
        assert_eq!(store.list(None, limit).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[tokio::test]
async fn a_nul_is_refused_with_the_field_that_has_it() {
    let schema = schema_or_return!();
    let store = schema.functions().await;
    let with_nul = tandem_contract::FunctionDraft { source: "a\0".into(), ..draft("f", "x") };
    let error = store.put(with_nul, Expected::Any).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("source") && error.message().contains("NUL"), "{error}");
    assert_eq!(store.get("f").await.unwrap(), None);
}

#[tokio::test]
async fn watch_shows_changes_of_this_and_other_processes() {
    let schema = schema_or_return!();
    let store = schema.functions().await;
    let other = schema.other_functions().await;
    let mut changes = store.watch();
    assert_eq!(next(&mut changes).await, Some(Change::Resync));
    other.put(draft("a", "x"), Expected::Any).await.unwrap();
    other.delete("a").await.unwrap();
    assert_eq!(next(&mut changes).await, Some(Change::Published("a".into())));
    assert_eq!(next(&mut changes).await, Some(Change::Deleted("a".into())));

    let mut tool = schema.other_tool().await;
    schema.run(&mut tool, "INSERT INTO $$.functions (name, compiled, hash) VALUES ('b', 'x', 'y')").await;
    assert_eq!(next(&mut changes).await, Some(Change::Published("b".into())));
    schema.run(&mut tool, "UPDATE $$.functions SET name = 'c' WHERE name = 'b'").await;
    assert_eq!(next(&mut changes).await, Some(Change::Deleted("b".into())));
    assert_eq!(next(&mut changes).await, Some(Change::Published("c".into())));
    schema.run(&mut tool, "TRUNCATE $$.functions").await;
    assert_eq!(next(&mut changes).await, Some(Change::Resync));

    store.close().await;
    assert_eq!(next(&mut changes).await, None);
}

#[tokio::test]
async fn watch_says_resync_after_its_connection_broke() {
    let schema = schema_or_return!();
    let store = schema.other_functions().await;
    let mut changes = store.watch();
    assert_eq!(next(&mut changes).await, Some(Change::Resync));
    let mut tool = schema.other_tool().await;
    let listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%$$%'";
    schema.run(&mut tool, listening).await;
    assert_eq!(next(&mut changes).await, Some(Change::Resync));
    store.put(draft("d", "x"), Expected::Any).await.unwrap();
    assert_eq!(next(&mut changes).await, Some(Change::Published("d".into())));
}

#[tokio::test]
async fn calls_after_close_fail_and_the_other_store_goes_on() {
    let schema = schema_or_return!();
    let (one, two) = (schema.functions().await, schema.functions().await);
    one.close().await;
    one.close().await;
    assert_eq!(one.get("f").await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    let put = one.put(draft("f", "x"), Expected::Any).await;
    assert_eq!(put.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    assert_eq!(one.watch().next().await, None);
    two.put(draft("f", "x"), Expected::Any).await.unwrap();
    two.ping().await.unwrap();
    two.close().await;
    assert_eq!(two.ping().await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    schema.functions().await.ping().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_without_the_password() {
    let schema = schema_or_return!();
    let with =
        |url: &str| PostgresConfig { url: tandem_contract::settings::Secret::new(url), ..schema.config() };
    for url in [
        "postgres://postgres:swordfish@127.0.0.1:1/postgres",
        &schema.url.replace(":pgpw@", ":swordfish@"),
        "postgres://postgres:swordfish@host.invalid/postgres",
    ] {
        if url == schema.url {
            continue;
        }
        let error = PostgresFunctionStore::open(with(url), &context()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{error}");
        assert!(!error.to_string().contains("swordfish"), "{error}");
    }
    let _held = schema.functions().await;
    let other = PostgresConfig { connections: 3, ..schema.config() };
    let error = PostgresFunctionStore::open(other, &context()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
