//! Reads source maps: version 3 of the format, ECMA-426.

use std::sync::OnceLock;

use serde::Deserialize;
use tandem_contract::SourceMapper;

/// A source map that is read when a place is first asked for: most functions never throw.
pub(crate) struct LazySourceMap {
    json: Box<str>,
    /// The file's name for maps that give none.
    source: String,
    decoded: OnceLock<Decoded>,
}

impl LazySourceMap {
    pub(crate) fn new(json: &str, source: String) -> Self {
        Self { json: json.into(), source, decoded: OnceLock::new() }
    }
}

impl SourceMapper for LazySourceMap {
    fn original(&self, line: u32, column: u32) -> Option<(&str, u32, u32)> {
        let decoded = self.decoded.get_or_init(|| Decoded::read(&self.json).unwrap_or_default());
        let segment = decoded.find(line.checked_sub(1)?, column.saturating_sub(1))?;
        let place = segment.original?;
        let source = decoded.sources.get(place.source as usize)?;
        Some((source.as_deref().unwrap_or(&self.source), place.line + 1, place.column + 1))
    }
}

#[derive(Default)]
struct Decoded {
    sources: Vec<Option<String>>,
    /// In order of line and column.
    segments: Vec<Segment>,
}

/// Lines and columns from 0.
#[derive(Clone, Copy)]
struct Segment {
    line: u32,
    column: u32,
    original: Option<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    source: u32,
    line: u32,
    column: u32,
}

#[derive(Deserialize)]
struct Json {
    version: u32,
    sources: Vec<Option<String>>,
    mappings: String,
}

impl Decoded {
    /// `None` if `json` is not a source map.
    fn read(json: &str) -> Option<Self> {
        let Json { version: 3, sources, mappings } = serde_json::from_str(json).ok()? else { return None };
        let mut segments = Vec::with_capacity(mappings.len() / 5);
        // Source, line and column of one segment count from those of the one before.
        let (mut source, mut original_line, mut original_column) = (0, 0, 0);
        for (line, text) in mappings.split(';').enumerate() {
            let mut column = 0;
            for fields in text.split(',').filter(|fields| !fields.is_empty()) {
                let fields = Fields::read(fields)?;
                column += fields.value(0)?;
                let original = if fields.count >= 4 {
                    source += fields.value(1)?;
                    original_line += fields.value(2)?;
                    original_column += fields.value(3)?;
                    Some(Place {
                        source: u32::try_from(source).ok()?,
                        line: u32::try_from(original_line).ok()?,
                        column: u32::try_from(original_column).ok()?,
                    })
                } else {
                    None
                };
                let (line, column) = (u32::try_from(line).ok()?, u32::try_from(column).ok()?);
                segments.push(Segment { line, column, original });
            }
        }
        segments.sort_by_key(|segment| (segment.line, segment.column));
        Some(Self { sources, segments })
    }

    /// The last segment of the line that begins at or before the column, else the line's first:
    /// generated indentation belongs to what follows it.
    fn find(&self, line: u32, column: u32) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| (segment.line, segment.column) <= (line, column));
        let on_line = |segment: &&Segment| segment.line == line;
        let before = after.checked_sub(1).and_then(|index| self.segments.get(index)).filter(on_line);
        before.or_else(|| self.segments.get(after).filter(on_line))
    }
}

/// The numbers of one segment.
struct Fields {
    values: [i64; 5],
    count: usize,
}

impl Fields {
    /// Base 64 VLQ: six bits a character, low first, the highest says that more follow; the
    /// lowest bit of the whole is the sign.
    fn read(text: &str) -> Option<Self> {
        let mut fields = Self { values: [0; 5], count: 0 };
        let (mut value, mut shift) = (0_i64, 0);
        for byte in text.bytes() {
            let digit = i64::from(digit(byte)?);
            value |= (digit & 31).checked_shl(shift)?;
            shift += 5;
            if digit & 32 != 0 {
                if shift > 35 {
                    return None;
                }
                continue;
            }
            *fields.values.get_mut(fields.count)? = if value & 1 == 0 { value >> 1 } else { -(value >> 1) };
            fields.count += 1;
            (value, shift) = (0, 0);
        }
        (shift == 0).then_some(fields)
    }

    fn value(&self, index: usize) -> Option<i64> {
        self.values.get(index).copied()
    }
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
