//! What only this store's own tests see of documents: crashes, time and closing.

use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, doc};
use tandem_contract::{DocumentStore, ErrorKind, Target};
use tandem_store_suite::common::{column, filter, index, target};
use tempfile::tempdir;

use crate::common::{crash_image, documents};

#[tokio::test]
async fn a_write_survives_a_crash() {
    let (folder, image) = (tempdir().unwrap(), tempdir().unwrap());
    let store = documents(folder.path()).await;
    let target = target("numbers");
    store.insert(&target, (0..100).map(|n| doc! { "_id": n }).collect(), true).await.unwrap();
    crash_image(folder.path(), image.path());
    assert_eq!(documents(image.path()).await.count(&target, doc! {}, 0, None).await.unwrap(), 100);
}

#[tokio::test]
async fn what_does_not_fit_its_time_is_given_up_and_undone() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let transaction = store.begin().await.unwrap();
    let hurried = Target { timeout: Some(Duration::from_millis(50)), ..target("c") };
    let error = store.insert(&hurried, vec![doc! {}], true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
    assert!(error.message().contains("timed out"), "{error}");
    store.abort(transaction).await.unwrap();
    let enough = Target { timeout: Some(Duration::from_secs(60)), ..target("c") };
    store.insert(&enough, vec![doc! {}], true).await.unwrap();
    assert_eq!(store.count(&target("c"), doc! {}, 0, None).await.unwrap(), 1);
}

#[tokio::test]
async fn an_insert_that_is_given_up_while_it_waits_leaves_nothing_and_holds_up_nobody() {
    let folder = tempdir().unwrap();
    let store = Arc::new(documents(folder.path()).await);
    let target = target("c");
    store.create_index(&target, index(doc! { "n": 1 })).await.unwrap();
    store.insert(&target, vec![doc! { "_id": -1 }], true).await.unwrap();
    for round in 0..20 {
        let transaction = store.begin().await.unwrap();
        let waiting: Vec<_> = (0..40)
            .map(|n| {
                let (store, target) = (Arc::clone(&store), target.clone());
                let document = doc! { "_id": round * 100 + n, "n": round };
                tokio::spawn(async move { store.insert(&target, vec![document], true).await })
            })
            .collect();
        tokio::task::yield_now().await;
        for given_up in waiting.iter().step_by(2) {
            given_up.abort();
        }
        tokio::task::yield_now().await;
        store.commit(transaction).await.unwrap();
        for (n, task) in waiting.into_iter().enumerate() {
            match task.await {
                Ok(inserted) => assert_eq!(inserted.unwrap().inserted_ids.len(), 1),
                Err(error) => assert!(error.is_cancelled() && n % 2 == 0),
            }
        }
        let of_round = filter(doc! { "n": round });
        let ids = column(&*store, &target, of_round, "_id").await;
        let odd: Vec<_> = (0..20).map(|n| Bson::Int32(round * 100 + 2 * n + 1)).collect();
        assert_eq!(ids, odd);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn inserts_into_several_collections_at_once_all_end() {
    let folder = tempdir().unwrap();
    let store = Arc::new(documents(folder.path()).await);
    let targets: Vec<Target> = (0..5).map(|n| target(&format!("c{n}"))).collect();
    for target in &targets {
        store.insert(target, vec![doc! { "_id": -1 }], true).await.unwrap();
    }
    // More of one collection than one statement takes.
    for round in 0..30 {
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                let (store, target) = (Arc::clone(&store), targets[n % 7 % 5].clone());
                let document = doc! { "_id": i32::try_from(n).unwrap() + 1000 * round };
                tokio::spawn(async move { store.insert(&target, vec![document], true).await })
            })
            .collect();
        for task in tasks {
            let ended = tokio::time::timeout(Duration::from_secs(20), task).await;
            assert_eq!(ended.unwrap().unwrap().unwrap().inserted_ids.len(), 1);
        }
    }
    let mut count = 0;
    for target in &targets {
        count += store.count(target, doc! {}, 0, None).await.unwrap();
    }
    assert_eq!(count, 30 * 200 + 5);
}

#[tokio::test]
async fn calls_after_close_fail() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let transaction = store.begin().await.unwrap();
    store.close().await;
    let error = store.insert(&target("c"), vec![doc! {}], true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
    assert_eq!(store.ping().await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    assert_eq!(store.sql("SELECT 1", vec![]).await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    assert!(store.commit(transaction).await.is_err());
}
