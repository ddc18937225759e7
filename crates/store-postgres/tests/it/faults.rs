//! A server that is killed, stalls, comes back, or has no connection left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bson::doc;
use futures_util::StreamExt;
use tandem_contract::{Change, DocumentStore, ErrorKind, Expected, Find, FunctionStore, Target};
use tandem_store_postgres::{PostgresConfig, PostgresDocumentStore};
use tandem_store_suite::common::{column, target, update};
use tokio::time::{sleep, timeout};

use crate::common::{Schema, context, draft, schema_or_return};
use crate::server::Server;

/// Far more than the two seconds that a call has, and far less than an operation may take.
const SOON: Duration = Duration::from_secs(20);

/// Waits until the store answers again, by itself.
async fn recovered(store: &dyn DocumentStore) {
    let start = Instant::now();
    while store.ping().await.is_err() {
        assert!(start.elapsed() < SOON * 3, "the store does not come back");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_killed_under_load_loses_nothing_that_was_acknowledged() {
    let Some(server) = Server::start() else { return };
    let schema = Schema::on(server.url());
    let store = Arc::new(schema.store().await);
    store.insert(&target("counter"), vec![doc! { "_id": 1, "n": 0 }], true).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, over) = (Arc::clone(&store), Arc::clone(&over));
            tokio::spawn(async move {
                let (mut written, mut counted, mut unsure) = (Vec::new(), 0, 0);
                for n in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = writer * 1_000_000 + n;
                    let insert = store.insert(&target("c"), vec![doc! { "_id": id }], true).await;
                    match insert {
                        Ok(result) if result.failures.is_empty() => written.push(id),
                        Ok(result) => panic!("{:?}", result.failures),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{error}"),
                    }
                    match store
                        .update(&target("counter"), update(doc! { "_id": 1 }, doc! { "$inc": { "n": 1 } }))
                        .await
                    {
                        Ok(result) => counted += i32::try_from(result.modified).unwrap(),
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{error}");
                            unsure += 1;
                            sleep(Duration::from_millis(5)).await;
                        }
                    }
                }
                (written, counted, unsure)
            })
        })
        .collect();
    for _ in 0..2 {
        sleep(Duration::from_millis(500)).await;
        server.kill();
        let error = timeout(SOON, store.ping()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
        sleep(Duration::from_millis(300)).await;
        server.up();
        recovered(&*store).await;
    }
    sleep(Duration::from_millis(300)).await;
    over.store(true, Ordering::Relaxed);
    let (mut acknowledged, mut counted, mut unsure) = (0, 0, 0);
    for writer in writers {
        let (written, of_writer, of_writer_unsure) = writer.await.unwrap();
        for id in &written {
            assert_eq!(
                store.count(&target("c"), doc! { "_id": id }, 0, None).await.unwrap(),
                1,
                "{id} is lost"
            );
        }
        acknowledged += written.len();
        counted += of_writer;
        unsure += of_writer_unsure;
    }
    assert!(acknowledged > 20, "only {acknowledged} writes");
    let n = column(&*store, &target("counter"), Find::default(), "n").await[0].as_i32().unwrap();
    assert!((counted..=counted + unsure).contains(&n), "{n} of {counted} to {}", counted + unsure);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_stalls_is_unavailable_soon_and_used_again_when_it_goes_on() {
    let Some(server) = Server::start() else { return };
    let schema = Schema::on(server.url());
    let (store, functions) = (Arc::new(schema.store().await), Arc::new(schema.functions().await));
    store.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();
    functions.put(draft("f", "x"), Expected::Any).await.unwrap();
    let mut changes = functions.watch();
    assert_eq!(changes.next().await, Some(Change::Resync));
    let transaction = store.begin().await.unwrap();
    let inside = Target { transaction: Some(transaction), ..target("c") };
    store.insert(&inside, vec![doc! { "_id": 2 }], true).await.unwrap();

    server.stall();
    let (start, outside) = (Instant::now(), target("c"));
    let (count, insert, get, in_transaction) = timeout(SOON, async {
        tokio::join!(
            store.count(&outside, doc! {}, 0, None),
            store.insert(&outside, vec![doc! {}], true),
            functions.get("f"),
            store.count(&inside, doc! {}, 0, None),
        )
    })
    .await
    .unwrap();
    eprintln!("a stall was noticed after {:?}", start.elapsed());
    for error in [count.unwrap_err(), insert.unwrap_err(), get.unwrap_err(), in_transaction.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{error}");
    }
    let start = Instant::now();
    assert!(timeout(SOON, store.ping()).await.unwrap().is_err());
    assert!(timeout(SOON, functions.ping()).await.unwrap().is_err());
    eprintln!("further calls fail after {:?}", start.elapsed());

    server.resume();
    recovered(&*store).await;
    // It went on where it was, or was given up: whole in either case.
    let committed = timeout(SOON * 3, store.commit(transaction)).await.unwrap().is_ok();
    let second = store.count(&target("c"), doc! { "_id": 2 }, 0, None).await.unwrap();
    assert_eq!(second, u64::from(committed));
    assert_eq!(functions.get("f").await.unwrap().unwrap().revision, 1);
    functions.put(draft("g", "x"), Expected::Any).await.unwrap();
    // Either it never noticed and tells of the change, or it says that it may have missed some.
    let change = timeout(SOON, changes.next()).await.unwrap();
    assert!(matches!(change, Some(Change::Resync | Change::Published(_))), "{change:?}");
}

#[tokio::test]
async fn without_a_free_connection_a_call_fails_instead_of_hanging() {
    let schema = schema_or_return!();
    let config = PostgresConfig { connections: 2, ..schema.config() };
    let store = PostgresDocumentStore::open(config, &context()).await.unwrap();
    store.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();
    let one = store.begin().await.unwrap();
    let two = store.begin().await.unwrap();
    let error = timeout(SOON, store.count(&target("c"), doc! {}, 0, None)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
    assert!(error.message().contains("timed out"), "{error}");
    store.abort(one).await.unwrap();
    assert_eq!(store.count(&target("c"), doc! {}, 0, None).await.unwrap(), 1);
    store.commit(two).await.unwrap();
}

#[tokio::test]
async fn connections_that_the_server_ends_are_replaced_unnoticed() {
    let schema = schema_or_return!();
    let config = schema.config_of(&schema.name);
    let store = PostgresDocumentStore::open(config.clone(), &context()).await.unwrap();
    let functions = tandem_store_postgres::PostgresFunctionStore::open(config, &context()).await.unwrap();
    store.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();
    let mut tool = schema.other_tool().await;
    for _ in 0..5 {
        store.count(&target("c"), doc! {}, 0, None).await.unwrap();
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '$$'";
        schema.run(&mut tool, end).await;
        assert_eq!(store.count(&target("c"), doc! {}, 0, None).await.unwrap(), 1);
        assert_eq!(functions.get("none").await.unwrap(), None);
    }
}
