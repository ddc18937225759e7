//! Operations of the host that panic. An isolate's thread must not unwind: it would do so through
//! frames of the engine, which ends the process. And a promise that nobody settles keeps its
//! function waiting until its deadline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tandem_contract::{Error, HostValue, Result};

/// Runs a synchronous operation. What it panics of was printed by then; the function gets
/// `Internal`.
pub(crate) fn caught(operation: impl FnOnce() -> Result<HostValue>) -> Result<HostValue> {
    // What it shares with others is behind locks that no panic poisons.
    catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|_| Err(panicked()))
}

/// Polls an asynchronous one; after a panic it is over.
pub(crate) fn poll_caught(
    operation: Pin<&mut (impl Future<Output = Result<HostValue>> + ?Sized)>,
    context: &mut Context<'_>,
) -> Poll<Result<HostValue>> {
    let poll = catch_unwind(AssertUnwindSafe(|| operation.poll(context)));
    poll.unwrap_or_else(|_| Poll::Ready(Err(panicked())))
}

fn panicked() -> Error {
    Error::internal("an operation of the host panicked")
}
