use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lru::LruCache;
use parking_lot::Mutex;
use tandem_compiler::async_context::ColumnMap;

/// Compiled programs, at most.
const ENTRIES: usize = 4096;
/// Bytes of compiled programs, at most.
const BYTES: usize = 64 * 1024 * 1024;

/// What compiling a module gave: everything that a further isolate needs of it.
pub(crate) struct Code {
    /// QuickJS bytecode, made by this process.
    pub(crate) bytecode: Vec<u8>,
    /// Maps columns back to before the awaits were rewritten.
    pub(crate) columns: ColumnMap,
    /// Columns that the wrapper of a CommonJS module puts before its first line.
    pub(crate) wrapper: u32,
}

impl Code {
    /// The place in the text that was compiled of a place in what the engine loaded.
    pub(crate) fn original(&self, line: u32, column: u32) -> (u32, u32) {
        let column = if line == 1 { column.saturating_sub(self.wrapper).max(1) } else { column };
        self.columns.original(line, column)
    }
}

/// Bytecode by hash of the compiled text, shared by all isolates. Looked at when a function is
/// loaded into an isolate, not when it is called.
pub(crate) struct CodeCache {
    entries: Mutex<Entries>,
    hits: AtomicU64,
    misses: AtomicU64,
}

struct Entries {
    codes: LruCache<String, Arc<Code>>,
    bytes: usize,
}

impl CodeCache {
    pub(crate) fn new() -> Self {
        let most = NonZeroUsize::new(ENTRIES).unwrap_or(NonZeroUsize::MIN);
        Self {
            entries: Mutex::new(Entries { codes: LruCache::new(most), bytes: 0 }),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<Code>> {
        let found = self.entries.lock().codes.get(key).cloned();
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(crate) fn put(&self, key: String, code: Arc<Code>) {
        let mut entries = self.entries.lock();
        entries.bytes += code.bytecode.len();
        if let Some((_, old)) = entries.codes.push(key, code) {
            entries.bytes -= old.bytecode.len();
        }
        while entries.bytes > BYTES {
            let Some((_, old)) = entries.codes.pop_lru() else { break };
            entries.bytes -= old.bytecode.len();
        }
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}
