//! What the store `local` does with its folder, and with what others do to it.
#![cfg(test)]

mod opening;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use opening::{context, local, open_local};
use serde_json::json;
use tandem_contract::{
    BackendFactory, BlobBody, BlobListing, BlobStore, Bucket, Condition, ErrorKind, PutOptions, Result,
};
use tandem_store_object::{LocalConfig, LocalFactory};

type Store = Arc<dyn BlobStore>;

fn bucket() -> Bucket {
    Bucket::new("default").unwrap()
}

async fn put(store: &Store, key: &str) {
    let body = BlobBody::Bytes(Bytes::copy_from_slice(key.as_bytes()));
    store.put(&bucket(), key, body, PutOptions::default()).await.unwrap();
}

async fn keys(store: &Store) -> Vec<String> {
    let page = store.list(&bucket(), BlobListing::default()).await.unwrap();
    page.blobs.into_iter().map(|blob| blob.key).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

#[tokio::test]
async fn objects_are_files_that_start_with_their_bytes() {
    let (store, folder) = local().await;
    put(&store, "photos/Cat 1.jpg").await;
    let file = folder.path().join("objects/default/photos+/^cat%201.jpg");
    assert!(fs::read(&file).unwrap().starts_with(b"photos/Cat 1.jpg{\"etag\":"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    store.delete(&bucket(), "photos/Cat 1.jpg").await.unwrap();
    assert!(!folder.path().join("objects/default/photos+").exists());
}

#[tokio::test]
async fn objects_outlive_the_store() {
    let (store, folder) = local().await;
    put(&store, "a/b").await;
    let before = store.head(&bucket(), "a/b").await.unwrap();
    store.close().await;
    let store = open_local(folder.path()).await.unwrap();
    assert_eq!(store.head(&bucket(), "a/b").await.unwrap(), before);
}

#[tokio::test]
async fn unfinished_files_are_swept_but_those_of_living_writers_are_not() {
    let (store, folder) = local().await;
    let staging = folder.path().join("objects/.staging");
    fs::write(staging.join("0123456789abcdef"), b"left by a process that was killed").unwrap();
    let started = stream::iter([Ok(Bytes::from(vec![1; 600_000]))]);
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let rest = stream::once(async move {
        released.await.unwrap();
        Ok(Bytes::from_static(b"end"))
    });
    let writing = {
        let (store, stream) = (Arc::clone(&store), started.chain(rest).boxed());
        let body = BlobBody::Stream { stream, length: Some(600_003) };
        tokio::spawn(async move { store.put(&bucket(), "k", body, PutOptions::default()).await })
    };
    while files(&staging).len() < 2 {
        tokio::task::yield_now().await;
    }
    open_local(folder.path()).await.unwrap();
    assert_eq!(files(&staging).len(), 1);
    release.send(()).unwrap();
    assert_eq!(writing.await.unwrap().unwrap().size, 600_003);
    assert!(files(&staging).is_empty());
}

#[tokio::test]
async fn nothing_unfinished_stays() {
    let (store, folder) = local().await;
    put(&store, "k").await;
    let conflict = PutOptions { condition: Condition::Absent, ..PutOptions::default() };
    store.put(&bucket(), "k", BlobBody::Bytes(Bytes::new()), conflict).await.unwrap_err();
    let short = BlobBody::Stream { stream: stream::empty().boxed(), length: Some(3) };
    store.put(&bucket(), "k", short, PutOptions::default()).await.unwrap_err();
    let endless = stream::iter([Ok(Bytes::from(vec![1; 600_000]))]).chain(stream::pending()).boxed();
    let endless = BlobBody::Stream { stream: endless, length: None };
    let at = bucket();
    let put = store.put(&at, "k", endless, PutOptions::default());
    assert!(tokio::time::timeout(std::time::Duration::from_millis(100), put).await.is_err());
    store.ping(&bucket()).await.unwrap();
    // A write that is dropped while a thread is at it is removed when the thread is done.
    let staging = folder.path().join("objects/.staging");
    for _ in 0..100 {
        if files(&staging).is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{:?}", files(&staging));
}

#[tokio::test]
async fn links_are_not_followed() {
    let (store, folder) = local().await;
    put(&store, "in/x").await;
    let (outside, root) = (folder.path().join("outside"), folder.path().join("objects/default"));
    fs::create_dir(&outside).unwrap();
    // A whole object outside, so that only the link is in the way.
    fs::copy(root.join("in+/x"), outside.join("x")).unwrap();
    symlink(&outside, root.join("out+")).unwrap();
    symlink(outside.join("x"), root.join("x")).unwrap();
    symlink(&outside, folder.path().join("objects/linked")).unwrap();
    for (at, key) in [(bucket(), "out/x"), (bucket(), "x"), (Bucket::new("linked").unwrap(), "x")] {
        assert!(store.get(&at, key, None).await.unwrap().is_none(), "{key}");
        assert!(store.head(&at, key).await.unwrap().is_none(), "{key}");
        assert!(!store.copy(&at, key, "copy").await.unwrap(), "{key}");
    }
    assert_eq!(keys(&store).await, ["in/x"]);
    let body = || BlobBody::Bytes(Bytes::from_static(b"new"));
    let through = store.put(&bucket(), "out/y", body(), PutOptions::default()).await;
    assert_eq!(through.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    store.delete(&bucket(), "out/x").await.unwrap();
    // A link in the place of an object is replaced, not written through.
    store.put(&bucket(), "x", body(), PutOptions::default()).await.unwrap();
    assert_eq!(files(&outside), [outside.join("x")]);
    assert!(fs::read(outside.join("x")).unwrap().starts_with(b"in/x"));
}

#[tokio::test]
async fn no_key_leaves_the_root() {
    let (store, folder) = local().await;
    for key in ["../x", "../../x", "/x", "a/../../../x", "..", "%2e%2e/x", "\\..\\x", "./../x", ".staging/x"]
    {
        put(&store, key).await;
    }
    let root = folder.path().join("objects/default");
    assert_eq!(files(folder.path()).len(), 9);
    assert!(files(folder.path()).iter().all(|file| file.starts_with(&root)));
}

#[tokio::test]
async fn files_of_others_are_no_objects() {
    let (store, folder) = local().await;
    put(&store, "k").await;
    let root = folder.path().join("objects/default");
    fs::write(root.join("README.md"), "foreign").unwrap();
    fs::write(root.join("notes.txt"), "foreign, with a name that a key could have").unwrap();
    fs::create_dir(root.join("folder")).unwrap();
    fs::create_dir(root.join("dir+")).unwrap();
    fs::write(root.join("dir+/%zz"), "foreign").unwrap();
    assert_eq!(keys(&store).await, ["k"]);
    assert_eq!(store.head(&bucket(), "notes.txt").await.unwrap_err().kind(), ErrorKind::Internal);
    assert!(store.head(&bucket(), "folder").await.unwrap().is_none());
    store.delete(&bucket(), "folder").await.unwrap();
}

#[tokio::test]
async fn damaged_objects_are_noticed_and_can_be_replaced() {
    let (store, folder) = local().await;
    put(&store, "k").await;
    let file = folder.path().join("objects/default/k");
    let whole = fs::read(&file).unwrap();
    for damaged in [&whole[..whole.len() - 1], &[], &vec![0; whole.len()]] {
        fs::write(&file, damaged).unwrap();
        let error = store.get(&bucket(), "k", None).await.err().unwrap();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Internal, "Internal error"));
        assert!(keys(&store).await.is_empty());
    }
    put(&store, "k").await;
    assert_eq!(keys(&store).await, ["k"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_hold_between_stores_on_one_folder() {
    let (_, folder) = local().await;
    for round in 0..20 {
        let writes = (0..4).map(|_| {
            let base = folder.path().to_owned();
            tokio::spawn(async move {
                let store = open_local(&base).await.unwrap();
                let condition = PutOptions { condition: Condition::Absent, ..PutOptions::default() };
                store.put(&bucket(), &format!("a/{round}"), BlobBody::Bytes(Bytes::new()), condition).await
            })
        });
        let written = future::join_all(writes).await;
        assert_eq!(written.into_iter().filter(|put| put.as_ref().unwrap().is_ok()).count(), 1);
    }
}

#[tokio::test]
async fn a_missing_file_system_is_reported() {
    let (store, folder) = local().await;
    fs::rename(folder.path().join("objects"), folder.path().join("moved")).unwrap();
    assert_eq!(store.ping(&bucket()).await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    fs::create_dir(folder.path().join("objects")).unwrap();
    let error = store.ping(&bucket()).await.unwrap_err();
    assert!(error.detail().unwrap().contains("replaced"), "{error}");
}

async fn open(root: &Path) -> Result<Store> {
    let config: LocalConfig = serde_json::from_value(json!({ "root": root })).unwrap();
    LocalFactory::open(config, context(Path::new("."))).await
}

#[tokio::test]
async fn a_root_that_cannot_work_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for root in [file.clone(), file.join("below")] {
        let error = open(&root).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().starts_with("storage.local.root: the folder "), "{error}");
    }
    // Synced writes, on a folder that a link leads to.
    fs::create_dir(folder.path().join("real")).unwrap();
    symlink(folder.path().join("real"), folder.path().join("link")).unwrap();
    let store = open(&folder.path().join("link")).await.unwrap();
    put(&store, "a/b/c").await;
    assert!(store.copy(&bucket(), "a/b/c", "a/b/d").await.unwrap());
    store.delete(&bucket(), "a/b/c").await.unwrap();
    assert!(folder.path().join("real/default/a+/b+/d").exists());
}

#[test]
fn config_is_strict_and_has_defaults() {
    let config: LocalConfig = serde_json::from_value(json!({})).unwrap();
    assert_eq!(config, LocalConfig { root: PathBuf::from("data/objects"), sync: true });
    assert!(serde_json::from_value::<LocalConfig>(json!({ "rot": "x" })).is_err());
}
