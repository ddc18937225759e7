use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// A function's name: 1 to 128 characters of `A–Z a–z 0–9 _ -` and `.`, with single slashes
/// between segments; no segment starts with a dot, and none is a word that JavaScript objects
/// treat specially.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct FunctionName(String);

impl FunctionName {
    /// The longest name, in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// Checks `name`.
    ///
    /// # Errors
    /// `InvalidArgument` with the rule that it breaks.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        match Self::broken_rule(&name) {
            None => Ok(Self(name)),
            Some(rule) => {
                Err(Error::new(ErrorKind::InvalidArgument, format!("Invalid function name {name:?}: {rule}")))
            }
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn broken_rule(name: &str) -> Option<&'static str> {
        if name.is_empty() || name.len() > Self::MAX_LENGTH {
            return Some("it must have 1 to 128 characters");
        }
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/')) {
            return Some("only letters, digits, `_`, `-`, `.` and `/` are allowed");
        }
        if name.split('/').any(|segment| segment.is_empty() || segment.starts_with('.')) {
            return Some("a part between slashes must not be empty or start with a dot");
        }
        if name.split('/').any(|segment| matches!(segment, "__proto__" | "constructor" | "prototype")) {
            return Some("this word is reserved");
        }
        None
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FunctionName {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        Self::new(s)
    }
}

/// What a source is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// TypeScript; JavaScript without types is TypeScript too.
    #[default]
    TypeScript,
    /// JavaScript: type annotations are errors.
    JavaScript,
}

impl Language {
    /// The extension that stack traces and frames show, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::TypeScript => "ts",
            Self::JavaScript => "js",
        }
    }
}

/// Counts the versions of one function: 1 when first published, one more each time. A store
/// never reuses a number for another text, not even after a delete.
pub type Revision = u64;

/// A function as a store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The source as published; empty if another tool stored only compiled text.
    pub source: String,
    /// What `source` is written in.
    pub language: Language,
    /// What engines load; `None` if it was stored without.
    pub compiled: Option<String>,
    /// The source map of `compiled`, version 3 JSON.
    pub source_map: Option<String>,
    /// SHA-256 of `compiled`, lower-case hex. A row of another tool may hold any text that
    /// changes whenever `compiled` does.
    pub hash: String,
    /// Upper-case HTTP methods it takes; empty means all.
    pub methods: Vec<String>,
    /// For people.
    pub description: String,
    /// See [`Revision`].
    pub revision: Revision,
    /// When it was first published.
    pub created_at: SystemTime,
    /// When this revision was published.
    pub updated_at: SystemTime,
}

/// What a publish writes; the store adds revision and timestamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionDraft {
    /// See [`Function`] for every field.
    pub name: FunctionName,
    /// The source as written.
    pub source: String,
    /// What it is written in.
    pub language: Language,
    /// What engines load.
    pub compiled: String,
    /// Version 3 JSON.
    pub source_map: Option<String>,
    /// SHA-256 of `compiled`.
    pub hash: String,
    /// Upper-case; empty means all.
    pub methods: Vec<String>,
    /// For people.
    pub description: String,
}

/// A function without its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSummary {
    /// See [`Function`] for every field.
    pub name: String,
    /// What the source is written in.
    pub language: Language,
    /// Changes whenever the compiled text does.
    pub hash: String,
    /// Upper-case; empty means all.
    pub methods: Vec<String>,
    /// For people.
    pub description: String,
    /// See [`Revision`].
    pub revision: Revision,
    /// When it was first published.
    pub created_at: SystemTime,
    /// When this revision was published.
    pub updated_at: SystemTime,
}

/// Some functions in order of name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionPage {
    /// In byte order of name.
    pub functions: Vec<FunctionSummary>,
    /// Pass it as `after` for the next page; `None` on the last.
    pub next: Option<String>,
}

/// What the writer of a publish believes the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anything.
    Any,
    /// No function of that name.
    Absent,
    /// This revision.
    Revision(Revision),
}

/// Something that happened to the functions of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This function was published; read it again.
    Published(String),
    /// This function was deleted.
    Deleted(String),
    /// Events may have been missed: compare every function held with [`FunctionStore::list`].
    Resync,
}

/// Endless; ends only when the store is closed.
pub type ChangeStream = BoxStream<'static, Change>;

/// Where functions live.
///
/// # Errors
/// Every method: `StoreUnavailable` when the store does not answer in time, `Internal` when it
/// answers nonsense. Other kinds are listed with the method.
#[async_trait]
pub trait FunctionStore: Send + Sync + 'static {
    /// Reads one function.
    ///
    /// # Behavior
    /// - `Ok(None)` when there is none; never an error for that.
    /// - Rows that another tool wrote (`name`, `compiled`, `hash`) are read; what they lack has defaults.
    async fn get(&self, name: &str) -> Result<Option<Function>>;

    /// Reads a page of at most `limit` (1 to 1000) functions whose names come after `after`.
    async fn list(&self, after: Option<&str>, limit: usize) -> Result<FunctionPage>;

    /// Writes a function, whole or not at all.
    ///
    /// # Behavior
    /// - Returns it as stored. `created_at` stays that of the first publish.
    /// - Once it returns, the function survives a crash of this process.
    ///
    /// # Errors
    /// `Conflict` when the store does not hold what `expected` says.
    async fn put(&self, draft: FunctionDraft, expected: Expected) -> Result<Function>;

    /// Deletes a function; `false` when there was none.
    async fn delete(&self, name: &str) -> Result<bool>;

    /// Follows changes made by this process or any other.
    ///
    /// # Behavior
    /// - A change shows within one second.
    /// - After a lost connection the first item is [`Change::Resync`].
    fn watch(&self) -> ChangeStream;

    /// Asks the store for a sign of life.
    async fn ping(&self) -> Result<()>;

    /// Finishes writes under way and lets go of connections. Later calls fail.
    async fn close(&self);
}
