//! Servers and networks that fail.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tandem_contract::{
    BackendFactory, BlobBody, BlobListing, BlobStore, Bucket, Clock, Condition, Error, ErrorKind,
    OpenContext, PutOptions, SystemEntropy,
};
use tandem_store_s3::S3Factory;

use crate::scripted::{Scripted, Then, error};
use crate::servers;
use crate::weed::Weed;

const SECRET: &str = "a-secret-that-nobody-sees";

fn settings(endpoint: &str) -> Value {
    json!({
        "endpoint": endpoint, "region": "us-east-1", "access_key": "somebody", "secret_key": SECRET,
        "request_timeout": "60s", "connect_timeout": "1s", "attempts": 3,
    })
}

fn bucket() -> Bucket {
    Bucket::new("photos").unwrap()
}

fn ok() -> Then {
    Then::Answer(200, "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>".to_owned())
}

async fn scripted(first: Vec<Then>, after: Then) -> (Scripted, Arc<dyn BlobStore>) {
    let server = Scripted::new([vec![ok()], first].concat(), after).await;
    let store = servers::open(settings(&server.endpoint)).await.unwrap();
    (server, store)
}

async fn put(store: &Arc<dyn BlobStore>, bytes: usize) -> Result<(), Error> {
    let body = BlobBody::Bytes(Bytes::from(vec![7; bytes]));
    store.put(&bucket(), "k", body, PutOptions::default()).await.map(drop)
}

