//! Documents as JSONB. It is there to be searched, so what JSON has no notation for becomes an
//! object with a name that says what it is.

use std::fmt::Write as _;

use bson::{Bson, Document};

/// Documents above this many bytes are stored without JSONB: parsing them would cost more than
/// looking at them ever saves.
const LARGEST: usize = 256 << 10;
/// Levels of nesting, far below what PostgreSQL's parser takes.
const DEEPEST: usize = 100;
/// Whole numbers up to this are exact as doubles: 2^53.
pub(super) const EXACT: i64 = 1 << 53;

/// Names that stand for what JSON lacks.
pub(super) const NUMBER: &str = "$number";
pub(super) const TEXT: &str = "$text";
pub(super) const DATE: &str = "$date";
pub(super) const OBJECT_ID: &str = "$oid";

/// The text of `document`, which takes `size` bytes as BSON; nothing when JSONB is not worth it.
pub(super) fn text(document: &Document, size: usize) -> Option<String> {
    if size > LARGEST {
        return None;
    }
    let mut out = String::with_capacity(size);
    write_document(document, 0, &mut out)?;
    Some(out)
}

fn write_document(document: &Document, depth: usize, out: &mut String) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    out.push('{');
    for (at, (name, value)) in document.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_text(name, out)?;
        out.push(':');
        write_value(value, depth + 1, out)?;
    }
    out.push('}');
    Some(())
}

fn write_value(value: &Bson, depth: usize, out: &mut String) -> Option<()> {
    match value {
        Bson::Null => out.push_str("null"),
        Bson::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) => match number(value) {
            Some(number) => out.push_str(&number),
            None => tagged(NUMBER, &value.to_string(), out)?,
        },
        Bson::Decimal128(value) => tagged(NUMBER, &value.to_string(), out)?,
        Bson::String(text) | Bson::Symbol(text) if text.contains('\0') => {
            tagged(TEXT, &text.replace('\0', "\u{fffd}"), out)?;
        }
        Bson::String(text) | Bson::Symbol(text) => write_text(text, out)?,
        Bson::ObjectId(id) => tagged(OBJECT_ID, &id.to_hex(), out)?,
        Bson::DateTime(date) => write!(out, "{{\"{DATE}\":{}}}", date.timestamp_millis()).ok()?,
        Bson::Document(document) => write_document(document, depth, out)?,
        Bson::Array(array) => {
            if depth > DEEPEST {
                return None;
            }
            out.push('[');
            for (at, value) in array.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(value, depth + 1, out)?;
            }
            out.push(']');
        }
        other => tagged("$type", &format!("{:?}", other.element_type()), out)?,
    }
    Some(())
}

/// A number whose JSON text orders and equals as the number does, against every other such number;
/// nothing for those of which that is not so.
pub(super) fn number(value: &Bson) -> Option<String> {
    match value {
        Bson::Int32(value) => Some(value.to_string()),
        Bson::Int64(value) => (value.unsigned_abs() <= EXACT.unsigned_abs()).then(|| value.to_string()),
        // The shortest text that reads back as the same double lies between the doubles beside it.
        Bson::Double(value) => (value.abs() <= EXACT as f64).then(|| format!("{value:?}")),
        _ => None,
    }
}

fn tagged(name: &str, text: &str, out: &mut String) -> Option<()> {
    write!(out, "{{\"{name}\":").ok()?;
    write_text(text, out)?;
    out.push('}');
    Some(())
}

/// Postgres holds no NUL in a name either.
pub(super) fn write_text(text: &str, out: &mut String) -> Option<()> {
    if text.contains('\0') {
        return None;
    }
    out.push_str(&serde_json::to_string(text).ok()?);
    Some(())
}
