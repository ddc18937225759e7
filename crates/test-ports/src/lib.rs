//! Ports for servers that a test starts, and may kill and start again at the same place.

use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Above the ports of most well-known servers.
const LOWEST: u16 = 10_240;
/// Up to 32,768, from where Linux gives ports to connections (`ip_local_port_range`). One of those
/// could be taken by anybody's connection before the server listens, even by a client that tries to
/// reach that very server: it is then connected to itself and keeps the server from starting.
const SPAN: u16 = 22_528;

/// Where the next answer is looked for: never twice at the same place, and seldom where another
/// process looks.
static NEXT: LazyLock<AtomicU16> =
    LazyLock::new(|| AtomicU16::new((std::process::id() as u16).wrapping_mul(101)));

/// A port that is free.
///
/// # Errors
/// That none is.
pub fn free() -> Result<u16, String> {
    free_range(1, 0)
}

/// The first of `count` consecutive ports that are free, as are those `above` them, for servers that
/// listen on others at a fixed distance (0 for none). None of them is given again before ten
/// thousand others were.
///
/// # Errors
/// That there are no such ports.
pub fn free_range(count: u16, above: u16) -> Result<u16, String> {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let span = SPAN - above - count;
    (0..span)
        .map(|_| LOWEST + NEXT.fetch_add(count, Ordering::Relaxed) % span)
        .find(|first| (*first..first + count).all(|port| is_free(port) && is_free(port + above)))
        .ok_or_else(|| format!("no {count} consecutive ports are free from {LOWEST} on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_given_once() {
        let taken = free().unwrap();
        let _listener = TcpListener::bind(("127.0.0.1", taken)).unwrap();
        let firsts = (0..100).map(|_| free_range(4, 10_000).unwrap());
        let mut given: Vec<u16> = firsts.flat_map(|first| first..first + 4).collect();
        assert!(given.iter().all(|port| (LOWEST..LOWEST + SPAN - 10_000).contains(port)));
        assert!(!given.contains(&taken));
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), 400);
    }
}
