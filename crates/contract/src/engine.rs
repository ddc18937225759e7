use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Host, Invocation, Outcome, Program, Result};

/// What bounds an isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// Isolates resident at most; the least recently used goes first. Calls between functions
    /// may exceed it for as long as they last, so that callers never wait for themselves.
    pub isolates: usize,
    /// Isolates of one function.
    pub isolates_per_function: usize,
    /// Invocations in flight in one isolate.
    pub concurrency: usize,
    /// Invocations that may wait for an isolate before more are refused.
    pub queue: usize,
    /// Bytes of one isolate, array buffers included.
    pub memory: usize,
    /// Bytes of stack.
    pub stack: usize,
    /// How long a stopped isolate may take to yield before its thread is condemned.
    pub stop_grace: Duration,
}

/// What an engine counts. Monotonic but for the gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineMetrics {
    /// Gauge: isolates resident now.
    pub isolates: u64,
    /// Gauge: isolates prepared ahead of demand.
    pub spare: u64,
    /// Gauge: invocations in flight in isolates.
    pub in_flight: u64,
    /// Isolates made.
    pub created: u64,
    /// Isolates dropped to make room.
    pub evicted: u64,
    /// Isolates thrown away after a limit.
    pub discarded: u64,
    /// Invocations that found an isolate with their program.
    pub isolate_hits: u64,
    /// Invocations that had to wait for a new isolate.
    pub isolate_misses: u64,
    /// Programs found in the bytecode or code cache.
    pub code_cache_hits: u64,
    /// Programs that had to be compiled.
    pub code_cache_misses: u64,
    /// Threads that did not yield and were replaced.
    pub condemned: u64,
}

/// Runs functions.
pub trait JsEngine: Send + Sync + 'static {
    /// Runs one invocation of `program`.
    ///
    /// # Behavior
    /// - Resolves exactly once, at the invocation's deadline at the latest (plus a scheduling
    ///   delay), whatever the function does; the lines printed so far are in the outcome.
    /// - For [`crate::Reply::Stream`] it resolves when the head is known.
    /// - Dropping the future stops the invocation.
    ///
    /// # Errors
    /// In the outcome: `FunctionError`, `NotAFunction`, `CompileError` (the engine refuses the
    /// compiled text), `FunctionTimeout`, `CpuLimit`, `MemoryLimit`, `Overloaded`,
    /// `ShuttingDown`, `Internal`.
    fn invoke(&self, program: Arc<Program>, invocation: Arc<Invocation>) -> BoxFuture<'static, Outcome>;

    /// Tells that `name` changed or was deleted: isolates with other versions of it take no new
    /// invocations and go when they are idle.
    fn retire(&self, name: &str, keep_hash: Option<&str>);

    /// What it counted so far.
    fn metrics(&self) -> EngineMetrics;

    /// Takes no new invocations, waits for those in flight up to `grace`, then stops the rest.
    fn shutdown(&self, grace: Duration) -> BoxFuture<'static, ()>;
}

/// Makes one engine from its own part of the config. The runtime's registry erases the type.
pub trait EngineFactory: Send + Sync + 'static {
    /// The word that selects it in the config.
    const NAME: &'static str;
    /// Its part of the config; declared with `deny_unknown_fields`, every field documented.
    type Config: DeserializeOwned + Serialize + JsonSchema + Default + Send + Sync + 'static;

    /// What the process needs before it has a second thread. Called when the config picks this
    /// engine, before the runtime starts; tests may open an engine without it.
    fn prepare_process() {}

    /// Opens the engine. Called once a process, from within a tokio runtime.
    ///
    /// # Errors
    /// `InvalidArgument` with the setting's name for settings that cannot work; `Internal` when
    /// the engine does not start.
    fn open(config: Self::Config, limits: EngineLimits, host: Arc<dyn Host>) -> Result<Arc<dyn JsEngine>>;
}
