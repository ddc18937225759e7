//! Servers that die, stall or are out of reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use bson::doc;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tandem_contract::settings::Secret;
use tandem_contract::{Change, DocumentStore, ErrorKind, Expected, FunctionStore, Target};
use tandem_store_mongo::{MongoConfig, MongoDocumentStore, MongoFunctionStore};
use tokio::time::{sleep, timeout};

use crate::common::{SOON, Scratch, all, context, draft, ids, target, update};
use crate::mongod::Mongod;
use crate::watch::next;

/// The two seconds after which a store that is gone is told, and what a machine under load may add.
const TOLD: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_server_out_of_reach_is_unavailable_and_its_address_and_password_stay_unsaid() {
    let config = MongoConfig {
        url: Secret::new("mongodb://user:swordfish@127.0.0.1:9/?authSource=admin"),
        ..MongoConfig::default()
    };
    let started = Instant::now();
    let error = MongoFunctionStore::open(config.clone(), &context()).await.err().unwrap();
    assert!(started.elapsed() < Duration::from_secs(5) + TOLD);
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
    assert_eq!(error.message(), "The function store is not available");
    assert!(!error.to_string().contains("swordfish"), "{error}");
    let error = MongoDocumentStore::open(config.clone()).await.err().unwrap();
    assert_eq!(error.message(), "The document store is not available");
    assert!(!format!("{config:?}").contains("swordfish"));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_name() {
    let base = || MongoConfig { url: Secret::new("mongodb://127.0.0.1:9"), ..MongoConfig::default() };
    for (config, named) in [
        (MongoConfig { url: Secret::new("postgres://h"), ..base() }, "mongo.url"),
        (MongoConfig::default(), "mongo.url"),
        (MongoConfig { database: Some("a.b".into()), ..base() }, "mongo.database"),
        (MongoConfig { collection: "a$".into(), ..base() }, "mongo.collection"),
        (MongoConfig { collection: "a.tandem".into(), ..base() }, "mongo.collection"),
        (MongoConfig { max_connections: 0, ..base() }, "mongo.max_connections"),
    ] {
        let error = MongoFunctionStore::open(config, &context()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(named), "{error}");
    }
}

#[tokio::test]
async fn a_stall_is_told_and_over_when_it_is_over() {
    let Some(server) = Mongod::start(true).await else { return };
    let scratch = Scratch::at(&server.url()).await;
    let (functions, documents) = (scratch.functions().await, scratch.documents().await);
    functions.put(draft("f", "one"), Expected::Any).await.unwrap();
    documents.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();
    let mut changes = functions.watch();
    assert_eq!(next(&mut changes).await, Change::Resync);
    server.stall();
    for _ in 0..2 {
        let started = Instant::now();
        let c = target("c");
        let (get, read, write, ping) = tokio::join!(
            functions.get("f"),
            all(&documents, &c, doc! {}),
            documents.update(&c, update(doc! { "_id": 1 }, doc! { "$set": { "a": 1 } })),
            documents.ping(),
        );
        for kind in [get.unwrap_err(), read.unwrap_err(), write.unwrap_err(), ping.unwrap_err()] {
            assert_eq!(kind.kind(), ErrorKind::StoreUnavailable, "{kind}");
        }
        assert!(started.elapsed() < TOLD, "told after {:?}", started.elapsed());
        println!("told after {:?}", started.elapsed());
    }
    server.go_on();
    let recovered = async {
        while documents.ping().await.is_err() || functions.get("f").await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, recovered).await.expect("both recover alone");
    functions.put(draft("g", "one"), Expected::Any).await.unwrap();
    loop {
        match next(&mut changes).await {
            Change::Resync => {}
            change => break assert_eq!(change, Change::Published("g".to_owned())),
        }
    }
}

#[tokio::test]
async fn a_slow_answer_is_not_taken_for_a_stall() {
    let Some(scratch) = Scratch::new().await else { return };
    let store = scratch.documents().await;
    store.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();
    let found = all(&store, &target("c"), doc! { "$where": "sleep(3000) || true" }).await.unwrap();
    assert_eq!(found.len(), 1);
    scratch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_load_loses_nothing_that_was_acknowledged() {
    let Some(mut server) = Mongod::start(true).await else { return };
    let scratch = Scratch::at(&server.url()).await;
    let (functions, documents) = (Arc::new(scratch.functions().await), Arc::new(scratch.documents().await));
    let mut changes = functions.watch();
    assert_eq!(next(&mut changes).await, Change::Resync);
    let (over, number) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI32::new(0)));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let published = Arc::new(Mutex::new(0));
    let mut writers = Vec::new();
    for _ in 0..4 {
        let (documents, over, number) = (Arc::clone(&documents), Arc::clone(&over), Arc::clone(&number));
        let acknowledged = Arc::clone(&acknowledged);
        writers.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let id = number.fetch_add(1, Ordering::Relaxed);
                match documents.insert(&target("c"), vec![doc! { "_id": id }], true).await {
                    Ok(result) if result.failures.is_empty() => acknowledged.lock().push(id),
                    Ok(result) => panic!("{:?}", result.failures),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{error}"),
                }
            }
        }));
    }
    {
        let (functions, over, published) =
            (Arc::clone(&functions), Arc::clone(&over), Arc::clone(&published));
        writers.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                match functions.put(draft("f", "x"), Expected::Any).await {
                    Ok(function) => *published.lock() = function.revision,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{error}"),
                }
            }
        }));
    }
    for _ in 0..2 {
        sleep(Duration::from_millis(700)).await;
        server.kill();
        sleep(Duration::from_millis(300)).await;
        server.spawn();
        server.wait().await;
    }
    let before = acknowledged.lock().len();
    let recovered = async {
        while acknowledged.lock().len() < before + 50 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON * 2, recovered).await.expect("writes succeed again without help");
    over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let held: std::collections::HashSet<i32> =
        ids(&*documents, &target("c"), doc! {}).await.iter().filter_map(bson::Bson::as_i32).collect();
    let acknowledged = acknowledged.lock().clone();
    let lost: Vec<_> = acknowledged.iter().filter(|id| !held.contains(id)).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), acknowledged.len());
    let last = *published.lock();
    assert!(functions.get("f").await.unwrap().unwrap().revision >= last);
    // The feed goes on where it was.
    functions.put(draft("last", "x"), Expected::Any).await.unwrap();
    while next(&mut changes).await != Change::Published("last".to_owned()) {}
}

#[tokio::test]
async fn a_pool_that_is_used_up_makes_others_wait_not_fail() {
    let Some(mut scratch) = Scratch::new().await else { return };
    scratch.config.max_connections = 2;
    let store = scratch.documents().await;
    store.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();
    let slow = || all_slow(&store);
    let results = join_all((0..12).map(|_| slow())).await;
    assert!(results.into_iter().all(|result| result.is_ok()));
    // One that may not wait so long is told in time, and leaves the pool as it was.
    let busy = join_all((0..6).map(|_| slow()));
    let short = Target { timeout: Some(Duration::from_millis(200)), ..target("c") };
    let hurried = async {
        sleep(Duration::from_millis(100)).await;
        store.count(&short, doc! {}, 0, None).await
    };
    let (busy, hurried) = tokio::join!(busy, hurried);
    assert!(busy.into_iter().all(|result| result.is_ok()));
    assert_eq!(hurried.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    assert_eq!(store.count(&target("c"), doc! {}, 0, None).await.unwrap(), 1);
    scratch.end().await;
}

async fn all_slow(store: &MongoDocumentStore) -> tandem_contract::Result<usize> {
    Ok(all(store, &target("c"), doc! { "$where": "sleep(300) || true" }).await?.len())
}
