//! What verbs print: data on standard output, everything else on standard error. Colours go only
//! to terminals, and not there when `NO_COLOR` is set.

use std::fmt;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// Good news.
pub(super) const GOOD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
/// Bad news.
pub(super) const BAD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
/// What matters less.
pub(super) const DIM: Style = Style::new().dimmed();
/// What a reader looks for.
pub(super) const STRONG: Style = Style::new().bold();

/// Writes a line of data. A reader who went away, such as `head`, is no error.
pub(super) fn line(text: impl fmt::Display) {
    let mut out = anstream::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Writes a line about what happens.
pub(super) fn note(text: impl fmt::Display) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Writes data as it is, without a line's end.
pub(super) fn raw(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Writes indented JSON.
pub(super) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(text),
        Err(error) => note(format_args!("the answer cannot be written as JSON: {error}")),
    }
}

/// Writes one JSON value on one line.
pub(super) fn json_line(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(error) => note(format_args!("the answer cannot be written as JSON: {error}")),
    }
}

/// Rows under a heading, columns aligned at the left.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let heading: Vec<String> = heading.iter().map(|&cell| cell.to_owned()).collect();
    let mut lines = vec![format!("{STRONG}{}{STRONG:#}", aligned(&heading, &widths))];
    lines.extend(rows.iter().map(|row| aligned(row, &widths)));
    lines.join("\n")
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<String> =
        cells.iter().zip(widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["hello".to_owned(), "1".to_owned()], vec!["ä".to_owned(), "22".to_owned()]];
        let text = table(&["name", "n"], &rows);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain, "name   n\nhello  1\nä      22");
    }
}
