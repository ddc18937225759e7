//! Writing, and what the other cases need.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tandem_contract::{
    BlobBody, BlobMeta, BlobRange, Bucket, Condition, Error, ErrorKind, Presign, PresignMethod, PutOptions,
    Result,
};

use super::Subject;
pub use super::conditions::*;
pub use super::listing::*;
pub use super::properties::*;
pub use super::reading::*;
pub use super::removing::*;

pub type Store = Subject;

/// Keys that stores and file systems are known to trip over.
pub const AWKWARD: &[&str] = &[
    "a",
    "A",
    "d",
    "d/x",
    "d/",
    "D/x",
    "/",
    "//",
    "/a",
    "a/",
    "a//b",
    "a///b",
    ".",
    "..",
    "../a",
    "../../etc/passwd",
    "a/../b",
    "a/./b",
    "a/..",
    "./a",
    " ",
    " a ",
    "a b",
    "a+b",
    "100%",
    "a%20b",
    "a%2Fb",
    "%",
    "%2e%2e",
    "a#1",
    "a#b?c=d&e",
    "a\\b",
    "C:\\x",
    "a:b",
    "a*b",
    "\"q\"",
    "'q'",
    "<x>",
    "a|b",
    "~",
    "~a",
    "a~",
    "a+",
    "+",
    "^a",
    "a^",
    "tab\there",
    "line\nbreak",
    "\u{7f}",
    "ä",
    "a\u{308}",
    "日本語/キー",
    "🦀",
    "\u{feff}",
    "\u{202e}",
    ".staging",
    ".staging/x",
    ".tmp",
    "a.tmp",
    "a#123",
    "x.partial",
    "CON",
    "nul",
    "-rf",
    "__proto__",
    "𝕏/𝕐",
];

pub fn bucket() -> Bucket {
    Bucket::new("default").unwrap()
}

