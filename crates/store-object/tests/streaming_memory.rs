//! A large object passes through the store `local` without passing through memory. Alone in its
//! program, so that no other test's memory is measured.
#![cfg(test)]

mod opening;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tandem_contract::{BlobBody, Bucket, PutOptions};

const PIECE: usize = 64 * 1024;
const PIECES: usize = 4096;
/// Far below the 256 MiB that pass through.
const GROWTH: u64 = 16 << 20;

/// The most memory that this process ever held, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
async fn a_large_object_needs_little_memory() {
    let (store, _folder) = opening::local().await;
    let bucket = Bucket::new("default").unwrap();
    let before = peak();
    let pieces = (0..PIECES).map(|n| Ok(Bytes::from(vec![n as u8; PIECE])));
    let body =
        BlobBody::Stream { stream: stream::iter(pieces).boxed(), length: Some((PIECE * PIECES) as u64) };
    store.put(&bucket, "large", body, PutOptions::default()).await.unwrap();
    assert!(store.copy(&bucket, "large", "copy").await.unwrap());
    let mut read = store.get(&bucket, "copy", None).await.unwrap().unwrap();
    let mut at = 0;
    while let Some(piece) = read.stream.next().await {
        for part in piece.unwrap().chunks(PIECE) {
            assert!(part.iter().all(|byte| *byte == at as u8));
            at += 1;
        }
    }
    assert_eq!(at, PIECES);
    let growth = peak() - before;
    assert!(growth < GROWTH, "grew by {growth} bytes");
}