/// The error is of this kind and keeps the secret.
fn assert_kind(error: &Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(!error.to_string().contains(SECRET), "{error}");
    assert!(!error.message().contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_server_that_asks_to_slow_down_is_asked_again() {
    let (server, store) = scripted(vec![error(503, "SlowDown"), error(500, "InternalError")], ok()).await;
    put(&store, 10).await.unwrap();
    assert_eq!(server.seen().iter().filter(|line| line.starts_with("PUT /photos/k")).count(), 3);
}

#[tokio::test]
async fn a_server_that_stays_overloaded_is_given_up() {
    let (server, store) = scripted(vec![], error(503, "SlowDown")).await;
    let refused = put(&store, 10).await.unwrap_err();
    assert_kind(&refused, ErrorKind::StoreUnavailable);
    assert!(refused.detail().unwrap().contains("SlowDown"), "{refused}");
    assert_eq!(server.seen().len(), 1 + 3);
}

#[tokio::test]
async fn a_server_that_hangs_up_is_asked_again() {
    let (_server, store) = scripted(vec![Then::HangUp, Then::HangUp], ok()).await;
    put(&store, 1 << 20).await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let server = Scripted::new(vec![ok()], Then::Silence).await;
    let mut impatient = settings(&server.endpoint);
    impatient["request_timeout"] = "2s".into();
    let store = servers::open(impatient).await.unwrap();
    assert_kind(&put(&store, 10).await.unwrap_err(), ErrorKind::StoreUnavailable);
    assert_kind(&store.ping(&bucket()).await.unwrap_err(), ErrorKind::StoreUnavailable);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let (_server, store) = scripted(vec![], Then::BreakOff { announced: 1000, sent: 400 }).await;
    let found = store.get(&bucket(), "k", None).await.unwrap().unwrap();
    let read: Result<Vec<Bytes>, Error> = found.stream.try_collect().await;
    assert_kind(&read.unwrap_err(), ErrorKind::StoreUnavailable);
}

fn begun() -> Then {
    let upload = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>";
    Then::Answer(200, upload.to_owned())
}

/// What a server answers that decides conditions, when it is tried whether it does.
fn decides_conditions() -> Vec<Then> {
    let refused = || error(412, "PreconditionFailed");
    // put, put twice more, an upload in parts that is aborted, delete
    vec![ok(), refused(), refused(), begun(), ok(), refused(), ok(), ok()]
}

#[tokio::test]
async fn a_write_is_not_told_that_its_own_first_try_is_a_rival() {
    let refused = || error(412, "PreconditionFailed");
    let options = || PutOptions { condition: Condition::Absent, ..PutOptions::default() };
    for (before, kind) in [
        (vec![], ErrorKind::Conflict),
        (vec![error(503, "SlowDown")], ErrorKind::Conflict),
        (vec![Then::HangUp], ErrorKind::StoreUnavailable),
        (vec![error(500, "InternalError"), error(503, "SlowDown")], ErrorKind::StoreUnavailable),
    ] {
        let script = [decides_conditions(), before.clone()].concat();
        let (_server, store) = scripted(script, refused()).await;
        let body = BlobBody::Bytes(Bytes::from_static(b"mine"));
        let told = store.put(&bucket(), "k", body, options()).await.unwrap_err();
        assert_kind(&told, kind);
        assert_eq!(told.message().contains("look at the object"), kind != ErrorKind::Conflict, "{before:?}");
    }
}

#[tokio::test]
async fn an_upload_that_was_completed_unheard_is_in_doubt() {
    for (before, kind) in [(vec![], ErrorKind::NotFound), (vec![Then::HangUp], ErrorKind::StoreUnavailable)] {
        let script = [vec![begun(), ok(), ok()], before].concat();
        let (_server, store) = scripted(script, error(404, "NoSuchUpload")).await;
        let pieces = (0..10).map(|_| Ok(Bytes::from(vec![1; 1 << 20])));
        let body = BlobBody::Stream { stream: stream::iter(pieces).boxed(), length: None };
        let told = store.put(&bucket(), "k", body, PutOptions::default()).await.unwrap_err();
        assert_kind(&told, kind);
    }
}

#[tokio::test]
async fn an_upload_that_fails_midway_is_aborted() {
    let (server, store) = scripted(vec![begun()], Then::HangUp).await;
    let pieces = (0..20).map(|_| Ok(Bytes::from(vec![1; 1 << 20])));
    let body = BlobBody::Stream { stream: stream::iter(pieces).boxed(), length: None };
    let failed = store.put(&bucket(), "k", body, PutOptions::default()).await.unwrap_err();
    assert_kind(&failed, ErrorKind::StoreUnavailable);
    // Waits for what is under way.
    store.close().await;
    let seen = server.seen();
    assert!(
        seen.iter().any(|line| line.starts_with("DELETE /photos/k?") && line.contains("uploadId=u1")),
        "{seen:?}"
    );
    assert!(!seen.iter().any(|line| line.starts_with("POST /photos/k?uploadId")), "{seen:?}");
}

/// 8 MiB each, as parts of an upload are, with word of the one that is read.
fn parts(count: usize, read: tokio::sync::watch::Sender<usize>) -> BlobBody {
    let stream = stream::iter(0..count).map(move |n| {
        read.send_replace(n);
        Ok(Bytes::from(vec![n as u8; 8 << 20]))
    });
    BlobBody::Stream { stream: stream.boxed(), length: None }
}

#[tokio::test]
async fn a_server_that_is_killed_during_an_upload_keeps_none_of_it() {
    let Some(mut weed) = Weed::start().await else { return };
    let store = servers::open(weed.settings()).await.unwrap();
    put(&store, 1000).await.unwrap();
    let mut uploads = Vec::new();
    for key in ["k", "new"] {
        let (read, mut seen) = tokio::sync::watch::channel(0);
        let (store, body) = (Arc::clone(&store), parts(1000, read));
        uploads
            .push(tokio::spawn(async move { store.put(&bucket(), key, body, PutOptions::default()).await }));
        seen.wait_for(|part| *part >= 6).await.unwrap();
    }
    weed.kill();
    for upload in uploads {
        assert_kind(&upload.await.unwrap().unwrap_err(), ErrorKind::StoreUnavailable);
    }
    weed.up().await;
    // The server answers before it has found its volumes.
    while store.get(&bucket(), "k", None).await.is_err() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // The same store goes on: what was there is there as it was, and the rest is not.
    let whole = store.get(&bucket(), "k", None).await.unwrap().unwrap();
    let read: Vec<Bytes> = whole.stream.try_collect().await.unwrap();
    assert_eq!(read.concat(), [7; 1000]);
    assert!(store.head(&bucket(), "new").await.unwrap().is_none());
    let listed = store.list(&bucket(), BlobListing::default()).await.unwrap();
    assert_eq!(listed.blobs.iter().map(|blob| &*blob.key).collect::<Vec<_>>(), ["k"]);
    let (read, _seen) = tokio::sync::watch::channel(0);
    store.put(&bucket(), "new", parts(5, read), PutOptions::default()).await.unwrap();
    assert_eq!(store.head(&bucket(), "new").await.unwrap().unwrap().size, 5 << 23);
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_named() {
    let refused = servers::open(settings("http://127.0.0.1:9")).await.map(drop).unwrap_err();
    assert_kind(&refused, ErrorKind::StoreUnavailable);
    let detail = refused.detail().unwrap();
    assert!(detail.contains("http://127.0.0.1:9") && detail.contains("storage.s3.endpoint"), "{detail}");
}

#[tokio::test]
async fn wrong_credentials_are_told_apart_and_kept() {
    for server in servers::all() {
        for (access, secret, setting) in [
            ("nobody", SECRET, "storage.s3.access_key"),
            (&*server.access_key, SECRET, "storage.s3.secret_key"),
        ] {
            let mut settings = server.settings();
            settings["access_key"] = access.into();
            settings["secret_key"] = secret.into();
            let refused = servers::open(settings).await.map(drop).unwrap_err();
            assert_kind(&refused, ErrorKind::Forbidden);
            assert!(refused.detail().unwrap().contains(setting), "{}: {refused}", server.name);
        }
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    for server in servers::all() {
        let mut settings = server.settings();
        settings["create_buckets"] = false.into();
        let store = servers::open(settings).await.unwrap();
        let absent = Bucket::new("nowhere-to-be-found").unwrap();
        let missing = store.ping(&absent).await.unwrap_err();
        assert_kind(&missing, ErrorKind::NotFound);
        assert!(missing.message().contains("nowhere-to-be-found"), "{missing}");
        assert!(store.get(&absent, "k", None).await.unwrap().is_none());
        assert!(store.list(&absent, BlobListing::default()).await.unwrap().blobs.is_empty());
    }
}

/// A clock that is wrong by half an hour; servers allow fifteen minutes.
struct Wrong;

impl Clock for Wrong {
    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now() - Duration::from_secs(1800)
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_put_right_or_named() {
    for server in servers::all() {
        let context = OpenContext {
            clock: Arc::new(Wrong),
            entropy: Arc::new(SystemEntropy),
            base: Path::new(".").to_owned(),
        };
        let config = serde_json::from_value(server.settings()).unwrap();
        // The SDK learns the server's time from the first refusal.
        match S3Factory::open(config, context).await {
            Ok(store) => put(&store, 10).await.unwrap_or_else(|error| panic!("{}: {error}", server.name)),
            Err(refused) => {
                assert_kind(&refused, ErrorKind::Forbidden);
                assert!(refused.detail().unwrap().contains("clock"), "{}: {refused}", server.name);
            }
        }
    }
}
