//! Places in a source text, and the excerpt that shows one to a person.

use std::fmt::Write as _;

use tandem_contract::SourceLocation;

/// Lines shown before and after the marked one.
const CONTEXT: usize = 2;
/// Characters of a line that a frame shows; longer lines are cut around the marked column.
const WIDTH: usize = 100;
/// Columns that a tab takes in a frame.
const TAB: &str = "    ";

/// The place at byte `offset` of `source`; an offset past the end is the end.
pub(crate) fn locate(file: &str, source: &str, offset: usize) -> SourceLocation {
    let offset = floor_char_boundary(source, offset);
    let lines = lines(source);
    let index = lines.partition_point(|line| line.start <= offset).saturating_sub(1);
    let Some(line) = lines.get(index) else {
        return SourceLocation { file: file.to_owned(), line: 1, column: 1, frame: String::new() };
    };
    let before = &source[line.start..offset.clamp(line.start, line.end)];
    SourceLocation {
        file: file.to_owned(),
        line: saturate(index + 1),
        column: saturate(before.encode_utf16().count() + 1),
        frame: frame(source, &lines, index, before),
    }
}

/// The byte at `line` and `column`, both from 1, columns in UTF-16 code units.
pub(crate) fn byte_offset(source: &str, line: u32, column: u32) -> u32 {
    let lines = lines(source);
    let Some(line) = lines.get((line as usize).saturating_sub(1)) else { return saturate(source.len()) };
    let mut units = 1;
    let past = source[line.start..line.end].char_indices().find(|(_, char)| {
        let found = units >= column;
        units += if char.len_utf16() == 2 { 2 } else { 1 };
        found
    });
    saturate(past.map_or(line.end, |(at, _)| line.start + at))
}

struct Line {
    start: usize,
    /// Where its terminator begins.
    end: usize,
}

/// Splits at every line terminator of ECMA-262 §12.3; CR LF counts as one.
fn lines(source: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut chars = source.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        if !matches!(char, '\n' | '\r' | '\u{2028}' | '\u{2029}') {
            continue;
        }
        let mut next = at + char.len_utf8();
        if char == '\r' && chars.next_if(|(_, following)| *following == '\n').is_some() {
            next += 1;
        }
        lines.push(Line { start, end: at });
        start = next;
    }
    lines.push(Line { start, end: source.len() });
    lines
}

fn frame(source: &str, lines: &[Line], marked: usize, before: &str) -> String {
    let first = marked.saturating_sub(CONTEXT);
    // What follows the last line terminator of a file is not a line to a reader.
    let shown_lines = lines.len() - usize::from(lines.last().is_some_and(|line| line.start == line.end));
    let last = (marked + CONTEXT).min(shown_lines.saturating_sub(1)).max(marked);
    let gutter = (last + 1).to_string().len();
    let marker = shown(before).count();
    let cut = marker.saturating_sub(WIDTH / 2);
    let mut frame = String::new();
    for (index, line) in lines.iter().enumerate().take(last + 1).skip(first) {
        let sign = if index == marked { '>' } else { ' ' };
        let text = excerpt(&source[line.start..line.end], cut);
        // Writing to a String cannot fail.
        let _ = writeln!(frame, "{}", format!("{sign} {:>gutter$} | {text}", index + 1).trim_end());
        if index == marked {
            let indent = marker - cut + usize::from(cut > 0);
            let _ = writeln!(frame, "  {:gutter$} | {:indent$}^", "", "");
        }
    }
    frame.truncate(frame.trim_end_matches('\n').len());
    frame
}

/// What shows of a line from character `cut` on.
fn excerpt(line: &str, cut: usize) -> String {
    let mut text: String = shown(line).skip(cut).take(WIDTH + 1).collect();
    if let Some((end, _)) = text.char_indices().nth(WIDTH) {
        text.truncate(end);
        text.push('…');
    }
    if cut > 0 && !text.is_empty() {
        text.insert(0, '…');
    }
    text
}

/// The characters of a line as a terminal can show them: tabs as spaces, controls as U+FFFD.
fn shown(line: &str) -> impl Iterator<Item = char> {
    line.chars().flat_map(|char| {
        let (tab, other) = match char {
            '\t' => (TAB, None),
            '\u{feff}' => ("", None),
            char if char.is_control() => ("", Some('\u{fffd}')),
            char => ("", Some(char)),
        };
        tab.chars().chain(other)
    })
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn saturate(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
