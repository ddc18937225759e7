//! What the system's scheduler is told of isolates' threads.

/// Has the calling thread wait for its turn when it is woken, instead of taking the processor from
/// the thread that woke it: that one has more requests to pass on, and what it passes on meanwhile
/// is run in one go. Where a processor is free the thread starts at once, as ever. Halves the
/// processor time of small calls where both threads share a processor (`hello` of `bench/`).
#[cfg(target_os = "linux")]
pub(crate) fn run_in_batches() {
    #[expect(unsafe_code, reason = "no crate here wraps the call")]
    // SAFETY: the call reads one structure, which is plain data. Zero means the calling thread.
    let failed = unsafe {
        let parameters: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) != 0
    };
    if failed {
        tracing::debug!(error = %std::io::Error::last_os_error(), "an isolate is scheduled as any thread");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) const fn run_in_batches() {}

/// Puts a thread behind every other: it may go on for a while and nobody waits for it.
pub(crate) fn give_way(thread: rustix::thread::Pid) {
    const LOWEST: i32 = 19;
    // Linux keeps niceness for each thread. Elsewhere this fails and nothing is lost.
    if let Err(error) = rustix::process::setpriority_process(Some(thread), LOWEST) {
        tracing::debug!(%error, "a condemned thread keeps its priority");
    }
}
