//! Regular expressions with the meaning PCRE gives them in MongoDB: UTF-8 text, ASCII classes.

mod bracketed;
mod classes;
mod syntax;

use std::sync::OnceLock;

use bson::Bson;
use tandem_contract::Result;

use crate::error::{invalid, not_supported};
use syntax::{Ending, Translation, translate};

/// Steps a pattern with look-around or back-references may take on one text.
const BACKTRACK_LIMIT: usize = 1_000_000;

/// Bytes a compiled pattern may take.
const SIZE_LIMIT: usize = 2 * 1024 * 1024;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: String,
    options: String,
    /// For texts that do not end with a line feed.
    plain: Engine,
    /// For texts that do: `$` may match before it. Compiled when first needed.
    before_line_feed: Option<OnceLock<Engine>>,
    ascii_class_ignores_case: bool,
}

/// Byte ranges of a match and of its groups, as far as they took part.
pub(crate) type Groups = Vec<Option<(usize, usize)>>;

#[derive(Clone, Debug)]
enum Engine {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

impl Clone for Pattern {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            options: self.options.clone(),
            plain: self.plain.clone(),
            before_line_feed: self.before_line_feed.as_ref().map(|_| OnceLock::new()),
            ascii_class_ignores_case: self.ascii_class_ignores_case,
        }
    }
}

impl Pattern {
    /// Compiles a pattern with options out of `imsxu`.
    ///
    /// # Errors
    /// `InvalidArgument` for a pattern that PCRE does not take either or options that do not exist;
    /// `NotSupported` for constructs that are left out.
    pub(crate) fn new(source: &str, options: &str) -> Result<Self> {
        if let Some(flag) = options.chars().find(|flag| !"imsxu".contains(*flag)) {
            return Err(invalid(format!("There is no regular expression option \"{flag}\"")));
        }
        if source.contains('\0') {
            return Err(invalid("A regular expression must not contain a NUL"));
        }
        let translation = translate(source, options, Ending::End)?;
        let plain = Engine::new(source, &translation)?;
        if translation.depends_on_ending {
            // Compiled lazily, but what it takes is known to be valid from here on.
            translate(source, options, Ending::BeforeLineFeed)?;
        }
        Ok(Self {
            source: source.to_owned(),
            options: options.to_owned(),
            plain,
            before_line_feed: translation.depends_on_ending.then(OnceLock::new),
            ascii_class_ignores_case: translation.ascii_class_ignores_case,
        })
    }

    /// Whether a value matches: text in which the pattern occurs, or the same regular expression.
    pub(crate) fn matches(&self, value: &Bson) -> Result<bool> {
        match value {
            Bson::String(text) | Bson::Symbol(text) => self.is_match(text),
            Bson::RegularExpression(regex) => {
                Ok(regex.pattern.as_str() == self.source && regex.options.as_str() == self.options)
            }
            _ => Ok(false),
        }
    }

    pub(crate) fn is_match(&self, text: &str) -> Result<bool> {
        Ok(match self.engine(text)? {
            Engine::Linear(regex) => regex.is_match(text),
            Engine::Backtracking(regex) => regex.is_match(text).map_err(|error| self.too_complex(error))?,
        })
    }

    /// The byte ranges of the first match at or after `start` and of its groups.
    pub(crate) fn captures(&self, text: &str, start: usize) -> Result<Option<Groups>> {
        match self.engine(text)? {
            Engine::Linear(regex) => Ok(regex.captures_at(text, start).map(|captures| {
                captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect()
            })),
            Engine::Backtracking(regex) => {
                let captures =
                    regex.captures_from_pos(text, start).map_err(|error| self.too_complex(error))?;
                Ok(captures.map(|captures| {
                    captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect()
                }))
            }
        }
    }

    fn engine(&self, text: &str) -> Result<&Engine> {
        // Unicode knows two more spellings of `s` and `k`; PCRE keeps them out of `\w`.
        if self.ascii_class_ignores_case && text.contains(['\u{17f}', '\u{212a}']) {
            return Err(not_supported(format!("/{}/ on text with \u{17f} or \u{212a}", self.source)));
        }
        let Some(lazy) = self.before_line_feed.as_ref().filter(|_| text.ends_with('\n')) else {
            return Ok(&self.plain);
        };
        if let Some(engine) = lazy.get() {
            return Ok(engine);
        }
        let translation = translate(&self.source, &self.options, Ending::BeforeLineFeed)?;
        let engine = Engine::new(&self.source, &translation)?;
        Ok(lazy.get_or_init(|| engine))
    }

    fn too_complex(&self, error: fancy_regex::Error) -> tandem_contract::Error {
        invalid(format!("The regular expression /{}/ takes too many steps on a text", self.source))
            .with_detail(error)
    }
}

impl Engine {
    fn new(source: &str, translation: &Translation) -> Result<Self> {
        let failed = |error: String| {
            invalid(format!("The regular expression /{source}/ is invalid or too large")).with_detail(error)
        };
        if translation.backtracks {
            let regex = fancy_regex::RegexBuilder::new(&translation.pattern)
                .backtrack_limit(BACKTRACK_LIMIT)
                .delegate_size_limit(SIZE_LIMIT)
                .build()
                .map_err(|error| failed(error.to_string()))?;
            return Ok(Self::Backtracking(Box::new(regex)));
        }
        let regex = regex::RegexBuilder::new(&translation.pattern)
            .size_limit(SIZE_LIMIT)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self::Linear(regex))
    }
}
