//! Carries a context across `await` in an engine that does not do so itself.
//!
//! V8 gives every promise reaction the context that was current when `await` began. QuickJS has
//! no such thing, so the text is rewritten to do the same: `save()` returns the current context,
//! `restore(context, value)` makes it current again and returns `value`.
//!
//! - `await x` becomes `restore(save(), await x)`: arguments are evaluated from left to right.
//! - A rejection skips that call, so a function that has both `await` and `try` keeps the context
//!   of its last await in a variable and restores it at the start of each `catch` and `finally`.
//! - `for await` waits without an `await` to rewrite: its body starts with a restore, and it
//!   stands in a `try` whose `finally` restores, since it can be left by `break`, `return` or a throw.
//!
//! After a `yield` of an async generator the context is that of the caller of `next()`, as in V8.
//! The rewriting inserts text and never a line break, so only columns move; [`ColumnMap`] undoes
//! that.

mod columns;
mod edits;
mod visitor;

use std::borrow::Cow;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;

use oxc::allocator::Allocator;
use oxc::ast::ast::WithStatement;
use oxc::ast_visit::Visit;
use oxc::parser::Parser;
use oxc::span::SourceType;
use tandem_contract::{Error, ErrorKind, ModuleFormat, Result};

pub use columns::ColumnMap;

use crate::nesting::Nesting;
use crate::{parse, stack};

/// The specifier that an instrumented ES module imports `save` and `restore` from: this with a
/// number that differs in each process, so that a function cannot import them itself.
pub fn module() -> &'static str {
    static SPECIFIER: OnceLock<String> = OnceLock::new();
    SPECIFIER.get_or_init(|| {
        let random = || RandomState::new().hash_one(PREFIX);
        format!("{PREFIX}{:016x}{:016x}", random(), random())
    })
}

/// What that specifier begins with.
const PREFIX: &str = "@tandem/async-context/";

/// Identifiers that an instrumented text uses and the original does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The function that returns the current context: `save()`.
    pub save: String,
    /// The function that makes a context current and returns its second argument:
    /// `restore(context, value)`.
    pub restore: String,
    /// The variable that a function keeps the context of its last await in.
    pub context: String,
}

impl Names {
    /// Short names that occur nowhere in `text`.
    pub fn absent_from(text: &str) -> Self {
        let text = &without_escapes(text);
        let pick = |stem: &str| {
            let numbered = (0_u32..).map(|number| format!("{stem}{number}"));
            std::iter::once(stem.to_owned())
                .chain(numbered)
                .find(|name| !text.contains(name))
                .unwrap_or_default()
        };
        Self { save: pick("$s"), restore: pick("$r"), context: pick("$t") }
    }
}

/// The text with `\uXXXX` and `\u{X}` as the characters they stand for, since identifiers may be
/// written so.
fn without_escapes(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\u") {
        plain.push_str(before);
        let (digits, end) = match after.strip_prefix('{') {
            Some(inside) => {
                let end = inside.find('}').unwrap_or(0);
                (inside.get(..end).unwrap_or_default(), end + 2)
            }
            None => (after.get(..4).unwrap_or_default(), 4),
        };
        match u32::from_str_radix(digits, 16).ok().and_then(char::from_u32) {
            Some(character) => {
                plain.push(character);
                rest = after.get(end..).unwrap_or_default();
            }
            None => {
                plain.push_str("\\u");
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Whether a text uses `with`, whose object would be asked for the names that are inserted.
struct WithFinder(bool);

impl<'a> Visit<'a> for WithFinder {
    fn visit_with_statement(&mut self, _: &WithStatement<'a>) {
        self.0 = true;
    }
}

/// A text that keeps its context across `await`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrumented<'a> {
    /// The text; borrowed if nothing had to be changed. An ES module imports the two functions
    /// from [`module`]; a CommonJS module expects them in its scope.
    pub code: Cow<'a, str>,
    /// Maps columns of `code` back to those of the text it was made from.
    pub columns: ColumnMap,
}

impl Instrumented<'_> {
    /// Whether the text uses the names it was given.
    pub fn is_changed(&self) -> bool {
        matches!(self.code, Cow::Owned(_))
    }
}

/// Rewrites `code`, a module of `format`, to keep its context across every `await`.
///
/// # Errors
/// `CompileError` if `code` is not a module of that format.
pub fn instrument<'a>(code: &'a str, format: ModuleFormat, names: &Names) -> Result<Instrumented<'a>> {
    let unchanged = || Instrumented { code: Cow::Borrowed(code), columns: ColumnMap::default() };
    // Without the word there is no await; as an escape it would not be one.
    if !parse::mentions(code, "await") {
        return Ok(unchanged());
    }
    let nesting = Nesting::of(code);
    if nesting.is_too_deep() {
        return Err(Error::new(ErrorKind::CompileError, "The compiled text nests too deeply"));
    }
    let edits = stack::with_stack_for(&nesting, || {
        let source_type = match format {
            ModuleFormat::Module => SourceType::mjs(),
            ModuleFormat::CommonJs => SourceType::cjs(),
        };
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, code, source_type).parse();
        if let Some(error) = parsed.diagnostics.errors().next() {
            return Err(Error::new(ErrorKind::CompileError, error.message.to_string()));
        }
        let mut with = WithFinder(false);
        with.visit_program(&parsed.program);
        if with.0 {
            return Err(Error::new(ErrorKind::CompileError, "`with` is not supported: name the object"));
        }
        let prelude = (format == ModuleFormat::Module).then(|| {
            parsed.program.hashbang.as_ref().map_or(0, |hashbang| next_line(code, hashbang.span.end))
        });
        let mut visitor = visitor::Visitor::new(prelude);
        visitor.visit_program(&parsed.program);
        Ok(visitor.into_edits())
    })?;
    if edits.is_empty() {
        return Ok(unchanged());
    }
    let (code, columns) = edits::apply(code, edits, names);
    Ok(Instrumented { code: Cow::Owned(code), columns })
}

/// Where the line after the one that ends at `end` begins.
fn next_line(code: &str, end: u32) -> u32 {
    let rest = code.get(end as usize..).unwrap_or_default();
    let terminator = if rest.starts_with("\r\n") { 2 } else { rest.chars().next().map_or(0, char::len_utf8) };
    end + u32::try_from(terminator).unwrap_or(0)
}
