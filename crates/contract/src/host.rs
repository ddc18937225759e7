use std::sync::Arc;

use bytes::Bytes;
use futures_core::future::BoxFuture;

use crate::{Invocation, Outcome, Result};

/// The place of an operation in the op table.
pub type OpId = u32;

/// How an operation is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpMode {
    /// Answers at once, on the isolate's thread; must not block.
    Sync,
    /// Answers later; the function holds a promise meanwhile.
    Async,
}

/// An operation as engines see it.
#[derive(Clone, Copy, Debug)]
pub struct OpSpec {
    /// For example `storage.readFile`.
    pub name: &'static str,
    /// How it is called.
    pub mode: OpMode,
}

/// What a script passes to an operation.
#[derive(Clone, Debug, Default)]
pub struct HostArgs {
    /// The JSON text or the plain string of the call's first argument, as UTF-8 (lone surrogates
    /// replaced); empty where there was none.
    pub text: String,
    /// The bytes of the call's second argument.
    pub bytes: Option<Bytes>,
}

/// What an operation gives a script.
#[derive(Clone, Debug)]
pub enum HostValue {
    /// `undefined`.
    Undefined,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
    /// A value that the engine parses from this JSON text.
    Json(Bytes),
    /// A `Uint8Array` of its own.
    Bytes(Bytes),
}

/// What functions reach, behind two primitives that every engine binds. Knows nothing of engines.
///
/// An error becomes a JavaScript `Error` with the error's message and its kind's code in `code`
/// (the number 11000 for `DuplicateKey`); the detail stays behind.
pub trait Host: Send + Sync + 'static {
    /// The op table; an [`OpId`] is a place in it. The same for the whole life of the host.
    fn ops(&self) -> &[OpSpec];

    /// Runs a synchronous operation on the calling thread.
    ///
    /// # Errors
    /// Whatever the operation refuses. `Internal` for an id that is not a synchronous operation.
    fn call_sync(&self, invocation: &Arc<Invocation>, op: OpId, args: HostArgs) -> Result<HostValue>;

    /// Starts an asynchronous operation. Dropping the future cancels it.
    fn call(
        &self,
        invocation: &Arc<Invocation>,
        op: OpId,
        args: HostArgs,
    ) -> BoxFuture<'static, Result<HostValue>>;

    /// Whether the future of an asynchronous operation does next to nothing but wait for another
    /// isolate: it is then polled on the threads of isolates, which saves a way through the
    /// async runtime each time one wakes another.
    fn is_relay(&self, op: OpId) -> bool {
        let _ = op;
        false
    }
}

/// Runs another function on behalf of a function.
pub trait Invoker: Send + Sync + 'static {
    /// Invokes `name` with `body` (JSON text, or none) as its `ctx.body`. The callee inherits the
    /// caller's request id and deadline and is one level deeper.
    ///
    /// # Errors
    /// In the outcome; additionally `FunctionNotFound`, `InvokeDepth`, `Overloaded`.
    fn invoke(
        &self,
        caller: &Arc<Invocation>,
        name: String,
        body: Option<Bytes>,
    ) -> BoxFuture<'static, Outcome>;
}
