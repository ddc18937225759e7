//! V8's own start, once a process.

use std::sync::OnceLock;

/// Threads that compile and collect garbage for all isolates.
const WORKERS: u32 = 1;

/// What V8 is told before it starts.
///
/// - `--single-threaded-gc`: an isolate collects on its own thread, whose processor time its
///   limits count. It does not cover the collections of young objects: `--no-parallel-scavenge`.
/// - `--no-turboshaft-loop-unrolling`: a hot loop that the optimizer unrolls looks for interrupts no
///   more, so that nothing ends it.
const FLAGS: &str = "--single-threaded-gc --no-parallel-scavenge --no-turboshaft-loop-unrolling";

static PLATFORM: OnceLock<v8::SharedRef<v8::Platform>> = OnceLock::new();

/// Whether the process has one thread only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// Every thread to come descends from this one.
    One,
    /// Others may exist already.
    Several,
}

/// Starts V8 if it has not started. Where processors have protection keys, V8 guards its code
/// with one that only threads started after it can use: with other threads about, it has to do
/// without.
pub(crate) fn start(threads: Threads) {
    PLATFORM.get_or_init(|| {
        v8::V8::set_flags_from_string(FLAGS);
        crate::fatal::take_over();
        // A collection asks a worker to help and then does the work itself, unless the worker is
        // quicker, and that would only move it.
        let platform = tandem_isolate_pool::start_in_batches(|| match threads {
            Threads::One => v8::new_default_platform(WORKERS, false),
            Threads::Several => v8::new_unprotected_default_platform(WORKERS, false),
        });
        let platform = platform.make_shared();
        v8::V8::initialize_platform(platform.clone());
        v8::V8::initialize();
        platform
    });
}

/// Runs what V8 has put off for `isolate`, which is this thread's.
pub(crate) fn run_tasks(isolate: &v8::Isolate) {
    if let Some(platform) = PLATFORM.get() {
        while v8::Platform::pump_message_loop(platform, isolate, false) {}
    }
}
