use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lru::LruCache;
use parking_lot::Mutex;

/// Compiled programs, at most.
const ENTRIES: usize = 4096;
/// Bytes of compiled programs, at most.
const BYTES: usize = 64 * 1024 * 1024;

/// What an engine keeps of a compiled program for further isolates.
pub trait Compiled {
    /// Bytes that it holds.
    fn size(&self) -> usize;
}

/// What compiling gave, by hash of the compiled text, shared by all isolates. Looked at when a
/// function is loaded into an isolate, not when it is called. The least recently used goes first.
pub struct CodeCache<C> {
    entries: Mutex<Entries<C>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

struct Entries<C> {
    codes: LruCache<String, Arc<C>>,
    bytes: usize,
}

impl<C: Compiled> Default for CodeCache<C> {
    fn default() -> Self {
        let most = NonZeroUsize::new(ENTRIES).unwrap_or(NonZeroUsize::MIN);
        Self {
            entries: Mutex::new(Entries { codes: LruCache::new(most), bytes: 0 }),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }
}

impl<C: Compiled> CodeCache<C> {
    /// What is kept under `key`; counts a hit or a miss.
    pub fn get(&self, key: &str) -> Option<Arc<C>> {
        let found = self.entries.lock().codes.get(key).cloned();
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps `code` under `key`, in place of what was there.
    pub fn put(&self, key: String, code: Arc<C>) {
        let mut entries = self.entries.lock();
        entries.bytes += code.size();
        if let Some((_, old)) = entries.codes.push(key, code) {
            entries.bytes -= old.size();
        }
        while entries.bytes > BYTES {
            let Some((_, old)) = entries.codes.pop_lru() else { break };
            entries.bytes -= old.size();
        }
    }

    /// Programs found so far.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Programs that had to be compiled so far.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}
