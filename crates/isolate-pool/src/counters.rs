use std::sync::atomic::{AtomicU64, Ordering};

use tandem_contract::EngineMetrics;

/// What the pool counts. Engines add their code cache's figures.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) isolates: AtomicU64,
    pub(crate) spare: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) created: AtomicU64,
    pub(crate) evicted: AtomicU64,
    pub(crate) discarded: AtomicU64,
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) condemned: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn subtract(counter: &AtomicU64) {
        counter.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn metrics(&self) -> EngineMetrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        EngineMetrics {
            isolates: read(&self.isolates),
            spare: read(&self.spare),
            in_flight: read(&self.in_flight),
            created: read(&self.created),
            evicted: read(&self.evicted),
            discarded: read(&self.discarded),
            isolate_hits: read(&self.hits),
            isolate_misses: read(&self.misses),
            code_cache_hits: 0,
            code_cache_misses: 0,
            condemned: read(&self.condemned),
        }
    }
}
