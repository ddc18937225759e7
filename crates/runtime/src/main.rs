//! The binary `tandem`.

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
