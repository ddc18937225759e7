//! What the system is told of the process before it has a second thread: what it says goes for all
//! that it starts. Where something is refused, the process works as any other.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use tandem_isolate_pool::large_blocks;

/// Prepares the process. To be called first of all.
pub(crate) fn prepare() {
    #[cfg(target_os = "linux")]
    {
        keep_pages_small();
        take_short_turns();
    }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    keep_little_that_is_free();
}

/// A huge page under each isolate's thread would cost more than the isolate.
#[cfg(target_os = "linux")]
fn keep_pages_small() {
    // Systems without huge pages refuse this and need it not.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Makes the turns short that threads take at a processor, which Linux lets a thread choose from 6.12
/// on. With the usual ones of some milliseconds, threads that serve HTTP and those of isolates would
/// each do their part for all requests at hand before the other begins, and timers that were set
/// together would stay together (`async` of `bench/`: 83% of the rate that is possible with 64 in
/// flight, 91% so).
#[cfg(target_os = "linux")]
fn take_short_turns() {
    /// The shortest that Linux accepts, in nanoseconds.
    const TURN: u64 = 100_000;
    const SIZE: u32 = size_of::<libc::sched_attr>() as u32;
    #[expect(unsafe_code, reason = "no crate here wraps the calls")]
    // SAFETY: the calls read and write one structure, which is plain data and whose size they are told.
    // Zero means the calling thread.
    unsafe {
        let mut attributes: libc::sched_attr = std::mem::zeroed();
        if libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) != 0 {
            return;
        }
        // Under a policy for real time the same field means something else.
        if [libc::SCHED_OTHER, libc::SCHED_BATCH].map(i32::cast_unsigned).contains(&attributes.sched_policy) {
            attributes.sched_runtime = TURN;
            libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
        }
    }
}

/// Large blocks are kept for a moment by the program's own allocator ([`large_blocks`]). Left alone,
/// the C library learns from the largest block that was freed how much it may keep: up
/// to 64 MiB at the end of each of its heaps, of which there are many. Functions that took all the
/// memory they may have would leave a server several times as large as it was.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_little_that_is_free() {
    /// Blocks of so many bytes go back to the system one by one, and so does the end of a heap.
    const LARGE: libc::c_int = large_blocks::LARGE as libc::c_int;
    #[expect(unsafe_code, reason = "settings of the C library have no safe interface")]
    // SAFETY: no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
    }
}
