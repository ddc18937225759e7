//! Runs the recursive passes where their stack cannot overflow.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use tandem_contract::{Error, ErrorKind, Result};

use crate::nesting::Nesting;

/// Stack that any caller is taken to have left: half of the 2 MiB that threads have by default.
const IN_PLACE: usize = 1 << 20;
/// What the passes need besides what nesting adds.
const BASE: usize = 128 << 10;

/// Runs `pass` with enough stack for a text of this nesting: on this thread if that is sure to
/// have it, else on one of its own.
///
/// # Errors
/// Those of `pass`; `CompileError` when it panics; `Internal` when no thread can be had.
pub(crate) fn with_stack_for<T: Send>(
    nesting: &Nesting,
    pass: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let needed = BASE + nesting.stack_bytes();
    let guarded = || catch_unwind(AssertUnwindSafe(pass)).unwrap_or_else(|_| Err(gave_up()));
    if needed <= IN_PLACE {
        return guarded();
    }
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("compiler".to_owned()).stack_size(needed);
        let handle = worker.spawn_scoped(scope, guarded).map_err(Error::internal)?;
        handle.join().unwrap_or_else(|_| Err(gave_up()))
    })
}

fn gave_up() -> Error {
    Error::new(ErrorKind::CompileError, "The compiler gave up on this source: simplify it and publish again")
}
