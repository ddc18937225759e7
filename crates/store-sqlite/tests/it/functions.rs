//! The contract of `FunctionStore`, line by line.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::common::{context, crash_image, draft, functions, other_tool, run};
use futures_util::StreamExt;
use tandem_contract::{Change, ErrorKind, Expected, FunctionStore, Language};
use tandem_store_sqlite::{SqliteConfig, SqliteDocumentStore, SqliteFunctionStore, Synchronous};
use tempfile::tempdir;
use tokio::time::timeout;

/// Longer than the contract's second, for machines under load.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn put_returns_what_get_reads() {
    let folder = tempdir().unwrap();
    let store = functions(folder.path()).await;
    let stored = store.put(draft("a/b", "one"), Expected::Absent).await.unwrap();
    assert_eq!(stored.revision, 1);
    assert_eq!(stored.created_at, stored.updated_at);
    assert_eq!(store.get("a/b").await.unwrap(), Some(stored));
    assert_eq!(store.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_later_put_counts_on_and_keeps_the_first_time() {
    let folder = tempdir().unwrap();
    let store = functions(folder.path()).await;
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
    let folder = tempdir().unwrap();
    let store = functions(folder.path()).await;
    store.put(draft("f", "one"), Expected::Any).await.unwrap();
    store.put(draft("f", "two"), Expected::Any).await.unwrap();
    assert!(store.delete("f").await.unwrap());
    assert!(!store.delete("f").await.unwrap());
    assert_eq!(store.put(draft("f", "three"), Expected::Absent).await.unwrap().revision, 3);

    let mut tool = other_tool(folder.path()).await;
    run(&mut tool, "INSERT OR REPLACE INTO functions (name, compiled, hash) VALUES ('f', 'x', 'y')").await;
    assert_eq!(store.get("f").await.unwrap().unwrap().revision, 4);
    run(&mut tool, "UPDATE functions SET compiled = 'z', hash = 'w' WHERE name = 'f'").await;
    assert_eq!(store.get("f").await.unwrap().unwrap().revision, 5);
    run(&mut tool, "DELETE FROM functions").await;
    assert_eq!(store.put(draft("f", "four"), Expected::Any).await.unwrap().revision, 6);
}

#[tokio::test]
async fn expectations_that_fail_are_conflicts_and_change_nothing() {
    let folder = tempdir().unwrap();
    let store = functions(folder.path()).await;
    let wrong = store.put(draft("f", "x"), Expected::Revision(1)).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Conflict);
    let held = store.put(draft("f", "one"), Expected::Any).await.unwrap();
    for expected in [Expected::Absent, Expected::Revision(2)] {
        let error = store.put(draft("f", "x"), expected).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    assert_eq!(store.get("f").await.unwrap(), Some(held));
}

#[tokio::test]
async fn of_two_that_expect_the_same_one_wins() {
    let folder = tempdir().unwrap();
    let one = Arc::new(functions(folder.path()).await);
    let two = Arc::new(functions(folder.path()).await);
    one.put(draft("f", "start"), Expected::Any).await.unwrap();
    let race = |store: Arc<SqliteFunctionStore>, text: &'static str| {
        tokio::spawn(async move { store.put(draft("f", text), Expected::Revision(1)).await })
    };
    let results = [race(one, "one"), race(two, "two")];
    let mut won = 0;
    for result in results {
        match result.await.unwrap() {
            Ok(function) => {
                won += 1;
                assert_eq!(function.revision, 2);
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn rows_of_another_tool_have_defaults() {
    let folder = tempdir().unwrap();
    let store = functions(folder.path()).await;
    let mut tool = other_tool(folder.path()).await;
    run(
        &mut tool,
        "INSERT INTO functions (name, compiled, hash) VALUES ('seed', 'exports.default = 1', 'h1')",
    )
    .await;
    run(&mut tool, "INSERT INTO functions (name, compiled) VALUES ('bare', 'abc')").await;
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
    let folder = tempdir().unwrap();
    let store = functions(folder.path()).await;
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
async fn watch_shows_changes_of_this_and_other_processes() {
    let folder = tempdir().unwrap();
    let store = functions(folder.path()).await;
    store.put(draft("before", "x"), Expected::Any).await.unwrap();
    let mut changes = store.watch();
    store.put(draft("a", "x"), Expected::Any).await.unwrap();
    store.delete("a").await.unwrap();
    assert_eq!(timeout(SOON, changes.next()).await.unwrap(), Some(Change::Published("a".into())));
    assert_eq!(timeout(SOON, changes.next()).await.unwrap(), Some(Change::Deleted("a".into())));

    let mut tool = other_tool(folder.path()).await;
    run(&mut tool, "INSERT INTO functions (name, compiled, hash) VALUES ('b', 'x', 'y')").await;
    assert_eq!(timeout(SOON, changes.next()).await.unwrap(), Some(Change::Published("b".into())));
    run(&mut tool, "DELETE FROM functions WHERE name = 'b'").await;
    assert_eq!(timeout(SOON, changes.next()).await.unwrap(), Some(Change::Deleted("b".into())));

    store.close().await;
    assert_eq!(timeout(SOON, changes.next()).await.unwrap(), None);
}

#[tokio::test]
async fn watch_says_resync_when_the_log_has_a_hole() {
    let folder = tempdir().unwrap();
    let store = functions(folder.path()).await;
    store.put(draft("a", "x"), Expected::Any).await.unwrap();
    let mut changes = store.watch();
    let mut tool = other_tool(folder.path()).await;
    run(&mut tool, "INSERT INTO functions (name, compiled, hash) VALUES ('b', 'x', 'y'), ('c', 'x', 'y')")
        .await;
    run(&mut tool, "DELETE FROM function_changes WHERE name = 'b'").await;
    assert_eq!(timeout(SOON, changes.next()).await.unwrap(), Some(Change::Resync));
    store.put(draft("d", "x"), Expected::Any).await.unwrap();
    assert_eq!(timeout(SOON, changes.next()).await.unwrap(), Some(Change::Published("d".into())));
}

#[tokio::test]
async fn an_acknowledged_put_survives_a_crash() {
    let (folder, image) = (tempdir().unwrap(), tempdir().unwrap());
    let store = functions(folder.path()).await;
    let stored = store.put(draft("f", "one"), Expected::Any).await.unwrap();
    crash_image(folder.path(), image.path());
    drop(store);
    assert_eq!(functions(image.path()).await.get("f").await.unwrap(), Some(stored));
}

#[tokio::test]
async fn a_crash_during_a_put_leaves_the_old_version() {
    let (folder, image) = (tempdir().unwrap(), tempdir().unwrap());
    let store = functions(folder.path()).await;
    let old = store.put(draft("f", "one"), Expected::Any).await.unwrap();
    let mut tool = other_tool(folder.path()).await;
    // So much that pages leave the cache for the log before the commit.
    run(&mut tool, "PRAGMA cache_size = 10").await;
    run(&mut tool, "BEGIN IMMEDIATE").await;
    run(&mut tool, "UPDATE functions SET compiled = hex(zeroblob(2000000)) WHERE name = 'f'").await;
    crash_image(folder.path(), image.path());
    assert_eq!(functions(image.path()).await.get("f").await.unwrap(), Some(old));
}

#[tokio::test]
async fn a_put_waits_for_another_process_that_writes() {
    let folder = tempdir().unwrap();
    let store = Arc::new(functions(folder.path()).await);
    let mut tool = other_tool(folder.path()).await;
    run(&mut tool, "BEGIN IMMEDIATE").await;
    run(&mut tool, "INSERT INTO functions (name, compiled, hash) VALUES ('f', 'x', 'y')").await;
    let put = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.put(draft("f", "two"), Expected::Any).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(store.get("f").await.unwrap(), None, "readers do not wait");
    run(&mut tool, "COMMIT").await;
    assert_eq!(put.await.unwrap().unwrap().revision, 2);
}

#[tokio::test]
async fn calls_after_close_fail_and_the_other_store_goes_on() {
    let folder = tempdir().unwrap();
    let (one, two) = (functions(folder.path()).await, functions(folder.path()).await);
    let documents =
        SqliteDocumentStore::open(SqliteConfig::default(), &context(folder.path())).await.unwrap();
    one.close().await;
    one.close().await;
    assert_eq!(one.get("f").await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    assert_eq!(
        one.put(draft("f", "x"), Expected::Any).await.unwrap_err().kind(),
        ErrorKind::StoreUnavailable
    );
    assert_eq!(one.watch().next().await, None);
    two.put(draft("f", "x"), Expected::Any).await.unwrap();
    two.ping().await.unwrap();
    drop(two);
    tandem_contract::DocumentStore::close(&documents).await;
    assert!(!folder.path().join("data/tandem.db-wal").exists(), "the last to close folds the log in");
    functions(folder.path()).await.ping().await.unwrap();
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_name() {
    let folder = tempdir().unwrap();
    let open =
        |config| async { SqliteFunctionStore::open(config, &context(folder.path())).await.err().unwrap() };
    let none = open(SqliteConfig { readers: 0, ..SqliteConfig::default() }).await;
    assert_eq!(none.kind(), ErrorKind::InvalidArgument);
    assert!(none.message().contains("sqlite.readers"));
    let _held = functions(folder.path()).await;
    let other = open(SqliteConfig { synchronous: Synchronous::Full, ..SqliteConfig::default() }).await;
    assert!(other.message().contains("sqlite.synchronous"));
    std::fs::write(folder.path().join("file"), "").unwrap();
    let nowhere = open(SqliteConfig { path: "file/x.db".into(), ..SqliteConfig::default() }).await;
    assert_eq!(nowhere.kind(), ErrorKind::StoreUnavailable);
    std::fs::write(folder.path().join("text.db"), "not a database, but long enough to look at ".repeat(100))
        .unwrap();
    let corrupt = open(SqliteConfig { path: "text.db".into(), ..SqliteConfig::default() }).await;
    assert!(!corrupt.message().contains("SQLite"), "a driver's words are for the operator");
}
