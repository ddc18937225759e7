//! A gibibyte passes through the store without passing through memory. Alone in its program, so
//! that no other test's memory is measured.
#![cfg(test)]
#![cfg(target_os = "linux")]

#[path = "it/servers.rs"]
mod servers;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tandem_contract::{BlobBody, Bucket, PutOptions};

const PIECE: usize = 1 << 20;
const PIECES: usize = 1024;
/// Parts on their way, and what the client holds for them.
const MOST: u64 = 64 << 20;

/// The most memory that this process ever held, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[tokio::test]
async fn a_gibibyte_needs_little_memory() {
    for server in servers::all() {
        let store = servers::open(server.settings()).await.unwrap();
        let bucket = Bucket::new("streaming").unwrap();
        store
            .put(&bucket, "warm", BlobBody::Bytes(Bytes::from_static(b"up")), PutOptions::default())
            .await
            .unwrap();
        let before = peak();
        let pieces = stream::iter(0..PIECES).map(|n| Ok(Bytes::from(vec![n as u8; PIECE]))).boxed();
        let body = BlobBody::Stream { stream: pieces, length: None };
        let written = store.put(&bucket, "large", body, PutOptions::default()).await.unwrap();
        assert_eq!(written.size, (PIECE * PIECES) as u64);
        let mut read = store.get(&bucket, "large", None).await.unwrap().unwrap();
        let mut at = 0;
        while let Some(piece) = read.stream.next().await {
            let mut piece = piece.unwrap();
            while !piece.is_empty() {
                let part = piece.split_to(piece.len().min(PIECE - at % PIECE));
                assert!(part == vec![(at / PIECE) as u8; part.len()], "{} at {at}", server.name);
                at += part.len();
            }
        }
        assert_eq!(at, PIECE * PIECES);
        store.delete(&bucket, "large").await.unwrap();
        let grown = peak() - before;
        assert!(grown < MOST, "{}: grew by {grown} bytes", server.name);
        println!("{}: grew by {} KiB", server.name, grown >> 10);
    }
}