pub fn body(text: &str) -> BlobBody {
    BlobBody::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

pub fn streamed(pieces: Vec<Result<Bytes>>, length: Option<u64>) -> BlobBody {
    BlobBody::Stream { stream: stream::iter(pieces).boxed(), length }
}

pub fn on(condition: Condition) -> PutOptions {
    PutOptions { condition, ..PutOptions::default() }
}

pub async fn put(store: &Store, key: &str, text: &str) -> BlobMeta {
    store
        .put(&bucket(), key, body(text), PutOptions::default())
        .await
        .unwrap_or_else(|error| panic!("{key:?}: {error}"))
}

pub async fn read(store: &Store, key: &str, range: Option<BlobRange>) -> Option<Vec<u8>> {
    let found = store.get(&bucket(), key, range).await.unwrap_or_else(|error| panic!("{key:?}: {error}"))?;
    let bytes: Vec<Bytes> = found.stream.try_collect().await.unwrap();
    let bytes = bytes.concat();
    assert_eq!(bytes.len() as u64, found.range.end - found.range.start);
    Some(bytes)
}

pub async fn text(store: &Store, key: &str) -> Option<String> {
    read(store, key, None).await.map(|bytes| String::from_utf8(bytes).unwrap())
}

pub fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

pub fn kind<T>(result: Result<T>) -> ErrorKind {
    result.map(drop).unwrap_err().kind()
}

/// Stores differ in how finely they tell times: S3's are whole seconds, and what a write returns
/// may be a moment before or after what is kept.
pub fn same(one: &BlobMeta, two: &BlobMeta) -> bool {
    let times = [one, two].map(|meta| meta.last_modified);
    let apart = times[0].duration_since(times[1]).or_else(|_| times[1].duration_since(times[0])).unwrap();
    apart <= Duration::from_secs(2) && BlobMeta { last_modified: times[0], ..two.clone() } == *one
}

pub async fn bytes_come_back(store: Store) {
    for length in [1, 4096, 262_144, 262_145, 1_000_000] {
        let bytes = pattern(length);
        let meta =
            store.put(&bucket(), "k", BlobBody::Bytes(bytes.clone()), PutOptions::default()).await.unwrap();
        assert_eq!((meta.key.as_str(), meta.size), ("k", length as u64));
        let head = store.head(&bucket(), "k").await.unwrap().unwrap();
        assert!(same(&head, &meta), "{head:?} {meta:?}");
        assert_eq!(store.get(&bucket(), "k", None).await.unwrap().unwrap().meta, head);
        assert!(read(&store, "k", None).await.unwrap() == bytes);
    }
}

pub async fn streams_come_back(store: Store) {
    let bytes = pattern(700_001);
    for size in [1000, 65_536, 262_143, 262_144, 300_000, 700_001] {
        for length in [None, Some(bytes.len() as u64)] {
            let mut pieces: Vec<_> =
                bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            pieces.insert(1, Ok(Bytes::new()));
            let put =
                store.put(&bucket(), "k", streamed(pieces, length), PutOptions::default()).await.unwrap();
            assert_eq!(put.size, bytes.len() as u64);
            assert!(read(&store, "k", None).await.unwrap() == bytes, "pieces of {size}");
        }
    }
}

pub async fn an_empty_object_is_an_object(store: Store) {
    assert_eq!(put(&store, "bytes", "").await.size, 0);
    store.put(&bucket(), "stream", streamed(vec![], None), PutOptions::default()).await.unwrap();
    store
        .put(&bucket(), "stream", streamed(vec![Ok(Bytes::new())], Some(0)), PutOptions::default())
        .await
        .unwrap();
    for key in ["bytes", "stream"] {
        assert_eq!(text(&store, key).await.as_deref(), Some(""));
    }
}

pub async fn defaults_and_metadata(store: Store) {
    let meta = put(&store, "plain", "x").await;
    assert_eq!(
        (meta.content_type.as_deref(), meta.metadata),
        (Some("application/octet-stream"), BTreeMap::new())
    );
    let metadata = BTreeMap::from([
        ("author".to_owned(), "Zoë \"Z\"".to_owned()),
        ("x-n.1_2".to_owned(), String::new()),
    ]);
    let content_type = Some("text/html; charset=utf-8".to_owned());
    let options = PutOptions {
        content_type: content_type.clone(),
        metadata: metadata.clone(),
        condition: Condition::None,
    };
    let put = store.put(&bucket(), "rich", body("x"), options).await.unwrap();
    assert_eq!((&put.content_type, &put.metadata), (&content_type, &metadata));
    let head = store.head(&bucket(), "rich").await.unwrap().unwrap();
    assert!(same(&head, &put), "{head:?} {put:?}");
    // What is replaced leaves nothing of itself.
    let meta = self::put(&store, "rich", "y").await;
    assert_eq!((meta.content_type.as_deref(), meta.metadata.len()), (Some("application/octet-stream"), 0));
}

pub async fn bad_metadata_is_refused(store: Store) {
    for (name, value) in [("a b", "x"), ("", "x"), ("a", "x\r\nSet-Cookie: y"), ("a", &"x".repeat(3000))] {
        let metadata = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let put =
            store.put(&bucket(), "k", body("x"), PutOptions { metadata, ..PutOptions::default() }).await;
        assert_eq!(kind(put), ErrorKind::InvalidArgument, "{name:?}");
    }
    let content_type = Some("text/html\r\nSet-Cookie: y".to_owned());
    let put =
        store.put(&bucket(), "k", body("x"), PutOptions { content_type, ..PutOptions::default() }).await;
    assert_eq!(kind(put), ErrorKind::InvalidArgument);
    assert_eq!(text(&store, "k").await, None);
}

pub async fn what_is_not_there(store: Store) {
    for _ in 0..2 {
        for key in ["absent", "folder/absent", "k/below"] {
            assert!(store.get(&bucket(), key, None).await.unwrap().is_none());
            assert!(store.get(&bucket(), key, Some(BlobRange::From(5))).await.unwrap().is_none());
            assert!(store.head(&bucket(), key).await.unwrap().is_none());
            store.delete(&bucket(), key).await.unwrap();
            assert!(!store.copy(&bucket(), key, "copy").await.unwrap());
        }
        // The second time the bucket exists.
        put(&store, "k", "x").await;
    }
    assert_eq!(text(&store, "copy").await, None);
}

pub async fn replacing(store: Store) {
    let long = put(&store, "k", &"long".repeat(1000)).await;
    let short = put(&store, "k", "short").await;
    assert_ne!(long.etag, short.etag);
    assert_eq!(text(&store, "k").await.as_deref(), Some("short"));
}

pub async fn keys_keep_every_character(store: Store) {
    let long = [
        "x".repeat(1024),
        "ä".repeat(512),
        "/".repeat(1024),
        "a/".repeat(512),
        "X".repeat(300) + "/y",
        "%".repeat(1024),
    ];
    let long = long.into_iter().filter(|_| store.long_keys);
    let mut keys: Vec<String> = AWKWARD.iter().map(|key| (*key).to_owned()).chain(long).collect();
    if !store.beside_folders {
        keys.retain(|key| !matches!(key.as_str(), "d" | "a" | ".staging"));
    }
    for key in &keys {
        put(&store, key, key).await;
    }
    keys.sort();
    assert_eq!(all_keys(&store, "").await, keys);
    for key in &keys {
        assert_eq!(text(&store, key).await.as_ref(), Some(key));
        assert_eq!(&store.head(&bucket(), key).await.unwrap().unwrap().key, key);
    }
    for key in &keys {
        store.delete(&bucket(), key).await.unwrap();
        assert_eq!(text(&store, key).await, None, "{key:?}");
    }
    assert!(all_keys(&store, "").await.is_empty());
}

pub async fn bad_keys_are_refused(store: Store) {
    for key in ["", "a\0b", &"x".repeat(1025), &"ä".repeat(513)] {
        let at = bucket();
        assert_eq!(
            kind(store.put(&at, key, body("x"), PutOptions::default()).await),
            ErrorKind::InvalidArgument
        );
        assert_eq!(kind(store.get(&at, key, None).await), ErrorKind::InvalidArgument);
        assert_eq!(kind(store.head(&at, key).await), ErrorKind::InvalidArgument);
        assert_eq!(kind(store.delete(&at, key).await), ErrorKind::InvalidArgument);
        assert_eq!(kind(store.delete_many(&at, &[key.to_owned()]).await), ErrorKind::InvalidArgument);
        assert_eq!(kind(store.copy(&at, key, "k").await), ErrorKind::InvalidArgument);
        assert_eq!(kind(store.copy(&at, "k", key).await), ErrorKind::InvalidArgument);
    }
}

pub async fn a_key_beside_its_folder(store: Store) {
    if !store.beside_folders {
        for (first, second) in [("d", "d/x"), ("e/x", "e")] {
            put(&store, first, first).await;
            let second = store.put(&bucket(), second, body("x"), PutOptions::default()).await;
            assert_eq!(kind(second), ErrorKind::Conflict);
            assert_eq!(text(&store, first).await.as_deref(), Some(first));
        }
        assert_eq!(all_keys(&store, "").await, ["d", "e/x"]);
        return;
    }
    for key in ["d", "d/x", "d/x/y", "d/"] {
        put(&store, key, key).await;
    }
    store.delete(&bucket(), "d").await.unwrap();
    store.delete(&bucket(), "d/x").await.unwrap();
    assert_eq!(all_keys(&store, "").await, ["d/", "d/x/y"]);
    store.delete(&bucket(), "d/x/y").await.unwrap();
    assert_eq!(text(&store, "d/").await.as_deref(), Some("d/"));
}

pub async fn buckets_are_apart(store: Store) {
    let other = Bucket::new("other-bucket-1").unwrap();
    let longer = Bucket::new("default-2").unwrap();
    put(&store, "k", "default").await;
    for at in [&other, &longer] {
        assert!(store.get(at, "k", None).await.unwrap().is_none());
        assert!(store.list(at, Default::default()).await.unwrap().blobs.is_empty());
        store.put(at, "k", body("another"), PutOptions::default()).await.unwrap();
        store.delete(at, "k").await.unwrap();
    }
    assert_eq!(text(&store, "k").await.as_deref(), Some("default"));
}

pub async fn wrong_lengths_leave_nothing(store: Store) {
    for length in [0, 1, 9, 11, 1 << 20] {
        let pieces = vec![Ok(Bytes::from_static(b"hello")), Ok(Bytes::from_static(b"world"))];
        let put = store.put(&bucket(), "k", streamed(pieces, Some(length)), PutOptions::default()).await;
        assert_eq!(kind(put), ErrorKind::InvalidArgument, "{length}");
        assert_eq!(text(&store, "k").await, None);
    }
    assert!(all_keys(&store, "").await.is_empty());
}

pub async fn failing_streams_leave_nothing(store: Store) {
    for before in [0, 1, 600_000] {
        let failure = Error::new(ErrorKind::BodyTooLarge, "the client sent too much");
        let pieces = vec![Ok(pattern(before)), Err(failure)];
        let put = store.put(&bucket(), "k", streamed(pieces, None), PutOptions::default()).await;
        assert_eq!(put.unwrap_err().message(), "the client sent too much");
        assert_eq!(text(&store, "k").await, None);
    }
    assert!(all_keys(&store, "").await.is_empty());
}

pub async fn dropped_writes_leave_nothing(store: Store) {
    let endless = stream::iter([Ok(pattern(600_000))]).chain(stream::pending()).boxed();
    let (at, options) = (bucket(), PutOptions::default());
    let put = store.put(&at, "k", BlobBody::Stream { stream: endless, length: None }, options);
    assert!(tokio::time::timeout(Duration::from_millis(200), put).await.is_err());
    assert_eq!(text(&store, "k").await, None);
    assert!(all_keys(&store, "").await.is_empty());
}

pub async fn failed_writes_keep_the_old_object(store: Store) {
    let old = put(&store, "k", "old").await;
    let pieces = vec![Ok(pattern(300_000)), Err(Error::internal("cut"))];
    store.put(&bucket(), "k", streamed(pieces, None), PutOptions::default()).await.unwrap_err();
    store.put(&bucket(), "k", streamed(vec![], Some(1)), PutOptions::default()).await.unwrap_err();
    let head = store.head(&bucket(), "k").await.unwrap().unwrap();
    assert!(same(&head, &old), "{head:?} {old:?}");
    assert_eq!(text(&store, "k").await.as_deref(), Some("old"));
}

pub async fn etags_follow_content(store: Store) {
    let one = put(&store, "k", "one").await.etag;
    assert!(!one.is_empty() && !one.contains('"'));
    let two = put(&store, "k", "two").await.etag;
    store.delete(&bucket(), "k").await.unwrap();
    let three = put(&store, "k", "three").await.etag;
    assert!(one != two && two != three && one != three);
    assert_eq!(store.head(&bucket(), "k").await.unwrap().unwrap().etag, three);
}

pub async fn times_go_forward(store: Store) {
    let second = Duration::from_secs(1);
    let before = SystemTime::now() - second;
    let first = put(&store, "k", "one").await.last_modified;
    let then = put(&store, "k", "two").await.last_modified;
    assert!(before <= first && first <= then && then <= SystemTime::now() + second);
}

pub async fn presigning(store: Store) {
    let expires_in = Duration::from_secs(60);
    let presign = Presign { method: PresignMethod::Get, expires_in, content_type: None };
    // A store that cannot sign says so; one that can gives a URL.
    if let Some(url) = store.presign(&bucket(), "a b", &presign).await.unwrap() {
        assert!(url.starts_with("http"), "{url}");
    }
}

pub async fn pinging(store: Store) {
    store.ping(&bucket()).await.unwrap();
    assert!(all_keys(&store, "").await.is_empty());
}

pub async fn closing(store: Store) {
    put(&store, "k", "x").await;
    store.close().await;
    store.close().await;
    assert_eq!(kind(store.ping(&bucket()).await), ErrorKind::StoreUnavailable);
    assert_eq!(kind(store.get(&bucket(), "k", None).await), ErrorKind::StoreUnavailable);
    assert_eq!(kind(store.list(&bucket(), Default::default()).await), ErrorKind::StoreUnavailable);
    let put = store.put(&bucket(), "k", body("y"), PutOptions::default()).await;
    assert_eq!(kind(put), ErrorKind::StoreUnavailable);
}
