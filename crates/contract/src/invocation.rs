use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_core::stream::BoxStream;

use crate::{Error, Result};

/// What came with the call, the body apart.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// Upper case; empty when another function calls.
    pub method: String,
    /// The path as sent, without the query.
    pub path: String,
    /// The query as sent, without `?`.
    pub query: String,
    /// Names lower case, in the order sent; values as Latin-1 text.
    pub headers: Vec<(String, String)>,
}

/// A file of a multipart body.
#[derive(Clone, Debug)]
pub struct FilePart {
    /// The field's name.
    pub field: String,
    /// The file's name as sent.
    pub name: String,
    /// Its content type, `application/octet-stream` where none was sent.
    pub content_type: String,
    /// Its content.
    pub bytes: Bytes,
}

/// A body, already found well-formed for its content type.
#[derive(Clone, Debug, Default)]
pub enum Payload {
    /// None.
    #[default]
    Empty,
    /// Valid JSON text in UTF-8.
    Json(Bytes),
    /// Pairs in the order sent; a repeated name makes an array.
    Form(Vec<(String, String)>),
    /// Fields and files.
    Multipart {
        /// Pairs in the order sent; a repeated name makes an array.
        fields: Vec<(String, String)>,
        /// In the order sent.
        files: Vec<FilePart>,
    },
    /// `text/*`, decoded.
    Text(String),
    /// Anything else.
    Bytes(Bytes),
}

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `console.log` and `console.info`.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`.
    Error,
    /// `console.debug`.
    Debug,
}

impl Level {
    /// What a line of this level starts with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Info => "",
            Self::Warn => "[WARN] ",
            Self::Error => "[ERROR] ",
            Self::Debug => "[DEBUG] ",
        }
    }
}

/// How much an invocation may print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Lines kept; the newest win.
    pub lines: usize,
    /// Bytes kept of a line.
    pub line_limit: usize,
}

/// The console of one invocation. Lines of nested invocations go to their own.
#[derive(Debug)]
pub struct Console {
    limits: LogLimits,
    state: std::sync::Mutex<ConsoleState>,
}

#[derive(Debug, Default)]
struct ConsoleState {
    lines: std::collections::VecDeque<String>,
    dropped: u64,
}

impl Console {
    /// An empty console.
    pub const fn new(limits: LogLimits) -> Self {
        Self {
            limits,
            state: std::sync::Mutex::new(ConsoleState {
                lines: std::collections::VecDeque::new(),
                dropped: 0,
            }),
        }
    }

    /// Adds a line, with its level's prefix. A line past the limit is cut at a character and
    /// ends in `… N more bytes`; the oldest line goes when there are too many.
    pub fn print(&self, level: Level, text: &str) {
        let mut line = String::with_capacity(level.prefix().len() + text.len().min(self.limits.line_limit));
        line.push_str(level.prefix());
        if text.len() <= self.limits.line_limit {
            line.push_str(text);
        } else {
            let end = text.floor_char_boundary(self.limits.line_limit);
            line.push_str(&text[..end]);
            line.push_str(&format!("… {} more bytes", text.len() - end));
        }
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.lines.len() >= self.limits.lines {
            state.lines.pop_front();
            state.dropped += 1;
        }
        if self.limits.lines > 0 {
            state.lines.push_back(line);
        }
    }

    /// The lines kept, oldest first, and how many were dropped before them.
    pub fn take(&self) -> (Vec<String>, u64) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let dropped = std::mem::take(&mut state.dropped);
        (std::mem::take(&mut state.lines).into(), dropped)
    }
}

/// What the host keeps for one invocation (cursors, transactions, streams): dropped with it.
pub type Resources = std::sync::OnceLock<Box<dyn Any + Send + Sync>>;

/// What an invocation is made of.
pub struct InvocationInput {
    /// The function's name.
    pub function: Arc<str>,
    /// The caller's, or a new UUIDv7.
    pub request_id: Arc<str>,
    /// What came with the call.
    pub head: RequestHead,
    /// The body.
    pub payload: Payload,
    /// When it ends at the latest.
    pub deadline: Instant,
    /// How much processor time it may take.
    pub cpu_time: Duration,
    /// 0 for a call over HTTP, one more for each `cloud.invoke`.
    pub depth: u32,
    /// How much it may print.
    pub log_limits: LogLimits,
}

/// One call of one function. Shared between the pipeline, the isolate and the host calls it made.
pub struct Invocation {
    /// What it is made of.
    pub input: InvocationInput,
    /// What it printed.
    pub console: Console,
    /// What the host keeps for it.
    pub resources: Resources,
    over: AtomicBool,
}

impl Invocation {
    /// A new invocation.
    pub const fn new(input: InvocationInput) -> Self {
        let console = Console::new(input.log_limits);
        Self { input, console, resources: Resources::new(), over: AtomicBool::new(false) }
    }

    /// Whether it has been answered: host calls it still makes are refused.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Marks it as answered; `true` the first time only, so that it is answered exactly once.
    pub fn finish(&self) -> bool {
        !self.over.swap(true, Ordering::AcqRel)
    }
}

/// A body on its way to the client. Ends after the first error; dropping it tells the function's
/// stream that nobody reads on.
pub type BodyStream = BoxStream<'static, Result<Bytes>>;

/// What a function answered.
pub enum Reply {
    /// The value as JSON text.
    Json(Bytes),
    /// A `Uint8Array` or `ArrayBuffer`.
    Bytes(Bytes),
    /// A `Response` with a body that is known.
    Response {
        /// 200 to 599.
        status: u16,
        /// As the function set them.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// A `Response` whose body streams. The invocation lasts until the stream ends.
    Stream {
        /// 200 to 599.
        status: u16,
        /// As the function set them.
        headers: Vec<(String, String)>,
        /// The body.
        body: BodyStream,
    },
}

/// What an invocation came to.
pub struct Outcome {
    /// The reply, or why there is none. A function that threw is `FunctionError` with its message.
    pub result: Result<Reply, Error>,
    /// The lines kept, oldest first.
    pub logs: Vec<String>,
    /// How many lines were dropped before them.
    pub dropped_logs: u64,
    /// From its start on the isolate's thread to its end.
    pub elapsed: Duration,
}
