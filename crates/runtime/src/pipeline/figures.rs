use std::sync::{Arc, Weak};

use super::Pipeline;
use crate::metrics::Figure;

/// Has the metrics show what the pipeline and its engine hold at the time they are read.
pub(super) fn register(pipeline: &Arc<Pipeline>) {
    // The pipeline holds the metrics: a strong reference here would keep both for ever.
    let weak = Arc::downgrade(pipeline);
    pipeline
        .metrics
        .register_source(move || Weak::upgrade(&weak).map_or_else(Vec::new, |pipeline| figures(&pipeline)));
}

fn figures(pipeline: &Pipeline) -> Vec<Figure> {
    let gauge = |name, help, value| Figure { name, help, value, monotonic: false };
    let counter = |name, help, value| Figure { name, help, value, monotonic: true };
    let engine = pipeline.engine.metrics();
    vec![
        gauge(
            "in_flight",
            "Invocations over HTTP that were admitted and run",
            pipeline.admission.in_flight() as u64,
        ),
        gauge("queued", "Invocations over HTTP that wait for admission", pipeline.admission.waiting() as u64),
        gauge("cached_functions", "Functions held ready to run", pipeline.resolver.len() as u64),
        gauge("log_records", "Invocations whose lines are kept", pipeline.logs.len() as u64),
        gauge("isolates", "Isolates resident", engine.isolates),
        gauge("spare_isolates", "Isolates prepared ahead of demand", engine.spare),
        gauge("isolate_invocations", "Invocations in flight in isolates, nested ones too", engine.in_flight),
        counter("isolates_created", "Isolates made", engine.created),
        counter("isolates_evicted", "Isolates dropped to make room", engine.evicted),
        counter("isolates_discarded", "Isolates thrown away after a limit", engine.discarded),
        counter("isolate_hits", "Invocations that found an isolate with their program", engine.isolate_hits),
        counter("isolate_misses", "Invocations that waited for a new isolate", engine.isolate_misses),
        counter("code_cache_hits", "Programs found in the code cache", engine.code_cache_hits),
        counter("code_cache_misses", "Programs that had to be compiled", engine.code_cache_misses),
        counter("condemned_threads", "Threads that did not yield and were replaced", engine.condemned),
    ]
}
