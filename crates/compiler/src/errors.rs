//! Errors of a compilation, worded for the author of the source.

use oxc::diagnostics::{Diagnostics, OxcDiagnostic};
use tandem_contract::{Error, ErrorKind};

use crate::location::locate;

/// A source text and the name that people know it by.
#[derive(Clone, Copy)]
pub(crate) struct SourceFile<'a> {
    /// For example `hello.ts`.
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl SourceFile<'_> {
    /// A compile error at byte `offset`.
    pub(crate) fn error_at(self, offset: u32, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::CompileError, message).with_location(locate(
            self.name,
            self.text,
            offset as usize,
        ))
    }

    /// The first error of `diagnostics` by place, and how many more there are.
    pub(crate) fn first_error(self, diagnostics: &Diagnostics) -> Option<Error> {
        let first = diagnostics.errors().min_by_key(|diagnostic| offset(diagnostic))?;
        let message = match diagnostics.errors().count() - 1 {
            0 => sentence(first),
            1 => format!("{} (and 1 more error)", sentence(first)),
            more => format!("{} (and {more} more errors)", sentence(first)),
        };
        Some(match offset(first) {
            u32::MAX => Error::new(ErrorKind::CompileError, message),
            offset => self.error_at(offset, message),
        })
    }
}

/// Diagnostics without a place come last.
fn offset(diagnostic: &OxcDiagnostic) -> u32 {
    diagnostic.labels.first().map_or(u32::MAX, |label| label.offset())
}

fn sentence(diagnostic: &OxcDiagnostic) -> String {
    let message = match &diagnostic.help {
        Some(help) => format!("{}: {help}", diagnostic.message.trim_end_matches('.')),
        None => diagnostic.message.to_string(),
    };
    message.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}
