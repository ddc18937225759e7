//! The binary `tandem`.

fn main() -> std::process::ExitCode {
    keep_pages_small();
    keep_little_that_is_free();
    tandem_runtime::cli::main()
}

/// A huge page under each isolate's thread would cost more than the isolate.
#[cfg(target_os = "linux")]
fn keep_pages_small() {
    // Systems without huge pages refuse this and need it not.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

#[cfg(not(target_os = "linux"))]
const fn keep_pages_small() {}

/// Left alone, the C library learns from the largest block that was freed how much it may keep: up
/// to 64 MiB at the end of each of its heaps, of which there are many. Functions that took all the
/// memory they may have would leave a server several times as large as it was.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_little_that_is_free() {
    /// Blocks of so many bytes go back to the system one by one, and so does the end of a heap.
    const LARGE: libc::c_int = 1 << 20;
    #[expect(unsafe_code, reason = "settings of the C library have no safe interface")]
    // SAFETY: no other thread runs yet. Where a setting is refused, all stays as it was.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
const fn keep_little_that_is_free() {}
