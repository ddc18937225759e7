//! An upper bound of how deeply the syntax tree of a text can nest, found without building it.
//!
//! The parser and every pass after it recurse once or more for each level of the tree, and a
//! stack that overflows ends the process. This scan reads tokens only, so its own stack is flat.
//!
//! A level of the tree needs a bracket or a token that lies between the start of a statement and
//! the place, so their number bounds the depth. Where the scan cannot tell what a character is (a
//! slash after `}` may divide or begin a regular expression) and it matters, it stops
//! taking anything back: openers still count, closers and statement ends no longer do.

mod scan;
mod words;

/// Stack that one bracket may take, over all passes. Measured in an unoptimised build over every
/// construct that nests: at most 3.5 KiB for a bracket together with the tokens before it.
const BRACKET_BYTES: usize = 6 << 10;
/// Stack that one token outside brackets may take. The worst is 1.7 KiB (`namespace a.b.c`), most
/// take less than 0.3 KiB.
const TOKEN_BYTES: usize = 3 << 10;
/// Stack that a text may ask for.
const STACK_LIMIT: usize = 128 << 20;
/// Brackets that may be open at once. The output is indented by as much, so that its length grows
/// with the square of this.
const BRACKET_LIMIT: usize = 1_000;

/// How deep a text nests at its deepest place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nesting {
    stack_bytes: usize,
    /// Brackets that are surely open at once.
    open: usize,
    offset: u32,
}

impl Nesting {
    /// Bounds the nesting of `text`.
    pub(crate) fn of(text: &str) -> Self {
        scan::Scan::new(text, false).run()
    }

    /// Bounds it without taking quotes, comments or statements into account: for grammars with
    /// other rules for them.
    pub(crate) fn of_any_grammar(text: &str) -> Self {
        scan::Scan::new(text, true).run()
    }

    /// Stack that the passes may need for the text.
    pub(crate) const fn stack_bytes(&self) -> usize {
        self.stack_bytes
    }

    /// Byte offset of the deepest place.
    pub(crate) const fn offset(&self) -> u32 {
        self.offset
    }

    /// Whether the text nests deeper than any text that is compiled.
    pub(crate) const fn is_too_deep(&self) -> bool {
        self.stack_bytes > STACK_LIMIT || self.open > BRACKET_LIMIT
    }

    /// Takes note of a place with `brackets` around it and `tokens` before it in their statements.
    fn include(&mut self, brackets: usize, tokens: usize, offset: usize) {
        let bytes = brackets.saturating_mul(BRACKET_BYTES).saturating_add(tokens.saturating_mul(TOKEN_BYTES));
        if bytes > self.stack_bytes {
            self.stack_bytes = bytes;
            self.offset = u32::try_from(offset).unwrap_or(u32::MAX);
        }
    }
}
