use super::output::{BAD, DIM};

/// A compile error for people: where, what, and the lines around it.
pub(super) fn describe(place: &Place<'_>, message: &str) -> String {
    let Place { file, line, column, frame } = place;
    let mut text = format!("{BAD}{file}:{line}:{column}{BAD:#} {message}");
    for row in frame.lines() {
        // The marker's row holds nothing but its gutter and carets.
        let marker = row.contains('^') && !row.chars().any(char::is_alphanumeric);
        let style = if marker { BAD } else { DIM };
        text.push_str(&format!("\n  {style}{row}{style:#}"));
    }
    text
}

/// A place in a file.
pub(super) struct Place<'a> {
    /// As the person knows it: with its folder.
    pub(super) file: &'a str,
    /// From 1.
    pub(super) line: u32,
    /// From 1.
    pub(super) column: u32,
    /// The lines around it; may be empty.
    pub(super) frame: &'a str,
}
