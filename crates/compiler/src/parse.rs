//! Parses a text whose module format is not known beforehand.

use oxc::allocator::Allocator;
use oxc::ast::ast::Program;
use oxc::diagnostics::Diagnostics;
use oxc::parser::{ParseOptions, Parser, ParserReturn};
use oxc::span::SourceType;
use tandem_contract::{Language, ModuleFormat};

/// A syntax tree, whole only if `diagnostics` holds no errors.
pub(crate) struct Parsed<'a> {
    pub(crate) program: Program<'a>,
    pub(crate) format: ModuleFormat,
    pub(crate) diagnostics: Diagnostics,
}

/// How much of a text is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The bodies of regular expressions are checked too.
    Full,
    /// They are left to the engine.
    Syntax,
}

/// Parses `text` as the one of the two formats that it is written in: an ES module if it has
/// import, export, `import.meta` or top-level await, CommonJS otherwise.
pub(crate) fn parse<'a>(
    allocator: &'a Allocator,
    text: &'a str,
    language: Language,
    depth: Depth,
) -> Parsed<'a> {
    let base = match language {
        Language::TypeScript => SourceType::ts(),
        Language::JavaScript => SourceType::mjs(),
    };
    let run = |source_type| {
        let options =
            ParseOptions { parse_regular_expression: depth == Depth::Full, ..ParseOptions::default() };
        Parser::new(allocator, text, source_type).with_options(options).parse()
    };

    let mut unambiguous = None;
    if mentions(text, "import") || mentions(text, "export") {
        let parsed = run(base.with_unambiguous(true));
        if parsed.module_record.has_module_syntax {
            return Parsed::new(parsed, ModuleFormat::Module);
        }
        unambiguous = Some(parsed);
    }
    let script = run(base.with_commonjs(true));
    if !script.diagnostics.has_errors() {
        return Parsed::new(script, ModuleFormat::CommonJs);
    }
    if mentions(text, "await") {
        let module = run(base.with_module(true));
        if !module.diagnostics.has_errors() {
            return Parsed::new(module, ModuleFormat::Module);
        }
    }
    // A fatal error hides what comes after it, so a broken module may not show that it is one.
    match unambiguous.filter(|parsed| parsed.panicked) {
        Some(parsed) => Parsed::new(parsed, ModuleFormat::Module),
        None => Parsed::new(script, ModuleFormat::CommonJs),
    }
}

impl<'a> Parsed<'a> {
    fn new(parsed: ParserReturn<'a>, format: ModuleFormat) -> Self {
        Self { program: parsed.program, format, diagnostics: parsed.diagnostics }
    }
}

/// Whether `keyword` stands in `text` as a word of its own and not as a property; it may stand in
/// a string or a comment.
pub(crate) fn mentions(text: &str, keyword: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    text.match_indices(keyword).any(|(at, _)| {
        let before = text.as_bytes()[..at].last().copied();
        let after = text.as_bytes().get(at + keyword.len()).copied();
        !before.is_some_and(|byte| is_part(byte) || byte == b'.') && !after.is_some_and(is_part)
    })
}
