//! The op table. Each file declares its operations in a table of its own; a place in all of them
//! together, in the order of [`TABLES`], is an operation's id.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tandem_contract::{Error, HostArgs, HostValue, Invocation, OpMode, OpSpec, Result};

use crate::cloud::Cloud;

mod console;
pub(crate) mod documents;
mod env;
pub(crate) mod fetch;
pub(crate) mod invoke;
pub(crate) mod request;
mod storage;
pub(crate) mod streams;
mod web;

const TABLES: &[&[Op]] = &[
    env::OPS,
    request::OPS,
    invoke::OPS,
    documents::OPS,
    console::OPS,
    storage::OPS,
    streams::OPS,
    fetch::OPS,
    web::base64::OPS,
    web::crypto::OPS,
    web::performance::OPS,
    web::text::OPS,
    web::url::OPS,
];

/// The operation that waits for other isolates and does nothing else; see [`tandem_contract::Host::is_relay`].
pub(crate) const RELAY: &str = invoke::CALL;

/// An operation that scripts call by name.
#[derive(Clone, Copy)]
pub(crate) struct Op {
    /// `area.verb`.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) handler: Handler,
}

type SyncHandler = fn(&Cloud, &Arc<Invocation>, HostArgs) -> Result<HostValue>;
type AsyncHandler = fn(Arc<Cloud>, Arc<Invocation>, HostArgs) -> BoxFuture<'static, Result<HostValue>>;

#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// Answers on the isolate's thread; must not block.
    Sync(SyncHandler),
    /// Answers later, on the runtime.
    Async(AsyncHandler),
}

impl Op {
    /// A synchronous operation.
    pub(crate) const fn sync(name: &'static str, run: SyncHandler) -> Self {
        Self { name, handler: Handler::Sync(run) }
    }

    /// An asynchronous operation; [`async_op!`] wraps an `async fn`.
    pub(crate) const fn future(name: &'static str, run: AsyncHandler) -> Self {
        Self { name, handler: Handler::Async(run) }
    }

    pub(crate) fn spec(&self) -> OpSpec {
        let mode = match self.handler {
            Handler::Sync(_) => OpMode::Sync,
            Handler::Async(_) => OpMode::Async,
        };
        OpSpec { name: self.name, mode }
    }
}

/// `async_op!("area.verb", run)` for `async fn run(Arc<Cloud>, Arc<Invocation>, HostArgs) -> Result<HostValue>`.
macro_rules! async_op {
    ($name:expr, $run:path) => {
        $crate::ops::Op::future($name, |cloud, invocation, args| {
            Box::pin(async move {
                let request_id = std::sync::Arc::clone(&invocation.input.request_id);
                let result = $run(cloud, invocation, args).await;
                result.inspect_err(|error| $crate::ops::log_detail($name, &request_id, error))
            })
        })
    };
}
use async_op;

/// Functions get an error without its detail; the operator reads it here.
pub(crate) fn log_detail(op: &str, request_id: &str, error: &Error) {
    if error.detail().is_some() {
        tracing::error!(op, request_id, %error, "a host call failed");
    }
}

/// Every operation; a place in it is an id.
pub(crate) fn table() -> Vec<Op> {
    TABLES.concat()
}
