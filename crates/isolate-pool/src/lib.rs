//! Threads that own isolates.
//!
//! An isolate lives on one thread from its making to its end. The pool picks the isolate that
//! runs an invocation, makes and evicts isolates, and sees to it that every invocation is
//! answered at its limits, whatever the code in the isolate does. It knows nothing of JavaScript:
//! an engine gives it an [`IsolateFactory`].
//!
//! Stopping happens in three steps. At a limit the client is answered and the invocation's host
//! calls are refused; code that still runs for it is interrupted; a thread that does not yield
//! within [`EngineLimits::stop_grace`](tandem_contract::EngineLimits) is condemned: taken out of
//! the pool at once and left to end by itself.

#[expect(unsafe_code, reason = "an allocator")]
pub mod allocator;
mod call;
mod code_cache;
mod counters;
mod driver;
mod group;
mod handle;
mod in_flight;
mod isolate;
#[expect(unsafe_code, reason = "an allocator's blocks")]
pub mod large_blocks;
mod life_cycle;
mod mailbox;
mod meter;
mod panics;
mod placement;
mod pool;
mod processor_time;
mod queue;
mod relay;
mod reply_stream;
mod scheduling;
mod thread;
mod trim;
mod watchdog;

pub use code_cache::{CodeCache, Compiled};
pub use driver::Driver;
pub use handle::InterruptFlag;
pub use isolate::{COPIED_BYTES, Isolate, IsolateFactory, LOCAL_OPS};
pub use pool::IsolatePool;
pub use scheduling::{run_in_batches, start_in_batches};
