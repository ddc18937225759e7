//! Keys of indexes: which keys a document has, and bytes that order as they do.

use bson::{Bson, Document};

use crate::compare::{binary_length, pointer_bytes, rank};
use crate::number::{Number, NumberKey};
use crate::sort::Direction;

pub use crate::key_expansion::{IndexKeys, keys};

/// Encodes values so that `memcmp` orders the bytes as [`crate::compare::compare`] orders the
/// values, each in its direction. Values that compare as equal have equal bytes. A key of the first
/// `n` values is a prefix of every longer key that starts with them, and no value's bytes are a
/// prefix of another's.
pub fn encode(values: &[(Bson, Direction)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (value, direction) in values {
        let start = out.len();
        encode_value(value, &mut out);
        if *direction == Direction::Descending {
            out[start..].iter_mut().for_each(|byte| *byte = !*byte);
        }
    }
    out
}

/// Appends the ascending encoding of one value.
pub(crate) fn encode_value(value: &Bson, out: &mut Vec<u8>) {
    out.push(rank(value));
    encode_payload(value, out);
}

fn encode_payload(value: &Bson, out: &mut Vec<u8>) {
    match value {
        Bson::String(text) | Bson::Symbol(text) | Bson::JavaScriptCode(text) => encode_text(text, out),
        Bson::Document(document) => encode_document(document, out),
        Bson::Array(array) => {
            array.iter().for_each(|element| encode_value(element, out));
            out.push(0);
        }
        Bson::Binary(binary) => {
            out.extend_from_slice(&(binary_length(binary) as u32).to_be_bytes());
            out.push(binary.subtype.into());
            out.extend_from_slice(&binary.bytes);
        }
        Bson::ObjectId(id) => out.extend_from_slice(&id.bytes()),
        Bson::Boolean(value) => out.push((*value).into()),
        Bson::DateTime(date) => {
            out.extend_from_slice(&((date.timestamp_millis() as u64) ^ (1 << 63)).to_be_bytes());
        }
        Bson::Timestamp(timestamp) => {
            out.extend_from_slice(&timestamp.time.to_be_bytes());
            out.extend_from_slice(&timestamp.increment.to_be_bytes());
        }
        Bson::RegularExpression(regex) => {
            encode_text(regex.pattern.as_str(), out);
            encode_text(regex.options.as_str(), out);
        }
        Bson::DbPointer(pointer) => {
            let bytes = pointer_bytes(pointer);
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            out.extend_from_slice(&bytes);
        }
        Bson::JavaScriptCodeWithScope(code) => {
            encode_text(&code.code, out);
            encode_document(&code.scope, out);
        }
        _ => {
            if let Some(number) = Number::of(value) {
                NumberKey::of(number).write(out);
            }
        }
    }
}

fn encode_document(document: &Document, out: &mut Vec<u8>) {
    for (name, value) in document {
        out.push(rank(value));
        encode_text(name, out);
        encode_payload(value, out);
    }
    out.push(0);
}

/// A NUL inside becomes `00 FF`, the end is `00 00`: a text sorts before what it is a prefix of.
fn encode_text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 0]);
}
