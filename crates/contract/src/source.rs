use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A place in a source text, with an excerpt that a person can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLocation {
    /// The file's name, for example `hello.ts`.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in UTF-16 code units, as editors count.
    pub column: u32,
    /// The lines around the place with a marker under it; plain text, no colours.
    pub frame: String,
}

/// How a compiled text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModuleFormat {
    /// An ES module.
    Module,
    /// A CommonJS module: `exports`, `module` and `require` are given to it.
    CommonJs,
}

/// One module that an engine loads.
pub struct Module {
    /// The function it belongs to; other modules import it as `@/name`.
    pub name: String,
    /// How `code` is written.
    pub format: ModuleFormat,
    /// The compiled text.
    pub code: Arc<str>,
    /// SHA-256 of `code`, lower-case hex: the key of bytecode and code caches.
    pub hash: String,
    /// Names of the functions it imports or requires with a literal `@/name`, in order, once each.
    pub imports: Vec<String>,
    /// Maps places in `code` to places in the source as it was written.
    pub map: Option<Arc<dyn SourceMapper>>,
}

/// Maps a place in compiled text to the place in its source.
pub trait SourceMapper: Send + Sync {
    /// `line` and `column` from 1. Returns the source's file name, line and column, from 1.
    fn original(&self, line: u32, column: u32) -> Option<(&str, u32, u32)>;
}

/// A function with everything it imports, ready to load into an isolate.
pub struct Program {
    /// The function that is invoked.
    pub name: Arc<str>,
    /// Identifies this version of the function and of all that it imports: two programs with the
    /// same name and hash behave alike and may share isolates.
    pub hash: Arc<str>,
    /// The function's own module first, then each module it reaches through imports, once.
    pub modules: Vec<Module>,
}

impl Program {
    /// The module of the function named `name`.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.name == name)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("name", &self.name).field("hash", &self.hash).finish_non_exhaustive()
    }
}
