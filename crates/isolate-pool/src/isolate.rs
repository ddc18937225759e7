use std::rc::Rc;
use std::sync::Arc;

use tandem_contract::{HostValue, OpMode, OpSpec, Program, Result};

use crate::driver::Driver;

/// Operations that the pool itself answers. Engines give them ids that follow the host's own.
pub const LOCAL_OPS: [OpSpec; 1] = [OpSpec { name: "reply.write", mode: OpMode::Async }];

/// Byte arrays up to this size are given to scripts as copies, longer ones as they are where nobody
/// else holds them. A short piece may be all that is left of a long buffer, and would keep more memory
/// than the function is charged for.
pub const COPIED_BYTES: usize = 256 << 10;

/// Makes isolates of one engine.
pub trait IsolateFactory: Send + Sync + 'static {
    /// What it makes.
    type Isolate: Isolate;

    /// Makes a blank isolate, which stays on the calling thread.
    ///
    /// # Errors
    /// `Internal` when the engine cannot start one.
    fn create(&self, driver: Rc<Driver>) -> Result<Self::Isolate>;
}

/// One heap of an engine with at most one function loaded. Every method runs the jobs that
/// became ready before it returns, and returns soon after the driver's interrupt flag is raised.
pub trait Isolate {
    /// Decides what the isolate runs from now on; called once.
    fn load(&mut self, program: Arc<Program>);

    /// Starts the invocation in `slot`.
    fn start(&mut self, slot: u32);

    /// Answers the host call `call` of `slot`.
    fn settle(&mut self, slot: u32, call: u32, result: Result<HostValue>);

    /// Drops what it holds for an invocation that was stopped.
    fn forget(&mut self, slot: u32);

    /// Gives back what it only needs while it runs: nothing has happened for a while.
    fn rest(&mut self) {}

    /// Whether it went over its memory limit and has to go.
    fn is_exhausted(&self) -> bool;
}
