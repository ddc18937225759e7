use std::fmt;

/// What every fallible operation of a port returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a closed set: each kind has one stable code that clients, functions and
/// conformance cases rely on. Only the runtime's HTTP layer gives a kind a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The develop token is missing or wrong.
    InvalidToken,
    /// The caller's address sent wrong tokens too often.
    TooManyRequests,
    /// No function has this name.
    FunctionNotFound,
    /// The function does not take this HTTP method.
    MethodNotAllowed,
    /// The function is stored without compiled text.
    FunctionNotCompiled,
    /// A body is not what its content type says.
    InvalidBody,
    /// A body exceeds its limit.
    BodyTooLarge,
    /// The function threw.
    FunctionError,
    /// The module has no default export that is a function.
    NotAFunction,
    /// The wall time of the invocation ran out.
    FunctionTimeout,
    /// The processor time of the invocation ran out.
    CpuLimit,
    /// The memory of the isolate ran out.
    MemoryLimit,
    /// `cloud.invoke` was nested too deeply.
    InvokeDepth,
    /// More work arrived than may wait.
    Overloaded,
    /// The server is going down.
    ShuttingDown,
    /// A store that was needed did not answer.
    StoreUnavailable,
    /// A source does not compile.
    CompileError,
    /// What was asked for by name or key is not there.
    NotFound,
    /// The caller may not do this.
    Forbidden,
    /// The state is not the one the caller expected, or another writer won.
    Conflict,
    /// A unique index already holds this key. Functions see the number 11000.
    DuplicateKey,
    /// The backend lacks a feature; the message names the feature and the backend.
    NotSupported,
    /// An argument is not what the operation takes.
    InvalidArgument,
    /// A request of the management API is malformed.
    BadRequest,
    /// A fault of the runtime. The detail is for the server's log only.
    Internal,
}

impl ErrorKind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 25] = [
        Self::InvalidToken,
        Self::TooManyRequests,
        Self::FunctionNotFound,
        Self::MethodNotAllowed,
        Self::FunctionNotCompiled,
        Self::InvalidBody,
        Self::BodyTooLarge,
        Self::FunctionError,
        Self::NotAFunction,
        Self::FunctionTimeout,
        Self::CpuLimit,
        Self::MemoryLimit,
        Self::InvokeDepth,
        Self::Overloaded,
        Self::ShuttingDown,
        Self::StoreUnavailable,
        Self::CompileError,
        Self::NotFound,
        Self::Forbidden,
        Self::Conflict,
        Self::DuplicateKey,
        Self::NotSupported,
        Self::InvalidArgument,
        Self::BadRequest,
        Self::Internal,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidToken => "INVALID_TOKEN",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::FunctionNotFound => "FUNCTION_NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::FunctionNotCompiled => "FUNCTION_NOT_COMPILED",
            Self::InvalidBody => "INVALID_BODY",
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::FunctionError => "FUNCTION_ERROR",
            Self::NotAFunction => "NOT_A_FUNCTION",
            Self::FunctionTimeout => "FUNCTION_TIMEOUT",
            Self::CpuLimit => "CPU_LIMIT",
            Self::MemoryLimit => "MEMORY_LIMIT",
            Self::InvokeDepth => "INVOKE_DEPTH",
            Self::Overloaded => "OVERLOADED",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::StoreUnavailable => "STORE_UNAVAILABLE",
            Self::CompileError => "COMPILE_ERROR",
            Self::NotFound => "NOT_FOUND",
            Self::Forbidden => "FORBIDDEN",
            Self::Conflict => "CONFLICT",
            Self::DuplicateKey => "DUPLICATE_KEY",
            Self::NotSupported => "NOT_SUPPORTED",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::BadRequest => "BAD_REQUEST",
            Self::Internal => "INTERNAL",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An error of any part of Tandem: what kind, a sentence for the person who caused it, and a
/// detail for the operator that never reaches a client or a function.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    detail: Option<String>,
    location: Option<Box<crate::SourceLocation>>,
}

impl Error {
    /// An error with a message that the client may read.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None, location: None }
    }

    /// A fault of the runtime: clients read a fixed sentence, the operator reads `detail`.
    pub fn internal(detail: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, "Internal error").with_detail(detail)
    }

    /// A store that did not answer: clients read the store's role, the operator reads `detail`.
    pub fn unavailable(store: &str, detail: impl fmt::Display) -> Self {
        Self::new(ErrorKind::StoreUnavailable, format!("The {store} is not available")).with_detail(detail)
    }

    /// A feature that a backend lacks, worded as functions see it: `NOT_SUPPORTED: $x on postgres`.
    pub fn not_supported(feature: &str, backend: &str) -> Self {
        Self::new(ErrorKind::NotSupported, format!("NOT_SUPPORTED: {feature} on {backend}"))
    }

    /// Adds what only the operator may read.
    #[must_use]
    pub fn with_detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// Adds where in a source the error is.
    #[must_use]
    pub fn with_location(mut self, location: crate::SourceLocation) -> Self {
        self.location = Some(Box::new(location));
        self
    }

    /// What went wrong.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The detail for the operator.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Where in a source the error is.
    pub fn location(&self) -> Option<&crate::SourceLocation> {
        self.location.as_deref()
    }
}

/// Writes the kind, the message and, for the operator, the detail: for logs, not for clients.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
