//! The ports and the vocabulary of Tandem.
//!
//! Every part of the runtime meets here and nowhere else: a backend implements one of the port
//! traits, the pipeline calls them, and neither knows the other. This crate knows nothing of
//! tokio, axum, figment, V8, SQL or S3.

mod backend;
mod blob;
mod clock;
mod document;
mod engine;
mod error;
mod function;
mod host;
mod invocation;
pub mod settings;
mod source;

pub use backend::{BackendFactory, OpenContext};
pub use blob::{
    BlobBody, BlobListing, BlobMeta, BlobPage, BlobRange, BlobRead, BlobStore, BlobStream, Bucket, Condition,
    Presign, PresignMethod, PutOptions,
};
pub use clock::{Clock, Entropy, SystemClock, SystemEntropy};
pub use document::{
    Aggregate, BulkResult, Delete, DocumentStore, DocumentStream, Find, FindAndModify, IndexSpec,
    InsertResult, ModifyAction, ReturnDocument, Target, TransactionId, Update, UpdateResult, UpdateSpec,
    WriteFailure, WriteModel,
};
pub use engine::{EngineFactory, EngineLimits, EngineMetrics, JsEngine};
pub use error::{Error, ErrorKind, Result};
pub use function::{
    Change, ChangeStream, Expected, Function, FunctionDraft, FunctionName, FunctionPage, FunctionStore,
    FunctionSummary, Language, Revision,
};
pub use host::{Host, HostArgs, HostValue, Invoker, OpId, OpMode, OpSpec};
pub use invocation::{
    BodyStream, Console, FilePart, Invocation, InvocationInput, Level, LogLimits, Outcome, Payload, Reply,
    RequestHead, Resources,
};
pub use source::{Module, ModuleFormat, Program, SourceLocation, SourceMapper};
