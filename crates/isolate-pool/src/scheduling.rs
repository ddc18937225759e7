//! What the system's scheduler is told of the threads that serve requests and of those of isolates.

/// Has the calling thread wait for its turn when it is woken, instead of taking the processor from
/// the thread that woke it: that one has more to pass on, and what it passes on meanwhile is dealt
/// with in one go. Where a processor is free the thread starts at once, as ever. For isolates it halves
/// the processor time of small calls where both threads share a processor (`hello` of `bench/`). For
/// threads that serve requests the one that wakes may be a database of the same machine, which takes a third
/// less for a small answer so (`findOne` of `bench/stores` on `MongoDB`).
pub fn run_in_batches() {
    #[cfg(target_os = "linux")]
    set(libc::SCHED_BATCH);
}

/// Has the calling thread wake for a timer this soon after it is due: 50 µs, Linux's default, are 1%
/// of a timer of 5 ms. With none at all, timers that are due together wake it one by one, which
/// costs a tenth more processor time (`async` of `bench/`).
pub(crate) fn wake_on_time() {
    #[cfg(target_os = "linux")]
    {
        const SLACK: Option<std::num::NonZeroU64> = std::num::NonZeroU64::new(30_000);
        if let Err(error) = rustix::thread::set_current_timer_slack(SLACK) {
            tracing::debug!(%error, "a thread wakes for timers as any other");
        }
    }
}

/// Calls `start`, whose new threads are scheduled as those of isolates: for an engine's own threads,
/// which must not take the processor from the isolate that wakes them.
pub fn start_in_batches<T>(start: impl FnOnce() -> T) -> T {
    run_in_batches();
    let started = start();
    #[cfg(target_os = "linux")]
    set(libc::SCHED_OTHER);
    started
}

/// Threads started by the calling thread inherit it.
#[cfg(target_os = "linux")]
fn set(policy: libc::c_int) {
    #[expect(unsafe_code, reason = "no crate here wraps the call")]
    // SAFETY: the call reads one structure, which is plain data. Zero means the calling thread.
    let failed = unsafe {
        let parameters: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, policy, &raw const parameters) != 0
    };
    if failed {
        tracing::debug!(error = %std::io::Error::last_os_error(), "a thread is scheduled as any other");
    }
}

/// Puts a thread behind every other: it may go on for a while and nobody waits for it.
pub(crate) fn give_way(thread: rustix::thread::Pid) {
    const LOWEST: i32 = 19;
    // Linux keeps niceness for each thread. Elsewhere this fails and nothing is lost.
    if let Err(error) = rustix::process::setpriority_process(Some(thread), LOWEST) {
        tracing::debug!(%error, "a condemned thread keeps its priority");
    }
}
