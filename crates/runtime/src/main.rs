//! The binary `tandem`.

/// Isolates come and go by the thousand on many threads; the system's allocator would hold on to
/// what they leave.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    keep_pages_small();
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
