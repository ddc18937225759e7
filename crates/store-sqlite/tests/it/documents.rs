//! What only this store's own tests see of documents: crashes, time and closing.

use std::time::Duration;

use bson::doc;
use tandem_contract::{DocumentStore, ErrorKind, Target};
use tandem_store_suite::common::target;
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
