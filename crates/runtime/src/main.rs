//! The binary `tandem`.

/// Isolates come and go by the thousand on many threads; the system's allocator would hold on to
/// what they leave.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tandem_runtime::cli::main()
}
