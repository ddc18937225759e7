//! What the system is told of the process before it has a second thread: what it says goes for all
//! that it starts. Where something is refused, the process works as any other.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use tandem_isolate_pool::large_blocks;

/// Prepares the process. To be called first of all.
pub(crate) fn prepare() {
    #[cfg(target_os = "linux")]
    keep_pages_small();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    keep_little_that_is_free();
}

/// A huge page under each isolate's thread would cost more than the isolate.
#[cfg(target_os = "linux")]
fn keep_pages_small() {
    // Systems without huge pages refuse this and need it not.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
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
