//! The entries of documents in indexes.

use std::fmt::Write as _;

use bson::{Bson, Document};
use tandem_contract::{Error, ErrorKind, Result};

use super::identity::id_key;
use super::index::Index;
use crate::Direction;
use crate::index_key::{encode, keys};

/// One key of one document in one index.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Encoded.
    pub key: Vec<u8>,
    /// What was encoded, for messages.
    pub values: Vec<Bson>,
    /// The document has an array at one of the paths.
    pub of_array: bool,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.of_array == other.of_array
    }
}

/// The entries of `document` in `index`; none when a partial or sparse index leaves it out.
///
/// # Errors
/// `InvalidArgument` when the paths run through different arrays of the document.
pub fn entries_of(index: &Index, document: &Document) -> Result<Vec<Entry>> {
    let definition = &index.definition;
    if let Some(partial) = &definition.partial
        && !partial.matches(document)?
    {
        return Ok(Vec::new());
    }
    let ways: Vec<Direction> = definition.keys.fields().iter().map(|(_, way)| *way).collect();
    let tuples = keys(document, &definition.keys)?;
    let of_array =
        tuples.len() > 1 || definition.keys.fields().iter().any(|(path, _)| meets_array(document, path));
    let entry = |values: Vec<Bson>| {
        let pairs: Vec<_> = values.iter().cloned().zip(ways.iter().copied()).collect();
        Entry { key: encode(&pairs), values, of_array }
    };
    Ok(tuples.into_iter().map(entry).collect())
}

/// Whether `path` ends at an array or runs into one.
fn meets_array(document: &Document, path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match (document.get(first), rest) {
        (Some(Bson::Array(_)), _) => true,
        (Some(Bson::Document(inner)), Some(rest)) => meets_array(inner, rest),
        _ => false,
    }
}

/// `_id` stays what it is for the life of a document.
///
/// # Errors
/// `InvalidArgument` when `new` has another than `old`.
pub fn check_same_id(old: &Document, new: &Document) -> Result<()> {
    if old.get("_id").map(id_key) == new.get("_id").map(id_key) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidArgument,
        "Performing an update on the path '_id' would modify the immutable field '_id'",
    ))
}

/// The error that MongoDB gives for a key that a unique index holds already, with its wording.
pub fn duplicate(collection: &str, index: &str, key: &[(&str, &Bson)]) -> Error {
    /// Of the key, in the message.
    const MAX_TEXT: usize = 1024;
    let mut text = String::new();
    for (at, (path, value)) in key.iter().enumerate() {
        let separator = if at == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = match value {
            Bson::String(value) => write!(text, "{separator}{path}: {value:?}"),
            Bson::Double(value) => write!(text, "{separator}{path}: {value:?}"),
            Bson::ObjectId(id) => write!(text, "{separator}{path}: ObjectId('{id}')"),
            value => write!(text, "{separator}{path}: {value}"),
        };
    }
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    Error::new(
        ErrorKind::DuplicateKey,
        format!("E11000 duplicate key error collection: {collection} index: {index} dup key: {{ {text} }}"),
    )
}
