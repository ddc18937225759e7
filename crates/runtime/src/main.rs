//! The binary `tandem`.

mod process;

#[global_allocator]
static ALLOCATOR: tandem_isolate_pool::large_blocks::Allocator = tandem_isolate_pool::large_blocks::Allocator;

fn main() -> std::process::ExitCode {
    process::prepare();
    tandem_runtime::cli::main()
}
