//! Bounds on what a document may be: how deep, how large.

use bson::{Bson, Document};
use tandem_contract::Result;

use crate::error::invalid;

/// Levels of nesting a document may have (MongoDB's documented limit).
pub(crate) const MAX_DEPTH: usize = 100;

/// Bytes a document may take as BSON (MongoDB's limit).
pub(crate) const MAX_SIZE: usize = 16 * 1024 * 1024;

/// Refuses a document that is nested deeper than [`MAX_DEPTH`].
pub(crate) fn check_depth(document: &Document) -> Result<()> {
    if document.values().all(|value| within(value, MAX_DEPTH - 1)) {
        return Ok(());
    }
    Err(invalid(format!("A document must not be nested deeper than {MAX_DEPTH} levels")))
}

fn within(value: &Bson, levels: usize) -> bool {
    match value {
        Bson::Document(document) => levels > 0 && document.values().all(|value| within(value, levels - 1)),
        Bson::Array(array) => levels > 0 && array.iter().all(|value| within(value, levels - 1)),
        _ => true,
    }
}

/// Refuses a document that is larger than [`MAX_SIZE`] or nested deeper than [`MAX_DEPTH`].
pub(crate) fn check_document(document: &Document) -> Result<()> {
    check_depth(document)?;
    check_size(document_size(document))
}

/// Refuses a size above [`MAX_SIZE`].
pub(crate) fn check_size(size: usize) -> Result<()> {
    if size <= MAX_SIZE {
        return Ok(());
    }
    Err(invalid(format!("A document of {size} bytes exceeds the limit of {MAX_SIZE} bytes")))
}

/// The bytes a document takes as BSON.
pub(crate) fn document_size(document: &Document) -> usize {
    5 + document.iter().map(|(name, value)| name.len() + 2 + value_size(value)).sum::<usize>()
}

/// The bytes a value takes as BSON, without its type and name.
pub(crate) fn value_size(value: &Bson) -> usize {
    match value {
        Bson::Null | Bson::Undefined | Bson::MinKey | Bson::MaxKey => 0,
        Bson::Boolean(_) => 1,
        Bson::Int32(_) => 4,
        Bson::Int64(_) | Bson::Double(_) | Bson::DateTime(_) | Bson::Timestamp(_) => 8,
        Bson::ObjectId(_) => 12,
        Bson::Decimal128(_) => 16,
        Bson::String(text) | Bson::Symbol(text) | Bson::JavaScriptCode(text) => text.len() + 5,
        Bson::Binary(binary) => crate::compare::binary_length(binary) + 5,
        Bson::RegularExpression(regex) => regex.pattern.as_str().len() + regex.options.as_str().len() + 2,
        Bson::JavaScriptCodeWithScope(code) => code.code.len() + 9 + document_size(&code.scope),
        Bson::DbPointer(pointer) => crate::compare::pointer_bytes(pointer).len(),
        Bson::Document(document) => document_size(document),
        Bson::Array(array) => {
            let digits = |index: usize| index.checked_ilog10().unwrap_or(0) as usize + 1;
            5 + array.iter().enumerate().map(|(i, value)| digits(i) + 2 + value_size(value)).sum::<usize>()
        }
    }
}

/// About the bytes a document takes in memory, several times those of its BSON.
pub(crate) fn memory_size(document: &Document) -> usize {
    // A field is a hash, a name and a value, and a place in the table.
    const FIELD: usize = 2 * size_of::<usize>() + size_of::<String>();
    size_of::<Document>()
        + document.iter().map(|(name, value)| FIELD + name.len() + value_memory(value)).sum::<usize>()
}

pub(crate) fn value_memory(value: &Bson) -> usize {
    let beyond = match value {
        Bson::Document(document) => memory_size(document),
        Bson::Array(array) => array.iter().map(value_memory).sum(),
        Bson::JavaScriptCodeWithScope(code) => code.code.len() + memory_size(&code.scope),
        Bson::String(_) | Bson::Symbol(_) | Bson::JavaScriptCode(_) | Bson::Binary(_) => value_size(value),
        _ => 0,
    };
    size_of::<Bson>() + beyond
}
