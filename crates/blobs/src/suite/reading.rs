//! Ranges, streams, and reads while others write.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future};
use tandem_contract::{BlobBody, BlobRange, ErrorKind, PutOptions};

use super::cases::{Store, bucket, kind, pattern, put, read};

pub async fn ranges(store: Store) {
    let bytes = pattern(700_000);
    store.put(&bucket(), "k", BlobBody::Bytes(bytes.clone()), PutOptions::default()).await.unwrap();
    for (range, expected) in [
        (BlobRange::Bounded { start: 0, end: 1 }, 0..1),
        (BlobRange::Bounded { start: 262_143, end: 524_289 }, 262_143..524_289),
        (BlobRange::Bounded { start: 699_999, end: u64::MAX }, 699_999..700_000),
        (BlobRange::From(0), 0..700_000),
        (BlobRange::From(699_990), 699_990..700_000),
        (BlobRange::Suffix(1), 699_999..700_000),
        (BlobRange::Suffix(u64::MAX), 0..700_000),
    ] {
        let found = store.get(&bucket(), "k", Some(range)).await.unwrap().unwrap();
        assert_eq!((found.meta.size, &found.range), (700_000, &(expected.start as u64..expected.end as u64)));
        assert!(read(&store, "k", Some(range)).await.unwrap() == bytes[expected], "{range:?}");
    }
}

pub async fn bad_ranges_are_refused(store: Store) {
    put(&store, "k", "0123456789").await;
    put(&store, "empty", "").await;
    for (key, range) in [
        ("k", BlobRange::From(10)),
        ("k", BlobRange::From(u64::MAX)),
        ("k", BlobRange::Bounded { start: 10, end: 20 }),
        ("k", BlobRange::Bounded { start: 5, end: 5 }),
        ("k", BlobRange::Bounded { start: 6, end: 5 }),
        ("k", BlobRange::Suffix(0)),
        ("empty", BlobRange::From(0)),
    ] {
        assert_eq!(
            kind(store.get(&bucket(), key, Some(range)).await),
            ErrorKind::InvalidArgument,
            "{range:?}"
        );
    }
}

pub async fn reads_come_in_pieces(store: Store) {
    store.put(&bucket(), "k", BlobBody::Bytes(pattern(3_000_000)), PutOptions::default()).await.unwrap();
    let mut found = store.get(&bucket(), "k", None).await.unwrap().unwrap();
    while let Some(piece) = found.stream.next().await {
        assert!((1..=262_144).contains(&piece.unwrap().len()));
    }
}

pub async fn a_read_keeps_its_version(store: Store) {
    let old = pattern(2_000_000);
    store.put(&bucket(), "k", BlobBody::Bytes(old.clone()), PutOptions::default()).await.unwrap();
    let mut replaced = store.get(&bucket(), "k", None).await.unwrap().unwrap();
    let deleted = store.get(&bucket(), "k", None).await.unwrap().unwrap();
    let first = replaced.stream.next().await.unwrap().unwrap();
    put(&store, "k", "new").await;
    store.delete(&bucket(), "k").await.unwrap();
    let rest: Vec<Bytes> = replaced.stream.try_collect().await.unwrap();
    assert!([vec![first], rest].concat().concat() == old);
    let whole: Vec<Bytes> = deleted.stream.try_collect().await.unwrap();
    assert!(whole.concat() == old);
}

pub async fn concurrent_writes_are_whole(store: Store) {
    let writers = (0..4u8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..20u8 {
                let bytes = Bytes::from(vec![n * 20 + round; 300_000]);
                let options = PutOptions {
                    content_type: Some(format!("x/{}", n * 20 + round)),
                    ..PutOptions::default()
                };
                store.put(&bucket(), "a/b/k", BlobBody::Bytes(bytes), options).await.unwrap();
                // Empty folders come and go under the other writers.
                store.delete(&bucket(), "a/b/k").await.unwrap();
            }
        })
    });
    let writers = future::join_all(writers);
    let reader = async {
        for _ in 0..100 {
            if let Some(found) = store.get(&bucket(), "a/b/k", None).await.unwrap() {
                let bytes: Vec<Bytes> = found.stream.try_collect().await.unwrap();
                let bytes = bytes.concat();
                assert!(bytes.len() == 300_000 && bytes.iter().all(|byte| *byte == bytes[0]));
                if store.whole_versions {
                    assert_eq!(found.meta.content_type, Some(format!("x/{}", bytes[0])));
                }
            }
        }
    };
    let (written, ()) = future::join(writers, reader).await;
    written.into_iter().for_each(|writer| writer.unwrap());
}
