//! The binary `tandem`.

mod process;

#[global_allocator]
static ALLOCATOR: tandem_isolate_pool::allocator::Allocator = tandem_isolate_pool::allocator::Allocator;

fn main() -> std::process::ExitCode {
    process::prepare();
    tandem_runtime::cli::main()
}
